import type { Element } from 'ltx';
import { isBlocked } from './blocklist.ts';
import { bareOf, type Jid, tryJid } from './jid.ts';
import type {
  AvailablePresence,
  SessionPort,
  StanzaCondition,
  StreamPort,
  SubscriptionType,
  XmppModule,
} from './module.ts';
import { contacts, getContact, seenByUs, seesUs } from './rfc6121-contacts.ts';
import { ROSTER_LIMITS, type RosterLimits } from './rfc6121-limits.ts';
import { pendingXml, sendSubscription, unavailableXml } from './rfc6121-subscription.ts';
import { childElements, splice, withTo } from './stanza.ts';
import { type ErrorDetails, errorReply } from './stanza-error.ts';
import { saysNoPhoto } from './xep0153-vcard-avatars.ts';
import { BLOCKED_ERROR } from './xep0191-blocking.ts';

export { onPeer, onUnknownAccount, routeStreams, sharesPresence } from './rfc6121-peer.ts';
export { onAccountRemoved } from './rfc6121-subscription.ts';

/** What became of a presence stanza of a client. */
export type PresenceOutcome =
  /** the resource became available. `flush`: it now takes messages that waited, and did not before */
  | { readonly t: 'initial'; readonly priority: number; readonly flush: boolean }
  /** it was available and still is */
  | { readonly t: 'update'; readonly priority: number; readonly flush: boolean }
  | { readonly t: 'unavailable' }
  | { readonly t: 'directed'; readonly available: boolean }
  | { readonly t: 'probe' }
  | { readonly t: 'subscription'; readonly type: SubscriptionType; readonly routed: boolean }
  | { readonly t: 'ignored'; readonly reason: 'error-presence' | 'own-account' | 'foreign-domain' | 'server' }
  /** the client has been told */
  | { readonly t: 'refused'; readonly condition: StanzaCondition };

export const PRIORITY_MIN = -128;
export const PRIORITY_MAX = 127;

const SHOWS: readonly string[] = ['away', 'chat', 'dnd', 'xa'];

function childrenOf(el: Element, name: string): Element[] {
  return childElements(el).filter((child) => child.getName() === name && child.getNS() === el.getNS());
}

/** Priority of a presence stanza (4.7.2.3): 0 when it has none, undefined when it is not one xs:byte. */
export function readPriority(el: Element): number | undefined {
  const found = childrenOf(el, 'priority');
  const [priority] = found;
  if (priority === undefined) return 0;
  const text = priority.getText().trim();
  if (found.length > 1 || !/^[+-]?[0-9]{1,4}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= PRIORITY_MIN && value <= PRIORITY_MAX ? value : undefined;
}

/** Show of a presence stanza (4.7.2.1); '' when absent, or a value the RFC does not define. */
function readShow(el: Element): string {
  const text = childrenOf(el, 'show')[0]?.getText() ?? '';
  return SHOWS.includes(text) ? text : '';
}

/**
 * A presence stanza of one of this user's clients (RFC 6121 sections 3 and 4). Faults are answered here, with a
 * presence of type error.
 * @param inner the stanza's children as they came
 */
export function onClientPresence(
  session: SessionPort,
  stream: StreamPort,
  el: Element,
  inner: string,
  limits: RosterLimits = ROSTER_LIMITS,
): PresenceOutcome {
  const refuse = (condition: StanzaCondition, text?: string, details: ErrorDetails = {}): PresenceOutcome => {
    const error = errorReply(el, condition, { to: stream.jid, text, ...details });
    if (error !== undefined) session.send(stream, error);
    return { t: 'refused', condition };
  };
  const { type, to } = el.attrs;
  // an error is never answered, and nobody here waits for one (RFC 6120 8.3.1)
  if (type === 'error') return { t: 'ignored', reason: 'error-presence' };
  if (!isKnownType(type)) return refuse('bad-request', 'unknown presence type');

  if (to === undefined) {
    if (type === undefined) return becomeAvailable(session, stream, el, inner, refuse);
    if (type !== 'unavailable') return refuse('bad-request', 'the stanza needs a to address');
    becomeUnavailable(session, stream, splice(el, inner, stream.jid, undefined), true);
    return { t: 'unavailable' };
  }
  const target = tryJid(to);
  if (target === undefined) return refuse('jid-malformed');
  if (isBlocked(session, target.full)) return refuse('not-acceptable', undefined, BLOCKED_ERROR);
  if (type === undefined || type === 'unavailable') {
    return sendDirected(
      session,
      stream,
      target,
      type === undefined,
      splice(el, inner, stream.jid, undefined),
      limits,
      refuse,
    );
  }
  if (target.domain !== session.domain) return refuse('remote-server-not-found');
  if (target.local === '') return { t: 'ignored', reason: 'server' };
  if (type === 'probe') {
    session.tell(target.bare, { t: 'probe', from: stream.jid, to: target.full });
    return { t: 'probe' };
  }
  // the own resources see each other without a subscription (4.2.2)
  if (target.bare === session.user) return { t: 'ignored', reason: 'own-account' };
  const outcome = sendSubscription(session, type, target.bare, inner, limits);
  if (!outcome.ok) return refuse(outcome.condition, outcome.text);
  return { t: 'subscription', type, routed: outcome.routed };
}

type Refuse = (condition: StanzaCondition, text?: string) => PresenceOutcome;
type KnownType = SubscriptionType | 'unavailable' | 'probe' | undefined;

const TYPES: readonly (string | undefined)[] = [
  undefined,
  'unavailable',
  'probe',
  'subscribe',
  'subscribed',
  'unsubscribe',
  'unsubscribed',
];

function isKnownType(type: string | undefined): type is KnownType {
  return TYPES.includes(type);
}

/** Presence without `to` and type: the initial one (4.2.2) or a later one (4.4.2). */
function becomeAvailable(
  session: SessionPort,
  stream: StreamPort,
  el: Element,
  inner: string,
  refuse: Refuse,
): PresenceOutcome {
  const priority = readPriority(el);
  if (priority === undefined) return refuse('bad-request', 'the priority is not an integer from -128 to 127');
  const before = stream.presence;
  const xml = splice(el, inner, stream.jid, undefined);
  const now: AvailablePresence = {
    priority,
    show: readShow(el),
    xml,
    since: before?.since ?? session.now,
    ...(saysNoPhoto(el) && { noPhoto: true }),
  };
  stream.presence = now;
  const flush = priority >= 0 && (before === undefined || before.priority < 0);
  tellAvailable(session, stream, xml);
  if (before !== undefined) return { t: 'update', priority, flush };
  greet(session, stream);
  return { t: 'initial', priority, flush };
}

function tellAvailable(session: SessionPort, stream: StreamPort, xml: string): void {
  broadcast(session, stream.jid, xml, true);
  for (const own of session.streams()) if (own.presence) session.send(own, withTo(xml, session.user));
}

/**
 * Presence changes without its client's doing: all who see it hear of that.
 * @param renew the whole stanza as it is from now on; undefined: as it was
 */
export function renewPresence(session: SessionPort, renew: (presence: AvailablePresence) => string | undefined): void {
  for (const stream of session.streams()) {
    const { presence } = stream;
    if (presence === undefined) continue;
    const xml = renew(presence);
    if (xml === undefined) continue;
    stream.presence = { ...presence, xml };
    tellAvailable(session, stream, xml);
  }
}

/** What a resource is shown when it becomes available: the own others, the contacts, and requests that wait. */
function greet(session: SessionPort, stream: StreamPort): void {
  for (const own of session.streams()) {
    if (own !== stream && own.presence) session.send(stream, withTo(own.presence.xml, session.user));
  }
  for (const contact of contacts(session)) {
    // from the full JID, so that the answers reach this resource only (4.3.1)
    if (seenByUs(contact)) session.tell(contact.jid, { t: 'probe', from: stream.jid, to: contact.jid });
    const waiting = pendingXml(session, contact);
    if (waiting !== undefined && !isBlocked(session, contact.jid)) session.send(stream, waiting);
  }
}

function broadcast(session: SessionPort, from: string, xml: string, available: boolean): void {
  for (const contact of contacts(session)) {
    if (!seesUs(contact)) continue;
    session.tell(contact.jid, { t: 'presence', from, to: contact.jid, xml, available, directed: false });
  }
}

/** 4.5.2, and the debts of directed presence (4.6.3). `echo`: the resource itself hears it too. */
function becomeUnavailable(session: SessionPort, stream: StreamPort, xml: string, echo: boolean): void {
  const wasAvailable = stream.presence !== undefined;
  if (wasAvailable) {
    broadcast(session, stream.jid, xml, false);
    for (const own of session.streams()) {
      if (own.presence && (echo || own !== stream)) session.send(own, withTo(xml, session.user));
    }
  }
  stream.presence = undefined;
  for (const to of stream.directed ?? []) {
    const bare = bareOf(to);
    if (wasAvailable && seesUs(getContact(session, bare))) continue;
    session.tell(bare, { t: 'presence', from: stream.jid, to, xml, available: false, directed: true });
  }
  stream.directed = undefined;
}

/** Presence with `to` (4.6.3). */
function sendDirected(
  session: SessionPort,
  stream: StreamPort,
  target: Jid,
  available: boolean,
  xml: string,
  limits: RosterLimits,
  refuse: Refuse,
): PresenceOutcome {
  if (target.domain !== session.domain) {
    return available ? refuse('remote-server-not-found') : { t: 'ignored', reason: 'foreign-domain' };
  }
  if (target.local === '') return { t: 'ignored', reason: 'server' };
  const covered =
    target.bare === session.user || (stream.presence !== undefined && seesUs(getContact(session, target.bare)));
  if (!available) stream.directed?.delete(target.full);
  else if (!covered && stream.directed?.has(target.full) !== true) {
    stream.directed ??= new Set();
    if (stream.directed.size >= limits.directedMax) {
      return refuse('resource-constraint', 'too many entities have directed presence of this resource');
    }
    stream.directed.add(target.full);
  }
  session.tell(target.bare, { t: 'presence', from: stream.jid, to: target.full, xml, available, directed: true });
  return { t: 'directed', available };
}

/** The stream is gone without a word (4.5.2): its resource becomes unavailable for everyone who saw it. */
export function onStreamGone(session: SessionPort, stream: StreamPort): void {
  becomeUnavailable(session, stream, unavailableXml(stream.jid), false);
}

export const presenceModule: XmppModule = {
  spec: {
    id: 'RFC 6121 section 4',
    title: 'XMPP IM: presence, directed presence, probes',
    url: 'https://www.rfc-editor.org/rfc/rfc6121#section-4',
  },
};
