import { Packr } from 'msgpackr';
import type { Envelope } from './bus.ts';

/**
 * One NATS message of the bus, pure. Layout: version (1 byte), length of the head (2 bytes, big-endian), head, body.
 * The head is a MessagePack array: who sends, and for a part of an envelope that is too large for one message, which
 * part. The body is envelopes one after the other, each a MessagePack array [key, message]; or the part's bytes.
 */
const formatVersion = 1;
const PREFIX_BYTES = 3;

/** Plain maps: any language reads them. Bytes are copied out, so that one kept does not keep the socket's buffer. */
const packr = new Packr({ useRecords: false, copyBuffers: true });

export interface Identity {
  readonly cluster: string;
  readonly node: string;
  readonly inc: string;
}

export interface Part {
  /** counts the split envelopes of one sender and lane */
  readonly id: number;
  readonly index: number;
  readonly count: number;
  /** of the whole envelope */
  readonly bytes: number;
}

export type Frame =
  | { readonly t: 'batch'; readonly from: Identity; readonly body: Buffer }
  | { readonly t: 'part'; readonly from: Identity; readonly part: Part; readonly body: Buffer }
  | { readonly t: 'refused'; readonly reason: 'version' | 'cluster' | 'malformed' };

/** The bytes are stable: msgpackr moves on in its buffer and does not write over them. */
export function packEnvelope({ key, message }: Envelope): Buffer {
  return packr.pack([key, message]);
}

/** The head of every batch of this sender, to be made once. */
export function batchHead(from: Identity): Buffer {
  return headOf([from.cluster, from.node, from.inc]);
}

/** A message with a buffer of its own: NATS keeps a reference to it until it is written. */
export function batchFrame(head: Buffer, envelopes: readonly Buffer[], bytes: number): Buffer {
  const frame = Buffer.allocUnsafeSlow(head.length + bytes);
  let at = head.copy(frame);
  for (const envelope of envelopes) at += envelope.copy(frame, at);
  return frame;
}

/** An envelope in several messages, none with more than `bodyBytesMax` of it. */
export function partFrames(from: Identity, id: number, envelope: Buffer, bodyBytesMax: number): Buffer[] {
  const count = Math.ceil(envelope.length / bodyBytesMax);
  return Array.from({ length: count }, (_, index) => {
    const head = headOf([from.cluster, from.node, from.inc, id, index, count, envelope.length]);
    const body = envelope.subarray(index * bodyBytesMax, (index + 1) * bodyBytesMax);
    return batchFrame(head, [body], body.length);
  });
}

function headOf(fields: readonly unknown[]): Buffer {
  const packed = packr.pack(fields);
  const head = Buffer.allocUnsafeSlow(PREFIX_BYTES + packed.length);
  head[0] = formatVersion;
  head.writeUInt16BE(packed.length, 1);
  packed.copy(head, PREFIX_BYTES);
  return head;
}

/** Never throws: whatever came, the answer says what to do with it. */
export function openFrame(data: Uint8Array, cluster: string): Frame {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (bytes.length < PREFIX_BYTES) return { t: 'refused', reason: 'malformed' };
  if (bytes[0] !== formatVersion) return { t: 'refused', reason: 'version' };
  const headEnd = PREFIX_BYTES + bytes.readUInt16BE(1);
  let fields: unknown;
  try {
    fields = packr.unpack(bytes.subarray(PREFIX_BYTES, headEnd));
  } catch {
    return { t: 'refused', reason: 'malformed' };
  }
  if (!Array.isArray(fields) || (fields.length !== 3 && fields.length !== 7))
    return { t: 'refused', reason: 'malformed' };
  const [theirs, node, inc, ...numbers] = fields as unknown[];
  if (typeof theirs !== 'string' || typeof node !== 'string' || typeof inc !== 'string' || headEnd > bytes.length)
    return { t: 'refused', reason: 'malformed' };
  if (theirs !== cluster) return { t: 'refused', reason: 'cluster' };
  const from = { cluster, node, inc };
  const body = bytes.subarray(headEnd);
  if (numbers.length === 0) return { t: 'batch', from, body };
  if (!numbers.every((number) => Number.isSafeInteger(number) && (number as number) >= 0))
    return { t: 'refused', reason: 'malformed' };
  const [id, index, count, whole] = numbers as [number, number, number, number];
  return { t: 'part', from, part: { id, index, count, bytes: whole }, body };
}

/** @throws when the bytes are not envelopes */
export function unpackEnvelopes(body: Buffer): Envelope[] {
  const envelopes: Envelope[] = [];
  for (const value of packr.unpackMultiple(body) as unknown[]) {
    if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== 'string')
      throw new TypeError('not an envelope');
    envelopes.push({ key: value[0], message: value[1] });
  }
  return envelopes;
}
