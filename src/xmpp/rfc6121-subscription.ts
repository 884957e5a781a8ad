import type { PeerMessage, SessionPort, StanzaCondition, SubscriptionType, XmppModule } from './module.ts';
import {
  type Contact,
  contactOrNew,
  contacts,
  eraseContact,
  eraseRosterMeta,
  getContact,
  rosterHasRoom,
  saveContact,
  seenByUs,
  seesUs,
  strangersHaveRoom,
} from './rfc6121-contacts.ts';
import { ROSTER_LIMITS, type RosterLimits } from './rfc6121-limits.ts';
import { INBOUND, OUTBOUND, PRE_APPROVED, stateOf, withState } from './rfc6121-states.ts';
import { stanza } from './stanza.ts';

/** `<presence type='unavailable'/>` of a JID, without `to`. */
export function unavailableXml(from: string): string {
  return stanza('presence', { from, type: 'unavailable' });
}

/** Shows a contact the current presence of every available resource (3.1.5). */
export function sharePresence(session: SessionPort, to: string): void {
  for (const { jid, presence } of session.streams()) {
    if (presence === undefined) continue;
    session.tell(to, { t: 'presence', from: jid, to, xml: presence.xml, available: true, directed: false });
  }
}

/** Takes it back (3.2.2, 3.3.3). */
export function withdrawPresence(session: SessionPort, to: string): void {
  for (const { jid, presence } of session.streams()) {
    if (presence === undefined) continue;
    session.tell(to, { t: 'presence', from: jid, to, xml: unavailableXml(jid), available: false, directed: false });
  }
}

function postTo(session: SessionPort, to: string, type: SubscriptionType, inner = ''): void {
  session.post(to, { t: 'subscription', from: session.user, to, type, inner });
}

export type SubscriptionOutcome =
  | { readonly ok: true; readonly routed: boolean }
  | { readonly ok: false; readonly condition: StanzaCondition; readonly text: string };

/**
 * What the user's client asks for (3.1.2, 3.1.5, 3.2.2, 3.3.2, 3.4.2).
 * @param to bare JID of the contact, not the user's own
 * @param inner children of the stanza
 */
export function sendSubscription(
  session: SessionPort,
  type: SubscriptionType,
  to: string,
  inner: string,
  limits: RosterLimits = ROSTER_LIMITS,
): SubscriptionOutcome {
  const before = contactOrNew(session, to);
  const cell = OUTBOUND[type][stateOf(before)];
  const moved = withState(before, cell.next, '');
  const listed = before.listed || type === 'subscribe' || type === 'subscribed';
  if (listed && !before.listed && !rosterHasRoom(session, limits)) {
    return { ok: false, condition: 'policy-violation', text: 'the roster is full' };
  }
  const { approved: _approved, ...unapproved } = moved;
  const flagged: Contact =
    cell.extra === 'approve' ? { ...moved, approved: true } : cell.extra === 'revoke' ? unapproved : moved;
  const after: Contact = { ...flagged, listed };

  // the contact must still be subscribed when it hears that the resources are gone (3.2.2)
  if (seesUs(before) && !seesUs(after)) withdrawPresence(session, to);
  if (cell.pass) postTo(session, to, type, inner);
  if (!seesUs(before) && seesUs(after)) sharePresence(session, to);
  if (listed || getContact(session, to) !== undefined) saveContact(session, after, { limits });
  return { ok: true, routed: cell.pass };
}

export type SubscriptionReason = 'delivered' | 'no-change' | 'auto-reply' | 'replay' | 'own-account' | 'full';

/**
 * What a contact sent (3.1.3, 3.1.6, 3.2.3, 3.3.3). `idx` is the sender's own number of the message: it only rises, so
 * a message that comes again, even after later ones, changes nothing. That number is the only memory needed, and it
 * outlives the roster item (see `ghostsMax` for its bound). An idx of 0 is a message that was only told: at most once,
 * so taken as it is.
 */
export function onSubscription(
  session: SessionPort,
  msg: Extract<PeerMessage, { t: 'subscription' }>,
  idx: number,
  limits: RosterLimits = ROSTER_LIMITS,
): SubscriptionReason {
  const from = msg.from;
  if (from === session.user) return 'own-account';
  const row = contactOrNew(session, from);
  if (idx !== 0 && idx <= row.cursor) return 'replay';
  const before: Contact = { ...row, cursor: Math.max(idx, row.cursor) };
  const state = stateOf(before);
  const approved = msg.type === 'subscribe' && before.approved === true ? PRE_APPROVED[state] : undefined;
  const cell = approved ?? INBOUND[msg.type][state];
  const inner = msg.inner.length > limits.requestCharsMax ? '' : msg.inner;
  const after = withState(before, cell.next, inner);

  const newStranger = after.pendingIn !== undefined && before.pendingIn === undefined && !after.listed;
  if (newStranger && !strangersHaveRoom(session, limits)) {
    postTo(session, from, 'unsubscribed');
    saveContact(session, before, { limits });
    return 'full';
  }
  if (cell.pass) deliver(session, msg);
  saveContact(session, after, { limits });
  if (seesUs(before) && !seesUs(after)) withdrawPresence(session, from);
  if (cell.extra !== undefined) postTo(session, from, cell.extra);
  // also when nothing changed: the contact asked because it has lost its side of the subscription
  if (cell.extra === 'subscribed') sharePresence(session, from);
  if (cell.pass) return 'delivered';
  return cell.extra === undefined ? 'no-change' : 'auto-reply';
}

/** A request goes to all available resources (3.1.3), a notification to all that asked for the roster (3.1.6 …). */
function deliver(session: SessionPort, msg: Extract<PeerMessage, { t: 'subscription' }>): void {
  const xml = stanza('presence', { from: msg.from, to: session.user, type: msg.type }, msg.inner);
  for (const stream of session.streams()) {
    if (msg.type === 'subscribe' ? stream.presence !== undefined : stream.interested) session.send(stream, xml);
  }
}

/** The stanza of a request that waits, as it is shown at each initial presence until it is answered (3.1.3). */
export function pendingXml(session: SessionPort, contact: Contact): string | undefined {
  if (contact.pendingIn === undefined) return undefined;
  return stanza('presence', { from: contact.jid, to: session.user, type: 'subscribe' }, contact.pendingIn.inner);
}

/** Says goodbye in both directions, as far as there is anything to end (2.5.2). Does not touch the row. */
export function endSubscriptions(session: SessionPort, contact: Contact): void {
  const inbound = seesUs(contact) || contact.pendingIn !== undefined;
  if (seesUs(contact)) withdrawPresence(session, contact.jid);
  if (seenByUs(contact) || contact.ask !== undefined) postTo(session, contact.jid, 'unsubscribe');
  if (inbound) postTo(session, contact.jid, 'unsubscribed');
}

/**
 * The account goes: ends every subscription and deletes the roster's rows, `rowsMax` of them in one turn (with at most
 * two posts each: an op and its outbox are bounded).
 * @returns false when there is more to do: call again in the next turn, and after a crash
 */
export function onAccountRemoved(session: SessionPort, rowsMax = 1500): boolean {
  const rows = contacts(session);
  for (const contact of rows.slice(0, rowsMax)) {
    endSubscriptions(session, contact);
    eraseContact(session, contact.jid);
  }
  if (rows.length > rowsMax) return false;
  eraseRosterMeta(session);
  return true;
}

/** Stream feature of pre-approval (3.4); informative. */
export const PRE_APPROVAL_FEATURE = `<sub xmlns='urn:xmpp:features:pre-approval'/>`;

export const subscriptionModule: XmppModule = {
  spec: {
    id: 'RFC 6121 section 3',
    title: 'XMPP IM: presence subscriptions',
    url: 'https://www.rfc-editor.org/rfc/rfc6121#section-3',
    note: 'all transitions of appendix A, pre-approval, requests kept until they are answered',
  },
};
