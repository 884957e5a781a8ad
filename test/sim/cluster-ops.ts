/** A client's write, as the bytes that replication carries: its number. A no-op has none. */
const NOTHING = new Uint8Array(0);
const made = new Map<number, Uint8Array>();

/** Bytes of write number `op` < 2^24, 8 to 23 of them; 0 is the no-op. */
export function bytesOf(op: number): Uint8Array {
  if (op === 0) return NOTHING;
  let bytes = made.get(op);
  if (bytes === undefined) {
    bytes = new Uint8Array(8 + (op % 16));
    bytes[0] = op;
    bytes[1] = op >> 8;
    bytes[2] = op >> 16;
    made.set(op, bytes);
  }
  return bytes;
}

export function opOf(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : (bytes[0] as number) | ((bytes[1] as number) << 8) | ((bytes[2] as number) << 16);
}
