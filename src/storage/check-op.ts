import { nameBytesMax, seqMax } from './keys.ts';
import type { Op, Write } from './log-store.ts';

/**
 * @throws RangeError when an op breaks LogStore's contract: a shard that does not exist, a name of more than 4 KiB, a
 *   number that is none. It is the caller's fault, found before anything is written.
 */
export function checkOp(op: Op, shards: number): void {
  checkShard(op.shard, shards);
  checkNumber('idx', op.idx);
  checkWrites(op.writes);
}

/** @throws RangeError when there is no such shard */
export function checkShard(shard: number, shards: number): void {
  if (!Number.isInteger(shard) || shard < 0 || shard >= shards) {
    throw new RangeError(`shard ${shard} is not one of 0–${shards - 1}`);
  }
}

/** @throws RangeError when a write has a name of more than 4 KiB or a seq that is none */
export function checkWrites(writes: readonly Write[]): void {
  for (const write of writes) {
    if (write.t === 'call') continue;
    const name = write.t === 'put' || write.t === 'del' ? write.key : write.stream;
    // A code unit takes three bytes at most: most names need no counting.
    if (3 * name.length > nameBytesMax && Buffer.byteLength(name) > nameBytesMax) {
      throw new RangeError(`a key or stream name has more than ${nameBytesMax} bytes`);
    }
    if (write.t === 'append' || write.t === 'replace') {
      checkNumber('seq', write.seq);
      if (write.record === undefined) throw new RangeError('a stream record must have a value');
    }
  }
}

/** @throws RangeError */
export function checkNumber(what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1 || value >= seqMax) {
    throw new RangeError(`${what} ${value} is not an integer from 1 to 2^48 - 2`);
  }
}
