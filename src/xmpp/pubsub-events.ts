import { isBlocked } from './blocklist.ts';
import { bareOf } from './jid.ts';
import type { PeerMessage, SessionPort, StreamPort } from './module.ts';
import { refusedAccess } from './pubsub-access.ts';
import { getNode, type NodeRow, type PepParts } from './pubsub-nodes.ts';
import { NS_PUBSUB_EVENT, type StoredItem } from './pubsub-types.ts';
import { contacts, getContact, seesUs } from './rfc6121-contacts.ts';
import { element, stanza, withTo } from './stanza.ts';
import { delayElement } from './xep0203-delay.ts';

/**
 * Events of nodes (XEP-0060 7.1.2, XEP-0163 4). The owner's session gives one to its own devices, and tells it to the
 * session of every contact who sees the owner's presence and may read the node; that session gives it to those of its
 * devices that want events of the node (`+notify`). So nobody keeps whose devices want what. Best effort, like presence:
 * who misses one has the last item at its next presence.
 */

type EventMessage = Extract<PeerMessage, { t: 'event' }>;

/** `<item/>` with its payload. */
export function itemXml({ id, xml }: Pick<StoredItem, 'id' | 'xml'>): string {
  return element('item', { id }, xml);
}

/** `<items/>` of an event, with what is in it. */
export function itemsEvent(node: string, inner: string): string {
  return element('items', { node }, inner);
}

/** The message without `to`. */
function eventMessage(session: SessionPort, { config }: NodeRow, event: string, more = ''): string {
  const type = config.messageType === 'normal' ? undefined : config.messageType;
  const attrs = { from: session.user, type, id: session.newId() };
  return stanza('message', attrs, `<event xmlns='${NS_PUBSUB_EVENT}'>${event}</event>${more}`);
}

/** The stream is available and wants events of the node (XEP-0060 9.2). */
export function wantsNode({ presence, caps }: StreamPort, node: string): boolean {
  return presence !== undefined && caps?.wants?.has(node) === true;
}

/** A node's event for everybody who gets it. */
export function announce(
  { limits }: PepParts,
  session: SessionPort,
  node: string,
  row: NodeRow,
  event: { readonly inner: string /** without payloads */; readonly brief?: string },
): void {
  if (!row.config.deliver) return;
  const { inner, brief = inner } = event;
  const full = row.config.payloads ? inner : brief;
  const xml = eventMessage(session, row, full);
  for (const stream of session.streams()) if (wantsNode(stream, node)) session.send(stream, withTo(xml, stream.jid));
  const far = full.length > limits.eventBytesMax ? eventMessage(session, row, brief) : xml;
  const tell = (to: string, subscribed: boolean): void =>
    session.tell(bareOf(to), { t: 'event', from: session.user, to, node, xml: far, subscribed });
  const subscribers = row.subscribers.filter((jid) => refusedAccess(session, row, bareOf(jid)) === undefined);
  for (const jid of subscribers) tell(jid, true);
  for (const contact of contacts(session)) {
    if (!seesUs(contact) || subscribers.includes(contact.jid)) continue;
    if (refusedAccess(session, row, contact.jid) === undefined) tell(contact.jid, false);
  }
}

/** The publication of an item. */
export function announceItem(
  parts: PepParts,
  session: SessionPort,
  node: string,
  row: NodeRow,
  item: Pick<StoredItem, 'id' | 'xml'>,
): void {
  const inner = itemsEvent(node, itemXml(item));
  announce(parts, session, node, row, { inner, brief: itemsEvent(node, itemXml({ ...item, xml: '' })) });
}

/** An event of a contact's, or of somebody whose node this user subscribed to: for the devices that want it. */
export function onEvent(session: SessionPort, msg: EventMessage): void {
  if (isBlocked(session, msg.from)) return;
  const resource = msg.to.indexOf('/') < 0 ? undefined : msg.to.slice(msg.to.indexOf('/') + 1);
  for (const stream of session.streams()) {
    if (stream.presence === undefined || (resource !== undefined && stream.resource !== resource)) continue;
    if (msg.subscribed || wantsNode(stream, msg.node)) session.send(stream, withTo(msg.xml, stream.jid));
  }
}

/**
 * Sends the last items of nodes to a device of the owner's or of somebody else who may have them (XEP-0163 4.3.4).
 * @param on why: its presence, or that it subscribed
 */
export function sendLastItems(
  parts: PepParts,
  session: SessionPort,
  to: StreamPort | { readonly jid: string; readonly subscribed: boolean },
  nodes: Iterable<string>,
  on: 'presence' | 'subscription',
): void {
  const bare = bareOf(to.jid);
  for (const node of nodes) {
    const row = getNode(session, node);
    if (row === undefined || row.last === 0 || !row.config.deliver) continue;
    if (row.config.sendLast === 'never' || (on === 'presence' && row.config.sendLast === 'on_sub')) continue;
    if (refusedAccess(session, row, bare) !== undefined) continue;
    parts.port.load(session, row.no, [row.last], ([item]) => {
      // Gone meanwhile: whatever came in its place has been announced.
      if (item === undefined) return;
      sendItem(parts, session, to, node, row, item);
    });
  }
}

function sendItem(
  { limits }: PepParts,
  session: SessionPort,
  to: Parameters<typeof sendLastItems>[2],
  node: string,
  row: NodeRow,
  item: StoredItem,
): void {
  const own = 'resource' in to;
  const whole = row.config.payloads && (own || item.xml.length <= limits.eventBytesMax);
  const inner = itemsEvent(node, itemXml(whole ? item : { ...item, xml: '' }));
  const xml = eventMessage(session, row, inner, delayElement(item.ts));
  if (own) return to.presence === undefined ? undefined : session.send(to, withTo(xml, to.jid));
  const { jid, subscribed } = to;
  session.tell(bareOf(jid), { t: 'event', from: session.user, to: jid, node, xml, subscribed });
}

/** A contact's device came and says what it wants (XEP-0163 4.3.2): only who sees this user's presence is told. */
export function onWants(parts: PepParts, session: SessionPort, msg: Extract<PeerMessage, { t: 'wants' }>): void {
  if (!seesUs(getContact(session, bareOf(msg.from))) || isBlocked(session, msg.from)) return;
  const nodes = msg.nodes.slice(0, parts.limits.wantsMax);
  sendLastItems(parts, session, { jid: msg.from, subscribed: false }, nodes, 'presence');
}
