import { createHash, type Hash } from 'node:crypto';
import { formatVersion, memberVersion, packValue, unpackValue } from './codec.ts';
import { SnapshotError } from './errors.ts';
import type { Entry, Position } from './replicated-store.ts';

/**
 * A shard's snapshot as a stream of bytes: frames of `kind:u8, length:u32, length:u32, bytes, bytes` (little-endian),
 * cut anywhere into chunks. First `begin`, last `end`, whose hash is over everything before it: chunks that were lost,
 * doubled or swapped on their way do not pass for a copy.
 */
export type SnapshotFrame =
  /** the formats of what follows: of the stream, of rows and blocks */
  | { readonly t: 'begin'; readonly formats: readonly [stream: number, state: number] }
  /** a row or a block as RocksDB has it; the key without its shard */
  | { readonly t: 'pair'; readonly rest: Buffer; readonly value: Buffer }
  /** an applied op whose outbox nobody acknowledged: an encoded op without writes */
  | ({ readonly t: 'outbox' } & Entry)
  | { readonly t: 'end'; readonly at: Position; readonly ackedUpTo: number; readonly pairs: number };

const kinds = { begin: 0, pair: 1, outbox: 2, end: 3 } as const;
const headerBytes = 9;
const none = Buffer.alloc(0);

/** Bytes that one frame may have: far above any row, and a bound on what a broken sender makes a receiver keep. */
export const frameBytesMax = 64 * 1024 * 1024;

/** Frames in, chunks out. */
export class SnapshotWriter {
  private readonly chunkBytes: number;
  private readonly hash: Hash = createHash('sha256');
  private readonly full: Uint8Array[] = [];
  private chunk: Buffer;
  private used = 0;
  private pairs = 0;

  constructor(chunkBytes: number) {
    this.chunkBytes = chunkBytes;
    this.chunk = Buffer.allocUnsafeSlow(chunkBytes);
    this.frame(kinds.begin, packValue([memberVersion, formatVersion]), none);
  }

  pair(rest: Buffer, value: Buffer): void {
    this.pairs += 1;
    this.frame(kinds.pair, rest, value);
  }

  outbox({ idx, epoch, bytes }: Entry): void {
    this.frame(kinds.outbox, packValue([idx, epoch]), bytes);
  }

  /** Nothing may be added afterwards. */
  end({ idx, epoch }: Position, ackedUpTo: number): void {
    const hash = this.hash.digest();
    this.frame(kinds.end, packValue([idx, epoch, ackedUpTo, this.pairs, hash]), none, false);
    this.full.push(this.chunk.subarray(0, this.used));
  }

  /** The chunks that are full. After `end`, all that are left. */
  take(): Uint8Array[] {
    return this.full.splice(0);
  }

  private frame(kind: number, first: Buffer, second: Uint8Array, hashed = true): void {
    const header = Buffer.allocUnsafe(headerBytes);
    header[0] = kind;
    header.writeUInt32LE(first.length, 1);
    header.writeUInt32LE(second.length, 5);
    for (const bytes of [header, first, second]) {
      if (hashed) this.hash.update(bytes);
      this.add(bytes);
    }
  }

  private add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + this.chunkBytes - this.used);
      this.chunk.set(part, this.used);
      this.used += part.length;
      at += part.length;
      if (this.used < this.chunkBytes) continue;
      this.full.push(this.chunk);
      this.chunk = Buffer.allocUnsafeSlow(this.chunkBytes);
      this.used = 0;
    }
  }
}

/** Chunks in, frames out. */
export class SnapshotReader {
  private readonly hash: Hash = createHash('sha256');
  private left: Buffer = none;
  private pairs = 0;
  private begun = false;
  private ended = false;

  /** The frames that are whole now; views into what was given. @throws SnapshotError */
  *add(chunk: Uint8Array): Generator<SnapshotFrame> {
    const bytes = this.left.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.left, chunk]);
    let at = 0;
    while (bytes.length - at >= headerBytes) {
      const middle = at + headerBytes + bytes.readUInt32LE(at + 1);
      const end = middle + bytes.readUInt32LE(at + 5);
      if (end - at > frameBytesMax) throw new SnapshotError(`a frame has ${end - at} bytes`);
      if (end > bytes.length) break;
      yield this.frame(bytes.subarray(at, end), middle - at);
      at = end;
    }
    this.left = bytes.subarray(at);
    if (this.left.length > 0 && this.ended) throw new SnapshotError('something follows the end');
  }

  private frame(bytes: Buffer, middle: number): SnapshotFrame {
    if (this.ended) throw new SnapshotError('something follows the end');
    const kind = bytes[0];
    const first = bytes.subarray(headerBytes, middle);
    const second = bytes.subarray(middle);
    if ((kind === kinds.begin) === this.begun) throw new SnapshotError('it does not begin with its beginning');
    if (kind === kinds.end) return this.end(first);
    this.hash.update(bytes);
    if (kind === kinds.begin) return this.begin(first);
    if (kind === kinds.outbox) {
      const [idx, epoch] = unpackValue(first) as [number, number];
      return { t: 'outbox', idx, epoch, bytes: second };
    }
    if (kind !== kinds.pair) throw new SnapshotError(`a frame is of unknown kind ${kind}`);
    this.pairs += 1;
    return { t: 'pair', rest: first, value: second };
  }

  private begin(body: Buffer): SnapshotFrame {
    this.begun = true;
    const formats = unpackValue(body) as [number, number];
    if (formats[0] > memberVersion || formats[1] > formatVersion) {
      throw new SnapshotError(
        `it has format ${formats.join('.')}, this Rookery reads ${memberVersion}.${formatVersion}`,
      );
    }
    return { t: 'begin', formats };
  }

  private end(body: Buffer): SnapshotFrame {
    this.ended = true;
    const [idx, epoch, ackedUpTo, pairs, hash] = unpackValue(body) as [number, number, number, number, Uint8Array];
    if (pairs !== this.pairs || !this.hash.digest().equals(hash)) throw new SnapshotError('some of it is missing');
    return { t: 'end', at: { idx, epoch }, ackedUpTo, pairs };
  }
}
