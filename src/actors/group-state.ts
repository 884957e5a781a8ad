import type { FulltextReader } from '../xmpp/fulltext-scan.ts';
import type { PageLimits } from '../xmpp/mam-page.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import type { RoomConfig } from '../xmpp/muc-config.ts';
import { type Affiliation, isMember, type Role } from '../xmpp/muc-words.ts';
import type { RoomCard } from '../xmpp/xep0486-muc-avatars.ts';
import { bareOf, type ChatEffect, type ChatLog, type LogLimits } from './chat-log.ts';
import type { CursorRow, MemberCursor, MovedCursors } from './group-cursors.ts';
import { groupRows, roomIndexRow } from './keys.ts';
import type { SessionMessage } from './messages.ts';
import { DELETED, type Turn } from './turn.ts';

/**
 * A group: a chat whose members are its affiliations, seen by clients as a room (XEP-0045). Pure.
 *
 * Invariants
 * - A member is whoever is owner, admin or member. Each gets every message in the inbox, from the one after `since` on;
 *   who is taken out gets none after that. Both are ops of the chat's own log, so they are ordered with the messages.
 * - Occupants are devices in the room. They are rows too, so a room that moved still knows them, and asks their sessions.
 *   What their presence says (show, status) is not kept.
 * - chatSeq goes on when a room of the same name is made after this one was destroyed: inboxes count by it.
 */
export interface GroupState extends ChatLog {
  /** undefined: there is no such room */
  room: Room | undefined;
  card: RoomCard | undefined;
  /** by bare JID; those with affiliation none were members once */
  readonly affiliates: Map<string, Affiliate>;
  /** by full JID, in the order they came */
  readonly occupants: Map<string, Occupant>;
  /** ms since the epoch when occupants' sessions were last asked whether they are still there; 0: not since activation */
  askedAt: number;
  /** by full JID: occupants whose sessions were asked since they entered and have not answered, with the question */
  readonly asked: Map<string, string>;
  /** ms since the epoch of the latest question */
  lastAskAt: number;
  /** by the room's own id: requests between occupants that wait for an answer (group-iqs.ts), the oldest first */
  readonly passed: Map<string, PassedIq>;
  /** by bare JID: how far members are who have had or read anything */
  readonly cursors: Map<string, MemberCursor>;
  readonly moved: MovedCursors;
  /** the newest messages with something to read in them, oldest first: who is told when they are had and read */
  readonly recent: Recent[];
  /** every member's item says at least this chatSeq (group-fan-out.ts) */
  posted: number;
  /** … as a row */
  postedRow: boolean;
  /** ms since the epoch when all members were told; 0: not since activation */
  postedAt: number;
}

/** @see RECENT_MAX */
export interface Recent {
  /** chatSeq */
  readonly seq: number;
  /** bare JID of the sender */
  readonly user: string;
}

/** Messages whose senders hear of it; how far older ones are is told who asks. */
const RECENT_MAX = 256;

/** Row `c` of a room. */
export interface Room {
  readonly v: 1;
  readonly config: RoomConfig;
  readonly subject?: Subject;
  /** XEP-0045 10.1.3: made and not yet configured, nobody else may enter */
  readonly locked: boolean;
  /** from which occupant ids are made */
  readonly salt: string;
  /** messages up to here are of an earlier room of this name */
  readonly first: number;
  /** ms since the epoch */
  readonly created: number;
}

/** Row `c` of a room that was destroyed. */
export interface FormerRoom {
  readonly v: 1;
  readonly gone: true;
  readonly lastSeq: number;
}

export interface Subject {
  readonly text: string;
  readonly nick: string;
  /** ms since the epoch */
  readonly ts: number;
}

/** Row `a/<bare JID>`. */
export interface Affiliate {
  readonly v: 1;
  readonly affiliation: Affiliation;
  /** chatSeq of the last message before membership: its first one is `since + 1` */
  readonly since: number;
  /** chatSeq of the last message of an earlier membership, 0 without one */
  readonly before: number;
  /** ms since the epoch of the group's last message then; 0 without one */
  readonly beforeMs: number;
  /** what it is called: as it has registered, or when last here */
  readonly nick?: string;
  /** XEP-0045 7.10 */
  readonly registered?: true;
  readonly reason?: string;
}

export interface Occupant {
  /** full JID */
  readonly jid: string;
  readonly user: string;
  readonly nick: string;
  readonly role: Exclude<Role, 'none'>;
  /** children of its presence as last sent, those of the service left out */
  readonly inner: string;
  /** it hears how far others are with its messages */
  readonly receipts?: true;
}

/** A request of one occupant's that another one was given. */
export interface PassedIq {
  /** full JID of who asks, the address it asked, and the id it gave */
  readonly from: string;
  readonly to: string;
  readonly id: string;
  /** of its send, for one that comes again */
  readonly token: number;
  readonly run: string | undefined;
  /** address that the answer has to be from: of the device, or of its account */
  readonly answers: string;
  /** full JID of the device */
  readonly device: string;
  /** ms since the epoch */
  readonly since: number;
}

/** Row `o/<full JID>`. */
export interface OccupantRow {
  readonly v: 1;
  readonly nick: string;
  readonly role: Exclude<Role, 'none'>;
  readonly receipts?: true;
}

export interface GroupLimits extends LogLimits {
  /** domain of the accounts, and of the rooms */
  readonly domain: string;
  readonly roomDomain: string;
  /** members of a group; one more is refused */
  readonly membersMax: number;
  /** with more members than this their inboxes fetch what is said, instead of getting each message by itself */
  readonly pointersFrom: number;
  /** … and are told of it this often at most, ms */
  readonly pointerMs: number;
  /** occupants at once, devices counted */
  readonly occupantsMax: number;
  /** with more occupants than this nobody is told of others' presence */
  readonly presenceMax: number;
  /** messages of the past a device gets when it joins, at most; and when it does not say how many */
  readonly historyMax: number;
  readonly historyDefault: number;
  /** nobody but administrators of the service creates rooms when false */
  readonly mayCreate: boolean;
  /** how often sessions of occupants are asked whether they are still there, ms */
  readonly askEveryMs: number;
  /** requests between occupants that wait for an answer, and how long one does, ms */
  readonly iqsMax: number;
  readonly iqTimeoutMs: number;
  /** how far members are is written, and told, no more often than every so many ms */
  readonly receiptsMs: number;
  readonly page: PageLimits;
  /** words of a message by which it can be found (XEP-0431): the first so many */
  readonly searchWordsMax: number;
  newId(): string;
}

/** What the archive of a group is read with; committed messages only. */
export interface GroupLog {
  read(from: number, to: number, limit: number): readonly { readonly seq: number; readonly record: MessageRecord }[];
  /** the group's messages for a search (XEP-0431), all of them */
  fulltext(): FulltextReader;
}

export type GroupEffect =
  | ChatEffect
  /** reads what is committed up to here, and tells */
  | { readonly t: 'read'; readonly to: string; readonly answer: (log: GroupLog) => SessionMessage };

/** What a step works with. */
export interface GroupStep {
  readonly group: GroupState;
  readonly turn: Turn<GroupEffect>;
  readonly limits: GroupLimits;
}

export const CONFIG_KEY = 'c';
const POSTED_KEY = 'p';
const CARD_KEY = 'v';
const AFFILIATE = 'a/';
const OCCUPANT = 'o/';
const CURSOR = 'r/';

/** @param rows those of the room, keys relative to its prefix */
export function newGroup(log: ChatLog, rows: Iterable<readonly [key: string, value: unknown]>): GroupState {
  const group: GroupState = Object.assign(log, {
    room: undefined,
    card: undefined,
    affiliates: new Map<string, Affiliate>(),
    occupants: new Map<string, Occupant>(),
    askedAt: 0,
    asked: new Map<string, string>(),
    lastAskAt: 0,
    passed: new Map<string, PassedIq>(),
    cursors: new Map<string, MemberCursor>(),
    moved: { to: new Map<string, MemberCursor>(), noted: new Map<string, number>(), writtenAt: 0 },
    recent: [],
    posted: 0,
    postedRow: false,
    postedAt: 0,
  });
  for (const [key, value] of rows) {
    if (key === CONFIG_KEY) {
      const row = value as Room | FormerRoom;
      if ('gone' in row) group.lastSeq = Math.max(group.lastSeq, row.lastSeq);
      else group.room = row;
    } else if (key === CARD_KEY) group.card = value as RoomCard;
    else if (key === POSTED_KEY) {
      group.posted = value as number;
      group.postedRow = true;
    } else if (key.startsWith(AFFILIATE)) group.affiliates.set(key.slice(AFFILIATE.length), value as Affiliate);
    else if (key.startsWith(OCCUPANT)) {
      const jid = key.slice(OCCUPANT.length);
      const { nick, role, receipts } = value as OccupantRow;
      const user = jid.slice(0, jid.indexOf('/'));
      group.occupants.set(jid, { jid, user, nick, role, inner: '', ...(receipts && { receipts }) });
    } else if (key.startsWith(CURSOR)) {
      const { had, read } = value as CursorRow;
      group.cursors.set(key.slice(CURSOR.length), { had, read });
    }
  }
  if (!group.postedRow) group.posted = group.lastSeq;
  return group;
}

/** @param card undefined: none any more */
export function putCard({ group, turn }: GroupStep, card: RoomCard | undefined): void {
  if (card === undefined && group.card === undefined) return;
  group.card = card;
  turn.rows.set(groupRows(group.id) + CARD_KEY, card ?? DELETED);
}

/** @param keep false: no member can lack anything */
export function putPosted({ group, turn }: GroupStep, keep: boolean): void {
  if (!keep && !group.postedRow) return;
  group.postedRow = keep;
  turn.rows.set(groupRows(group.id) + POSTED_KEY, keep ? group.posted : DELETED);
}

export function affiliationOf({ affiliates }: GroupState, user: string): Affiliation {
  return affiliates.get(user)?.affiliation ?? 'none';
}

export function membersOf({ affiliates }: GroupState): number {
  let members = 0;
  for (const { affiliation } of affiliates.values()) if (isMember(affiliation)) members += 1;
  return members;
}

/** Occupants under one nick: devices of one user (XEP-0045 7.2.8 allows that). */
export function holdersOf({ occupants }: GroupState, nick: string): Occupant[] {
  const holders: Occupant[] = [];
  for (const occupant of occupants.values()) if (occupant.nick === nick) holders.push(occupant);
  return holders;
}

/** Somebody else is called so, or is a member who was: that is kept for it (XEP-0045 7.2.9, 7.10). */
export function isTaken(group: GroupState, nick: string, user: string): boolean {
  if (holdersOf(group, nick).some((holder) => holder.user !== user)) return true;
  for (const [other, affiliate] of group.affiliates)
    if (affiliate.nick === nick && other !== user && isMember(affiliate.affiliation)) return true;
  return false;
}

/** XEP-0045 5.1.2: the role that an affiliation brings along. */
export function roleOf(affiliation: Affiliation, { moderated }: RoomConfig): Exclude<Role, 'none'> {
  if (affiliation === 'owner' || affiliation === 'admin') return 'moderator';
  return affiliation === 'member' || !moderated ? 'participant' : 'visitor';
}

/** The first chatSeq that this user may read; Infinity when none. */
export function readableFrom(group: GroupState, user: string): number {
  const { room } = group;
  if (room === undefined) return Number.POSITIVE_INFINITY;
  const affiliate = group.affiliates.get(user);
  const affiliation = affiliate?.affiliation ?? 'none';
  if (affiliation === 'outcast') return Number.POSITIVE_INFINITY;
  const { membersOnly, pastForNew } = room.config;
  // What is open to everybody who enters is not closed to those who belong to it.
  if (!membersOnly || (pastForNew && isMember(affiliation))) return room.first + 1;
  return affiliate !== undefined && isMember(affiliation)
    ? Math.max(affiliate.since, room.first) + 1
    : Number.POSITIVE_INFINITY;
}

export function putRoom({ group, turn }: GroupStep, room: Room): void {
  group.room = room;
  turn.rows.set(groupRows(group.id) + CONFIG_KEY, room);
  turn.rows.set(roomIndexRow(group.id), room.config.public && !room.locked ? room.config.name : DELETED);
}

export function putAffiliate({ group, turn }: GroupStep, user: string, affiliate: Affiliate | undefined): void {
  if (affiliate === undefined) group.affiliates.delete(user);
  else group.affiliates.set(user, affiliate);
  if (affiliate === undefined || !isMember(affiliate.affiliation)) dropCursor({ group, turn }, user);
  turn.rows.set(groupRows(group.id) + AFFILIATE + user, affiliate ?? DELETED);
}

export function putCursor({ group, turn }: GroupStep, user: string, { had, read }: MemberCursor): void {
  group.cursors.set(user, { had, read });
  turn.rows.set(groupRows(group.id) + CURSOR + user, { v: 1, had, read } satisfies CursorRow);
}

function dropCursor({ group, turn }: Pick<GroupStep, 'group' | 'turn'>, user: string): void {
  group.moved.to.delete(user);
  if (group.cursors.delete(user)) turn.rows.set(groupRows(group.id) + CURSOR + user, DELETED);
}

/** The group's last message, for those whose sender is to hear of it. */
export function noteRecent({ recent }: GroupState, seq: number, record: MessageRecord): void {
  if (record.x?.quiet === true) return;
  recent.push({ seq, user: bareOf(record.from) });
  if (recent.length > RECENT_MAX) recent.shift();
}

export function putOccupant({ group, turn }: GroupStep, occupant: Occupant): void {
  const known = group.occupants.get(occupant.jid);
  group.occupants.set(occupant.jid, occupant);
  const { nick, role, jid, receipts } = occupant;
  if (known?.nick === nick && known.role === role && known.receipts === receipts) return;
  const row: OccupantRow = { v: 1, nick, role, ...(receipts && { receipts }) };
  turn.rows.set(groupRows(group.id) + OCCUPANT + jid, row);
}

export function dropOccupant({ group, turn }: GroupStep, jid: string): void {
  group.asked.delete(jid);
  if (group.occupants.delete(jid)) turn.rows.set(groupRows(group.id) + OCCUPANT + jid, DELETED);
}
