/** One change a fold makes to the base. */
export type FoldEntry =
  | { readonly t: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly t: 'del'; readonly key: Buffer }
  /** deletes keys ≥ `key` and < `end` */
  | { readonly t: 'clear'; readonly key: Buffer; readonly end: Buffer };

const tags = { put: 0, del: 1, clear: 2 } as const;
const headerBytes = 9;

/**
 * Entries as one buffer that can be transferred to the writer thread: `tag:u8, length:u32, length:u32, bytes, bytes`,
 * over and over. Both ends are of one process, so it carries no version.
 */
export class FoldSlice {
  private buffer: Buffer;
  private used = 0;

  constructor(bytes: number) {
    this.buffer = Buffer.allocUnsafeSlow(bytes);
  }

  get bytes(): number {
    return this.used;
  }

  add(entry: FoldEntry): void {
    const second = entry.t === 'put' ? entry.value : entry.t === 'clear' ? entry.end : undefined;
    const secondBytes = second?.length ?? 0;
    this.reserve(headerBytes + entry.key.length + secondBytes);
    this.buffer[this.used] = tags[entry.t];
    this.buffer.writeUInt32LE(entry.key.length, this.used + 1);
    this.buffer.writeUInt32LE(secondBytes, this.used + 5);
    this.used += headerBytes;
    this.used += entry.key.copy(this.buffer, this.used);
    if (second !== undefined) this.used += second.copy(this.buffer, this.used);
  }

  /** The entries so far, in a buffer of their own. The slice must not be used afterwards. */
  take(): Buffer {
    return this.buffer.subarray(0, this.used);
  }

  private reserve(bytes: number): void {
    if (this.used + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.buffer.length, this.used + bytes));
    this.buffer.copy(grown, 0, 0, this.used);
    this.buffer = grown;
  }
}

/** Keys and values are views into `bytes`. */
export function* foldEntriesOf(bytes: Buffer): Generator<FoldEntry> {
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at]!;
    const first = at + headerBytes;
    const second = first + bytes.readUInt32LE(at + 1);
    const end = second + bytes.readUInt32LE(at + 5);
    const key = bytes.subarray(first, second);
    const rest = bytes.subarray(second, end);
    if (tag === tags.put) yield { t: 'put', key, value: rest };
    else if (tag === tags.del) yield { t: 'del', key };
    else yield { t: 'clear', key, end: rest };
    at = end;
  }
}
