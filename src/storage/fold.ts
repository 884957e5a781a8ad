import { BlockBuilder, blockCount, blockRecords, replaceInBlock, segmentRecordsMax } from './blocks.ts';
import { encodeRow, packRecords } from './codec.ts';
import type { FoldEntry } from './fold-slice.ts';
import { blockKey, rowKey, seqMax } from './keys.ts';
import type { Value } from './log-store.ts';
import { deleted, type Generation, type ShardPart, type StreamPart } from './overlay.ts';
import { Segment } from './segment.ts';

/** The last block of a stream in the base. */
export interface Tail {
  /** seq of the block's first record, its key */
  readonly first: number;
  /** seq of the stream's last record */
  readonly last: number;
  readonly bytes: number;
}

/** What folding reads and remembers of the base. */
export interface FoldBase {
  /** undefined: the stream is empty */
  tail(shard: number, stream: string): Tail | undefined;
  block(shard: number, stream: string, first: number): Buffer | undefined;
  /** The last block that begins at or before `seq`, the only one that can hold it. */
  blockAround(shard: number, stream: string, seq: number): [first: number, block: Buffer] | undefined;
  /** The block that may hold `seq`, and all after it, in order. */
  blocksFrom(shard: number, stream: string, seq: number): [first: number, block: Buffer][];
  /** undefined: look it up again */
  setTail(shard: number, stream: string, tail: Tail | undefined): void;
}

export interface BlockLimits {
  readonly blockRecordsMax: number;
  readonly blockBytesMax: number;
  readonly blockMergeBytesMax: number;
}

/**
 * The changes that bring a generation into the base: one put a row, one a block. Lazy, so that the caller can stop
 * between any two and go on later. Running it again from the start, after a part of it was written, ends in the same
 * base: that is what a restart in the middle of a fold does.
 */
export function* foldEntries(generation: Generation, base: FoldBase, limits: BlockLimits): Generator<FoldEntry> {
  let builder = new BlockBuilder();
  for (const [shard, part] of generation.shards) {
    const entries = shardEntries(shard, part, base, limits, builder);
    // A shard that is voided meanwhile leaves the generation: nothing may be read or written of it any more.
    while (generation.shards.get(shard) === part) {
      const next = entries.next();
      if (next.done) break;
      yield next.value;
    }
    if (generation.shards.get(shard) !== part) builder = new BlockBuilder();
  }
}

/** The changes of one shard. */
export function* shardEntries(
  shard: number,
  { rows, streams }: ShardPart,
  base: FoldBase,
  limits: BlockLimits,
  builder: BlockBuilder,
): Generator<FoldEntry> {
  for (const [key, value] of rows) {
    if (value === deleted) yield { t: 'del', key: rowKey(shard, key) };
    else yield { t: 'put', key: rowKey(shard, key), value: encodeRow(value) };
  }
  for (const [stream, part] of streams) yield* foldStream(shard, stream, part, base, limits, builder);
}

function* foldStream(
  shard: number,
  stream: string,
  part: StreamPart,
  base: FoldBase,
  limits: BlockLimits,
  builder: BlockBuilder,
): Generator<FoldEntry> {
  if (part.dropped) {
    base.setTail(shard, stream, undefined);
    yield { t: 'clear', key: blockKey(shard, stream, 0), end: blockKey(shard, stream, seqMax) };
  }
  let under = base;
  if (part.replaced !== undefined) {
    const patched = new Map<number, Buffer>();
    yield* patchBlocks(shard, stream, part.replaced, base, patched, builder);
    if (patched.size > 0) base.setTail(shard, stream, undefined);
    under = withPatched(base, patched);
  }
  if (part.records.length > 0) yield* foldRecords(shard, stream, part, under, limits, builder);
}

/** Writes the blocks of the base anew in which some records are other ones now. `patched` gets them by first seq. */
function* patchBlocks(
  shard: number,
  stream: string,
  replaced: ReadonlyMap<number, Value>,
  base: FoldBase,
  patched: Map<number, Buffer>,
  builder: BlockBuilder,
): Generator<FoldEntry> {
  let upTo = 0;
  for (const seq of [...replaced.keys()].sort((a, b) => a - b)) {
    const [first, block] = (seq > upTo && base.blockAround(shard, stream, seq)) || [];
    if (first === undefined || block === undefined) continue;
    upTo = first + blockCount(block) - 1;
    const value = replaceInBlock(first, block, replaced, builder);
    if (value === undefined) continue;
    patched.set(first, value);
    yield { t: 'put', key: blockKey(shard, stream, first), value };
  }
}

/** The base as it will be once the patched blocks, which are on their way, are in it. */
function withPatched(base: FoldBase, patched: ReadonlyMap<number, Buffer>): FoldBase {
  return {
    tail(shard, stream) {
      const tail = base.tail(shard, stream);
      const block = tail && patched.get(tail.first);
      return block === undefined ? tail : { ...(tail as Tail), bytes: block.length };
    },
    block: (shard, stream, first) => patched.get(first) ?? base.block(shard, stream, first),
    blockAround: (shard, stream, seq) => base.blockAround(shard, stream, seq),
    blocksFrom: (shard, stream, seq) =>
      base.blocksFrom(shard, stream, seq).map(([first, block]) => [first, patched.get(first) ?? block]),
    setTail: (shard, stream, tail) => base.setTail(shard, stream, tail),
  };
}

function* foldRecords(
  shard: number,
  stream: string,
  part: StreamPart,
  base: FoldBase,
  limits: BlockLimits,
  builder: BlockBuilder,
): Generator<FoldEntry> {
  const tail = part.dropped ? undefined : base.tail(shard, stream);
  if (tail !== undefined && part.first <= tail.last) {
    base.setTail(shard, stream, undefined);
    yield* replaceRecords(shard, stream, part, base, limits, builder);
    return;
  }
  let first = part.first;
  if (tail !== undefined && tail.last + 1 === part.first && tail.bytes <= limits.blockMergeBytesMax) {
    const block = base.block(shard, stream, tail.first);
    if (block !== undefined && blockCount(block) < limits.blockRecordsMax) {
      builder.addBlock(block);
      first = tail.first;
    }
  }
  let written: Tail | undefined;
  for (const block of blocksOf(first, recordsOf(part, limits), limits, builder)) {
    written = { first: block.first, last: block.last, bytes: block.value.length };
    yield { t: 'put', key: blockKey(shard, stream, block.first), value: block.value };
  }
  base.setTail(shard, stream, written);
}

/**
 * Only after a restart: some of these seqs were folded before it. The blocks they are in are written anew, with what
 * else was in them. New blocks first, then the deletions, so that no cut between two slices can lose a record.
 */
function* replaceRecords(
  shard: number,
  stream: string,
  part: StreamPart,
  base: FoldBase,
  limits: BlockLimits,
  builder: BlockBuilder,
): Generator<FoldEntry> {
  const last = part.first + part.records.length - 1;
  const old = base.blocksFrom(shard, stream, part.first).filter(([first]) => first <= last);
  const kept = (low: number, high: number): [number, Value][] =>
    old
      .flatMap(([first, block]) => blockRecords(block).map((record, i): [number, Value] => [first + i, record]))
      .filter(([seq]) => seq >= low && seq <= high);
  function* records(): Generator<[number, Value | Segment]> {
    yield* kept(0, part.first - 1);
    yield* recordsOf(part, limits);
    yield* kept(last + 1, seqMax);
  }
  const written = new Set<number>();
  for (const block of blocksOf(undefined, records(), limits, builder)) {
    written.add(block.first);
    yield { t: 'put', key: blockKey(shard, stream, block.first), value: block.value };
  }
  for (const [first] of old) if (!written.has(first)) yield { t: 'del', key: blockKey(shard, stream, first) };
}

/** Records of a part with their seq; those that are packed already by the segment, when a block can have it as it is. */
function* recordsOf(
  { first, records }: StreamPart,
  { blockRecordsMax, blockBytesMax }: BlockLimits,
): Generator<[seq: number, record: Value | Segment]> {
  for (let i = 0; i < records.length; i += 1) {
    const record = records[i];
    if (record === undefined) continue;
    const seq = first + i;
    if (!(record instanceof Segment)) yield [seq, record];
    else if (
      record.count <= blockRecordsMax &&
      BlockBuilder.bytesOf(record.bytes) <= blockBytesMax &&
      isWhole(record, records, i)
    ) {
      yield [seq, record];
      i += record.count - 1;
    } else yield [seq, record.record(seq)];
  }
}

/** All of it begins at this place: some of its records may be other ones by now. */
function isWhole(segment: Segment, records: StreamPart['records'], at: number): boolean {
  for (let i = at; i < at + segment.count; i += 1) if (records[i] !== segment) return false;
  return true;
}

interface Block {
  readonly first: number;
  readonly last: number;
  readonly value: Buffer;
}

/** Cuts records into blocks: full, too large, or a seq missing in between. `first` is of what the builder holds. */
function* blocksOf(
  first: number | undefined,
  records: Iterable<[seq: number, record: Value | Segment]>,
  limits: BlockLimits,
  builder: BlockBuilder,
): Generator<Block> {
  const open = { start: first ?? 0 };
  let segment: Value[] = [];
  for (const [seq, record] of records) {
    const packed = record instanceof Segment ? record : undefined;
    const held = builder.count + segment.length;
    const gap = seq !== open.start + held && held > 0;
    const full = held + (packed?.count ?? 1) > limits.blockRecordsMax;
    if (gap || full || packed !== undefined || segment.length >= segmentRecordsMax) {
      yield* addSegment(segment, open, limits, builder);
      segment = [];
      if ((gap || full) && builder.count > 0) yield finish(open, builder);
    }
    if (builder.count + segment.length === 0) open.start = seq;
    if (packed === undefined) segment.push(record);
    else yield* addPacked(packed.bytes, packed.count, open, limits, builder);
  }
  yield* addSegment(segment, open, limits, builder);
  if (builder.count > 0) yield finish(open, builder);
}

/** Halves a segment until it fits into a block; a single record is a block whatever its size. */
function* addSegment(
  segment: readonly Value[],
  open: { start: number },
  limits: BlockLimits,
  builder: BlockBuilder,
): Generator<Block> {
  if (segment.length === 0) return;
  const packed = packRecords(segment);
  if (segment.length > 1 && BlockBuilder.bytesOf(packed) > limits.blockBytesMax) {
    const half = segment.length >> 1;
    yield* addSegment(segment.slice(0, half), open, limits, builder);
    yield* addSegment(segment.slice(half), open, limits, builder);
    return;
  }
  yield* addPacked(packed, segment.length, open, limits, builder);
}

/** A segment that fits into a block. */
function* addPacked(
  packed: Buffer,
  records: number,
  open: { start: number },
  limits: BlockLimits,
  builder: BlockBuilder,
): Generator<Block> {
  const before =
    builder.count > 0 && builder.bytesWith(packed) > limits.blockBytesMax ? finish(open, builder) : undefined;
  if (before !== undefined) open.start = before.last + 1;
  // Before anything is yielded: what was just packed is only valid until somebody else packs.
  builder.add(packed, records);
  if (before !== undefined) yield before;
}

function finish(open: { start: number }, builder: BlockBuilder): Block {
  return { first: open.start, last: open.start + builder.count - 1, value: builder.finish() };
}
