import { BlockReader, blockCount } from './blocks.ts';
import { decodeRow } from './codec.ts';
import { StorageFailedError } from './errors.ts';
import type { FoldBase, Tail } from './fold.ts';
import { afterPrefix, blockKey, blockSeq, blockStream, blocksPrefix, rowKey, rowTextPrefix, seqMax } from './keys.ts';
import type { StreamRange, StreamRecord, Value } from './log-store.ts';
import type { Rocks } from './rocks.ts';
import type { Base } from './state-view.ts';

/** Streams whose last block is remembered, about 200 bytes each; the longest known is forgotten first. */
const tailsMax = 16_384;

/** Blocks of one round of a range read. Blocks of slow streams hold few records, of busy ones up to 64. */
const blocksPerRound = { min: 2, max: 64, recordsGuess: 16 };

/** Seqs before one that are looked at first for the beginning of its block. Most blocks have no more records. */
const BLOCK_LOOK = 64;

/** Folded state in RocksDB. A read costs a seek by key, whatever the stream's length. */
export class RocksBase implements Base, FoldBase {
  private rocks: Rocks | undefined;
  private readonly tails = new Map<string, Tail>();

  attach(rocks: Rocks): void {
    this.tails.clear();
    this.rocks = rocks;
  }

  /** From here on reads throw StorageFailedError, until the next `attach`. */
  detach(): void {
    this.rocks = undefined;
  }

  row(shard: number, key: string): Value | undefined {
    const bytes = this.db.get(rowKey(shard, key));
    return bytes === undefined ? undefined : decodeRow(bytes);
  }

  rows(shard: number, prefix: string, limit: number): [key: string, value: Value][] {
    const first = rowKey(shard, prefix);
    const name = rowTextPrefix(shard);
    return this.db
      .textQuery({ gte: first, lt: afterPrefix(first) }, limit)
      .map(([key, value]) => [key.slice(name), decodeRow(value)]);
  }

  records(shard: number, stream: string, range: StreamRange): StreamRecord[] {
    const { to } = range;
    const found: StreamRecord[] = [];
    for (const [first, block] of this.blocks(shard, stream, range)) {
      const reader = new BlockReader(block);
      const low = Math.max(first, range.from);
      const high = Math.min(first + reader.count - 1, to);
      if (range.reverse) {
        for (let seq = high; seq >= low && found.length < range.limit; seq -= 1) {
          found.push({ seq, record: reader.record(seq - first) });
        }
      } else {
        for (let seq = low; seq <= high && found.length < range.limit; seq += 1) {
          found.push({ seq, record: reader.record(seq - first) });
        }
      }
      if (found.length >= range.limit) break;
    }
    return found;
  }

  streams(shard: number): string[] {
    const names: string[] = [];
    const end = afterPrefix(blocksPrefix(shard));
    let gte = blocksPrefix(shard);
    for (;;) {
      const [key] = this.db.keys({ gte, lt: end }, 1);
      if (key === undefined) return names;
      const name = blockStream(key);
      names.push(name);
      gte = blockKey(shard, name, seqMax);
    }
  }

  /** The shard's blocks are no longer what they were. */
  forget(shard: number): void {
    for (const key of this.tails.keys()) if (key.startsWith(`${shard}/`)) this.tails.delete(key);
  }

  last(shard: number, stream: string): number {
    return this.tail(shard, stream)?.last ?? 0;
  }

  tail(shard: number, stream: string): Tail | undefined {
    const known = this.tails.get(tailKey(shard, stream));
    if (known !== undefined) return known;
    const last = this.blockAtOrBefore(shard, stream, seqMax);
    if (last === undefined) return undefined;
    const [first, block] = last;
    const tail = { first, last: first + blockCount(block) - 1, bytes: block.length };
    this.setTail(shard, stream, tail);
    return tail;
  }

  setTail(shard: number, stream: string, tail: Tail | undefined): void {
    const key = tailKey(shard, stream);
    this.tails.delete(key);
    if (tail === undefined) return;
    this.tails.set(key, tail);
    if (this.tails.size > tailsMax) {
      for (const oldest of this.tails.keys()) {
        this.tails.delete(oldest);
        break;
      }
    }
  }

  block(shard: number, stream: string, first: number): Buffer | undefined {
    return this.db.get(blockKey(shard, stream, first));
  }

  blockAround(shard: number, stream: string, seq: number): [first: number, block: Buffer] | undefined {
    return this.blockAtOrBefore(shard, stream, seq);
  }

  blocksFrom(shard: number, stream: string, seq: number): [first: number, block: Buffer][] {
    return [...this.blocks(shard, stream, { from: seq, to: seqMax - 1, limit: Number.POSITIVE_INFINITY })];
  }

  /** Blocks that may hold seqs of the range, in the order asked, read in rounds as the caller goes on. */
  private *blocks(shard: number, stream: string, range: StreamRange): Generator<[first: number, block: Buffer]> {
    const guess = Math.ceil(range.limit / blocksPerRound.recordsGuess);
    const round = Math.min(blocksPerRound.max, Math.max(blocksPerRound.min, guess));
    const start = range.reverse ? undefined : this.blockAtOrBefore(shard, stream, range.from);
    if (start !== undefined) yield start;
    let gte = blockKey(shard, stream, start === undefined ? 0 : start[0] + 1);
    let lt = blockKey(shard, stream, range.to + 1);
    for (;;) {
      const pairs = this.db.query({ gte, lt }, round, range.reverse);
      for (const [key, block] of pairs) {
        const first = blockSeq(key);
        yield [first, block];
        if (range.reverse) lt = key;
        else gte = blockKey(shard, stream, first + 1);
        if (range.reverse && first <= range.from) return;
      }
      if (pairs.length < round) return;
    }
  }

  private blockAtOrBefore(shard: number, stream: string, seq: number): [first: number, block: Buffer] | undefined {
    const lte = blockKey(shard, stream, seq);
    // The nearer the other end of the range, the less RocksDB has to prepare. A stream's end may be anywhere.
    for (const from of seq > BLOCK_LOOK && seq < seqMax ? [seq - BLOCK_LOOK, 0] : [0]) {
      const [pair] = this.db.query({ gte: blockKey(shard, stream, from), lte }, 1, true);
      if (pair !== undefined) return [blockSeq(pair[0]), pair[1]];
    }
    return undefined;
  }

  private get db(): Rocks {
    if (this.rocks === undefined) throw new StorageFailedError('the store is being opened again after a write error');
    return this.rocks;
  }
}

function tailKey(shard: number, stream: string): string {
  return `${shard}/${stream}`;
}
