import { must } from '../base/assert.ts';

/**
 * A user's archive as ordered views. Nothing here scans: positions, times and ids are found by halving, so a page
 * costs the same out of a thousand messages and out of a million.
 *
 * Two kinds of stream carry it. The inbox has one pointer for everything delivered to the user, dense from 1. Each chat
 * has an index stream with one pointer for every *archived* message of that chat, dense from 1. Preferences (XEP-0441)
 * may keep a message out of the archive: it has no place in its chat's index, and its inbox pointer is hidden. So that
 * hidden pointers can be stepped over without reading them all, each pointer says how many are hidden up to it.
 */

/** One record of the inbox stream; its seq is the inboxSeq. `ts` never decreases along the stream. */
export interface InboxPointer {
  /** chatId */
  readonly c: string;
  /** chatSeq */
  readonly q: number;
  /** ms since the epoch */
  readonly ts: number;
  /** the message's seq in the chat's index stream; saves a search when paging that chat by id */
  readonly n?: number;
  /** how many pointers up to and including this one are hidden; absent means 0 */
  readonly s?: number;
  /** this one is hidden: no archive id, skipped by every query */
  readonly h?: 1;
  /** of somebody whom the user blocked (XEP-0191): hidden, and for no device either */
  readonly b?: 1;
  /** hashes of the message's words (packedWords), when the user may find it by them (XEP-0431) */
  readonly w?: string;
}

/** One record of a chat's index stream of this user. */
export interface ChatPointer {
  /** inboxSeq */
  readonly i: number;
  /** chatSeq */
  readonly q: number;
  readonly ts: number;
  /** resource of the other party as the message named it; absent for a bare JID */
  readonly r?: string;
  /** how many messages up to and including this one counted as unread when they came; absent means 0 */
  readonly l?: number;
}

export interface ArchiveRange {
  /** first seq wanted, inclusive */
  readonly from: number;
  /** last seq wanted, inclusive */
  readonly to: number;
  readonly limit: number;
  /** newest first */
  readonly reverse?: boolean;
}

/** What paging needs of storage. Synchronous; every seq from 1 to last exists. */
export interface ArchiveReader {
  /** last inboxSeq, 0 when the inbox is empty */
  last(): number;
  read(range: ArchiveRange): readonly { readonly seq: number; readonly record: InboxPointer }[];
  /** last seq of the chat's index stream, 0 when the user has nothing of that chat */
  chatLast(chatId: string): number;
  chatRead(chatId: string, range: ArchiveRange): readonly { readonly seq: number; readonly record: ChatPointer }[];
}

/** One archived message: its archive id is `String(seq)`. */
export interface ArchiveEntry {
  /** inboxSeq */
  readonly seq: number;
  readonly chat: string;
  readonly chatSeq: number;
  /** ms since the epoch */
  readonly ts: number;
  /** resource of the other party, known in chat views */
  readonly resource?: string;
}

/** Archived messages in order. A rank counts entries: `slice(0, size)` would be all of them. */
export interface ArchiveView {
  readonly size: number;
  /** how many entries have an inboxSeq ≤ seq */
  rankOfSeq(seq: number): number;
  /** how many entries are earlier than `ts` */
  rankBefore(ts: number): number;
  /** entries with ranks from < rank ≤ to, oldest first */
  slice(from: number, to: number): ArchiveEntry[];
}

/** The smallest n in [low, high) for which `test` holds, high when none does; `test` must be false, then true. */
function firstWhere(low: number, high: number, test: (n: number) => boolean): number {
  let lo = low;
  let hi = high;
  while (lo < hi) {
    const middle = Math.floor((lo + hi) / 2);
    if (test(middle)) hi = middle;
    else lo = middle + 1;
  }
  return lo;
}

/** @throws InvariantError when the stream is not dense: the storage contract is broken, the session must not go on. */
function the<T>(records: readonly { readonly record: T }[], seq: number): T {
  return must(records[0], `archive stream has no record ${seq}`).record;
}

/** The first seq whose pointer is of `ts` or later, `last + 1` when none is. */
export function firstSeqFrom(reader: Pick<ArchiveReader, 'last' | 'read'>, ts: number): number {
  return firstWhere(1, reader.last() + 1, (seq) => the(reader.read({ from: seq, to: seq, limit: 1 }), seq).ts >= ts);
}

/** The inbox pointer, undefined when `seq` is beyond the inbox. */
export function inboxPointer(reader: ArchiveReader, seq: number): InboxPointer | undefined {
  if (seq < 1 || seq > reader.last()) return undefined;
  return the(reader.read({ from: seq, to: seq, limit: 1 }), seq);
}

/** Everything archived, of all chats. */
export function inboxView(reader: ArchiveReader): ArchiveView {
  const last = reader.last();
  const at = (seq: number): InboxPointer => the(reader.read({ from: seq, to: seq, limit: 1 }), seq);
  const hiddenUpTo = (seq: number): number => (seq < 1 ? 0 : (at(seq).s ?? 0));
  const hidden = hiddenUpTo(last);
  const rankOfSeq = (seq: number): number => {
    const upTo = Math.min(seq, last);
    return hidden === 0 ? upTo : upTo - hiddenUpTo(upTo);
  };
  /** inboxSeq of the entry with this rank (from 1): where the count of visible ones first reaches it */
  const seqOfRank = (rank: number): number =>
    hidden === 0 ? rank : firstWhere(rank, rank + hidden, (seq) => seq - hiddenUpTo(seq) >= rank);

  return {
    size: last - hidden,
    rankOfSeq,
    rankBefore: (ts) => rankOfSeq(firstWhere(1, last + 1, (seq) => at(seq).ts >= ts) - 1),
    slice(from, to) {
      const entries: ArchiveEntry[] = [];
      // Each round starts at a visible pointer, so it adds at least one entry.
      while (entries.length < to - from) {
        const start = seqOfRank(from + entries.length + 1);
        const records = reader.read({ from: start, to: last, limit: to - from - entries.length });
        the(records, start);
        for (const { seq, record } of records) {
          if (record.h === undefined) entries.push({ seq, chat: record.c, chatSeq: record.q, ts: record.ts });
        }
      }
      return entries;
    },
  };
}

/** What is archived of one chat. */
export function chatView(reader: ArchiveReader, chatId: string): ArchiveView {
  const size = reader.chatLast(chatId);
  const at = (n: number): ChatPointer => the(reader.chatRead(chatId, { from: n, to: n, limit: 1 }), n);
  return {
    size,
    rankOfSeq(seq) {
      const pointer = inboxPointer(reader, seq);
      if (pointer?.c === chatId && pointer.n !== undefined) return pointer.n;
      return firstWhere(1, size + 1, (n) => at(n).i > seq) - 1;
    },
    rankBefore: (ts) => firstWhere(1, size + 1, (n) => at(n).ts >= ts) - 1,
    slice(from, to) {
      if (from >= to) return [];
      return reader.chatRead(chatId, { from: from + 1, to, limit: to - from }).map(({ record }) => ({
        seq: record.i,
        chat: chatId,
        chatSeq: record.q,
        ts: record.ts,
        resource: record.r,
      }));
    },
  };
}

/** A few known entries, sorted: the result set of an `ids` query. */
export function listView(entries: readonly ArchiveEntry[]): ArchiveView {
  return {
    size: entries.length,
    rankOfSeq: (seq) => firstWhere(0, entries.length, (n) => entries[n]!.seq > seq),
    rankBefore: (ts) => firstWhere(0, entries.length, (n) => entries[n]!.ts >= ts),
    slice: (from, to) => entries.slice(from, to),
  };
}
