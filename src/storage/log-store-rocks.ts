import { checkOp } from './check-op.ts';
import { encodeJournal } from './codec.ts';
import { SingleFoldJob } from './fold-job.ts';
import type { FoldJob } from './fold-run.ts';
import { openFolder } from './folder.ts';
import type {
  CallType,
  LogStore,
  LogStoreStats,
  Op,
  Recovered,
  StreamRange,
  StreamRecord,
  Value,
} from './log-store.ts';
import { checkedStoreOptions, type StoreOptions, type StoreOptionsInput } from './options.ts';
import type { Generation, Overlay } from './overlay.ts';
import { purgeAfter, type RecoveredState, recover } from './recovery.ts';
import type { Rocks } from './rocks.ts';
import { plainFault, StoreEngine, type StoreFace } from './store-engine.ts';
import type { StoreHooks } from './store-hooks.ts';

export interface RocksLogStore extends LogStore {
  /** Folds everything applied so far. For tests and for a drain; a running store folds by itself. */
  fold(): Promise<void>;
}

/**
 * Opens the store in a folder, creating it when missing, and recovers what the journal holds.
 * @throws RangeError on options that do not fit together, StorageRefusedError when this process must not use the
 *   folder, StorageFullError or StorageFailedError when it cannot be opened
 */
export async function openRocksStore(
  input: StoreOptionsInput,
  hooks: StoreHooks = {},
  calls: readonly CallType[] = [],
): Promise<RocksLogStore> {
  const options = checkedStoreOptions(input);
  const { rocks } = await openFolder(options, 'single');
  try {
    const store = new RocksStore(options, hooks, rocks, recover(rocks, calls));
    await store.start();
    return store;
  } catch (error) {
    await rocks.close();
    throw error;
  }
}

/** A single node's store: what is on disk is committed, and is applied at once. */
class RocksStore implements RocksLogStore, StoreFace {
  readonly recovered: Recovered;
  readonly faultOf = plainFault;
  private readonly state: RecoveredState;
  private readonly engine: StoreEngine;

  constructor(options: StoreOptions, hooks: StoreHooks, rocks: Rocks, state: RecoveredState) {
    this.state = state;
    this.recovered = { tails: state.tails.snapshot(), unacked: state.unacked };
    this.engine = new StoreEngine(options, hooks, rocks, this);
  }

  start(): Promise<void> {
    return this.engine.start();
  }

  get writable(): boolean {
    return this.engine.writable;
  }

  append(ops: readonly Op[]): Promise<void> {
    const { engine } = this;
    try {
      engine.mustAccept();
      for (const op of ops) checkOp(op, engine.options.shards);
      return engine.post(encodeJournal(ops), (record, bytes) => this.apply(ops, record, bytes));
    } catch (error) {
      return Promise.reject(error);
    }
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

  acked(shard: number, idx: number): void {
    this.state.ledger.acked(shard, idx);
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

  get overlay(): Overlay {
    return this.state.overlay;
  }

  get firstRecord(): number {
    return this.state.folded.first;
  }

  get lastRecord(): number {
    return this.state.lastRecord;
  }

  dirty(): boolean {
    const { overlay, folded, ledger } = this.state;
    if (overlay.folding !== undefined || folded.upTo < overlay.active.upTo || overlay.active.bytes > 0) return true;
    return folded.first < (ledger.oldest() ?? folded.upTo + 1);
  }

  foldJob(generation: Generation): FoldJob {
    const { engine, state } = this;
    const { journalRecordsMax } = engine.options;
    return new SingleFoldJob(engine.rocks, state, generation.upTo, journalRecordsMax, (ops) => this.carry(ops));
  }

  /** A rejected append may be in the log file all the same; it is deleted, on disk, before anything is accepted. */
  reopened(rocks: Rocks): Promise<void> {
    return purgeAfter(rocks, this.engine.queue.lastSynced, this.state);
  }

  detached(): void {}

  private apply(ops: readonly Op[], record: number, bytes: number): void {
    const { overlay, ledger, tails } = this.state;
    const { counts } = this.engine;
    overlay.active.upTo = record;
    overlay.active.bytes += bytes;
    counts.bytesAppended += bytes;
    counts.opsAppended += ops.length;
    for (const op of ops) {
      tails.saw(op);
      if (op.outbox.length > 0) ledger.add(record, op.shard, op.idx);
      overlay.apply(op);
    }
  }

  /** Ops that are in the state already and only keep their outbox. */
  private carry(ops: readonly Op[]): Promise<void> {
    return this.engine.post(encodeJournal(ops), (record, bytes) => {
      const { overlay, ledger } = this.state;
      overlay.active.upTo = record;
      this.engine.counts.bytesAppended += bytes;
      // One that was acknowledged while this was being written must not wait again.
      for (const { shard, idx } of ops) if (ledger.has(shard, idx)) ledger.add(record, shard, idx);
    });
  }
}
