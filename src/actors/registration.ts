import type { IqRequest, SessionPort } from '../xmpp/module.ts';
import { decideAuthenticated } from '../xmpp/xep0077-registration.ts';
import type { RegistrationOutcome } from './session-types.ts';

/** XEP-0077 on a logged-in stream. A request came over a stream that was allowed to log in, so it may change the password. */
export function decideRegistration(request: IqRequest, session: SessionPort): RegistrationOutcome {
  const context = { domain: session.domain, open: false, secure: true, registered: true, passwordCharsMin: 1 };
  const decision = decideAuthenticated(request.payload, request.type, session.user, context);
  switch (decision.t) {
    case 'form':
      request.reply(decision.payload);
      return { t: 'answered' };
    case 'change-password':
      return { t: 'password', password: decision.password };
    case 'remove':
      return { t: 'remove' };
    case 'error':
      request.error(decision.condition, decision.text);
      return { t: 'answered' };
    case 'register':
      request.error('not-allowed');
      return { t: 'answered' };
  }
}
