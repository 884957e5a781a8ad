import type { Clock } from '../base/clock.ts';
import { shortId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { randomBytes } from '../base/random.ts';
import type { BindOutcome, GatewayBackend, LoginEvent, ResumeOutcome } from '../transport/backend.ts';
import type { Connection, Peer } from '../transport/connection.ts';
import type { Pbkdf2 } from '../xmpp/credentials.ts';
import { SESSION_FEATURE } from '../xmpp/rfc3921-session.ts';
import { ROSTER_VERSIONING_FEATURE } from '../xmpp/rfc6121-roster.ts';
import { PRE_APPROVAL_FEATURE } from '../xmpp/rfc6121-subscription.ts';
import type { SaslContext } from '../xmpp/sasl-mechanism.ts';
import { SM_FEATURE } from '../xmpp/xep0198-stream-management.ts';
import { CSI_FEATURE } from '../xmpp/xep0352-csi.ts';
import type { Accounts } from './accounts.ts';
import type { SessionMessage } from './messages.ts';
import type { Runtime } from './runtime.ts';

/** The node as its gateway sees it: questions become messages to session actors. */
export interface BackendOptions {
  readonly domain: string;
  readonly runtime: Runtime;
  readonly accounts: Accounts;
  readonly pbkdf2: Pbkdf2;
  /** `<c/>` of the server (XEP-0115) */
  readonly caps: string;
  readonly sasl: Omit<SaslContext, 'domain' | 'secure'>;
  readonly registration: 'loopback' | 'everyone' | 'closed';
  readonly limit: GatewayBackend['limit'];
  /** where somebody who has logged in over TLS, or not, is to go instead; absent: everybody stays */
  readonly seeOtherUri?: (user: string, secure: boolean) => string | undefined;
  readonly askTimeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** told of every login event, to count it */
  onLogin(event: LoginEvent): void;
}

const BIND_FEATURE = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>`;

export function createGatewayBackend(options: BackendOptions): GatewayBackend {
  const { domain, runtime, accounts, clock, log } = options;

  function ask<T extends BindOutcome | ResumeOutcome>(
    user: string,
    conn: Connection,
    question: (reply: (answer: T) => void) => SessionMessage,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      let late = false;
      const timer = clock.setTimer(options.askTimeoutMs, () => {
        late = true;
        reject(new Error('the session did not answer'));
      });
      const reply = (answer: T): void => {
        clock.clear(timer);
        // The client has been told that it failed: the stream must not stay with this socket.
        if (late && answer.ok) runtime.toSession(user, { t: 'gone', sid: answer.sid, conn, clean: false });
        resolve(answer);
      };
      if (runtime.toSession(user, question(reply))) return;
      clock.clear(timer);
      reject(new Error('the mailbox of the session is full'));
    });
  }

  const overSafe: SaslContext = { ...options.sasl, domain, secure: true };
  const overPlain: SaslContext = { ...options.sasl, domain, secure: false };
  const trusted = (peer: Peer): boolean => peer.secure || peer.loopback;

  return {
    domain,
    featuresAfterLogin: [
      BIND_FEATURE,
      SESSION_FEATURE,
      SM_FEATURE,
      CSI_FEATURE,
      ROSTER_VERSIONING_FEATURE,
      PRE_APPROVAL_FEATURE,
      options.caps,
    ],
    sasl: (peer) => (trusted(peer) ? overSafe : overPlain),
    registrationOpen: (peer) =>
      options.registration === 'everyone' || (options.registration === 'loopback' && peer.loopback),
    limit: options.limit,
    credentials: (user) => accounts.credentials(user),
    derive: options.pbkdf2,
    register: (user, password) => accounts.create(user, password, 'in-band'),
    registerAnonymous: (user) => accounts.createAnonymous(user),
    seeOtherUri: (user, peer) => options.seeOtherUri?.(user, peer.secure),
    bind: (user, conn, resource) => ask<BindOutcome>(user, conn, (reply) => ({ t: 'bind', conn, resource, reply })),
    resume: (user, conn, smId, h) => ask<ResumeOutcome>(user, conn, (reply) => ({ t: 'resume', conn, smId, h, reply })),
    frame: (user, sid, conn, frame) => {
      // A frame that is lost would make `h` count wrongly: the socket goes, the client resumes and sends it again.
      if (runtime.toSession(user, { t: 'frame', sid, frame, conn })) return;
      conn.close({ t: 'detached', why: 'the mailbox of the session is full' });
    },
    gone: (user, sid, conn, clean) => void runtime.toSession(user, { t: 'gone', sid, conn, clean }),
    randomBytes,
    newStreamId: () => shortId(),
    now: clock.now,
    onFault: (error) => log.error({ err: error }, 'a connection met a fault and was ended'),
    later: (delayMs, run) => void clock.setTimer(delayMs, run),
    onLogin(event) {
      options.onLogin(event);
      const { peer, t, ...rest } = event;
      log[t === 'failure' ? 'info' : 'debug']({ ...rest, address: peer.address }, `login: ${t}`);
    },
  };
}
