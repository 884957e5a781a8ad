import { wordHash } from '../base/words.ts';
import { bucketOf, GROUP, hasAll, mayHavePhrase, placesOf, SPAN, spanOf } from './fulltext-rows.ts';
import type { ArchiveReader, InboxPointer } from './mam-view.ts';

/** What a search reads. Synchronous. Pointers carry the hashes of their messages' words (`w`). */
export interface FulltextReader extends Pick<ArchiveReader, 'last' | 'read'> {
  /** messages before this seq came when no words were kept: any of them may match */
  readonly first: number;
  /** Is one of those for the one who asks at all? */
  shows(record: InboxPointer): boolean;
  /** as many spans, from the beginning, have rows; the rest is told by its pointers */
  spans(): number;
  /** the rows of a bucket for spans `GROUP × group` to `GROUP × (group + 1) - 1`, by span, where there are any */
  rows(bucket: number, group: number): ReadonlyMap<number, Uint8Array>;
}

/** What a message must have to be looked at closely. */
export interface Wanted {
  /** hashes of words, at least one */
  readonly hashes: readonly number[];
  /** those of words that follow one another, two or more */
  readonly phrases: readonly (readonly number[])[];
  /** chatId; absent: any */
  readonly chat?: string;
}

export interface Candidate {
  readonly seq: number;
  readonly record: InboxPointer;
}

/** How much may still be looked at; below 1 the scan ends. One is a pointer, or a span of one word; a read of a few pointers by themselves is 16 more. */
export interface Meter {
  left: number;
}

/** Under which a chat stands among the words; a word has no space. */
export function chatHash(chat: string): number {
  return wordHash(` ${chat}`);
}

/**
 * Messages from seq `from` to `to` that may have all that is wanted, oldest first or newest first. None is left out;
 * some may not have it (two words of one hash, one that came before there was an index), so each has to be read. A
 * caller takes as many as it needs, and may go on in a later turn. `meter.left` < 1 at the end: there may be more.
 */
export function* candidates(
  reader: FulltextReader,
  wanted: Wanted,
  { from, to }: { readonly from: number; readonly to: number },
  back: boolean,
  meter: Meter,
): Generator<Candidate> {
  const { first } = reader;
  const indexed = reader.spans() * SPAN;
  const parts = [
    { walk: byPointers, from, to: Math.min(to, first - 1) },
    { walk: byRows, from: Math.max(from, first), to: Math.min(to, indexed) },
    { walk: byPointers, from: Math.max(from, first, indexed + 1), to },
  ];
  if (back) parts.reverse();
  for (const part of parts) {
    if (part.from > part.to) continue;
    for (const one of part.walk(reader, wanted, part, back, meter)) if (mayHavePhrases(one, wanted)) yield one;
  }
}

function mayHavePhrases({ record: { w } }: Candidate, { phrases }: Wanted): boolean {
  return w === undefined || phrases.every((phrase) => mayHavePhrase(w, phrase));
}

type Range = Parameters<typeof candidates>[2];

/** Pointers read at a time. */
const CHUNK = 128;

function* byPointers(
  reader: FulltextReader,
  wanted: Wanted,
  range: Range,
  back: boolean,
  meter: Meter,
): Generator<Candidate> {
  let { from, to } = range;
  while (from <= to && meter.left >= 1) {
    const size = Math.min(CHUNK, to - from + 1, meter.left);
    const chunk = { from: back ? to - size + 1 : from, to: back ? to : from + size - 1 };
    meter.left -= size;
    const page = [...reader.read({ ...chunk, limit: size })];
    for (const one of back ? page.reverse() : page) if (mayHave(one, wanted, reader)) yield one;
    if (back) to -= size;
    else from += size;
  }
}

function mayHave({ seq, record }: Candidate, { hashes, chat }: Wanted, reader: FulltextReader): boolean {
  if (chat !== undefined && record.c !== chat) return false;
  if (record.w !== undefined) return hasAll(record.w, hashes);
  return seq < reader.first && reader.shows(record);
}

function* byRows(
  reader: FulltextReader,
  wanted: Wanted,
  { from, to }: Range,
  back: boolean,
  meter: Meter,
): Generator<Candidate> {
  const { hashes, chat } = wanted;
  const all = chat === undefined ? hashes : [...hashes, chatHash(chat)];
  const firstSpan = spanOf(from);
  const lastSpan = spanOf(to);
  const count = Math.floor(lastSpan / GROUP) - Math.floor(firstSpan / GROUP) + 1;
  for (let i = 0; i < count && meter.left >= 1; i += 1) {
    const group = back ? Math.floor(lastSpan / GROUP) - i : Math.floor(firstSpan / GROUP) + i;
    meter.left -= Math.min(GROUP, lastSpan - firstSpan + 1) * all.length;
    for (const [span, places] of spansWith(reader, all, group, back)) {
      const low = span * SPAN + 1;
      const seqs = places.map((place) => low + place).filter((seq) => seq >= from && seq <= to);
      // A row says a little too much.
      for (const one of pointersOf(reader, back ? seqs.reverse() : seqs, meter))
        if (mayHave(one, wanted, reader)) yield one;
      if (meter.left < 1) return;
    }
  }
}

/** Spans of a group in which all words stand in one message, with the places of those. */
function* spansWith(
  reader: FulltextReader,
  hashes: readonly number[],
  group: number,
  back: boolean,
): Generator<[span: number, places: readonly number[]]> {
  const rows: { hash: number; of: ReadonlyMap<number, Uint8Array> }[] = [];
  for (const hash of hashes) {
    const of = reader.rows(bucketOf(hash), group);
    if (of.size === 0) return;
    rows.push({ hash, of });
  }
  for (let i = 0; i < GROUP; i += 1) {
    const span = GROUP * group + (back ? GROUP - 1 - i : i);
    let places: readonly number[] | undefined;
    for (const { hash, of } of rows) {
      const row = of.get(span);
      places = row === undefined ? [] : placesOf(row, hash, places);
      if (places.length === 0) break;
    }
    if (places !== undefined && places.length > 0) yield [span, places];
  }
}

/** Pointers that lie so close are read in one go. */
const NEAR = 16;

/** What a read costs by itself, in pointers of it. */
const READ = 16;

/** @param seqs in order, rising or falling */
function* pointersOf(reader: FulltextReader, seqs: readonly number[], meter: Meter): Generator<Candidate> {
  for (let i = 0; i < seqs.length && meter.left >= 1; ) {
    let end = i + 1;
    while (end < seqs.length && end - i < CHUNK && Math.abs(seqs[end]! - seqs[end - 1]!) <= NEAR) end += 1;
    const ends = [seqs[i]!, seqs[end - 1]!];
    const from = Math.min(...ends);
    const to = Math.max(...ends);
    meter.left -= READ + to - from;
    const found = new Map(reader.read({ from, to, limit: to - from + 1 }).map((one) => [one.seq, one]));
    for (; i < end; i += 1) {
      const one = found.get(seqs[i]!);
      if (one !== undefined) yield one;
    }
  }
}
