import type { Element } from 'ltx';
import type { BoundedMap } from './bounded-map.ts';
import type { SessionPort, StreamPort } from './module.ts';
import { sendLastItems } from './pubsub-events.ts';
import type { PepParts } from './pubsub-nodes.ts';
import type { PepLimits } from './pubsub-types.ts';
import { contacts, seenByUs } from './rfc6121-contacts.ts';
import { childOf, element, stanza } from './stanza.ts';
import { NS_DISCO_INFO } from './xep0030-disco.ts';
import { type PresenceCaps, readCaps, readInfo, verifies } from './xep0115-caps.ts';
import { detached } from './xml-text.ts';

/**
 * What a client's devices want events of: the features `<node>+notify` of its disco info (XEP-0060 9.2), which its
 * presence names by a hash (XEP-0115). A stream is asked only when its hash is not known yet; what a hash stands for is
 * checked before it is believed of anybody else.
 *
 * When it becomes known what an available stream wants, or such a stream becomes available, it gets the last items of
 * the owner's own nodes, and the contacts whose presence the user sees are told, who answer with theirs.
 */

/** Nodes wanted, by hash and verification string; shared by all sessions of a node, bounded by who makes it. */
export type KnownCaps = BoundedMap<ReadonlySet<string>>;

export interface InterestParts extends PepParts {
  readonly known: KnownCaps;
}

const NOTIFY = '+notify';
const NOTHING: ReadonlySet<string> = new Set();

/** Outlives the presence it is from. */
const keyOf = ({ hash, node, ver }: PresenceCaps): string => detached(`${hash} ${hash === '' ? node : ''} ${ver}`);

/**
 * A stream has sent presence to all.
 * @param initial it was not available before
 */
export function onAvailable(
  parts: InterestParts,
  session: SessionPort,
  stream: StreamPort,
  presence: Element,
  initial: boolean,
): void {
  const caps = readCaps(presence);
  const before = stream.caps;
  if (caps === undefined || keyOf(caps) === before?.key) {
    if (initial && before?.wants !== undefined) greet(parts, session, stream, before.wants);
    return;
  }
  const key = keyOf(caps);
  const wants = parts.known.get(key);
  if (wants === undefined) {
    const asked = session.newId();
    const said = { hash: detached(caps.hash), node: detached(caps.node), ver: detached(caps.ver) };
    stream.caps = { key, asked, caps: said, ...(!initial && { wants: before?.wants }) };
    const query = element('query', { xmlns: NS_DISCO_INFO, node: `${caps.node}#${caps.ver}` });
    return session.send(stream, stanza('iq', { from: session.user, to: stream.jid, type: 'get', id: asked }, query));
  }
  stream.caps = { key, wants };
  greet(parts, session, stream, initial ? wants : minus(wants, before?.wants));
}

/** An iq result or error of a client to its own account, which may be the answer to what it can do. */
export function onInfo(parts: InterestParts, session: SessionPort, stream: StreamPort, iq: Element): void {
  const { caps: before } = stream;
  if (before?.asked === undefined || before.caps === undefined || iq.attrs['id'] !== before.asked) return;
  const query = iq.attrs['type'] === 'result' ? childOf(iq, 'query', NS_DISCO_INFO) : undefined;
  const info = query && readInfo(query);
  const wants = info === undefined ? NOTHING : wantedOf(info.features, parts.limits);
  if (info !== undefined && verifies(before.caps, info)) parts.known.set(before.key, wants);
  stream.caps = { key: before.key, wants };
  if (stream.presence !== undefined) greet(parts, session, stream, minus(wants, before.wants));
}

function wantedOf(features: readonly string[], { wantsMax, wantsCharsMax }: PepLimits): ReadonlySet<string> {
  const wants = new Set<string>();
  let chars = 0;
  for (const feature of features) {
    if (!feature.endsWith(NOTIFY) || feature.length === NOTIFY.length) continue;
    const node = feature.slice(0, -NOTIFY.length);
    chars += node.length;
    if (wants.size >= wantsMax || chars > wantsCharsMax) break;
    wants.add(detached(node));
  }
  return wants;
}

function minus(wants: ReadonlySet<string>, had: ReadonlySet<string> = NOTHING): ReadonlySet<string> {
  return new Set([...wants].filter((node) => !had.has(node)));
}

function greet(parts: InterestParts, session: SessionPort, stream: StreamPort, wants: ReadonlySet<string>): void {
  if (wants.size === 0) return;
  sendLastItems(parts, session, stream, wants, 'presence');
  const nodes = [...wants];
  for (const contact of contacts(session)) {
    if (seenByUs(contact)) session.tell(contact.jid, { t: 'wants', from: stream.jid, to: contact.jid, nodes });
  }
}

/** The user sees a contact's presence from now on: its devices get the last items of that contact's nodes. */
export function onSubscribed(session: SessionPort, contact: string): void {
  for (const { presence, caps, jid } of session.streams()) {
    if (presence === undefined || caps?.wants === undefined || caps.wants.size === 0) continue;
    session.tell(contact, { t: 'wants', from: jid, to: contact, nodes: [...caps.wants] });
  }
}
