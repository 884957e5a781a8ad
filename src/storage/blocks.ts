import { checked, formatVersion, unpackValue } from './codec.ts';
import type { Value } from './log-store.ts';

/**
 * A block: neighbouring records of a stream as one value, stored under the seq of the first.
 * `version:u8, count:u16, end:u32 × count, records` — little-endian, `end` counts from the start of the records. So
 * record i is found without looking at the others, and a block can grow without decoding what is in it.
 */
const headerBytes = 3;
const endBytes = 4;

/** Gathers packed records of one block. One builder is reused for many blocks. */
export class BlockBuilder {
  private records = Buffer.allocUnsafe(4096);
  private readonly ends: number[] = [];

  get count(): number {
    return this.ends.length;
  }

  /** bytes of the block if it were finished now */
  get bytes(): number {
    return headerBytes + endBytes * this.ends.length + this.recordBytes;
  }

  private get recordBytes(): number {
    return this.ends.at(-1) ?? 0;
  }

  /** Copies `packed`. */
  add(packed: Buffer): void {
    const start = this.recordBytes;
    const end = start + packed.length;
    if (end > this.records.length) {
      const grown = Buffer.allocUnsafe(Math.max(2 * this.records.length, end));
      this.records.copy(grown, 0, 0, start);
      this.records = grown;
    }
    packed.copy(this.records, start);
    this.ends.push(end);
  }

  /** The block's bytes; the builder is empty again. */
  finish(): Buffer {
    const block = Buffer.allocUnsafe(this.bytes);
    block[0] = formatVersion;
    block.writeUInt16LE(this.ends.length, 1);
    let at = headerBytes;
    for (const end of this.ends) at = block.writeUInt32LE(end, at);
    this.records.copy(block, at, 0, this.recordBytes);
    this.ends.length = 0;
    return block;
  }
}

/** @throws StorageRefusedError when a newer Rookery wrote the block */
export function blockCount(block: Buffer): number {
  return checked(block).readUInt16LE(1);
}

/** Record `i` (from 0) as packed bytes, a view into the block. */
export function blockRecordBytes(block: Buffer, i: number): Buffer {
  const start = headerBytes + endBytes * block.readUInt16LE(1);
  const from = i === 0 ? 0 : block.readUInt32LE(headerBytes + endBytes * (i - 1));
  const to = block.readUInt32LE(headerBytes + endBytes * i);
  return block.subarray(start + from, start + to);
}

export function blockRecord(block: Buffer, i: number): Value {
  return unpackValue(blockRecordBytes(block, i));
}
