import { contacts, seesUs } from '../xmpp/rfc6121-contacts.ts';
import { unavailableXml } from '../xmpp/rfc6121-subscription.ts';
import { withTo } from '../xmpp/stanza.ts';
import { onlineRow } from './keys.ts';
import { tellOrphaned } from './session-rooms.ts';
import type { SessionState } from './session-state.ts';
import { DELETED } from './turn.ts';

/**
 * Nobody stays online after a failover who is not. Presence is not logged and streams die with their leader, and whoever
 * saw a resource online would go on seeing it. So, where shards can move, one row tells which resources of a user are
 * available; the shard's next leader reads the rows, gives clients time to come back (under the same resource they are
 * simply available again), and then tells the contacts of each resource that did not.
 *
 * Rejected: that everybody probes the contacts of a shard that moved. It costs a probe and an answer for every pair of
 * watcher and contact instead of one message for every pair with a resource that is really gone, every node would have
 * to walk all its sessions, and the answer about a user without streams names no resource (RFC 6121 4.3.2), so clients
 * leave the old ones shown.
 *
 * Directed presence is not covered: whom it went to dies with the stream.
 */
export interface OnlineRow {
  readonly v: 1;
  readonly resources: readonly string[];
  /** rooms that some device of the user is in (XEP-0045) */
  readonly rooms?: readonly string[];
}

/** After a stream became available or ceased to be: one op, only when it changes what the row says. */
export function noteOnline(session: SessionState): void {
  if (session.parts.crossing === undefined) return;
  const resources = available(session);
  const rooms = joinedRooms(session);
  const { online, onlineRooms } = session;
  if (online === undefined || !isSame(resources, online) || !isSame(rooms, onlineRooms))
    writeOnline(session, resources, rooms);
}

/** The shard's former leader knew these resources as available. Those that are not back are gone. */
export function onOrphans(session: SessionState, resources: readonly string[], rooms: readonly string[]): void {
  const now = available(session);
  for (const resource of resources) {
    if (now.includes(resource)) continue;
    const from = `${session.user}/${resource}`;
    const xml = unavailableXml(from);
    for (const contact of contacts(session)) {
      if (!seesUs(contact)) continue;
      session.tell(contact.jid, { t: 'presence', from, to: contact.jid, xml, available: false, directed: false });
    }
    for (const stream of session.streams())
      if (stream.presence !== undefined) session.send(stream, withTo(xml, session.user));
  }
  // A device that is back has to enter its rooms again, and may have done so.
  for (const room of rooms) tellOrphaned(session, room);
  writeOnline(session, now, joinedRooms(session));
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

function joinedRooms(session: SessionState): readonly string[] {
  let found: Set<string> | undefined;
  for (const { rooms } of session.streams()) {
    if (rooms === undefined) continue;
    found ??= new Set();
    for (const room of rooms.keys()) found.add(room);
  }
  return found === undefined ? NONE : [...found];
}

function available(session: SessionState): readonly string[] {
  if (session.streams().length === 0) return NONE;
  const found: string[] = [];
  for (const stream of session.streams()) if (stream.presence !== undefined) found.push(stream.resource);
  return found;
}

const NONE: readonly string[] = [];

function writeOnline(session: SessionState, resources: readonly string[], rooms: readonly string[]): void {
  session.online = resources;
  session.onlineRooms = rooms;
  const gone = resources.length === 0 && rooms.length === 0;
  const row: OnlineRow | typeof DELETED = gone ? DELETED : { v: 1, resources, ...(rooms.length > 0 && { rooms }) };
  session.turn.rows.set(onlineRow(session.user), row);
}
