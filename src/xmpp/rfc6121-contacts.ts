import type { SessionPort, StreamPort } from './module.ts';
import { ROSTER_LIMITS, type RosterLimits } from './rfc6121-limits.ts';
import { element, escapeText, stanza } from './stanza.ts';

/**
 * What a user's session keeps about every contact: one row per bare JID, whether or not it is a roster item. All
 * changes go through `saveContact`, so the roster version, the counters and the pushes cannot drift apart.
 */

export const NS_ROSTER = 'jabber:iq:roster';

export type Subscription = 'none' | 'to' | 'from' | 'both';

/** Row `r/<bareJid>`. */
export interface Contact {
  /** format version of this row */
  readonly v: 1;
  /** bare */
  readonly jid: string;
  /** is a roster item; false for strangers who asked to subscribe, and for rows that only hold a cursor */
  readonly listed: boolean;
  /** '' when the item has no name */
  readonly name: string;
  readonly groups: readonly string[];
  readonly subscription: Subscription;
  /** an outbound request is pending */
  readonly ask?: 'subscribe';
  /** an inbound request waits for the user's answer; `inner` is what the stanza held */
  readonly pendingIn?: { readonly inner: string };
  /** pre-approved (3.4), until the user says `unsubscribed` */
  readonly approved?: true;
  /** roster version of the last change clients see; of the removal when it is not listed any more; 0 = never listed */
  readonly ver: number;
  /** highest idx of a subscription message taken from this contact; lower or equal ones are replays */
  readonly cursor: number;
  /** last change, ms since the epoch */
  readonly at: number;
}

/** Row `rv`. Absent means an empty roster that never had an item. */
interface RosterMeta {
  readonly v: 1;
  /** tells this roster from an earlier one of the same JID, whose versions clients may still hold */
  readonly base: string;
  /** counts changes that clients see, from 1 */
  readonly ver: number;
  /** what changed after this version is known in full; older tombstones are gone */
  readonly floor: number;
  /** listed rows */
  readonly items: number;
  /** unlisted rows with a request that waits */
  readonly strangers: number;
  /** unlisted rows without one: tombstones and cursors */
  readonly ghosts: number;
}

const CONTACTS = 'r/';
const META = 'rv';
const NO_META: RosterMeta = { v: 1, base: '', ver: 0, floor: 0, items: 0, strangers: 0, ghosts: 0 };

function meta(session: SessionPort): RosterMeta {
  return session.get<RosterMeta>(META) ?? NO_META;
}

/** The row of a bare JID, or undefined when nothing is kept about it. */
export function getContact(session: SessionPort, jid: string): Contact | undefined {
  return session.get<Contact>(CONTACTS + jid);
}

/** The row of a bare JID, or the one it would start from. */
export function contactOrNew(session: SessionPort, jid: string): Contact {
  return (
    getContact(session, jid) ?? {
      v: 1,
      jid,
      listed: false,
      name: '',
      groups: [],
      subscription: 'none',
      ver: 0,
      cursor: 0,
      at: session.now,
    }
  );
}

/** All rows, listed or not, by JID. */
export function contacts(session: SessionPort): Contact[] {
  return session.entries<Contact>(CONTACTS).map(([, contact]) => contact);
}

/** The contact sees this user's presence. */
export function seesUs(contact: Contact | undefined): boolean {
  return contact?.subscription === 'from' || contact?.subscription === 'both';
}

/** This user sees the contact's presence. */
export function seenByUs(contact: Contact): boolean {
  return contact.subscription === 'to' || contact.subscription === 'both';
}

/** True when one more roster item fits. */
export function rosterHasRoom(session: SessionPort, limits: RosterLimits): boolean {
  return meta(session).items < limits.rosterItemsMax;
}

/** True when one more request of somebody who is not in the roster can be kept. */
export function strangersHaveRoom(session: SessionPort, limits: RosterLimits): boolean {
  return meta(session).strangers < limits.strangersMax;
}

type Kind = 'items' | 'strangers' | 'ghosts';

function kindOf(contact: Contact): Kind {
  if (contact.listed) return 'items';
  return contact.pendingIn === undefined ? 'ghosts' : 'strangers';
}

/** What clients see of the row (2.1.2); equal strings mean there is nothing to push. */
function visible(contact: Contact): string {
  return contact.listed ? itemXml(contact) : '';
}

/**
 * Writes a row, and pushes it to the interested resources (2.1.6) when it looks different to clients, or when `push`
 * says that the user asked for the change (2.3.2). `ver` and `at` of `after` are set here.
 */
export function saveContact(
  session: SessionPort,
  after: Contact,
  options: { readonly push?: boolean; readonly limits?: RosterLimits } = {},
): void {
  const before = getContact(session, after.jid);
  const known = meta(session);
  const changed =
    (options.push === true && after.listed) || (before === undefined ? '' : visible(before)) !== visible(after);
  if (before !== undefined && !changed && before.cursor === after.cursor && before.pendingIn === after.pendingIn)
    return;
  const ver = changed ? known.ver + 1 : known.ver;
  const row: Contact = { ...after, at: session.now, ver: changed ? ver : (before?.ver ?? 0) };
  session.put(CONTACTS + row.jid, row);

  const was = before === undefined ? undefined : kindOf(before);
  const is = kindOf(row);
  if (changed || was !== is) {
    const next = { ...known, base: known.base === '' ? session.now.toString(36) : known.base, ver };
    if (was !== is) {
      if (was !== undefined) next[was] -= 1;
      next[is] += 1;
    }
    session.put(META, next);
  }
  if (changed) for (const stream of session.streams()) if (stream.interested) pushTo(session, stream, row);
  if (is === 'ghosts') dropOldGhosts(session, options.limits ?? ROSTER_LIMITS);
}

/** Forgets a quarter of the ghosts at once, so that the walk over all rows is rare. */
function dropOldGhosts(session: SessionPort, limits: RosterLimits): void {
  const known = meta(session);
  if (known.ghosts <= limits.ghostsMax) return;
  const keep = Math.floor((limits.ghostsMax * 3) / 4);
  const ghosts = contacts(session).filter((contact) => kindOf(contact) === 'ghosts');
  ghosts.sort((a, b) => a.at - b.at);
  let floor = known.floor;
  const drop = ghosts.slice(0, ghosts.length - keep);
  for (const ghost of drop) {
    session.del(CONTACTS + ghost.jid);
    floor = Math.max(floor, ghost.ver);
  }
  session.put(META, { ...known, floor, ghosts: known.ghosts - drop.length });
}

/** Deletes a row without a trace: only for an account that goes. */
export function eraseContact(session: SessionPort, jid: string): void {
  session.del(CONTACTS + jid);
}

/** Deletes version and counters: only for an account that goes, after its rows. */
export function eraseRosterMeta(session: SessionPort): void {
  session.del(META);
}

/** The roster's version as clients hold it (2.1.1); opaque to them. */
export function rosterVersion(session: SessionPort): string {
  const { base, ver } = meta(session);
  return versionText(base, ver);
}

function versionText(base: string, ver: number): string {
  return ver === 0 ? '0' : `${base}-${ver}`;
}

/**
 * Rows that changed after the version a client holds, oldest change first; undefined when it must get everything: a
 * version of another roster or of the future, one whose removals are forgotten, or more than `changesMax` changes.
 */
export function changesSince(session: SessionPort, version: string, limits: RosterLimits): Contact[] | undefined {
  const { base, ver, floor } = meta(session);
  if (version === versionText(base, ver)) return [];
  const match = /^([0-9a-z]+)-([1-9][0-9]{0,14})$/.exec(version);
  if (match === null || match[1] !== base) return undefined;
  const held = Number(match[2]);
  if (held > ver || held < floor) return undefined;
  const changed = contacts(session).filter((contact) => contact.ver > held);
  if (changed.length > limits.changesMax) return undefined;
  return changed.sort((a, b) => a.ver - b.ver);
}

/** `<item/>` of a row; a row that is not listed reads as removed. */
export function itemXml(contact: Contact): string {
  const { jid, name, subscription, ask, approved } = contact;
  if (!contact.listed) return element('item', { jid, subscription: 'remove' });
  const groups = contact.groups.map((group) => `<group>${escapeText(group)}</group>`).join('');
  const named = name === '' ? undefined : name;
  return element('item', { jid, name: named, subscription, ask, approved: approved ? 'true' : undefined }, groups);
}

/** `<query/>` of rosters and pushes; no `ver` for clients that did not say they know versions. */
export function queryXml(ver: string | undefined, items: string): string {
  return element('query', { xmlns: NS_ROSTER, ver }, items);
}

/** A roster push (2.1.6) of one row to one resource, with the version at which it looked so. */
export function pushTo(session: SessionPort, stream: StreamPort, contact: Contact): void {
  const query = queryXml(versionText(meta(session).base, contact.ver), itemXml(contact));
  session.send(stream, stanza('iq', { type: 'set', id: session.newId(), to: stream.jid }, query));
}
