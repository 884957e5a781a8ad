import { setImmediate } from 'node:timers/promises';
import { BlockBuilder, replaceInBlock } from './blocks.ts';
import { encodeOp } from './codec.ts';
import { StorageClosedError } from './errors.ts';
import { type BlockLimits, type FoldBase, shardEntries } from './fold.ts';
import { blockSeq, rowNameOfRest, statePrefixBytes, streamOfRest } from './keys.ts';
import type { Op } from './log-store.ts';
import type { ShardPart, StreamPart } from './overlay.ts';
import type { Position, ShardSnapshot } from './replicated-store.ts';
import type { RocksCursor } from './rocks.ts';
import { Segment } from './segment.ts';
import { SnapshotWriter } from './snapshot-stream.ts';

/** Ops with an outbox read from the journal in one go. */
const outboxesPerRead = 256;

/** A base in which every stream is empty: what is folded onto it begins blocks of its own. */
const nothing: FoldBase = {
  tail: () => undefined,
  block: () => undefined,
  blockAround: () => undefined,
  blocksFrom: () => [],
  setTail: () => {},
};

export interface SnapshotSource {
  readonly shard: number;
  readonly at: Position;
  readonly ackedUpTo: number;
  /** the shard's keys in the base, pinned; undefined: there is no base */
  readonly cursor: RocksCursor | undefined;
  /** the overlay's part of the shard, for this snapshot alone: newer than everything under the cursor */
  readonly part: ShardPart | undefined;
  readonly limits: BlockLimits & { readonly snapshotChunkBytes: number };
  /** as ReplicatedLogStore's */
  unacked(after: number, limit: number): Op[];
  /** @throws when the copy is not the one any more that was to be read */
  check(): void;
  closed(): void;
}

/** A copy of a shard's part of a generation, which goes on changing, and whose memory is used again when it is folded. */
export function copyPart(part: ShardPart | undefined): ShardPart | undefined {
  if (part === undefined) return undefined;
  const streams = new Map<string, StreamPart>();
  for (const [name, { dropped, first, records, loose, replaced }] of part.streams) {
    const copy = { dropped, first, records: copyRecords(records), loose };
    streams.set(name, replaced === undefined ? copy : { ...copy, replaced: new Map(replaced) });
  }
  return { rows: new Map(part.rows), streams };
}

function copyRecords(records: StreamPart['records']): StreamPart['records'] {
  let last: Segment | undefined;
  let copy: Segment | undefined;
  return records.map((record) => {
    if (!(record instanceof Segment)) return record;
    // One stands in all of its places.
    if (record !== last) copy = record.copy();
    last = record;
    return copy;
  });
}

/** Reads the pinned base, leaves out what the overlay hides, adds what the overlay has, in the form of a base. */
export class StateSnapshot implements ShardSnapshot {
  readonly at: Position;
  private readonly source: SnapshotSource;
  private open = true;

  constructor(source: SnapshotSource) {
    this.source = source;
    this.at = source.at;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { source } = this;
    if (!this.open) throw new StorageClosedError('the snapshot is closed');
    source.check();
    const writer = new SnapshotWriter(source.limits.snapshotChunkBytes);
    for (const _ of this.steps(writer)) {
      yield* writer.take();
      await setImmediate();
      if (!this.open) throw new StorageClosedError('the snapshot is closed');
      source.check();
    }
    writer.end(source.at, source.ackedUpTo);
    yield* writer.take();
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.source.cursor?.close();
    this.source.closed();
  }

  /** Each step adds about a chunk. */
  private *steps(writer: SnapshotWriter): Generator<true> {
    const { cursor, part, shard, limits, at, unacked } = this.source;
    for (;;) {
      const pairs = cursor?.next(limits.snapshotChunkBytes) ?? [];
      for (const [key, value] of pairs) {
        const rest = key.subarray(statePrefixBytes);
        if (!hides(part, rest)) writer.pair(rest, replacedIn(part, rest, value) ?? value);
      }
      if (pairs.length === 0) break;
      yield true;
    }
    if (part !== undefined) {
      let bytes = 0;
      for (const entry of shardEntries(shard, part, nothing, limits, new BlockBuilder())) {
        if (entry.t !== 'put') continue;
        writer.pair(entry.key.subarray(statePrefixBytes), entry.value);
        bytes += entry.value.length;
        if (bytes < limits.snapshotChunkBytes) continue;
        bytes = 0;
        yield true;
      }
    }
    for (let after = 0; ; ) {
      const ops = unacked(after, outboxesPerRead).filter(({ idx }) => idx <= at.idx);
      for (const { idx, epoch, outbox } of ops) {
        writer.outbox({ idx, epoch, bytes: encodeOp({ writes: [], outbox }) });
        after = idx;
      }
      if (ops.length === 0) return;
      yield true;
    }
  }
}

/** Is this row or block of the base no more, or another one, in the overlay's part? */
function hides(part: ShardPart | undefined, rest: Buffer): boolean {
  if (part === undefined) return false;
  const row = rowNameOfRest(rest);
  return row === undefined ? part.streams.get(streamOfRest(rest))?.dropped === true : part.rows.has(row);
}

/** A block of the base with what the overlay's part has in the place of some of its records. */
function replacedIn(part: ShardPart | undefined, rest: Buffer, value: Buffer): Buffer | undefined {
  if (part === undefined || rowNameOfRest(rest) !== undefined) return undefined;
  const replaced = part.streams.get(streamOfRest(rest))?.replaced;
  return replaced && replaceInBlock(blockSeq(rest), value, replaced, new BlockBuilder());
}
