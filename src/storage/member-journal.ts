import { checked, memberVersion, packValue, unpackValue } from './codec.ts';
import { StorageFailedError, StorageRefusedError } from './errors.ts';
import { metaKey } from './keys.ts';
import type { Entry, HardState, Position } from './replicated-store.ts';

/** One part of a journal record of a cluster member. They take effect in order. */
export type JournalItem =
  /** commitIdx: applied here when it was written, so committed; that is how commit progress gets onto the disk */
  | {
      readonly t: 'append';
      readonly shard: number;
      readonly commitIdx: number;
      readonly truncateTo: number | undefined;
      readonly entries: readonly Entry[];
    }
  /** entries that stand in an older record, which may be deleted then. They are the log's at this place of the journal. */
  | { readonly t: 'again'; readonly shard: number; readonly entries: readonly Entry[] }
  | { readonly t: 'progress'; readonly shard: number; readonly commitIdx: number }
  | { readonly t: 'hard'; readonly shard: number; readonly hard: HardState }
  | { readonly t: 'load'; readonly shard: number }
  | { readonly t: 'wipe'; readonly shard: number }
  /** the base holds the shard's state as of `at`; outboxes of it up to `ackedUpTo` are delivered */
  | { readonly t: 'install'; readonly shard: number; readonly at: Position; readonly ackedUpTo: number }
  /** an applied op whose outbox nobody acknowledged; `bytes` is an encoded op, of which only the outbox counts */
  | ({ readonly t: 'outbox'; readonly shard: number } & Entry);

const kinds = ['append', 'again', 'progress', 'hard', 'load', 'wipe', 'install', 'outbox'] as const;
const headerBytes = 5;

/**
 * A journal record: version byte, length of the head (u32 little-endian), head, the bytes of all entries in a row. The
 * head is one flat MessagePack array of the items: kind, shard and the item's fields, entries as first idx, count and
 * an epoch and a length each. So an op is packed once, by who proposed it, and only copied here. The buffer is new and
 * stands alone, so that it can be transferred to the writer.
 */
export function encodeItems(items: readonly JournalItem[]): Buffer {
  const head: unknown[] = [];
  const bodies: Uint8Array[] = [];
  for (const item of items) {
    head.push(kinds.indexOf(item.t), item.shard);
    if (item.t === 'append') {
      head.push(item.commitIdx, item.truncateTo ?? -1);
      pushEntries(head, bodies, item.entries);
    } else if (item.t === 'again') pushEntries(head, bodies, item.entries);
    else if (item.t === 'progress') head.push(item.commitIdx);
    else if (item.t === 'hard') head.push(item.hard);
    else if (item.t === 'install') head.push(item.at.idx, item.at.epoch, item.ackedUpTo);
    else if (item.t === 'outbox') pushEntries(head, bodies, [item]);
  }
  const packed = packValue(head);
  let bytes = headerBytes + packed.length;
  for (const body of bodies) bytes += body.length;
  const record = Buffer.allocUnsafeSlow(bytes);
  record[0] = memberVersion;
  record.writeUInt32LE(packed.length, 1);
  packed.copy(record, headerBytes);
  let at = headerBytes + packed.length;
  for (const body of bodies) {
    record.set(body, at);
    at += body.length;
  }
  return record;
}

/** True for a record of a cluster member, false for one of a single node, which the folder may have been before. */
export function isMemberRecord(record: Buffer): boolean {
  return record[0] === memberVersion;
}

/**
 * Entries are views into `record`.
 * @throws StorageRefusedError on a newer version, StorageFailedError on what no Rookery wrote
 */
export function decodeItems(record: Buffer): JournalItem[] {
  if (!isMemberRecord(record)) {
    throw new StorageRefusedError(`the journal has a record of format ${record[0]}: start a newer Rookery`);
  }
  const start = headerBytes + record.readUInt32LE(1);
  const reader = new ItemReader(unpackValue(record.subarray(headerBytes, start)) as unknown[], record, start);
  const items: JournalItem[] = [];
  while (!reader.done) items.push(reader.item());
  return items;
}

class ItemReader {
  private readonly head: readonly unknown[];
  private readonly record: Buffer;
  private at = 0;
  private body: number;

  constructor(head: readonly unknown[], record: Buffer, body: number) {
    this.head = head;
    this.record = record;
    this.body = body;
  }

  get done(): boolean {
    return this.at >= this.head.length;
  }

  item(): JournalItem {
    const kind = this.number();
    const t = kinds[kind];
    const shard = this.number();
    switch (t) {
      case 'append': {
        const commitIdx = this.number();
        const truncateTo = this.number();
        return { t, shard, commitIdx, truncateTo: truncateTo < 0 ? undefined : truncateTo, entries: this.entries() };
      }
      case 'again':
        return { t, shard, entries: this.entries() };
      case 'progress':
        return { t, shard, commitIdx: this.number() };
      case 'hard':
        return { t, shard, hard: this.next() as HardState };
      case 'load':
      case 'wipe':
        return { t, shard };
      case 'install':
        return { t, shard, at: { idx: this.number(), epoch: this.number() }, ackedUpTo: this.number() };
      case 'outbox': {
        const [entry] = this.entries();
        if (entry !== undefined) return { t, shard, ...entry };
      }
    }
    throw new StorageFailedError(`a journal record has an item of unknown kind ${kind}`);
  }

  private next(): unknown {
    const value = this.head[this.at];
    this.at += 1;
    return value;
  }

  private number(): number {
    return this.next() as number;
  }

  private entries(): Entry[] {
    const first = this.number();
    const count = this.number();
    const entries: Entry[] = [];
    for (let i = 0; i < count; i += 1) {
      const epoch = this.number();
      const end = this.body + this.number();
      entries.push({ idx: first + i, epoch, bytes: this.record.subarray(this.body, end) });
      this.body = end;
    }
    return entries;
  }
}

function pushEntries(head: unknown[], bodies: Uint8Array[], entries: readonly Entry[]): void {
  head.push(entries[0]?.idx ?? 0, entries.length);
  for (const { epoch, bytes } of entries) {
    head.push(epoch, bytes.length);
    if (bytes.length > 0) bodies.push(bytes);
  }
}

/** What a fold leaves of a shard besides its state: all that the journal records it makes superfluous had said. */
export interface CopyRow {
  readonly hard: HardState;
  /** the state in the base is applied up to here */
  readonly base: Position;
  readonly loading: boolean;
  readonly ackedUpTo: number;
}

const rowName = 'copy/';

/** Key of a shard's CopyRow. */
export function copyKey(shard: number): Buffer {
  return metaKey(`${rowName}${String(shard).padStart(5, '0')}`);
}

/** All CopyRows lie between these. */
export const copyKeys = { gte: metaKey(rowName), lt: metaKey('copy0') };

export function encodeCopyRow(shard: number, { hard, base, loading, ackedUpTo }: CopyRow): Buffer {
  const packed = packValue([shard, base.idx, base.epoch, loading, ackedUpTo, hard]);
  return Buffer.concat([Buffer.of(memberVersion), packed]);
}

/** @throws StorageRefusedError on a newer version */
export function decodeCopyRow(bytes: Buffer): CopyRow & { readonly shard: number } {
  const [shard, idx, epoch, loading, ackedUpTo, hard] = unpackValue(checked(bytes, memberVersion).subarray(1)) as [
    number,
    number,
    number,
    boolean,
    number,
    HardState,
  ];
  return { shard, hard, base: { idx, epoch }, loading, ackedUpTo };
}
