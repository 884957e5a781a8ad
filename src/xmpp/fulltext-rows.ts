/**
 * An inverted index as rows. Messages of a log are numbered from 1; every `SPAN` of them make one span, whose words are
 * spread over `BUCKETS` rows by their hashes. A row holds, for each word of its bucket, where in the span it stands. A
 * row, little-endian: `words:u32, hash:u32 × words (rising), end:u32 × words, place:u16 …`; `end` counts places.
 * Part of the format on disk.
 */

/** Messages of a span. */
export const SPAN = 1024;
/** Rows of a span. */
export const BUCKETS = 64;
/** Spans whose rows of one bucket are read in one go. */
export const GROUP = 64;

export function bucketOf(hash: number): number {
  return hash % BUCKETS;
}

/** Span of a seq, from 0. */
export function spanOf(seq: number): number {
  return Math.floor((seq - 1) / SPAN);
}

/** What a span is made of: place in it (from 0) and packed hashes. */
export interface Placed {
  readonly place: number;
  readonly words: Uint8Array;
  /** one more hash, of the chat it is in */
  readonly chat?: number;
}

/** The rows of a span, by bucket; buckets without words have none. */
export function buildRows(messages: Iterable<Placed>): Map<number, Uint8Array> {
  const entries: number[] = [];
  for (const { place, words, chat } of messages) {
    for (const hash of hashesIn(words)) entries.push(entryOf(hash, place));
    if (chat !== undefined) entries.push(entryOf(chat, place));
  }
  // By bucket, then hash, then place.
  const sorted = Float64Array.from(entries).sort();
  const rows = new Map<number, Uint8Array>();
  for (let from = 0; from < sorted.length; ) {
    const bucket = Math.floor(sorted[from]! / BUCKET_UNIT);
    let to = from + 1;
    while (to < sorted.length && sorted[to]! < (bucket + 1) * BUCKET_UNIT) to += 1;
    rows.set(bucket, packRow(sorted.subarray(from, to)));
    from = to;
  }
  return rows;
}

const BUCKET_UNIT = 2 ** 42;

/** bucket, hash and place in one number below 2^48 */
function entryOf(hash: number, place: number): number {
  return bucketOf(hash) * BUCKET_UNIT + hash * SPAN + place;
}

function packRow(entries: Float64Array): Uint8Array {
  const hashes: number[] = [];
  const ends: number[] = [];
  const places = new Uint16Array(entries.length);
  let count = 0;
  for (const entry of entries) {
    const inBucket = entry % BUCKET_UNIT;
    const hash = Math.floor(inBucket / SPAN);
    const place = inBucket % SPAN;
    if (hashes.at(-1) !== hash) {
      hashes.push(hash);
      ends.push(count);
    } else if (places[count - 1] === place) continue;
    places[count] = place;
    count += 1;
    ends[ends.length - 1] = count;
  }
  return rowOf(hashes, ends, places.subarray(0, count));
}

function rowOf(hashes: readonly number[], ends: readonly number[], places: Uint16Array): Uint8Array {
  const row = new Uint8Array(4 + 8 * hashes.length + 2 * places.length);
  const view = new DataView(row.buffer);
  view.setUint32(0, hashes.length, true);
  for (let i = 0; i < hashes.length; i += 1) {
    view.setUint32(4 + 4 * i, hashes[i]!, true);
    view.setUint32(4 + 4 * (hashes.length + i), ends[i]!, true);
  }
  const start = 4 + 8 * hashes.length;
  for (let i = 0; i < places.length; i += 1) view.setUint16(start + 2 * i, places[i]!, true);
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
  const entries: number[] = [];
  for (let i = 0, count = view.getUint32(0, true); i < count; i += 1) {
    const hash = view.getUint32(4 + 4 * i, true);
    for (const other of placesOf(row, hash)) if (other !== place) entries.push(entryOf(hash, other));
  }
  return entries.length === 0 ? undefined : packRow(Float64Array.from(entries).sort());
}

/** Hashes of what `packedWords` made. */
export function hashesIn(words: Uint8Array): number[] {
  const hashes: number[] = [];
  for (let at = 0; at + 3 < words.length; at += 4) hashes.push(hashAt(words, at));
  return hashes;
}

function hashAt(words: Uint8Array, at: number): number {
  return (words[at]! | (words[at + 1]! << 8) | (words[at + 2]! << 16) | (words[at + 3]! << 24)) >>> 0;
}

/** True when all of these are among the packed ones. */
export function hasAll(words: Uint8Array, hashes: readonly number[]): boolean {
  return hashes.every((hash) => {
    for (let at = 0; at + 3 < words.length; at += 4) if (hashAt(words, at) === hash) return true;
    return false;
  });
}
