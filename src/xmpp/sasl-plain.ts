import { accountJid, authzidMatches } from './account.ts';
import { fakeKeys, preparePassword, verifyDerived } from './credentials.ts';
import type { XmppModule } from './module.ts';
import type { Mechanism, SaslContext, SaslStep } from './sasl-mechanism.ts';

/**
 * PLAIN (RFC 4616): offered only where nobody can listen. It runs PBKDF2 for users who do not exist too, so the time of
 * an answer does not tell whether an account exists.
 */
export const plainMechanism: Mechanism = {
  name: 'PLAIN',
  refusal: (context) => (context.secure ? undefined : 'encryption-required'),
  emptyInitial: 'challenge',
  start,
};

/** RFC 4616 2: [authzid] NUL authcid NUL passwd */
function start(message: string, context: SaslContext): SaslStep {
  const parts = message.split('\0');
  const [authzid, authcid, password] = parts;
  if (parts.length !== 3 || authzid === undefined || !authcid || !password) {
    return { t: 'failure', condition: 'malformed-request', reason: 'plain-syntax' };
  }
  const user = accountJid(authcid, context.domain)?.bare;
  if (user === undefined) return { t: 'failure', condition: 'not-authorized', reason: 'username-malformed' };
  if (!authzidMatches(authzid, user)) {
    return { t: 'failure', condition: 'invalid-authzid', reason: 'authzid-of-another', user };
  }
  const prepared = preparePassword(password);
  if (!prepared.ok) return { t: 'failure', condition: 'not-authorized', reason: prepared.reason, user };
  return {
    t: 'lookup',
    user,
    next: (credentials) => {
      const fake = fakeKeys(context.secret, 'sha256', user, context.iterations);
      const known = credentials !== undefined;
      const keys = known ? credentials.sha256 : fake;
      return {
        t: 'derive',
        request: { password: prepared.password, salt: keys.salt, iterations: keys.iterations, hash: 'sha256' },
        next: (derived) =>
          verifyDerived(keys, derived, 'sha256') && known
            ? { t: 'success', user }
            : { t: 'failure', condition: 'not-authorized', reason: 'credentials', user },
      };
    },
  };
}

export const plainModule: XmppModule = {
  spec: {
    id: 'RFC 4616',
    title: 'The PLAIN mechanism',
    url: 'https://www.rfc-editor.org/rfc/rfc4616',
    note: 'offered over TLS or loopback only',
  },
};
