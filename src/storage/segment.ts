import { packRecords, unpackRecords } from './codec.ts';
import type { Value } from './log-store.ts';

/**
 * Neighbouring records of a stream that wait in memory for their fold, in the form in which a block has them (blocks.ts).
 * The fold copies them as they are. Until then they are bytes beside V8's heap: as objects they would be copied by each
 * of its collections.
 */
export class Segment {
  /** seq of the first record */
  readonly first: number;
  readonly count: number;
  readonly #slab: Slab;
  readonly #uses: number;
  readonly #start: number;
  readonly #end: number;
  #records: readonly Value[] | undefined;

  private constructor(first: number, count: number, packed: Buffer, slab: Slab) {
    this.first = first;
    this.count = count;
    this.#slab = slab;
    this.#uses = slab.uses;
    this.#start = slab.used;
    slab.used += packed.copy(slab.buffer, slab.used);
    this.#end = slab.used;
  }

  /** @param slabs where its bytes are to be, until those are given back */
  static of(first: number, records: readonly Value[], slabs: Slabs): Segment {
    const packed = packRecords(records);
    return new Segment(first, records.length, packed, slabs.with(packed.length));
  }

  /** The same with memory of its own, for who keeps it beyond the fold. */
  copy(): Segment {
    const { first, count, bytes } = this;
    return new Segment(first, count, bytes, newSlab(bytes.length));
  }

  /** What `packRecords` makes of them; nobody may keep it. @throws Error when the slab has been given back */
  get bytes(): Buffer {
    if (this.#slab.uses !== this.#uses) throw new Error('these records have been folded, and their memory given away');
    return this.#slab.buffer.subarray(this.#start, this.#end);
  }

  /** The record of a seq from `first` to `first + count - 1`. Who reads one mostly reads its neighbours, so they are kept. */
  record(seq: number): Value {
    // A copy, since what is binary in them stays a part of it.
    this.#records ??= unpackRecords(Buffer.from(this.bytes));
    return this.#records[seq - this.first];
  }
}

/** Many segments in one buffer: V8 counts and looks after each that stands alone. They go with the same fold. */
const SLAB_BYTES = 256 * 1024;

/** Slabs that wait to be used again, of one overlay. Beyond it they are left to V8. */
const FREE_MAX = 128;

export interface Slab {
  readonly buffer: Buffer;
  used: number;
  /** how often it has been given back */
  uses: number;
}

function newSlab(bytes: number): Slab {
  return { buffer: Buffer.allocUnsafeSlow(bytes), used: 0, uses: 0 };
}

/**
 * The memory of what waits for one fold. It lives for seconds, so V8 would take it for old and give it back by its long
 * collections only, which it began every 64 MB of such (a quarter of a minute at 4,000 messages a second, 70 ms of the
 * thread each). So it is used again, by the fold after next.
 *
 * Bound: `FREE_MAX` slabs wait, those of the last fold.
 */
export class Slabs {
  readonly #free: Slab[];
  readonly #slabs: Slab[] = [];

  /** @param free those of earlier folds */
  constructor(free: Slab[]) {
    this.#free = free;
  }

  /** One with room for that many bytes. */
  with(bytes: number): Slab {
    const last = this.#slabs.at(-1);
    if (last !== undefined && last.buffer.length - last.used >= bytes) return last;
    const free = bytes <= SLAB_BYTES ? this.#free.pop() : undefined;
    const slab = free ?? newSlab(Math.max(SLAB_BYTES, bytes));
    this.#slabs.push(slab);
    return slab;
  }

  /** Nobody reads what is in them any more. */
  giveBack(): void {
    this.#free.length = 0;
    for (const slab of this.#slabs) {
      slab.used = 0;
      slab.uses += 1;
      if (slab.buffer.length === SLAB_BYTES && this.#free.length < FREE_MAX) this.#free.push(slab);
    }
    this.#slabs.length = 0;
  }
}
