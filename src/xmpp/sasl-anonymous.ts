import { ANONYMOUS_PREFIX } from './account.ts';
import type { XmppModule } from './module.ts';
import type { Mechanism, SaslContext, SaslStep } from './sasl-mechanism.ts';

/** Random bytes in an anonymous local part: nobody meets or guesses another's. */
const LOCAL_BYTES = 16;
/** RFC 4505 2: a trace is at most 255 characters. It is not kept. */
const TRACE_CHARS_MAX = 255;

/**
 * ANONYMOUS (RFC 4505, XEP-0175), off unless configured. A missing initial response counts as an empty trace, as
 * XEP-0175 2 has it: Strophe does not answer the empty challenge by which RFC 4505 would have us ask for one.
 */
export const anonymousMechanism: Mechanism = {
  name: 'ANONYMOUS',
  refusal: (context) => (context.anonymous ? undefined : 'invalid-mechanism'),
  emptyInitial: 'start',
  start,
};

function start(trace: string, context: SaslContext, random: Uint8Array): SaslStep {
  if (trace.length > TRACE_CHARS_MAX) return { t: 'failure', condition: 'malformed-request', reason: 'trace-too-long' };
  const local = ANONYMOUS_PREFIX + Buffer.from(random.subarray(0, LOCAL_BYTES)).toString('hex');
  return { t: 'success', user: `${local}@${context.domain}` };
}

export const anonymousModule: XmppModule = {
  spec: {
    id: 'XEP-0175',
    title: 'Best Practices for Use of SASL ANONYMOUS',
    version: '1.2',
    url: 'https://xmpp.org/extensions/xep-0175.html',
    note: 'RFC 4505; off by default',
  },
};
