import { parseJid } from './jid.ts';
import type { PeerMessage, SessionPort } from './module.ts';

/**
 * Whom a user blocks (XEP-0191): one row an address, and one that counts the changes. What other handlers ask of it is
 * here; the commands are in xep0191-blocking.ts.
 */
export interface Blocklist {
  /** rises with each change; 0: there never was one */
  readonly ver: number;
  /** normalised: bare or full JIDs, domains, domain/resource */
  readonly jids: ReadonlySet<string>;
  /** of the full JIDs the resources, by bare JID */
  readonly resources: ReadonlyMap<string, readonly string[]>;
}

/** Row `bl`. A new one with each change, so that what is read of the rows can be kept by it. */
interface BlockMeta {
  readonly v: 1;
  readonly ver: number;
}

/** Addresses of one account that are refused: all of them, or those of some resources. */
export type Blocked = 'all' | readonly string[];

const META = 'bl';
const ITEMS = 'b/';
const NONE: readonly string[] = [];

export function newBlocklist(ver: number, jids: Iterable<string>): Blocklist {
  const resources = new Map<string, string[]>();
  const all = new Set(jids);
  for (const jid of all) {
    const { bare, resource } = parseJid(jid);
    if (resource === '') continue;
    const named = resources.get(bare);
    if (named === undefined) resources.set(bare, [resource]);
    else named.push(resource);
  }
  return { ver, jids: all, resources };
}

const NOBODY = newBlocklist(0, []);
const known = new WeakMap<BlockMeta, Blocklist>();

export function blocklistOf(session: SessionPort): Blocklist {
  const meta = session.get<BlockMeta>(META);
  if (meta === undefined) return NOBODY;
  let list = known.get(meta);
  if (list === undefined) {
    const jids = session.entries(ITEMS).map(([key]) => key.slice(ITEMS.length));
    list = newBlocklist(meta.ver, jids);
    known.set(meta, list);
  }
  return list;
}

/** Writes what differs; `after.ver` is to be above `before.ver`. */
export function saveBlocklist(session: SessionPort, before: Blocklist, after: Blocklist): void {
  for (const jid of after.jids) if (!before.jids.has(jid)) session.put(ITEMS + jid, { v: 1 });
  for (const jid of before.jids) if (!after.jids.has(jid)) session.del(ITEMS + jid);
  session.put(META, { v: 1, ver: after.ver } satisfies BlockMeta);
}

/** Section 6: the address itself, its account, its domain, or a domain that this one is under. */
function matches({ jids }: Blocklist, text: string): boolean {
  const jid = parseJid(text);
  if (jids.has(jid.full) || jids.has(jid.bare)) return true;
  for (let domain = jid.domain; domain !== ''; domain = parentOf(domain)) if (jids.has(domain)) return true;
  return false;
}

function parentOf(domain: string): string {
  const dot = domain.indexOf('.');
  return dot === -1 ? '' : domain.slice(dot + 1);
}

/** The user's own account and the server stay reachable, whatever domain is blocked. */
function isOwn(session: SessionPort, bareJid: string): boolean {
  return bareJid === session.user || bareJid === session.domain;
}

/** Is this address blocked? @param jid bare or full, normalised */
export function isBlocked(session: SessionPort, jid: string, list = blocklistOf(session)): boolean {
  return list.jids.size > 0 && !isOwn(session, parseJid(jid).bare) && matches(list, jid);
}

/** What of an account is blocked. @param bareJid normalised */
export function blockedOf(session: SessionPort, bareJid: string, list = blocklistOf(session)): Blocked {
  if (list.jids.size === 0 || isOwn(session, bareJid)) return NONE;
  return matches(list, bareJid) ? 'all' : (list.resources.get(bareJid) ?? NONE);
}

/**
 * What of a message the session may tell another one: presence and probes do not go where they are blocked. An iq has
 * been looked at, and told its sender.
 */
export function withoutBlocked(session: SessionPort, msg: PeerMessage): PeerMessage | undefined {
  const list = blocklistOf(session);
  if (list.jids.size === 0 || msg.t === 'iq') return msg;
  if (isBlocked(session, msg.to, list)) return undefined;
  if (msg.t !== 'presence' || list.resources.size === 0) return msg;
  const except = list.resources.get(msg.to);
  return except === undefined ? msg : { ...msg, except };
}
