import { checked, packRecords, unpackRecords, unpackValue } from './codec.ts';
import type { Value } from './log-store.ts';

/**
 * A block: neighbouring records of a stream as one value, stored under the seq of the first. It consists of segments,
 * each packed in one go: `version:u8, records:u16, segments:u16, (records:u16, end:u32) × segments, segments` —
 * little-endian, `end` counts from the start of the segments. Reading one record unpacks its segment; a block grows by
 * a segment without looking into what it has. Version 1 had `version:u8, records:u16, end:u32 × records, records`.
 */
const version = 2;
const headerBytes = 5;
const entryBytes = 6;
const headerBytes1 = 3;
const entryBytes1 = 4;

/** Records packed in one go at most: reading one costs unpacking as many. */
export const segmentRecordsMax = 16;

/** Gathers segments of one block. One builder is reused for many blocks. */
export class BlockBuilder {
  private data = Buffer.allocUnsafe(4096);
  private used = 0;
  private readonly counts: number[] = [];
  private readonly ends: number[] = [];
  /** records */
  count = 0;

  /** bytes of the block if it were finished now */
  get bytes(): number {
    return headerBytes + entryBytes * this.ends.length + this.used;
  }

  /** Bytes of a block of this segment alone. */
  static bytesOf(segment: Buffer): number {
    return headerBytes + entryBytes + segment.length;
  }

  /** What `bytes` will be with this segment. */
  bytesWith(segment: Buffer): number {
    return this.bytes + entryBytes + segment.length;
  }

  /** Copies a segment that `packRecords` made of that many records. */
  add(segment: Buffer, records: number): void {
    this.reserve(segment.length);
    segment.copy(this.data, this.used);
    this.used += segment.length;
    this.count += records;
    this.counts.push(records);
    this.ends.push(this.used);
  }

  /** Takes over what an older block has. */
  addBlock(block: Buffer): void {
    if (block[0] === 1) return this.add(packRecords(blockRecords(block)), blockCount(block));
    const segments = block.readUInt16LE(3);
    const start = headerBytes + entryBytes * segments;
    for (let i = 0, from = start; i < segments; i += 1) {
      const end = start + block.readUInt32LE(headerBytes + entryBytes * i + 2);
      this.add(block.subarray(from, end), block.readUInt16LE(headerBytes + entryBytes * i));
      from = end;
    }
  }

  /** The block's bytes; the builder is empty again. */
  finish(): Buffer {
    const block = Buffer.allocUnsafe(this.bytes);
    block[0] = version;
    block.writeUInt16LE(this.count, 1);
    let at = block.writeUInt16LE(this.ends.length, 3);
    for (let i = 0; i < this.ends.length; i += 1) {
      at = block.writeUInt16LE(this.counts[i]!, at);
      at = block.writeUInt32LE(this.ends[i]!, at);
    }
    this.data.copy(block, at, 0, this.used);
    this.used = this.count = this.counts.length = this.ends.length = 0;
    return block;
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.data.length) return;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.data.length, this.used + bytes));
    this.data.copy(grown, 0, 0, this.used);
    this.data = grown;
  }
}

/** @throws StorageRefusedError when a newer Rookery wrote the block */
export function blockCount(block: Buffer): number {
  return checked(block).readUInt16LE(1);
}

/** All records of a block. */
export function blockRecords(block: Buffer): Value[] {
  const reader = new BlockReader(block);
  return Array.from({ length: reader.count }, (_, i) => reader.record(i));
}

/**
 * A block with other records in the place of some. What was there is not in it any more.
 * @param first seq of the block's first record
 * @param replaced by seq, in or outside of the block
 * @param builder an empty one
 * @returns undefined when none of them is in the block
 */
export function replaceInBlock(
  first: number,
  block: Buffer,
  replaced: ReadonlyMap<number, Value>,
  builder: BlockBuilder,
): Buffer | undefined {
  const end = first + blockCount(block);
  let records: Value[] | undefined;
  for (const [seq, record] of replaced) {
    if (seq < first || seq >= end) continue;
    records ??= blockRecords(block);
    records[seq - first] = record;
  }
  if (records === undefined) return undefined;
  for (let at = 0; at < records.length; at += segmentRecordsMax) {
    const segment = records.slice(at, at + segmentRecordsMax);
    builder.add(packRecords(segment), segment.length);
  }
  return builder.finish();
}

/** Reads records of a block, best in one direction: it keeps the segment it unpacked last. */
export class BlockReader {
  readonly count: number;
  private readonly block: Buffer;
  /** records `first` to `first + records.length - 1` are unpacked */
  private first = 0;
  private records: readonly Value[] = [];

  /** @throws StorageRefusedError when a newer Rookery wrote the block */
  constructor(block: Buffer) {
    this.block = block;
    this.count = blockCount(block);
  }

  /** Record `i`, from 0. */
  record(i: number): Value {
    if (this.block[0] === 1) return this.record1(i);
    if (i < this.first || i >= this.first + this.records.length) this.unpackAround(i);
    return this.records[i - this.first];
  }

  private unpackAround(i: number): void {
    const { block } = this;
    const segments = block.readUInt16LE(3);
    const start = headerBytes + entryBytes * segments;
    let from = 0;
    let first = 0;
    for (let at = headerBytes; at < start; at += entryBytes) {
      const records = block.readUInt16LE(at);
      const end = block.readUInt32LE(at + 2);
      if (i < first + records) {
        this.records = unpackRecords(block.subarray(start + from, start + end));
        this.first = first;
        return;
      }
      first += records;
      from = end;
    }
  }

  private record1(i: number): Value {
    const { block } = this;
    const start = headerBytes1 + entryBytes1 * this.count;
    const from = i === 0 ? 0 : block.readUInt32LE(headerBytes1 + entryBytes1 * (i - 1));
    return unpackValue(block.subarray(start + from, start + block.readUInt32LE(headerBytes1 + entryBytes1 * i)));
  }
}
