import type { LogStore } from '../storage/log-store.ts';
import {
  BUCKETS,
  bucketOf,
  GROUP,
  hashesIn,
  isReadable,
  ROWS_VERSION,
  SPAN,
  SpanWords,
  spanOf,
  withoutPlace,
} from '../xmpp/fulltext-rows.ts';
import { chatHash, type FulltextReader } from '../xmpp/fulltext-scan.ts';
import type { ArchiveReader, InboxPointer } from '../xmpp/mam-view.ts';
import { isDirect } from './keys.ts';
import { DELETED } from './turn.ts';

/**
 * The full-text index (XEP-0431) beside a log: a user's inbox, or a group's messages. What is in it rides with each
 * message (`w`), in the very op that appends it; so nothing is ever found that is not in the log, nor the other way
 * round. When a span of the log is committed, its words are gathered into rows, in the op of the next message: that
 * makes searching fast, and changes nothing of what is found.
 */

/** Row of an owner: how far the index goes. */
export interface FulltextRow {
  /** that of the rows (ROWS_VERSION) */
  readonly v: number;
  /** messages before this seq came when words were not kept */
  readonly first: number;
  /** as many spans have rows */
  readonly spans: number;
  /** as many have rows of a version of before, which are written again one after the other */
  readonly old?: number;
}

/** A row as it is stored, for this version: of an index of another one nothing counts but where it begins. */
export function currentRow<Stored extends FulltextRow | undefined>(stored: Stored): Stored | FulltextRow {
  if (stored === undefined || stored.v === ROWS_VERSION) return stored;
  const { first, spans } = stored;
  return { v: ROWS_VERSION, first, spans: spanOf(first), old: spans };
}

/** Among a session's rows (`S/<user>/`). */
export const FULLTEXT_KEY = 'fts';

/** Rows of an owner's index, a user's bare JID or a room's. Keys of one bucket are in the order of their spans. */
export const fulltextRows = (owner: string): string => `W/${owner}/`;

function groupPrefix(owner: string, bucket: number, group: number): string {
  return `${fulltextRows(owner)}${digits(bucket, 2)}/${digits(group, 8)}/`;
}

export function fulltextKey(owner: string, bucket: number, span: number): string {
  return groupPrefix(owner, bucket, Math.floor(span / GROUP)) + digits(span % GROUP, 2);
}

function digits(n: number, width: number): string {
  return String(n).padStart(width, '0');
}

/** Where an owner's index and log are. */
export interface FulltextPlace {
  readonly store: Pick<LogStore, 'scan' | 'get'>;
  readonly shard: number;
  readonly owner: string;
  /** full key of the owner's FulltextRow */
  readonly key: string;
}

/** @param log the pointers of the owner's log, with their words */
export function fulltextReader(place: FulltextPlace, log: Pick<ArchiveReader, 'last' | 'read'>): FulltextReader {
  const { store, shard, owner } = place;
  const row = (): FulltextRow | undefined => currentRow(store.get(shard, place.key) as FulltextRow | undefined);
  return {
    last: () => log.last(),
    read: (range) => log.read(range),
    // The archive hides a group's messages, but they may be found; a direct chat's it hides for a reason.
    shows: ({ c, h, b }) => b === undefined && (h === undefined || !isDirect(c)),
    // Without a row no message came since words are kept.
    first: row()?.first ?? log.last() + 1,
    spans: () => row()?.spans ?? 0,
    rows(bucket, group) {
      const prefix = groupPrefix(owner, bucket, group);
      const found = new Map<number, Uint8Array>();
      for (const [key, value] of store.scan(shard, prefix, GROUP))
        found.set(GROUP * group + Number(key.slice(prefix.length)), value as Uint8Array);
      return found;
    },
  };
}

/** May `grownIndex` have something to do? A comparison a message. */
export function isIndexDue(row: FulltextRow | undefined, last: number): boolean {
  return row === undefined || last > (row.spans + 1) * SPAN;
}

/** What `grownIndex` rests on. */
export interface Growth {
  /** last seq before the turn */
  readonly had: number;
  /** … and after it */
  readonly last: number;
  /** the words of a span, when they are all at hand: else they are read from its pointers */
  readonly wordsOf?: (span: number) => SpanWords | undefined;
}

/**
 * The index after a turn that added messages up to `last`, when it changes: its row, and where a span is due the rows
 * of that. Spans are due when they are committed, one at a time.
 * @param before the owner's row, undefined when there is none yet
 * @param pointers the committed log
 * @param byChat the log has many chats: by chat messages are found too
 */
export function grownIndex(
  owner: string,
  before: FulltextRow | undefined,
  { had, last, wordsOf }: Growth,
  pointers: Pick<ArchiveReader, 'last' | 'read'>,
  byChat: boolean,
): { readonly row: FulltextRow; readonly rows: readonly (readonly [key: string, value: Uint8Array])[] } | undefined {
  const row = before ?? { v: ROWS_VERSION, first: had + 1, spans: Math.floor(had / SPAN) };
  const upTo = (row.spans + 1) * SPAN;
  if (!isIndexDue(row, last) || pointers.last() < upTo) return before === undefined ? { row, rows: [] } : undefined;
  const words = wordsOf?.(row.spans) ?? readWords(pointers, row.spans, byChat);
  const rows = [...words.rows()].map(([bucket, value]) => [fulltextKey(owner, bucket, row.spans), value] as const);
  return { row: { ...row, spans: row.spans + 1 }, rows };
}

function readWords(pointers: Pick<ArchiveReader, 'read'>, span: number, byChat: boolean): SpanWords {
  const words = new SpanWords();
  const from = span * SPAN + 1;
  for (const { seq, record } of pointers.read({ from, to: from + SPAN - 1, limit: SPAN }))
    if (record.w !== undefined) words.add(seq - from, record.w, byChat ? chatHash(record.c) : undefined);
  return words;
}

/** Keys of all rows that an index may have but its own. */
export function* keysOfIndex(owner: string, { first, spans, old = 0 }: FulltextRow): Generator<string> {
  for (let span = spanOf(first); span < Math.max(spans, old); span += 1)
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) yield fulltextKey(owner, bucket, span);
}

/**
 * The rows of the index without one message, such as one that was retracted. Its words are still in its pointer, which
 * the caller replaces by one without `w`. A search does not find it by either, for it reads the message.
 * @param pending rows that turns on their way to the log write already, by key
 * @returns what to write
 */
export function forgottenRows(
  { store, shard, owner }: FulltextPlace,
  seq: number,
  pointer: Pick<InboxPointer, 'c' | 'w'>,
  pending: Pick<ReadonlyMap<string, unknown>, 'get'>,
): readonly (readonly [key: string, value: Uint8Array | typeof DELETED])[] {
  if (pointer.w === undefined) return [];
  const span = spanOf(seq);
  const buckets = new Set([...hashesIn(pointer.w).add(chatHash(pointer.c))].map(bucketOf));
  const writes: [string, Uint8Array | typeof DELETED][] = [];
  for (const bucket of buckets) {
    const key = fulltextKey(owner, bucket, span);
    const row = pending.get(key) ?? store.get(shard, key);
    if (!(row instanceof Uint8Array)) continue;
    // One of before is read by nobody any more, and its span is due.
    const left = isReadable(row) ? withoutPlace(row, (seq - 1) % SPAN) : undefined;
    writes.push([key, left ?? DELETED]);
  }
  return writes;
}
