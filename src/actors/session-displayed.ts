import type { ArchiveEntry, ChatPointer } from '../xmpp/mam-view.ts';
import { isDirect, isRoom, roomOfPair } from './keys.ts';
import { touch } from './session-cursors.ts';
import { isFrom } from './session-inbox.ts';
import { releaseReads } from './session-reads.ts';
import type { SessionState } from './session-state.ts';
import { chatOfRowKey, chatRowKey, type UserChatRow } from './session-types.ts';

/**
 * Up to where a user has read a chat, as one of the user's devices says (XEP-0333, XEP-0490): one cursor for all of
 * them, that never goes back.
 *
 * A marker names a message by the id that its sender gave it, for which there is no index. So it is looked for among
 * the messages behind the cursor, newest first: clients mark the last one.
 *
 * Bounds: `SCAN_MAX` messages are looked at for a marker; of one that names an older one nothing comes. Markers that are
 * being looked for count with the sends that wait (`inflightMax`).
 */
const SCAN_MAX = 512;
/** … so many at once. */
const SCAN_PAGE = 64;

/** Chats with occupants of one room that are looked at for a marker. */
const OCCUPANTS_MAX = 8;

interface Wanted {
  /** of `session.marks` */
  readonly number: number;
  readonly chat: string;
  readonly id: string;
  /** chatSeq of the newest message that was not looked at */
  readonly to: number;
  /** how many may still be looked at */
  readonly left: number;
}

/** A device of the user has sent a displayed marker. One that names no message of others in this chat is ignored. */
export function onMarker(session: SessionState, chat: string, id: string): void {
  if (!isDirect(chat)) {
    markRead(session, chat, id);
    return;
  }
  const row = rowOf(session, chat);
  if (row === undefined || row.read >= row.cur) return;
  const number = session.nextMark++;
  session.marks.add(number);
  lookFor(session, { number, chat, id, to: row.cur, left: SCAN_MAX });
}

/** … to an occupant of a room: which chat with one that is, its messages tell. */
export function onOccupantMarker(session: SessionState, room: string, id: string): void {
  let looked = 0;
  for (const [key, { unread }] of session.entries<UserChatRow>('c/')) {
    const chat = chatOfRowKey(key);
    if (unread === 0 || roomOfPair(chat) !== room) continue;
    onMarker(session, chat, id);
    looked += 1;
    if (looked >= OCCUPANTS_MAX) return;
  }
}

function lookFor(session: SessionState, wanted: Wanted): void {
  const { chat, id, to, left, number } = wanted;
  const read = rowOf(session, chat)?.read ?? to;
  const count = Math.min(to - read, left, SCAN_PAGE);
  if (count <= 0) return forget(session, number);
  const entries: ArchiveEntry[] = [];
  for (let i = 0; i < count; i++) entries.push({ seq: 0, chat, chatSeq: to - i, ts: 0 });
  session.turn.always({
    t: 'load',
    entries,
    done: (_session, records) => {
      // Out of reach is the chat that the marker itself is on its way to: its sender hears of that.
      if (records === undefined) return forget(session, number);
      const at = records.findIndex(
        (one) => one !== undefined && (one.id === id || one.oid === id) && !isFrom(one, session.user),
      );
      if (at === -1) return lookFor(session, { ...wanted, to: to - count, left: left - count });
      moveRead(session, chat, to - at);
      forget(session, number);
    },
  });
}

function forget(session: SessionState, number: number): void {
  session.marks.delete(number);
  releaseReads(session);
}

/**
 * Everything in the chat up to the message with this XEP-0359 id has been displayed (XEP-0490 3.2), at once and within
 * the turn. The id is the one by the user's server (the inboxSeq); in a room, the room's (the chatSeq).
 * @param tells the user's nodes are told (`readMoved`)
 * @returns false when it names no message of this chat, or one that counts as read already
 */
export function markRead(session: SessionState, chat: string, stanzaId: string, tells = true): boolean {
  if (!/^[1-9]\d{0,15}$/.test(stanzaId)) return false;
  const number = Number(stanzaId);
  if (!isDirect(chat)) return moveRead(session, chat, number, tells);
  const pointer = number <= session.inboxSeq ? session.parts.readInbox(session.user, number) : undefined;
  // What is hidden was told without an id.
  if (pointer === undefined || pointer.c !== chat || pointer.h !== undefined) return false;
  return moveRead(session, chat, pointer.q, tells);
}

/** The same for a message of an occupant of a room, by the id of the user's server. */
export function markOccupantRead(session: SessionState, room: string, stanzaId: string, tells = true): void {
  const number = /^[1-9]\d{0,15}$/.test(stanzaId) ? Number(stanzaId) : 0;
  const pointer = number > 0 && number <= session.inboxSeq ? session.parts.readInbox(session.user, number) : undefined;
  if (pointer !== undefined && roomOfPair(pointer.c) === room) markRead(session, pointer.c, stanzaId, tells);
}

/** @param read chatSeq */
function moveRead(session: SessionState, chat: string, read: number, tells = true): boolean {
  const row = rowOf(session, chat);
  if (row === undefined || read <= row.read || read > row.cur) return false;
  const direct = isDirect(chat);
  const newest = direct ? newestUpTo(session, chat, row, read) : undefined;
  // A group has no index here that would count what people read apart from the rest.
  const behind = direct ? (row.loud ?? 0) - (newest?.l ?? 0) : row.cur - read;
  const unread = read === row.cur ? 0 : Math.min(row.unread, behind);
  session.put(chatRowKey(chat), { ...row, read, unread } satisfies UserChatRow);
  if (isRoom(chat, session.parts.roomDomain)) touch(session, chat, read);
  const id = direct ? newest?.i : read;
  const stanzaId = !direct || newest?.q === read ? String(id) : undefined;
  if (tells) session.parts.readMoved?.(session, { chat, read, unread, stanzaId });
  return true;
}

/** The last entry of the chat's index that is not behind this chatSeq. One that is not committed yet nobody has seen. */
export function newestUpTo(
  { user, parts }: SessionState,
  chat: string,
  { n }: UserChatRow,
  read: number,
): ChatPointer | undefined {
  let found: ChatPointer | undefined;
  let lo = 1;
  let hi = n;
  // The last one first: it is the usual one.
  for (let at = n; lo <= hi; at = (lo + hi) >>> 1) {
    const entry = parts.readIndex(user, chat, at);
    if (entry === undefined || entry.q > read) hi = at - 1;
    else {
      found = entry;
      lo = at + 1;
    }
  }
  return found;
}

function rowOf(session: SessionState, chat: string): UserChatRow | undefined {
  return session.get<UserChatRow>(chatRowKey(chat));
}
