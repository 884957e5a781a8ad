import { Packr } from 'msgpackr';
import { checkWrites } from './check-op.ts';
import { StorageFailedError, StorageRefusedError } from './errors.ts';
import type { CallType, Op, OpBody, OutboxItem, Value, Write } from './log-store.ts';
import { FlatReader, pushShaped, type Shapes } from './shapes.ts';

/**
 * Version of everything on disk. A reader refuses a higher one; a lower one it still reads. Version 2 has shapes in the
 * journal and segments in blocks.
 */
export const formatVersion = 2;

/** Version of what only members of a cluster write: their journal records, their folder, a snapshot. */
export const memberVersion = 3;

/** Plain MessagePack rather than msgpackr's record extension: any language reads it, and shapes.ts is faster still. */
const packr = new Packr({ useRecords: false });

/** `bytes` is only valid until the next call: it lies in msgpackr's own buffer. */
export function packValue(value: Value): Buffer {
  return packr.pack(value);
}

export function unpackValue(bytes: Buffer): Value {
  return packr.unpack(bytes);
}

/** Neighbouring records of a stream in one go. Valid until the next call: it lies in msgpackr's own buffer. */
export function packRecords(records: readonly Value[]): Buffer {
  const shapes: Shapes = [];
  const flat: unknown[] = [shapes];
  for (const record of records) pushShaped(flat, shapes, record);
  return packr.pack(flat);
}

export function unpackRecords(bytes: Buffer): Value[] {
  const reader = readerOf(packr.unpack(bytes));
  const records: Value[] = [];
  while (!reader.done) records.push(reader.shaped());
  return records;
}

/** A row on disk: version byte, MessagePack. */
export function encodeRow(value: Value): Buffer {
  return withVersion(packr.pack(value));
}

/** @throws StorageRefusedError on a newer version */
export function decodeRow(bytes: Buffer): Value {
  return packr.unpack(checked(bytes).subarray(1));
}

const tagPut = 0;
const tagDel = 1;
const tagAppend = 2;
const tagDrop = 3;
const tagCall = 4;
const tagReplace = 5;

/**
 * A journal record: version byte, then one flat MessagePack array of all ops: the table of shapes, then for each op
 * `shard, epoch, idx, number of writes, writes, number of outbox items, items`. No key strings and no small arrays. The
 * buffer is new and stands alone, so that it can be transferred to the writer.
 */
export function encodeJournal(ops: readonly Op[]): Buffer {
  const shapes: Shapes = [];
  const flat: unknown[] = [shapes];
  for (const { shard, epoch, idx, writes, outbox } of ops) {
    flat.push(shard, epoch, idx);
    pushBody(flat, shapes, writes, outbox);
  }
  return withVersion(packr.pack(flat));
}

/**
 * One op alone, as an entry of a replicated log: version byte, then a flat MessagePack array of the table of shapes,
 * number of writes, writes, number of outbox items, items. Shard, epoch and idx are the entry's.
 * @throws RangeError when a write breaks LogStore's contract: what is replicated must be appliable everywhere
 */
export function encodeOp({ writes, outbox }: OpBody): Uint8Array {
  checkWrites(writes);
  const shapes: Shapes = [];
  const flat: unknown[] = [shapes];
  pushBody(flat, shapes, writes, outbox);
  return withVersion(packr.pack(flat));
}

/**
 * Empty bytes are the op that does nothing, with which a leader begins its epoch.
 * @throws StorageRefusedError on a newer version or an unknown call
 */
export function decodeOp(bytes: Uint8Array, calls: readonly CallType[] = []): OpBody {
  return decodeBody(bytes, calls);
}

/** The outbox of an encoded op; its writes are left out. @throws StorageRefusedError on a newer version */
export function decodeOpOutbox(bytes: Uint8Array): readonly OutboxItem[] {
  return decodeBody(bytes, undefined).outbox;
}

function decodeBody(bytes: Uint8Array, calls: readonly CallType[] | undefined): OpBody {
  if (bytes.length === 0) return { writes: [], outbox: [] };
  checked(bytes);
  return readBody(readerOf(packr.unpack(bytes.subarray(1))), calls);
}

/** The outboxes of a journal record, as ops without writes. @throws StorageRefusedError on a newer version */
export function decodeOutboxes(bytes: Buffer): Op[] {
  return decodeOps(bytes, undefined);
}

/**
 * @param calls the kinds of `call` that may be in it
 * @throws StorageRefusedError on a newer version or an unknown call
 */
export function decodeJournal(bytes: Buffer, calls: readonly CallType[] = []): Op[] {
  return decodeOps(bytes, calls);
}

/** @param calls undefined: writes are left out */
function decodeOps(bytes: Buffer, calls: readonly CallType[] | undefined): Op[] {
  const flat = packr.unpack(checked(bytes).subarray(1));
  if (bytes[0] === 1) return decodeOps1(flat, calls);
  const reader = readerOf(flat);
  const ops: Op[] = [];
  while (!reader.done) {
    const shard = reader.next() as number;
    const epoch = reader.next() as number;
    const idx = reader.next() as number;
    const { writes, outbox } = readBody(reader, calls);
    ops.push({ shard, epoch, idx, writes, outbox });
  }
  return ops;
}

function pushBody(flat: unknown[], shapes: Shapes, writes: readonly Write[], outbox: readonly OutboxItem[]): void {
  flat.push(writes.length);
  for (const write of writes) pushWrite(flat, shapes, write);
  flat.push(outbox.length);
  for (const { to, body } of outbox) {
    flat.push(to);
    pushShaped(flat, shapes, body);
  }
}

function readBody(reader: FlatReader, calls: readonly CallType[] | undefined): OpBody {
  const writes: Write[] = [];
  for (let left = reader.next() as number; left > 0; left -= 1) readWrite(reader, calls, writes);
  const outbox: OutboxItem[] = [];
  for (let left = reader.next() as number; left > 0; left -= 1) {
    outbox.push({ to: reader.next() as string, body: reader.shaped() });
  }
  return { writes, outbox };
}

function readerOf(flat: unknown): FlatReader {
  const all = flat as unknown[];
  return new FlatReader(all, all[0] as Shapes, 1);
}

function pushWrite(flat: unknown[], shapes: Shapes, write: Write): void {
  if (write.t === 'append' || write.t === 'replace') {
    flat.push(write.t === 'append' ? tagAppend : tagReplace, write.stream, write.seq);
    pushShaped(flat, shapes, write.record);
  } else if (write.t === 'put') {
    flat.push(tagPut, write.key);
    pushShaped(flat, shapes, write.value);
  } else if (write.t === 'call') {
    flat.push(tagCall, write.call.name, write.args.length);
    for (const arg of write.args) flat.push(arg);
  } else if (write.t === 'del') flat.push(tagDel, write.key);
  else flat.push(tagDrop, write.stream);
}

function readWrite(reader: FlatReader, calls: readonly CallType[] | undefined, writes: Write[]): void {
  const tag = reader.next();
  const name = reader.next() as string;
  if (tag === tagPut) writes.push({ t: 'put', key: name, value: reader.shaped() });
  else if (tag === tagAppend) {
    writes.push({ t: 'append', stream: name, seq: reader.next() as number, record: reader.shaped() });
  } else if (tag === tagReplace) {
    writes.push({ t: 'replace', stream: name, seq: reader.next() as number, record: reader.shaped() });
  } else if (tag === tagDel) writes.push({ t: 'del', key: name });
  else if (tag === tagDrop) writes.push({ t: 'drop', stream: name });
  else if (tag === tagCall) {
    const args: Value[] = [];
    for (let left = reader.next() as number; left > 0; left -= 1) args.push(reader.next());
    if (calls !== undefined) writes.push({ t: 'call', call: callNamed(name, calls), args });
  } else throw unknownWrite(tag);
  if (calls === undefined) writes.length = 0;
}

function callNamed(name: string, calls: readonly CallType[]): CallType {
  const call = calls.find((known) => known.name === name);
  if (call === undefined) {
    throw new StorageRefusedError(`the journal has a call ${name} of a newer Rookery: start that`);
  }
  return call;
}

function unknownWrite(tag: unknown): StorageFailedError {
  return new StorageFailedError(`a journal record has a write of unknown kind ${String(tag)}`);
}

/** Version 1: `shard, epoch, idx, [writes], [outbox], …`, objects as maps. */
function decodeOps1(flat: readonly unknown[], calls: readonly CallType[] | undefined): Op[] {
  const ops: Op[] = [];
  for (let i = 0; i + 4 < flat.length; i += 5) {
    const items = flat[i + 4] as unknown[];
    const outbox: OutboxItem[] = [];
    for (let at = 0; at + 1 < items.length; at += 2) outbox.push({ to: items[at] as string, body: items[at + 1] });
    ops.push({
      shard: flat[i] as number,
      epoch: flat[i + 1] as number,
      idx: flat[i + 2] as number,
      writes: calls === undefined ? [] : writesOf1(flat[i + 3] as unknown[], calls),
      outbox,
    });
  }
  return ops;
}

function writesOf1(flat: readonly unknown[], calls: readonly CallType[]): Write[] {
  const writes: Write[] = [];
  let at = 0;
  while (at < flat.length) {
    const tag = flat[at];
    const name = flat[at + 1] as string;
    if (tag === tagPut) {
      writes.push({ t: 'put', key: name, value: flat[at + 2] });
      at += 3;
    } else if (tag === tagAppend) {
      writes.push({ t: 'append', stream: name, seq: flat[at + 2] as number, record: flat[at + 3] });
      at += 4;
    } else if (tag === tagDel || tag === tagDrop) {
      writes.push(tag === tagDel ? { t: 'del', key: name } : { t: 'drop', stream: name });
      at += 2;
    } else if (tag === tagCall) {
      writes.push({ t: 'call', call: callNamed(name, calls), args: flat[at + 2] as unknown[] });
      at += 3;
    } else throw unknownWrite(tag);
  }
  return writes;
}

function withVersion(packed: Buffer): Buffer {
  const bytes = Buffer.allocUnsafeSlow(1 + packed.length);
  bytes[0] = formatVersion;
  packed.copy(bytes, 1);
  return bytes;
}

/** @throws StorageRefusedError when the bytes were written by a newer Rookery */
export function checked<Bytes extends Uint8Array>(bytes: Bytes, highest = formatVersion): Bytes {
  const version = bytes[0] ?? 0;
  if (version < 1 || version > highest) {
    throw new StorageRefusedError(`the store holds a record of format ${version}, this Rookery reads up to ${highest}`);
  }
  return bytes;
}
