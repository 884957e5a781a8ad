import { checkItems } from './check-items.ts';
import { StorageFailedError } from './errors.ts';
import type { FoldJob } from './fold-run.ts';
import { FoldSlice } from './fold-slice.ts';
import { afterPrefix, statePrefix } from './keys.ts';
import type { CallType, LogStoreStats, Op, OpBody, StreamRange, StreamRecord, Value } from './log-store.ts';
import { MemberFoldJob } from './member-fold-job.ts';
import { encodeItems, type JournalItem } from './member-journal.ts';
import { openMemberFolder, recoverAndVoid } from './member-open.ts';
import { unackedOps } from './member-records.ts';
import { firstNeeded, type MemberState } from './member-recovery.ts';
import { MemberTransfers } from './member-transfers.ts';
import { checkedStoreOptions, type StoreOptions, type StoreOptionsInput } from './options.ts';
import type { OutboxLedger } from './outbox-ledger.ts';
import type { Overlay } from './overlay.ts';
import {
  noPosition,
  type Position,
  type RecoveredShard,
  type ReplicatedLogStore,
  type ShardInstall,
  type ShardSnapshot,
  type WriteItem,
} from './replicated-store.ts';
import type { Rocks } from './rocks.ts';
import { ShardCopy } from './shard-copy.ts';
import { stateChecksum } from './state-checksum.ts';
import { StoreEngine, type StoreFace } from './store-engine.ts';
import type { StoreHooks } from './store-hooks.ts';

export interface RocksReplicatedStore extends ReplicatedLogStore {
  /** Folds everything applied so far. For tests and for a drain; a running store folds by itself. */
  fold(): Promise<void>;
}

/**
 * Opens a cluster member's store in a folder, creating it when missing. A single node's folder becomes a member's and
 * keeps its data; there is no way back.
 * @throws RangeError on options that do not fit together, StorageRefusedError when this process must not use the
 *   folder, StorageFullError or StorageFailedError when it cannot be opened
 */
export async function openReplicatedStore(
  input: StoreOptionsInput,
  hooks: StoreHooks = {},
  calls: readonly CallType[] = [],
): Promise<RocksReplicatedStore> {
  const options = checkedStoreOptions(input);
  const { rocks, meta } = await openMemberFolder(options, hooks, calls);
  try {
    const state = await recoverAndVoid(rocks, calls);
    const store = new MemberStore(options, hooks, rocks, state, meta.storeId, calls);
    await store.start();
    return store;
  } catch (error) {
    await rocks.close();
    throw error;
  }
}

/** A cluster member's store: what is on disk is applied when its shard's replica says that it is committed. */
class MemberStore implements RocksReplicatedStore, StoreFace {
  readonly incarnation: string;
  readonly overlay: Overlay;
  private readonly engine: StoreEngine;
  private readonly transfers: MemberTransfers;
  private readonly calls: readonly CallType[];
  private state: MemberState;

  constructor(
    options: StoreOptions,
    hooks: StoreHooks,
    rocks: Rocks,
    state: MemberState,
    incarnation: string,
    calls: readonly CallType[],
  ) {
    this.incarnation = incarnation;
    this.state = state;
    this.overlay = state.overlay;
    this.calls = calls;
    this.engine = new StoreEngine(options, hooks, rocks, this);
    this.transfers = new MemberTransfers(this.engine, () => this.state, {
      write: (items, posted) => this.writeJournal(items, posted),
      unacked: (shard, after, limit) => this.unacked(shard, after, limit),
    });
  }

  start(): Promise<void> {
    return this.engine.start();
  }

  get recovered(): ReadonlyMap<number, RecoveredShard> {
    return this.state.recovered;
  }

  get writable(): boolean {
    const { engine } = this;
    return engine.writable && engine.memoryBytes <= engine.options.memoryBytesMax;
  }

  write(items: readonly WriteItem[]): Promise<void> {
    const { engine, state } = this;
    try {
      engine.mustAccept(true);
      checkItems(items, (shard) => state.copies.get(shard), engine.options.shards);
      const value = encodeItems(this.journalItems(items));
      const clear = this.clearing(items);
      const record = engine.queue.lastPosted + 1;
      for (const item of items) this.note(item, record);
      return engine.post(value, (_, bytes) => this.count(bytes), clear);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  apply(shard: number, at: Position, op: OpBody): void {
    const { engine, state, overlay } = this;
    engine.mustBeSound();
    const copy = state.copies.get(shard);
    const ref = copy?.ref(at.idx);
    if (copy === undefined || ref === undefined || at.idx !== copy.applied.idx + 1 || at.epoch !== ref.epoch) {
      throw new RangeError(`shard ${shard}: ${at.epoch}/${at.idx} is not the entry to be applied next`);
    }
    if (ref.record > engine.queue.lastSynced) throw new RangeError(`shard ${shard}: ${at.idx} is not on disk yet`);
    const { writes, outbox } = op;
    overlay.apply({ shard, idx: at.idx, epoch: at.epoch, writes, outbox });
    overlay.active.bytes += ref.bytes;
    if (outbox.length > 0 && at.idx > copy.ackedUpTo) state.ledger.add(ref.record, shard, at.idx);
    copy.applied = { idx: at.idx, epoch: at.epoch };
    this.changed(copy);
    engine.counts.opsAppended += 1;
    engine.foldIfDue();
  }

  acked(shard: number, idx: number): void {
    this.state.ledger.acked(shard, idx);
  }

  ackedUpTo(shard: number, idx: number): void {
    const copy = this.state.copies.get(shard);
    if (copy === undefined || copy.loading || idx <= copy.ackedUpTo) return;
    copy.ackedUpTo = idx;
    this.state.ledger.ackedUpTo(shard, idx);
    this.changed(copy);
  }

  ackedWatermark(shard: number): number {
    const copy = this.state.copies.get(shard);
    if (copy === undefined) return 0;
    const waiting = this.state.ledger.lowest(shard);
    this.ackedUpTo(shard, waiting === undefined ? copy.applied.idx : waiting - 1);
    return copy.ackedUpTo;
  }

  unacked(shard: number, after: number, limit: number): Op[] {
    this.engine.mustBeSound();
    return unackedOps(this.engine.rocks, this.state.ledger, shard, after, limit);
  }

  get(shard: number, key: string): Value | undefined {
    this.engine.mustBeOpen();
    return this.engine.view.get(shard, key);
  }

  scan(shard: number, prefix: string, limit: number): [key: string, value: Value][] {
    this.engine.mustBeOpen();
    return this.engine.view.scan(shard, prefix, limit);
  }

  read(shard: number, stream: string, range: StreamRange): StreamRecord[] {
    this.engine.mustBeOpen();
    return this.engine.view.read(shard, stream, range);
  }

  last(shard: number, stream: string): number {
    this.engine.mustBeOpen();
    return this.engine.view.last(shard, stream);
  }

  applied(shard: number): Position {
    return this.state.copies.get(shard)?.applied ?? noPosition;
  }

  tail(shard: number): Position {
    const last = this.state.copies.get(shard)?.last ?? noPosition;
    return { idx: last.idx, epoch: last.epoch };
  }

  openSnapshot(shard: number): Promise<ShardSnapshot> {
    return this.transfers.openSnapshot(shard);
  }

  install(shard: number): ShardInstall {
    return this.transfers.install(shard);
  }

  checksum(shard: number): string {
    this.engine.mustBeSound();
    return stateChecksum(this.engine.view, shard);
  }

  shardsPresent(): number[] {
    return [...this.state.copies.values()]
      .filter(({ last }) => last.idx > 0)
      .map(({ shard }) => shard)
      .sort((a, b) => a - b);
  }

  stats(): LogStoreStats {
    return this.engine.stats();
  }

  fold(): Promise<void> {
    return this.engine.fold();
  }

  close(): Promise<void> {
    return this.engine.close();
  }

  // What the engine asks.

  get firstRecord(): number {
    return this.state.folded.first;
  }

  get lastRecord(): number {
    return this.state.lastRecord;
  }

  dirty(): boolean {
    const { changed, folded } = this.state;
    if (changed.size > 0 || this.overlay.active.bytes > 0 || this.overlay.folding !== undefined) return true;
    return folded.first < firstNeeded(this.state, folded.upTo, ({ base }) => base.idx);
  }

  foldJob(): FoldJob {
    const { engine, state } = this;
    return new MemberFoldJob({
      rocks: engine.rocks,
      state,
      upTo: engine.queue.lastPosted,
      synced: () => engine.queue.lastSynced,
      journalRecordsMax: engine.options.journalRecordsMax,
      write: (items) => this.writeJournal(items),
    });
  }

  /** What was rejected may be there or not: nobody acknowledged it, so what the disk has is what counts, as at start. */
  async reopened(rocks: Rocks): Promise<void> {
    this.state = await recoverAndVoid(rocks, this.calls);
    this.overlay.replaceBy(this.state.overlay);
    this.state = { ...this.state, overlay: this.overlay };
    this.engine.queue.restart(this.state.lastRecord);
    this.transfers.reopened();
  }

  faultOf(full: boolean, message: string): Error {
    return new StorageFailedError(full ? `the disk was full: ${message}` : message);
  }

  detached(): void {
    this.transfers.endAll();
  }

  private copyOf(shard: number): ShardCopy {
    const known = this.state.copies.get(shard);
    if (known !== undefined) return known;
    const copy = new ShardCopy(shard);
    this.state.copies.set(shard, copy);
    return copy;
  }

  private changed(copy: ShardCopy): void {
    copy.changes += 1;
    this.state.changed.add(copy);
  }

  private count(bytes: number): void {
    this.engine.counts.bytesAppended += bytes;
  }

  /** Each append takes the commit progress of its shard along; a copy that this very call voids has none. */
  private journalItems(items: readonly WriteItem[]): JournalItem[] {
    const voided = new Set<number>();
    return items.map((item) => {
      const { shard } = item;
      if (item.t === 'hard') return item;
      if (item.t !== 'append') {
        voided.add(shard);
        return { t: item.t, shard };
      }
      const commitIdx = voided.has(shard) ? 0 : (this.state.copies.get(shard)?.applied.idx ?? 0);
      return { t: 'append', shard, commitIdx, truncateTo: item.truncateTo, entries: item.entries };
    });
  }

  /** What the writer clears behind the record. Slices of a fold that come later have nothing of these shards. */
  private clearing(items: readonly WriteItem[]): Buffer | undefined {
    let slice: FoldSlice | undefined;
    for (const { t, shard } of items) {
      const copy = t === 'load' || t === 'wipe' ? this.state.copies.get(shard) : undefined;
      if (copy === undefined || (copy.applied.idx === 0 && !copy.loading)) continue;
      const key = statePrefix(shard);
      slice ??= new FoldSlice(64);
      slice.add({ t: 'clear', key, end: afterPrefix(key) });
    }
    return slice?.take();
  }

  /** Takes an item into memory as it is given to the writer, so that what is written next sees it. */
  private note(item: WriteItem, record: number): void {
    const copy = this.copyOf(item.shard);
    if (item.t === 'append') {
      if (item.truncateTo !== undefined) copy.truncate(item.truncateTo);
      copy.append(item.entries, record);
      copy.progressLogged = Math.max(copy.progressLogged, copy.applied.idx);
      return;
    }
    if (item.t === 'hard') copy.hard = item.hard;
    else {
      copy.restart(noPosition, item.t === 'load', 0);
      this.overlay.forget(item.shard);
      this.engine.base.forget(item.shard);
      this.state.ledger.forget(item.shard);
    }
    this.changed(copy);
  }

  /** A record of the store's own: commit progress, what is carried over, what an install brings. */
  private writeJournal(items: readonly JournalItem[], posted?: () => void): Promise<void> {
    const { engine, state } = this;
    const lives = items.map(({ shard }) => state.copies.get(shard)?.life);
    const written = engine.post(encodeItems(items), (record, bytes) => {
      this.count(bytes);
      for (const [i, item] of items.entries()) {
        const copy = state.copies.get(item.shard);
        if (copy !== undefined && copy.life === lives[i]) moveTo(copy, state.ledger, item, record);
      }
    });
    posted?.();
    return written;
  }
}

/** Entries and outboxes that are still wanted stand in this record now, unless they already stand in a later one. */
function moveTo(copy: ShardCopy, ledger: OutboxLedger, item: JournalItem, record: number): void {
  if (item.t === 'outbox') {
    const { shard, idx } = item;
    // Of a copy that is loading they are new; else one that was acknowledged meanwhile must not wait again.
    const place = ledger.recordOf(shard, idx);
    if (place === undefined ? copy.loading : place < record) ledger.add(record, shard, idx);
  }
  if (item.t !== 'again') return;
  for (const { idx, epoch } of item.entries) {
    const ref = copy.ref(idx);
    if (ref !== undefined && ref.epoch === epoch && ref.record < record) ref.record = record;
  }
}
