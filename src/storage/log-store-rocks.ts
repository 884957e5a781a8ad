import { type Append, AppendQueue } from './append-queue.ts';
import { checkOp } from './check-op.ts';
import { DiskWatch } from './disk-watch.ts';
import { StorageClosedError, StorageFailedError, StorageFullError } from './errors.ts';
import { runFold } from './fold-run.ts';
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
import { type StoreOptions, type StoreOptionsInput, storeDefaults, storeOptionFaults } from './options.ts';
import { purgeAfter, type RecoveredState, recover } from './recovery.ts';
import { engineFigures, type Rocks } from './rocks.ts';
import { RocksBase } from './rocks-base.ts';
import { StateView } from './state-view.ts';
import type { StoreHooks } from './store-hooks.ts';
import { WriterClient } from './writer-client.ts';

export interface RocksLogStore extends LogStore {
  /** Folds everything applied so far. For tests and for a drain; a running store folds by itself. */
  fold(): Promise<void>;
}

/** Looks at the disk between two attempts to open again: 1 after the first failure, doubling up to this. */
const reopenLooksMax = 30;

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
  const options: StoreOptions = { ...storeDefaults, ...input };
  const faults = storeOptionFaults(options);
  if (faults.length > 0) throw new RangeError(faults.join('; '));
  const { rocks } = await openFolder(options);
  try {
    const store = new RocksStore(options, hooks, rocks, recover(rocks, calls));
    await store.start();
    return store;
  } catch (error) {
    await rocks.close();
    throw error;
  }
}

class RocksStore implements RocksLogStore {
  readonly recovered: Recovered;
  private readonly options: StoreOptions;
  private readonly hooks: StoreHooks;
  private readonly state: RecoveredState;
  private readonly base = new RocksBase();
  private readonly view: StateView;
  private readonly queue: AppendQueue;
  private readonly disk: DiskWatch;
  private rocks: Rocks;
  private writer: WriterClient | undefined;
  /** why appends are refused since a write error; undefined when they are not */
  private fault: Error | undefined;
  private looksToReopen = 0;
  private looksAfterFailure = 1;
  /** the fold that is going on */
  private folding: Promise<void> | undefined;
  private foldTimer: NodeJS.Timeout | undefined;
  private closing: Promise<void> | undefined;
  private readonly counts = { opsAppended: 0, batches: 0, bytesAppended: 0, folds: 0 };

  constructor(options: StoreOptions, hooks: StoreHooks, rocks: Rocks, state: RecoveredState) {
    this.options = options;
    this.hooks = hooks;
    this.rocks = rocks;
    this.state = state;
    this.recovered = { tails: state.tails.snapshot(), unacked: state.unacked };
    this.view = new StateView(state.overlay, this.base);
    this.queue = new AppendQueue(state.lastRecord);
    this.disk = new DiskWatch(options, hooks);
  }

  async start(): Promise<void> {
    this.base.attach(this.rocks);
    await this.startWriter();
    await this.disk.start(async () => {
      await this.reopenIfDue();
      this.foldIfDue();
    });
    this.foldIfDue();
  }

  get writable(): boolean {
    return this.closing === undefined && this.fault === undefined && this.disk.hasRoom;
  }

  append(ops: readonly Op[]): Promise<void> {
    try {
      const writer = this.acceptingWriter();
      for (const op of ops) checkOp(op, this.options.shards);
      return this.queue.write(writer, ops, false);
    } catch (error) {
      return Promise.reject(error);
    }
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

  acked(shard: number, idx: number): void {
    this.state.ledger.acked(shard, idx);
  }

  stats(): LogStoreStats {
    const open = this.closing === undefined && this.fault === undefined;
    return {
      journalRecords: this.queue.lastSynced - this.state.folded.first + 1,
      overlayBytes: this.state.overlay.bytes,
      freeBytes: this.disk.freeBytes,
      engine: open ? engineFigures(this.rocks) : {},
      ...this.counts,
    };
  }

  async fold(): Promise<void> {
    this.mustBeOpen();
    while (this.folding !== undefined) await this.folding;
    await this.startFold(false);
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  /** @throws what `append` rejects with when it cannot accept anything */
  private acceptingWriter(): WriterClient {
    this.mustBeOpen();
    if (this.fault !== undefined) throw this.fault;
    if (!this.disk.hasRoom) {
      const { freeBytesMin } = this.options;
      throw new StorageFullError(`${this.disk.freeBytes} bytes free, storage.freeBytesMin is ${freeBytesMin}`);
    }
    if (this.state.overlay.bytes + this.queue.bytes > this.options.memoryBytesMax) {
      throw new StorageFullError('storage.memoryBytesMax is reached: the disk does not keep up');
    }
    return this.writerNow();
  }

  private writerNow(): WriterClient {
    if (this.writer === undefined) throw this.fault ?? new StorageClosedError('the store is closed');
    return this.writer;
  }

  private mustBeOpen(): void {
    if (this.closing !== undefined) throw new StorageClosedError('the store is closed');
  }

  private async startWriter(): Promise<void> {
    this.writer = await WriterClient.start(this.rocks.handle, {
      onSynced: (upTo) => {
        this.counts.batches += 1;
        this.queue.synced(upTo, (append) => this.apply(append));
        this.foldIfDue();
      },
      onFailed: (full, message) => this.fail(full, message),
    });
  }

  private apply({ record, ops, bytes, carried }: Append): void {
    const { overlay, ledger, tails } = this.state;
    overlay.active.upTo = record;
    this.counts.bytesAppended += bytes;
    if (carried) {
      // One that was acknowledged while this was being written must not wait again.
      for (const op of ops) if (ledger.has(op.shard, op.idx)) ledger.add(record, op);
      return;
    }
    overlay.active.bytes += bytes;
    this.counts.opsAppended += ops.length;
    for (const op of ops) {
      tails.saw(op);
      ledger.add(record, op);
      overlay.apply(op);
    }
  }

  /** Something is to be folded, or a journal record that was kept for its outbox may go. */
  private get dirty(): boolean {
    const { overlay, folded, ledger } = this.state;
    if (overlay.folding !== undefined || folded.upTo < overlay.active.upTo || overlay.active.bytes > 0) return true;
    return folded.first < (ledger.oldest() ?? folded.upTo + 1);
  }

  /** Starts a fold when enough gathered, else makes sure that one comes after `foldIntervalMs`. */
  private foldIfDue(): void {
    if (this.folding !== undefined || !this.writable || !this.dirty) return;
    if (this.state.overlay.active.bytes >= this.options.foldBytes) {
      this.foldInBackground();
      return;
    }
    this.foldTimer ??= setTimeout(() => {
      this.foldTimer = undefined;
      if (this.folding === undefined && this.writable && this.dirty) this.foldInBackground();
    }, this.options.foldIntervalMs).unref();
  }

  private foldInBackground(): void {
    clearTimeout(this.foldTimer);
    this.foldTimer = undefined;
    this.startFold(false).then(
      () => this.foldIfDue(),
      (error: unknown) => {
        // A failed writer has reported itself. Anything else would come again: stop accepting, and say why.
        if (this.closing === undefined) this.fail(false, `fold: ${String(error)}`);
      },
    );
  }

  private async startFold(sync: boolean): Promise<void> {
    const writer = this.writerNow();
    const { rocks, base, state, options } = this;
    const carry = (ops: readonly Op[]): Promise<void> => this.queue.write(writer, ops, true);
    const folding = runFold({ rocks, writer, base, state, options, carry }, sync);
    this.folding = folding;
    try {
      await folding;
      this.counts.folds += 1;
    } finally {
      this.folding = undefined;
    }
  }

  private fail(full: boolean, message: string): void {
    if (this.fault !== undefined) return;
    this.fault = full ? new StorageFullError(message) : new StorageFailedError(message);
    this.hooks.onEvent?.({ t: 'failed', message });
    this.queue.rejectAll(this.fault);
    this.looksToReopen = 0;
    this.looksAfterFailure = 1;
  }

  /**
   * After a write error RocksDB refuses every further write: open it again, in place. Reads of folded state throw
   * StorageFailedError meanwhile. A rejected append may be in the log file all the same; it is deleted, on disk,
   * before anything is accepted.
   */
  private async reopenIfDue(): Promise<void> {
    if (this.fault === undefined || this.closing !== undefined || !this.disk.hasRoom) return;
    this.looksToReopen -= 1;
    if (this.looksToReopen > 0) return;
    try {
      await this.folding?.catch(() => undefined); // foldInBackground deals with its error
      await this.writer?.stop();
      this.writer = undefined;
      this.base.detach();
      await this.rocks.close();
      this.rocks = (await openFolder(this.options)).rocks;
      await purgeAfter(this.rocks, this.queue.lastSynced, this.state);
      await this.startWriter();
      this.base.attach(this.rocks);
      this.fault = undefined;
      this.hooks.onEvent?.({ t: 'reopened' });
    } catch (error) {
      this.looksToReopen = this.looksAfterFailure;
      this.looksAfterFailure = Math.min(2 * this.looksAfterFailure, reopenLooksMax);
      this.hooks.onEvent?.({ t: 'reopen-failed', message: String(error) });
    }
  }

  private async shutDown(): Promise<void> {
    clearTimeout(this.foldTimer);
    await this.disk.stop();
    try {
      // Its answer comes behind those of all appends in flight.
      await this.writer?.fold(Buffer.alloc(0), false);
      await this.folding;
      if (this.fault === undefined && this.disk.hasRoom && this.dirty) await this.startFold(true);
    } catch (error) {
      // The journal has everything: the next start folds it.
      if (this.fault === undefined) this.hooks.onEvent?.({ t: 'failed', message: `last fold: ${String(error)}` });
    }
    this.queue.rejectAll(new StorageClosedError('the store is closed'));
    await this.writer?.stop();
    this.writer = undefined;
    this.base.detach();
    await this.rocks.close();
  }
}
