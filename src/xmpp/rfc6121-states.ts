import type { SubscriptionType } from './module.ts';
import type { Contact, Subscription } from './rfc6121-contacts.ts';

/** The nine states of RFC 6121 appendix A.1, from this user's point of view. */
export const SUB_STATES = [
  'none',
  'none+out',
  'none+in',
  'none+out+in',
  'to',
  'to+in',
  'from',
  'from+out',
  'both',
] as const;
export type SubState = (typeof SUB_STATES)[number];

/** pass: route (A.2) or deliver (A.3) the stanza. next: the new state. extra: what else the footnote asks for. */
interface Cell<Extra extends string> {
  readonly pass: boolean;
  readonly next: SubState;
  readonly extra?: Extra;
}
type Table<Extra extends string> = Readonly<Record<SubState, Cell<Extra>>>;

function yes(next: SubState): Cell<never>;
function yes<Extra extends string>(next: SubState, extra: Extra): Cell<Extra>;
function yes(next: SubState, extra?: string): Cell<string> {
  return extra === undefined ? { pass: true, next } : { pass: true, next, extra };
}
function no(next: SubState): Cell<never>;
function no<Extra extends string>(next: SubState, extra: Extra): Cell<Extra>;
function no(next: SubState, extra?: string): Cell<string> {
  return extra === undefined ? { pass: false, next } : { pass: false, next, extra };
}

/** A.2: what the user's client sends. `approve` sets the pre-approval flag, `revoke` takes it back (3.4). */
export const OUTBOUND: Readonly<Record<SubscriptionType, Table<'approve' | 'revoke'>>> = {
  subscribe: {
    none: yes('none+out'),
    'none+out': yes('none+out'),
    'none+in': yes('none+out+in'),
    'none+out+in': yes('none+out+in'),
    to: yes('to'),
    'to+in': yes('to+in'),
    from: yes('from+out'),
    'from+out': yes('from+out'),
    both: yes('both'),
  },
  unsubscribe: {
    none: yes('none'),
    'none+out': yes('none'),
    'none+in': yes('none+in'),
    'none+out+in': yes('none+in'),
    to: yes('none'),
    'to+in': yes('none+in'),
    from: yes('from'),
    'from+out': yes('from'),
    both: yes('from'),
  },
  subscribed: {
    none: no('none', 'approve'),
    'none+out': no('none+out', 'approve'),
    'none+in': yes('from'),
    'none+out+in': yes('from+out'),
    to: no('to', 'approve'),
    'to+in': yes('both'),
    from: no('from'),
    'from+out': no('from+out'),
    both: no('both'),
  },
  unsubscribed: {
    none: no('none', 'revoke'),
    'none+out': no('none+out', 'revoke'),
    'none+in': yes('none', 'revoke'),
    'none+out+in': yes('none+out', 'revoke'),
    to: no('to', 'revoke'),
    'to+in': yes('to', 'revoke'),
    from: yes('none', 'revoke'),
    'from+out': yes('none+out', 'revoke'),
    both: yes('to', 'revoke'),
  },
};

/** A.3: what comes from a contact. `extra` is the stanza the server answers with on the user's behalf. */
export const INBOUND: Readonly<Record<SubscriptionType, Table<'subscribed' | 'unsubscribed'>>> = {
  subscribe: {
    none: yes('none+in'),
    'none+out': yes('none+out+in'),
    'none+in': no('none+in'),
    'none+out+in': no('none+out+in'),
    to: yes('to+in'),
    'to+in': no('to+in'),
    from: no('from', 'subscribed'),
    'from+out': no('from+out', 'subscribed'),
    both: no('both', 'subscribed'),
  },
  unsubscribe: {
    none: no('none'),
    'none+out': no('none+out'),
    'none+in': yes('none', 'unsubscribed'),
    'none+out+in': yes('none+out', 'unsubscribed'),
    to: no('to'),
    'to+in': yes('to', 'unsubscribed'),
    from: yes('none', 'unsubscribed'),
    'from+out': yes('none+out', 'unsubscribed'),
    both: yes('to', 'unsubscribed'),
  },
  subscribed: {
    none: no('none'),
    'none+out': yes('to'),
    'none+in': no('none+in'),
    'none+out+in': yes('to+in'),
    to: no('to'),
    'to+in': no('to+in'),
    from: no('from'),
    'from+out': yes('both'),
    both: no('both'),
  },
  unsubscribed: {
    none: no('none'),
    'none+out': yes('none'),
    'none+in': no('none+in'),
    'none+out+in': yes('none+in'),
    to: yes('none'),
    'to+in': yes('none+in'),
    from: no('from'),
    'from+out': yes('from'),
    both: yes('from'),
  },
};

/** A `subscribe` from a pre-approved contact (3.4.2, A.3.1 note 1): never shown, granted at once. */
export const PRE_APPROVED: Readonly<Partial<Record<SubState, Cell<'subscribed'>>>> = {
  none: no('from', 'subscribed'),
  'none+out': no('from+out', 'subscribed'),
  to: no('both', 'subscribed'),
};

/** The state of a row. Flags that the state leaves no room for (ask with `to`, a request with `from`) do not count. */
export function stateOf(contact: Contact): SubState {
  const out = contact.ask === undefined ? '' : '+out';
  const waiting = contact.pendingIn === undefined ? '' : '+in';
  switch (contact.subscription) {
    case 'both':
      return 'both';
    case 'from':
      return `from${out}`;
    case 'to':
      return `to${waiting}`;
    case 'none':
      return `none${out}${waiting}`;
  }
}

/** The row in a new state; `inner` is kept when the state has a request that waits and the row has none yet. */
export function withState(contact: Contact, state: SubState, inner: string): Contact {
  const { ask: _ask, pendingIn, ...rest } = contact;
  const [subscription, ...flags] = state.split('+') as [Subscription, ...string[]];
  return {
    ...rest,
    subscription,
    ...(flags.includes('out') ? { ask: 'subscribe' as const } : {}),
    ...(flags.includes('in') ? { pendingIn: pendingIn ?? { inner } } : {}),
  };
}
