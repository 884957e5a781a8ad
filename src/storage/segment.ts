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
  readonly #slab: Buffer;
  readonly #start: number;
  readonly #end: number;
  #records: readonly Value[] | undefined;

  constructor(first: number, records: readonly Value[]) {
    const packed = packRecords(records);
    this.first = first;
    this.count = records.length;
    if (packed.length > slab.length - used) {
      slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, packed.length));
      used = 0;
    }
    this.#slab = slab;
    this.#start = used;
    used += packed.copy(slab, used);
    this.#end = used;
  }

  /** what `packRecords` makes of them */
  get bytes(): Buffer {
    return this.#slab.subarray(this.#start, this.#end);
  }

  /** The record of a seq from `first` to `first + count - 1`. Who reads one mostly reads its neighbours, so they are kept. */
  record(seq: number): Value {
    this.#records ??= unpackRecords(this.bytes);
    return this.#records[seq - this.first];
  }
}

/** Many segments in one buffer: V8 counts and looks after each that stands alone. They mostly go with the same fold. */
const SLAB_BYTES = 256 * 1024;

let slab = Buffer.alloc(0);
let used = 0;
