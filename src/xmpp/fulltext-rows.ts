import { hashAt, MORE, PACKED } from '../base/words.ts';

/**
 * An inverted index as rows. Messages of a log are numbered from 1; every `SPAN` of them make one span, whose words are
 * spread over `BUCKETS` rows by their hashes. A row holds, for each word of its bucket, where in the span it stands. A
 * row, little-endian: `words:u32, hash:u32 × words (rising), end:u32 × words, place:u16 …`; `end` counts places.
 * Part of the format on disk.
 */

/** Messages of a span. */
export const SPAN = 1024;
/** Rows of a span, a power of two. */
export const BUCKETS = 64;
/** Spans whose rows of one bucket are read in one go. */
export const GROUP = 64;

export function bucketOf(hash: number): number {
  return hash & (BUCKETS - 1);
}

/** Span of a seq, from 0. */
export function spanOf(seq: number): number {
  return Math.floor((seq - 1) / SPAN);
}

/** What a span is made of: place in it (from 0) and packed hashes. */
export interface Placed {
  readonly place: number;
  readonly words: string;
  /** one more hash, of the chat it is in */
  readonly chat?: number | undefined;
}

/** What stands where in the span that is being built, as it came, and sorted: once for all, for it is large. */
let came = newEntries(SPAN * 16);
let sorted = newEntries(SPAN * 16);

interface Entries {
  /** of the hashes, see `keyOf` */
  readonly keys: Uint32Array;
  readonly places: Uint16Array;
}

function newEntries(room: number): Entries {
  return { keys: new Uint32Array(room), places: new Uint16Array(room) };
}

/** The rows of a span, by bucket; buckets without words have none. @param messages by place, rising */
export function buildRows(messages: Iterable<Placed>): Map<number, Uint8Array> {
  let count = 0;
  for (const { place, words, chat } of messages) {
    // Room for all its words and the chat.
    if (count + words.length / PACKED >= came.keys.length) grow(count + words.length);
    for (let at = 0; at < words.length; at += PACKED) {
      const hash = hashAt(words, at);
      if (hash === MORE) continue;
      came.keys[count] = keyOf(hash);
      came.places[count++] = place;
    }
    if (chat === undefined) continue;
    came.keys[count] = keyOf(chat);
    came.places[count++] = place;
  }
  sort(count);
  return rowsOf(sorted, count);
}

function grow(least: number): void {
  const room = Math.max(2 * came.keys.length, least);
  const more = newEntries(room);
  more.keys.set(came.keys);
  more.places.set(came.places);
  came = more;
  sorted = newEntries(room);
}

const BUCKET_BITS = Math.log2(BUCKETS);

/** The hash turned so that its bucket comes first: the order of rows, and of what is in them. */
function keyOf(hash: number): number {
  return ((hash << (32 - BUCKET_BITS)) | (hash >>> BUCKET_BITS)) >>> 0;
}

function hashOf(key: number): number {
  return ((key << BUCKET_BITS) | (key >>> (32 - BUCKET_BITS))) >>> 0;
}

/** Digits of a key, each sorted by after the one below it; an odd number of them, so that `sorted` has it in the end. */
const DIGITS = [0, 11, 22] as const;
const DIGIT_MASK = 2047;
const starts = new Uint32Array(DIGIT_MASK + 1);

/**
 * What came, into `sorted`: by key, and of one key as it came. By digits: a span has some ten thousand entries, and
 * takes half the time that it took with a sort that compares (docs/performance.md).
 */
function sort(count: number): void {
  let [from, to] = [came, sorted];
  for (const shift of DIGITS) {
    starts.fill(0);
    for (let i = 0; i < count; i += 1) starts[(from.keys[i]! >>> shift) & DIGIT_MASK]! += 1;
    for (let digit = 0, start = 0; digit <= DIGIT_MASK; digit += 1) {
      const size = starts[digit]!;
      starts[digit] = start;
      start += size;
    }
    for (let i = 0; i < count; i += 1) {
      const key = from.keys[i]!;
      const at = starts[(key >>> shift) & DIGIT_MASK]!++;
      to.keys[at] = key;
      to.places[at] = from.places[i]!;
    }
    [from, to] = [to, from];
  }
}

function rowsOf(entries: Entries, count: number): Map<number, Uint8Array> {
  const { keys } = entries;
  const rows = new Map<number, Uint8Array>();
  for (let from = 0; from < count; ) {
    const bucket = keys[from]! >>> (32 - BUCKET_BITS);
    let to = from + 1;
    while (to < count && keys[to]! >>> (32 - BUCKET_BITS) === bucket) to += 1;
    rows.set(bucket, packRow(entries, from, to));
    from = to;
  }
  return rows;
}

/** For one row after the other: its hashes, their ends, its places. */
let hashes = new Uint32Array(1024);
let ends = new Uint32Array(1024);
let places = new Uint16Array(1024);

function packRow(entries: Entries, from: number, to: number): Uint8Array {
  if (to - from > places.length) {
    hashes = new Uint32Array(to - from);
    ends = new Uint32Array(to - from);
    places = new Uint16Array(to - from);
  }
  let words = 0;
  let count = 0;
  let previous = -1;
  for (let i = from; i < to; i += 1) {
    const key = entries.keys[i]!;
    const place = entries.places[i]!;
    if (key !== previous) {
      hashes[words] = hashOf(key);
      words += 1;
    } else if (places[count - 1] === place) continue;
    previous = key;
    places[count] = place;
    count += 1;
    ends[words - 1] = count;
  }
  const row = new Uint8Array(4 + 8 * words + 2 * count);
  const view = new DataView(row.buffer);
  view.setUint32(0, words, true);
  let at = 4;
  for (let i = 0; i < words; i += 1, at += 4) view.setUint32(at, hashes[i]!, true);
  for (let i = 0; i < words; i += 1, at += 4) view.setUint32(at, ends[i]!, true);
  for (let i = 0; i < count; i += 1, at += 2) view.setUint16(at, places[i]!, true);
  return row;
}

/** Places of a word in a row, rising. */
export function placesOf(row: Uint8Array, hash: number): number[] {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  const count = view.getUint32(0, true);
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (view.getUint32(4 + 4 * middle, true) < hash) low = middle + 1;
    else high = middle;
  }
  if (low === count || view.getUint32(4 + 4 * low, true) !== hash) return [];
  const ends = 4 + 4 * count;
  const start = ends + 4 * count;
  const found: number[] = [];
  const to = view.getUint32(ends + 4 * low, true);
  for (let i = low === 0 ? 0 : view.getUint32(ends + 4 * (low - 1), true); i < to; i += 1)
    found.push(view.getUint16(start + 2 * i, true));
  return found;
}

/** The row without one message; undefined when nothing is left of it. */
export function withoutPlace(row: Uint8Array, place: number): Uint8Array | undefined {
  const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
  // A row has its hashes and places in order already.
  const left = newEntries((row.byteLength - 4) / 2);
  let count = 0;
  for (let i = 0, words = view.getUint32(0, true); i < words; i += 1) {
    const hash = view.getUint32(4 + 4 * i, true);
    for (const other of placesOf(row, hash)) {
      if (other === place) continue;
      left.keys[count] = keyOf(hash);
      left.places[count++] = other;
    }
  }
  return rowsOf(left, count).values().next().value;
}

/** Distinct hashes of what `packedWords` made. */
export function hashesIn(words: string): Set<number> {
  const hashes = new Set<number>();
  for (let at = 0; at < words.length; at += PACKED) hashes.add(hashAt(words, at));
  hashes.delete(MORE);
  return hashes;
}

/** True when all of these are among the packed ones. */
export function hasAll(words: string, hashes: readonly number[]): boolean {
  return hashes.every((hash) => {
    for (let at = 0; at < words.length; at += PACKED) if (hashAt(words, at) === hash) return true;
    return false;
  });
}

/** May these words follow one another there? Where words were left out, they may. */
export function mayHavePhrase(words: string, phrase: readonly number[]): boolean {
  if (hashAt(words, words.length - PACKED) === MORE) return true;
  for (let at = 0; at + PACKED * phrase.length <= words.length; at += PACKED)
    if (phrase.every((hash, i) => hashAt(words, at + PACKED * i) === hash)) return true;
  return false;
}
