import { hash32 } from '../base/hash.ts';
import type { LogStore } from '../storage/log-store.ts';
import type { SpanWords } from '../xmpp/fulltext-rows.ts';
import type { ArchiveReader, InboxPointer } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { currentRow, FULLTEXT_KEY, type FulltextRow, forgottenRows, grownIndex, isIndexDue } from './fulltext.ts';
import { isDirect, userRows } from './keys.ts';
import { newestUpTo } from './session-displayed.ts';
import type { SessionState } from './session-state.ts';
import { chatRowKey, type SessionEffect, TAKEN_ROW, type TakenBack, type UserChatRow } from './session-types.ts';
import { DELETED, type Turn } from './turn.ts';

/**
 * The index of words beside a user's inbox (XEP-0431), after a step, in the op of that step: rows for what came, and
 * what a chat took back leaves it. Both read what is committed, and write rows that rest on it; so while one such turn
 * is on its way (`indexing`) no other one is made.
 */

/**
 * After a step that brought messages into the inbox: what the index has to be, in the op of that step. Refused with it,
 * it is made by a later one, since the session's rows are then those that are committed.
 * @param had inboxSeq before the step
 */
export function growInboxIndex(
  session: SessionState,
  had: number,
  turn: Turn<SessionEffect>,
  store: LogStore,
  shard: number,
): void {
  const { user, rows, inboxSeq: last } = session;
  const before = currentRow(rows.get(FULLTEXT_KEY) as FulltextRow | undefined);
  // The turn itself may take words out of what is committed, which is not to be seen yet.
  if (!isIndexDue(before, last) || session.indexing !== undefined) return;
  if (before !== undefined && !isIndexDue(before, last - lagOf(session))) return;
  const wordsOf = (span: number): SpanWords | undefined => session.parts.recentWords.take(user, rows, span);
  const grown = grownIndex(user, before, { had, last, wordsOf }, inboxOf(session, store, shard), true);
  if (grown === undefined) return;
  rows.set(FULLTEXT_KEY, grown.row);
  turn.rows.set(userRows(user) + FULLTEXT_KEY, grown.row);
  if (grown.rows.length === 0) return;
  for (const [key, value] of grown.rows) turn.rows.set(key, value);
  beginIndexing(session, turn);
}

/**
 * Members of a group who are in no other get the same messages, so all of their indexes would grow with the same one: a
 * millisecond each, at once.
 */
function lagOf({ user, parts }: SessionState): number {
  return hash32(user) % parts.limits.indexLagMax;
}

function inboxOf({ inboxName }: SessionState, store: LogStore, shard: number): Pick<ArchiveReader, 'last' | 'read'> {
  return {
    last: () => store.last(shard, inboxName),
    read: (range) => store.read(shard, inboxName, range) as { seq: number; record: InboxPointer }[],
  };
}

function beginIndexing(session: SessionState, turn: Turn<SessionEffect>): void {
  if (session.indexing === turn) return;
  session.indexing = turn;
  const run = (): void => {
    if (session.indexing === turn) session.indexing = undefined;
  };
  turn.always({ t: 'reply', run });
}

/** Messages taken back that wait until their words can go. Beyond it the oldest keeps them. */
const TAKEN_MAX = 256;

/** … and that go in one step; the others follow in turns of their own. */
const TAKEN_PER_STEP = 16;

/** Pointers that are looked at for a group's, from the time on when it was said: what came later still keeps its words. */
const LOOK_MAX = 4096;
/** … at a time: as many as are read from the disk at once. */
const LOOK_PAGE = 64;

/** The message at inboxSeq `i` has taken one of its chat back. */
export function noteTaken(
  session: SessionState,
  chat: string,
  { q, ts }: NonNullable<MessageRecord['back']>,
  i: number,
): void {
  const { taken } = session;
  session.taken = [...(taken.length < TAKEN_MAX ? taken : taken.slice(1)), { c: chat, q, ts, i }];
}

/**
 * The words of what was taken back leave pointers and rows, in the op that has the retraction. Where the message is not
 * committed yet, they leave in an op behind that; until then a row says so, since the session may end or move before.
 * @param had inboxSeq before the step
 * @param asked the step is there for this
 */
export function forgetTaken(
  session: SessionState,
  had: number,
  turn: Turn<SessionEffect>,
  store: LogStore,
  shard: number,
  asked: boolean,
): void {
  const { user, rows, taken, indexing } = session;
  const inbox = inboxOf(session, store, shard);
  const last = inbox.last();
  const mayIndex = indexing === undefined || indexing === turn;
  const left: TakenBack[] = [];
  let looked = 0;
  for (const one of taken) {
    const isDue = one.i > had || one.i <= last;
    if (!isDue || !mayIndex || looked === TAKEN_PER_STEP) {
      left.push(one);
      continue;
    }
    looked += 1;
    const found = find(session, one, inbox);
    if (found !== undefined) forget(session, found, turn, store, shard);
    // With all committed that came before the retraction, it is not there, or too far behind.
    else if (last < one.i - 1) left.push(one);
  }
  const newest = left.at(-1);
  if (newest !== undefined && (asked || looked > 0 || newest.i > had))
    turn.effects.push({ t: 'toSession', to: user, msg: { t: 'flush' } });
  if (left.length === taken.length && rows.get(TAKEN_ROW) === taken) return;
  session.taken = left;
  const key = userRows(user) + TAKEN_ROW;
  if (left.length > 0) {
    rows.set(TAKEN_ROW, left);
    turn.rows.set(key, left);
  } else if (rows.delete(TAKEN_ROW)) turn.rows.set(key, DELETED);
}

type Found = ReturnType<ArchiveReader['read']>[number];

/** The committed pointer. Of a direct chat the user's index tells where it stands; a group's is found by its time. */
function find(session: SessionState, { c, q, ts, i }: TakenBack, inbox: ReturnType<typeof inboxOf>): Found | undefined {
  if (isDirect(c)) {
    const row = session.get<UserChatRow>(chatRowKey(c));
    const entry = row && newestUpTo(session, c, row, q);
    return entry?.q === q ? inbox.read({ from: entry.i, to: entry.i, limit: 1 })[0] : undefined;
  }
  // No pointer is earlier than its message (nextPointer).
  const last = Math.min(inbox.last(), i - 1);
  const first = startOf(inbox, ts, last);
  const end = Math.min(last, first + LOOK_PAGE + LOOK_MAX - 1);
  for (let from = first; from <= end; from += LOOK_PAGE) {
    const page = inbox.read({ from, to: Math.min(end, from + LOOK_PAGE - 1), limit: LOOK_PAGE });
    const found = page.find(({ record }) => record.c === c && record.q >= q);
    if (found !== undefined) return found.record.q === q ? found : undefined;
  }
  return undefined;
}

/** At most a page before the first pointer of that time or later. Most often that is a short way back. */
function startOf(inbox: ReturnType<typeof inboxOf>, ts: number, last: number): number {
  const isFrom = (seq: number): boolean => (inbox.read({ from: seq, to: seq, limit: 1 })[0]?.record.ts ?? 0) >= ts;
  let back = LOOK_PAGE;
  while (back < last && isFrom(last - back)) back *= BACK_FACTOR;
  let low = Math.max(0, last - back);
  let high = back === LOOK_PAGE ? last : last - back / BACK_FACTOR;
  while (high - low > LOOK_PAGE) {
    const middle = Math.floor((low + high) / 2);
    if (isFrom(middle)) high = middle;
    else low = middle;
  }
  return low + 1;
}

/** Steps on the way back grow by it. */
const BACK_FACTOR = 8;

function forget(
  session: SessionState,
  { seq, record }: Found,
  turn: Turn<SessionEffect>,
  store: LogStore,
  shard: number,
): void {
  const { user: owner, inboxName } = session;
  const { w, ...rest } = record;
  if (w === undefined) return;
  turn.streams.push({ t: 'replace', stream: inboxName, seq, record: rest });
  session.parts.recentWords.drop(owner);
  const place = { store, shard, owner, key: userRows(owner) + FULLTEXT_KEY };
  for (const [key, value] of forgottenRows(place, seq, record, turn.rows)) turn.rows.set(key, value);
  beginIndexing(session, turn);
}
