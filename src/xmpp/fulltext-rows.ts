import { hashAt, MORE, PACKED } from '../base/words.ts';

/**
 * An inverted index as rows. Messages of a log are numbered from 1; every `SPAN` of them make one span, whose words are
 * spread over `BUCKETS` rows by their hashes, and in a row over `SLOTS` slots. What stands in a slot is told apart by a
 * few more bits only: two bytes a word, and made in one pass without sorting; of a million messages some sixty are looked at
 * in vain. A row, little-endian: `width:u8, 0:u16, version:u8, end:width bytes × SLOTS, entry:u16 …`;
 * `end` counts entries, an entry is `place | rest of the hash << 10`, those of a slot by place. Part of the format on
 * disk. Version 1, which had whole hashes, has 0 in the place of the version.
 */

/** Of rows as they are here. */
export const ROWS_VERSION = 2;

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

/** Slots of a row, a power of two. */
const SLOTS = 64;

const BUCKET_BITS = Math.log2(BUCKETS);
const SLOT_BITS = Math.log2(SLOTS);
const PLACE_BITS = Math.log2(SPAN);
const PLACE_MASK = SPAN - 1;
const REST_BITS = 16 - PLACE_BITS;
const REST_MASK = 2 ** REST_BITS - 1;
/** All that is told of a hash. */
const TOLD_BITS = BUCKET_BITS + SLOT_BITS + REST_BITS;
const TOLD_MASK = 2 ** TOLD_BITS - 1;

/** Bytes of an end: most rows have fewer entries than the narrow ones can count. */
const NARROW = 2;
const WIDE = 4;
const NARROW_MAX = 65_535;
const HEADER = 4;
const VERSION_AT = 3;
const ENTRY = 2;

/** Which of a span's slots a hash is in, those of one row side by side. */
function slotOf(hash: number): number {
  return (bucketOf(hash) << SLOT_BITS) | slotInRow(hash);
}

function slotInRow(hash: number): number {
  return (hash >>> BUCKET_BITS) & (SLOTS - 1);
}

function restOf(hash: number): number {
  return (hash >>> (BUCKET_BITS + SLOT_BITS)) & REST_MASK;
}

/** Entries of each slot of the span that is being built, then where its next one goes. Once for all, for it is large. */
const counts = new Uint32Array(BUCKETS * SLOTS);

/** Entries of `SpanWords` are kept by so many. */
const CHUNK = 4096;

const NO_CHUNK = new Uint32Array(0);

/**
 * Chunks that nobody has, for the next who needs one: memory outside of V8's heap that comes and goes makes it collect the
 * whole heap. At most `SPARE_MAX`, 4 MiB.
 */
const spare: Uint32Array<ArrayBuffer>[] = [];
const SPARE_MAX = 256;

/** The words of a span, of which its rows are made: four bytes each. */
export class SpanWords {
  /** of entries: the bits of a hash that a row tells, and the place above them */
  readonly #chunks: Uint32Array<ArrayBuffer>[] = [];
  #last = NO_CHUNK;
  #count = 0;

  /** of memory */
  get bytes(): number {
    return this.#chunks.length * CHUNK * Uint32Array.BYTES_PER_ELEMENT;
  }

  /**
   * A message with its packed hashes, behind all others.
   * @param place in the span, from 0
   * @param chat one more hash, of the chat it is in
   */
  add(place: number, words: string, chat?: number): void {
    const above = place << TOLD_BITS;
    for (let at = 0; at < words.length; at += PACKED) {
      const hash = hashAt(words, at);
      if (hash !== MORE) this.#push(above | (hash & TOLD_MASK));
    }
    if (chat !== undefined) this.#push(above | (chat & TOLD_MASK));
  }

  #push(entry: number): void {
    const at = this.#count % CHUNK;
    if (at === 0) {
      this.#last = spare.pop() ?? new Uint32Array(CHUNK);
      this.#chunks.push(this.#last);
    }
    this.#last[at] = entry;
    this.#count += 1;
  }

  /** By bucket; buckets without words have none. Nothing is left in it afterwards. */
  rows(): Map<number, Uint8Array> {
    counts.fill(0);
    for (const chunk of this.#filled()) for (let i = 0; i < chunk.length; i += 1) counts[slotOf(chunk[i]!)]! += 1;
    const sizes: number[] = [];
    let total = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) total += sizes[bucket] = rowBytes(bucket);
    // One piece of memory for all: they live as long as one another.
    const bytes = new Uint8Array(total);
    const view = viewOf(bytes);
    const rows = new Map<number, Uint8Array>();
    for (let bucket = 0, at = 0; bucket < BUCKETS; bucket += 1) {
      const size = sizes[bucket]!;
      if (size > 0) rows.set(bucket, beginRow(bucket, bytes.subarray(at, at + size)));
      at += size;
    }
    for (const chunk of this.#filled()) {
      for (let i = 0; i < chunk.length; i += 1) {
        const entry = chunk[i]!;
        const slot = slotOf(entry);
        const at = counts[slot]!;
        counts[slot] = at + ENTRY;
        view.setUint16(at, (entry >>> TOLD_BITS) | (restOf(entry) << PLACE_BITS), true);
      }
    }
    this.clear();
    return rows;
  }

  /** Takes everything out of it. */
  clear(): void {
    for (const chunk of this.#chunks.splice(0)) if (spare.length < SPARE_MAX) spare.push(chunk);
    this.#last = NO_CHUNK;
    this.#count = 0;
  }

  /** Chunks, the last one without the room it still has. */
  #filled(): Uint32Array[] {
    const over = this.bytes / Uint32Array.BYTES_PER_ELEMENT - this.#count;
    return this.#chunks.map((chunk) => (chunk === this.#last ? chunk.subarray(0, CHUNK - over) : chunk));
  }
}

/** Entries of a row that is being built. */
function entriesOf(bucket: number): number {
  const first = bucket << SLOT_BITS;
  let count = 0;
  for (let slot = first; slot < first + SLOTS; slot += 1) count += counts[slot]!;
  return count;
}

/** 0: there is none. */
function rowBytes(bucket: number): number {
  const count = entriesOf(bucket);
  return count === 0 ? 0 : HEADER + widthFor(count) * SLOTS + ENTRY * count;
}

function widthFor(count: number): number {
  return count > NARROW_MAX ? WIDE : NARROW;
}

/** Writes the ends. The counts of its slots become where in the row's buffer their first entries go. */
function beginRow(bucket: number, row: Uint8Array): Uint8Array {
  const width = widthFor(entriesOf(bucket));
  const view = viewOf(row);
  row[0] = width;
  row[VERSION_AT] = ROWS_VERSION;
  const start = row.byteOffset + HEADER + width * SLOTS;
  for (let slot = 0, end = 0; slot < SLOTS; slot += 1) {
    const at = (bucket << SLOT_BITS) | slot;
    const from = end;
    end += counts[at]!;
    setEnd(view, width, slot, end);
    counts[at] = start + ENTRY * from;
  }
  return row;
}

function setEnd(view: DataView, width: number, slot: number, end: number): void {
  if (width === WIDE) view.setUint32(HEADER + WIDE * slot, end, true);
  else view.setUint16(HEADER + NARROW * slot, end, true);
}

/** Entries up to the end of a slot of a row; none before the first. */
function endOf(view: DataView, slot: number): number {
  if (slot < 0) return 0;
  const wide = view.getUint8(0) === WIDE;
  return wide ? view.getUint32(HEADER + WIDE * slot, true) : view.getUint16(HEADER + NARROW * slot, true);
}

function viewOf(row: Uint8Array): DataView {
  return new DataView(row.buffer, row.byteOffset, row.byteLength);
}

/** Can this version read it? */
export function isReadable(row: Uint8Array): boolean {
  return row[VERSION_AT] === ROWS_VERSION;
}

/**
 * Places of a word in a row, rising; seldom there are some of another word among them. Of a row that a node of another
 * version made meanwhile, all.
 * @param among only those of these, rising
 */
export function placesOf(row: Uint8Array, hash: number, among?: readonly number[]): readonly number[] {
  if (!isReadable(row)) return among ?? Array.from({ length: SPAN }, (_, place) => place);
  const view = viewOf(row);
  const slot = slotInRow(hash);
  const rest = restOf(hash);
  const start = HEADER + view.getUint8(0) * SLOTS;
  const end = start + ENTRY * endOf(view, slot);
  const found: number[] = [];
  let last = -1;
  for (let at = start + ENTRY * endOf(view, slot - 1), next = 0; at < end; at += ENTRY) {
    const entry = row[at]! | (row[at + 1]! << 8);
    const place = entry & PLACE_MASK;
    if (entry >>> PLACE_BITS !== rest || place === last) continue;
    last = place;
    if (among !== undefined) {
      while (next < among.length && among[next]! < place) next += 1;
      if (next === among.length) break;
      if (among[next] !== place) continue;
    }
    found.push(place);
  }
  return found;
}

/** The row without one message; undefined when nothing is left of it. */
export function withoutPlace(row: Uint8Array, place: number): Uint8Array | undefined {
  const view = viewOf(row);
  const width = view.getUint8(0);
  const start = HEADER + width * SLOTS;
  const left = new Uint8Array(row);
  const leftView = new DataView(left.buffer);
  let count = 0;
  for (let slot = 0, i = 0; slot < SLOTS; slot += 1) {
    for (const end = endOf(view, slot); i < end; i += 1) {
      const entry = view.getUint16(start + ENTRY * i, true);
      if ((entry & PLACE_MASK) === place) continue;
      leftView.setUint16(start + ENTRY * count, entry, true);
      count += 1;
    }
    setEnd(leftView, width, slot, count);
  }
  return count === 0 ? undefined : left.slice(0, start + ENTRY * count);
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
