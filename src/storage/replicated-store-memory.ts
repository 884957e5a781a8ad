import { checkItems } from './check-items.ts';
import { decodeOp } from './codec.ts';
import { StorageBusyError, StorageClosedError, StorageFullError, StorageVoidedError } from './errors.ts';
import type { CallType, LogStoreStats, Op, OpBody, StreamRange, StreamRecord, Value } from './log-store.ts';
import { MemoryInstall, opsOf } from './memory-install.ts';
import { storeDefaults } from './options.ts';
import { Overlay, type ShardPart } from './overlay.ts';
import {
  type Entry,
  type HardState,
  noHardState,
  noPosition,
  type Position,
  type RecoveredShard,
  type ReplicatedLogStore,
  type ShardInstall,
  type ShardSnapshot,
  type WriteItem,
} from './replicated-store.ts';
import { ShardCopy } from './shard-copy.ts';
import { copyPart, StateSnapshot } from './shard-snapshot.ts';
import type { SnapshotFrame } from './snapshot-stream.ts';
import { stateChecksum } from './state-checksum.ts';
import { emptyBase, StateView } from './state-view.ts';

/** What a memory disk has of one shard. */
interface DiskShard {
  hard: HardState;
  loading: boolean;
  /** what a snapshot brought, and where it stood */
  base: Position;
  part: ShardPart | undefined;
  /** applied ops of that snapshot whose outbox nobody acknowledged */
  outboxes: readonly Op[];
  /** everything since, from base.idx + 1 */
  entries: Entry[];
  /** commit progress that was written down */
  commitIdx: number;
  ackedUpTo: number;
}

/** What outlives a memory store: pass it to the next `openMemoryReplicatedStore` for a restart. */
export interface MemoryMemberDisk {
  readonly incarnation: string;
  readonly shards: Map<number, DiskShard>;
  /** set it to make writes be refused as on a full disk; clear it and they are accepted again */
  full: boolean;
}

export interface MemoryReplicatedOptions {
  readonly disk: MemoryMemberDisk;
  readonly calls?: readonly CallType[];
  /** S; default 1,024 */
  readonly shards?: number;
}

export interface MemoryReplicatedStore extends ReplicatedLogStore {
  /** Writes the commit progress down, as a fold does. Without it, or `close`, a restart has less applied. */
  fold(): Promise<void>;
}

export function createMemoryMemberDisk(incarnation: string): MemoryMemberDisk {
  return { incarnation, shards: new Map(), full: false };
}

/**
 * The replicated store without a disk: everything stays in memory, unbounded. For tests and simulations. A crash is to
 * open another store on the same disk without closing this one, which must not be used any more.
 */
export async function openMemoryReplicatedStore(options: MemoryReplicatedOptions): Promise<MemoryReplicatedStore> {
  return new MemoryMemberStore(options);
}

function emptyShard(): DiskShard {
  const base = { base: noPosition, part: undefined, outboxes: [], entries: [], commitIdx: 0, ackedUpTo: 0 };
  return { hard: noHardState, loading: false, ...base };
}

class MemoryMemberStore implements MemoryReplicatedStore {
  readonly incarnation: string;
  readonly recovered = new Map<number, RecoveredShard>();
  private readonly disk: MemoryMemberDisk;
  private readonly shards: number;
  private readonly overlay = new Overlay();
  private readonly view = new StateView(this.overlay, emptyBase);
  private readonly copies = new Map<number, ShardCopy>();
  /** shard → idx → op without its writes */
  private readonly outboxes = new Map<number, Map<number, Op>>();
  private readonly snapshots = new Set<ShardSnapshot>();
  private readonly installs = new Map<number, ShardInstall>();
  private posted = 0;
  private synced = 0;
  private opsApplied = 0;
  private closed = false;

  constructor({ disk, calls, shards }: MemoryReplicatedOptions) {
    this.disk = disk;
    this.incarnation = disk.incarnation;
    this.shards = shards ?? storeDefaults.shards;
    for (const [shard, of] of [...disk.shards].sort(([a], [b]) => a - b)) this.recover(shard, of, calls ?? []);
  }

  get writable(): boolean {
    return !this.closed && !this.disk.full;
  }

  async write(items: readonly WriteItem[]): Promise<void> {
    this.mustBeOpen();
    if (this.disk.full) throw new StorageFullError('the disk is full');
    checkItems(items, (shard) => this.copies.get(shard), this.shards);
    this.posted += 1;
    const record = this.posted;
    const changes = items.map((item) => this.note(item, record));
    // As on a disk, nothing is there before the call has returned.
    await Promise.resolve();
    for (const change of changes) change();
    this.synced = record;
  }

  apply(shard: number, at: Position, op: OpBody): void {
    this.mustBeOpen();
    const copy = this.copies.get(shard);
    const ref = copy?.ref(at.idx);
    if (copy === undefined || ref === undefined || at.idx !== copy.applied.idx + 1 || at.epoch !== ref.epoch) {
      throw new RangeError(`shard ${shard}: ${at.epoch}/${at.idx} is not the entry to be applied next`);
    }
    if (ref.record > this.synced) throw new RangeError(`shard ${shard}: ${at.idx} is not on disk yet`);
    this.applyOp(copy, at, op);
    this.opsApplied += 1;
  }

  acked(shard: number, idx: number): void {
    this.outboxes.get(shard)?.delete(idx);
  }

  ackedUpTo(shard: number, idx: number): void {
    const copy = this.copies.get(shard);
    if (copy === undefined || copy.loading || idx <= copy.ackedUpTo) return;
    copy.ackedUpTo = idx;
    for (const waiting of this.outboxes.get(shard)?.keys() ?? []) if (waiting <= idx) this.acked(shard, waiting);
  }

  ackedWatermark(shard: number): number {
    const copy = this.copies.get(shard);
    if (copy === undefined) return 0;
    const waiting = [...(this.outboxes.get(shard)?.keys() ?? [])];
    this.ackedUpTo(shard, waiting.length === 0 ? copy.applied.idx : Math.min(...waiting) - 1);
    return copy.ackedUpTo;
  }

  unacked(shard: number, after: number, limit: number): Op[] {
    this.mustBeOpen();
    const ops = [...(this.outboxes.get(shard)?.values() ?? [])].filter(({ idx }) => idx > after);
    return ops.sort((a, b) => a.idx - b.idx).slice(0, limit);
  }

  get(shard: number, key: string): Value | undefined {
    this.mustBeOpen();
    return this.view.get(shard, key);
  }

  scan(shard: number, prefix: string, limit: number): [key: string, value: Value][] {
    this.mustBeOpen();
    return this.view.scan(shard, prefix, limit);
  }

  read(shard: number, stream: string, range: StreamRange): StreamRecord[] {
    this.mustBeOpen();
    return this.view.read(shard, stream, range);
  }

  last(shard: number, stream: string): number {
    this.mustBeOpen();
    return this.view.last(shard, stream);
  }

  applied(shard: number): Position {
    return this.copies.get(shard)?.applied ?? noPosition;
  }

  tail(shard: number): Position {
    const { idx, epoch } = this.copies.get(shard)?.last ?? noPosition;
    return { idx, epoch };
  }

  async openSnapshot(shard: number): Promise<ShardSnapshot> {
    this.mustBeOpen();
    if (this.snapshots.size >= storeDefaults.snapshotsMax) throw new StorageBusyError('enough snapshots are open');
    const copy = this.copies.get(shard);
    if (copy === undefined || copy.loading) throw new RangeError(`shard ${shard} has no copy here`);
    const { life } = copy;
    const snapshot: ShardSnapshot = new StateSnapshot({
      shard,
      at: copy.applied,
      ackedUpTo: Math.min(copy.ackedUpTo, copy.applied.idx),
      cursor: undefined,
      part: copyPart(this.view.overlayPart(shard)),
      limits: storeDefaults,
      unacked: (after, limit) => this.unacked(shard, after, limit),
      check: () => this.mustBe(copy, life),
      closed: () => this.snapshots.delete(snapshot),
    });
    this.snapshots.add(snapshot);
    return snapshot;
  }

  install(shard: number): ShardInstall {
    this.mustBeOpen();
    const copy = this.copies.get(shard);
    if (!copy?.loading) throw new RangeError(`shard ${shard} is not marked as loading`);
    this.installs.get(shard)?.abort();
    if (this.installs.size >= storeDefaults.installsMax) throw new StorageBusyError('enough installs are open');
    const { life } = copy;
    const install: ShardInstall = new MemoryInstall({
      check: () => this.mustBe(copy, life),
      finish: (frames, at, ackedUpTo) => this.installed(copy, frames, at, ackedUpTo),
      ended: () => {
        if (this.installs.get(shard) === install) this.installs.delete(shard);
      },
    });
    this.installs.set(shard, install);
    return install;
  }

  checksum(shard: number): string {
    this.mustBeOpen();
    return stateChecksum(this.view, shard);
  }

  shardsPresent(): number[] {
    return [...this.copies.values()]
      .filter(({ last }) => last.idx > 0)
      .map(({ shard }) => shard)
      .sort((a, b) => a - b);
  }

  stats(): LogStoreStats {
    const { opsApplied, posted } = this;
    const none = { journalRecords: 0, overlayBytes: this.overlay.bytes, bytesAppended: 0, folds: 0, engine: {} };
    return { ...none, opsAppended: opsApplied, batches: posted, freeBytes: Number.MAX_SAFE_INTEGER };
  }

  async fold(): Promise<void> {
    for (const [shard, { applied, ackedUpTo }] of this.copies) {
      const of = this.onDisk(shard);
      of.commitIdx = Math.max(of.commitIdx, applied.idx);
      of.ackedUpTo = ackedUpTo;
    }
  }

  async close(): Promise<void> {
    if (this.closed) return;
    while (this.synced < this.posted) await Promise.resolve();
    await this.fold();
    this.closed = true;
    for (const snapshot of this.snapshots) snapshot.close();
    for (const install of this.installs.values()) install.abort();
  }

  private recover(shard: number, of: DiskShard, calls: readonly CallType[]): void {
    const wasLoading = of.loading;
    if (wasLoading) Object.assign(of, emptyShard(), { hard: of.hard });
    const { hard, base, part, entries, commitIdx, ackedUpTo } = of;
    const copy = this.copyOf(shard);
    copy.restart(base, false, ackedUpTo);
    copy.hard = hard;
    copy.append(entries, 0);
    if (part !== undefined) this.overlay.active.shards.set(shard, copyPart(part) as ShardPart);
    for (const op of of.outboxes) this.addOutbox(copy, op);
    for (const entry of entries) {
      if (entry.idx <= commitIdx) this.applyOp(copy, entry, decodeOp(entry.bytes, calls));
    }
    this.recovered.set(shard, { hard, base, commitIdx: copy.applied.idx, entries: [...entries], wasLoading });
  }

  /** Takes an item into memory. @returns what it changes on disk */
  private note(item: WriteItem, record: number): () => void {
    const { shard } = item;
    const copy = this.copyOf(shard);
    if (item.t === 'append') {
      const { truncateTo, entries } = item;
      if (truncateTo !== undefined) copy.truncate(truncateTo);
      copy.append(entries, record);
      const commitIdx = copy.applied.idx;
      return () => {
        const of = this.onDisk(shard);
        if (truncateTo !== undefined) of.entries.length = Math.min(of.entries.length, truncateTo - of.base.idx);
        for (const entry of entries) of.entries.push(entry);
        of.commitIdx = Math.max(of.commitIdx, commitIdx);
      };
    }
    if (item.t === 'hard') {
      const { hard } = item;
      copy.hard = hard;
      return () => {
        this.onDisk(shard).hard = hard;
      };
    }
    const loading = item.t === 'load';
    copy.restart(noPosition, loading, 0);
    this.overlay.forget(shard);
    this.outboxes.delete(shard);
    return () => {
      const of = this.onDisk(shard);
      Object.assign(of, emptyShard(), { hard: of.hard, loading });
    };
  }

  private async installed(
    copy: ShardCopy,
    frames: readonly SnapshotFrame[],
    at: Position,
    ackedUpTo: number,
  ): Promise<void> {
    const { shard } = copy;
    const { writes, outboxes } = opsOf(shard, frames);
    this.overlay.apply({ shard, ...at, writes, outbox: [] });
    copy.restart(at, false, ackedUpTo);
    for (const op of outboxes) this.addOutbox(copy, op);
    const part = copyPart(this.view.overlayPart(shard));
    const loaded = { loading: false, base: at, part, outboxes, entries: [], commitIdx: at.idx, ackedUpTo };
    this.posted += 1;
    const record = this.posted;
    await Promise.resolve();
    Object.assign(this.onDisk(shard), loaded);
    this.synced = record;
  }

  private applyOp(copy: ShardCopy, { idx, epoch }: Position, { writes, outbox }: OpBody): void {
    const op = { shard: copy.shard, idx, epoch, writes, outbox };
    this.overlay.apply(op);
    copy.applied = { idx, epoch };
    if (outbox.length > 0) this.addOutbox(copy, { ...op, writes: [] });
  }

  private addOutbox(copy: ShardCopy, op: Op): void {
    if (op.idx <= copy.ackedUpTo) return;
    const waiting = this.outboxes.get(op.shard) ?? new Map<number, Op>();
    this.outboxes.set(op.shard, waiting.set(op.idx, op));
  }

  private copyOf(shard: number): ShardCopy {
    const copy = this.copies.get(shard) ?? new ShardCopy(shard);
    this.copies.set(shard, copy);
    return copy;
  }

  private onDisk(shard: number): DiskShard {
    const of = this.disk.shards.get(shard) ?? emptyShard();
    this.disk.shards.set(shard, of);
    return of;
  }

  private mustBe(copy: ShardCopy, life: number): void {
    this.mustBeOpen();
    if (copy.life !== life) throw new StorageVoidedError(`the copy of shard ${copy.shard} is another one now`);
  }

  private mustBeOpen(): void {
    if (this.closed) throw new StorageClosedError('the store is closed');
  }
}
