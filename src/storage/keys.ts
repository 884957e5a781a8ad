/**
 * Keys of the one RocksDB column family. First byte: what it is. All of a shard's state is one contiguous range, so
 * that a copy of a shard is one range read. Numbers are big-endian, so byte order is number order.
 *
 *   00 name                                    meta rows
 *   01 record:u48                              journal records
 *   02 shard:u16 01 key                        rows
 *   02 shard:u16 02 length:u16 stream seq:u48  blocks, under the seq of their first record
 */

/** Highest seq and highest journal record number. */
export const seqMax = 2 ** 48 - 1;

/** Longest key or stream name, UTF-8 bytes (contract of LogStore). */
export const nameBytesMax = 4096;

const kindMeta = 0;
const kindJournal = 1;
const kindState = 2;
const kindRow = 1;
const kindBlock = 2;
const rowPrefixBytes = 4;
const seqBytes = 6;

export function metaKey(name: string): Buffer {
  return Buffer.concat([Buffer.of(kindMeta), Buffer.from(name)]);
}

export function journalKey(record: number): Buffer {
  const key = Buffer.allocUnsafe(1 + seqBytes);
  key[0] = kindJournal;
  key.writeUIntBE(record, 1, seqBytes);
  return key;
}

/** The first key after every journal record. */
export const journalEnd: Buffer = Buffer.of(kindJournal + 1);

export function journalNumber(key: Buffer): number {
  return key.readUIntBE(1, seqBytes);
}

function writeShard(key: Buffer, shard: number, kind: number): void {
  key[0] = kindState;
  key.writeUInt16BE(shard, 1);
  key[3] = kind;
}

/** Key of a row; with a prefix instead of a whole key, the first key a row with that prefix can have. */
export function rowKey(shard: number, key: string): Buffer {
  const bytes = Buffer.allocUnsafe(rowPrefixBytes + Buffer.byteLength(key));
  writeShard(bytes, shard, kindRow);
  bytes.write(key, rowPrefixBytes);
  return bytes;
}

/** What comes before the name in a row's key as RocksDB's binding makes a string of it, in UTF-16 units. */
export function rowTextPrefix(shard: number): number {
  const prefix = rowKey(shard, '');
  // Its last byte is ASCII, so whatever a shard's number makes of those before ends there.
  return prefix.toString('utf8').length;
}

export function blockKey(shard: number, stream: string, seq: number): Buffer {
  const nameBytes = Buffer.byteLength(stream);
  const key = Buffer.allocUnsafe(rowPrefixBytes + 2 + nameBytes + seqBytes);
  writeShard(key, shard, kindBlock);
  key.writeUInt16BE(nameBytes, rowPrefixBytes);
  key.write(stream, rowPrefixBytes + 2);
  key.writeUIntBE(seq, key.length - seqBytes, seqBytes);
  return key;
}

/** The start of all blocks of a shard. */
export function blocksPrefix(shard: number): Buffer {
  return prefix(shard, kindBlock);
}

export function blockStream(key: Buffer): string {
  return key.toString('utf8', rowPrefixBytes + 2, key.length - seqBytes);
}

/** The start of everything a shard's state has. */
export function statePrefix(shard: number): Buffer {
  return prefix(shard, 0).subarray(0, statePrefixBytes);
}

/** What of a state key is the same in the shard's copies elsewhere: all but the kind and the shard. */
export const statePrefixBytes = 3;

/** The name of a row, of the rest of its key behind `statePrefixBytes`; undefined when it is a block's. */
export function rowNameOfRest(rest: Buffer): string | undefined {
  return rest[0] === kindRow ? rest.toString('utf8', rowPrefixBytes - statePrefixBytes) : undefined;
}

/** The stream of a block, of the rest of its key. */
export function streamOfRest(rest: Buffer): string {
  return rest.toString('utf8', rowPrefixBytes - statePrefixBytes + 2, rest.length - seqBytes);
}

function prefix(shard: number, kind: number): Buffer {
  const key = Buffer.allocUnsafe(rowPrefixBytes);
  writeShard(key, shard, kind);
  return key;
}

/** The seq of a block's first record, of its key or of the rest of its key. */
export function blockSeq(key: Buffer): number {
  return key.readUIntBE(key.length - seqBytes, seqBytes);
}

/** The first key after every key that starts with these bytes. They are never all 0xff: the first byte is a kind. */
export function afterPrefix(prefix: Buffer): Buffer {
  let end = prefix.length;
  while (prefix[end - 1] === 0xff) end -= 1;
  const after = Buffer.from(prefix.subarray(0, end));
  after[end - 1]! += 1;
  return after;
}

/** Order of two strings by their UTF-8 bytes. Differs from `<` only where one has a surrogate pair. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return utf8Rank(x) - utf8Rank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others, though their code units are below U+E000–U+FFFF. */
function utf8Rank(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit;
  return codeUnit < 0xe000 ? codeUnit + 0x2000 : codeUnit - 0x800;
}
