import { AppendQueue, type Synced } from './append-queue.ts';
import { DiskWatch } from './disk-watch.ts';
import { StorageClosedError, StorageFailedError, StorageFullError } from './errors.ts';
import { type FoldJob, runFold } from './fold-run.ts';
import { openFolder } from './folder.ts';
import type { LogStoreStats } from './log-store.ts';
import type { StoreOptions } from './options.ts';
import type { Generation, Overlay } from './overlay.ts';
import { engineFigures, type Rocks } from './rocks.ts';
import { RocksBase } from './rocks-base.ts';
import { StateView } from './state-view.ts';
import type { StoreHooks } from './store-hooks.ts';
import { WriterClient } from './writer-client.ts';

/** Looks at the disk between two attempts to open again: 1 after the first failure, doubling up to this. */
const reopenLooksMax = 30;

/** What the two stores over one engine do differently. */
export interface StoreFace {
  /** what is applied and not folded; the face applies, the engine folds */
  readonly overlay: Overlay;
  /** number of the first journal record that is kept */
  readonly firstRecord: number;
  /** the last one it knows of before the engine writes any */
  readonly lastRecord: number;
  /** Something is to be folded, or a journal record that was kept may go. */
  dirty(): boolean;
  /** The fold of a generation that was just taken, or whose fold failed before. */
  foldJob(generation: Generation): FoldJob;
  /** The database was opened again after a write error; nothing is written before this resolves. */
  reopened(rocks: Rocks): Promise<void>;
  /** What every call says after a write error, until the store has opened itself again. */
  faultOf(full: boolean, message: string): Error;
  /** The database is about to be closed. */
  detached(): void;
}

/**
 * Journal, writer thread, folding, disk watch, opening again after a write error: everything that a single node's
 * store and a cluster member's store share. It knows nothing of what is in a journal record.
 */
export class StoreEngine {
  readonly options: StoreOptions;
  readonly base = new RocksBase();
  readonly view: StateView;
  readonly queue: AppendQueue;
  readonly counts = { opsAppended: 0, batches: 0, bytesAppended: 0, folds: 0 };
  private readonly hooks: StoreHooks;
  private readonly face: StoreFace;
  private readonly disk: DiskWatch;
  private db: Rocks;
  private writer: WriterClient | undefined;
  /** why nothing is accepted since a write error; undefined when it is */
  private fault: Error | undefined;
  private looksToReopen = 0;
  private looksAfterFailure = 1;
  /** the fold that is going on */
  private folding: Promise<void> | undefined;
  private foldTimer: NodeJS.Timeout | undefined;
  /** who wait for a fold to end */
  private waitedFor = 0;
  private closing: Promise<void> | undefined;

  constructor(options: StoreOptions, hooks: StoreHooks, rocks: Rocks, face: StoreFace) {
    this.options = options;
    this.hooks = hooks;
    this.db = rocks;
    this.face = face;
    this.view = new StateView(face.overlay, this.base);
    this.queue = new AppendQueue(face.lastRecord);
    this.disk = new DiskWatch(options, hooks);
  }

  async start(): Promise<void> {
    this.base.attach(this.db);
    await this.startWriter();
    await this.disk.start(async () => {
      await this.reopenIfDue();
      this.foldIfDue();
    });
    this.foldIfDue();
  }

  get rocks(): Rocks {
    return this.db;
  }

  get writable(): boolean {
    return this.closing === undefined && this.fault === undefined && this.disk.hasRoom;
  }

  get isFolding(): boolean {
    return this.folding !== undefined;
  }

  /** bytes of the overlay and of what is on its way to the disk */
  get memoryBytes(): number {
    return this.face.overlay.bytes + this.queue.bytes;
  }

  /**
   * @param begun what is written was let in while there was room, and may use the reserve
   * @throws what a write is refused with when nothing can be accepted
   */
  mustAccept(begun = false): void {
    this.mustBeSound();
    if (!(begun ? this.disk.hasReserve : this.disk.hasRoom)) {
      const { freeBytesMin } = this.options;
      throw new StorageFullError(`${this.disk.freeBytes} bytes free, storage.freeBytesMin is ${freeBytesMin}`);
    }
    if (this.memoryBytes > this.options.memoryBytesMax) {
      throw new StorageFullError('storage.memoryBytesMax is reached: the disk does not keep up');
    }
  }

  /** @throws StorageClosedError */
  mustBeOpen(): void {
    if (this.closing !== undefined) throw new StorageClosedError('the store is closed');
  }

  /** @throws StorageClosedError, or the fault since a write error */
  mustBeSound(): void {
    this.mustBeOpen();
    if (this.fault !== undefined) throw this.fault;
  }

  /** Gives a record to the writer. @throws when there is none; else as AppendQueue.write */
  post(value: Buffer, synced: Synced, clear?: Buffer): Promise<void> {
    return this.queue.write(this.writerNow(), value, synced, clear);
  }

  /** Writes a slice, unsynced, in its place in the order. @throws when the writer failed */
  writeSlice(slice: Buffer): Promise<void> {
    return this.writerNow().fold(slice, false);
  }

  async fold(): Promise<void> {
    this.mustBeOpen();
    this.waitedFor += 1;
    try {
      while (this.folding !== undefined) await this.folding;
      this.mustBeOpen();
      await this.startFold(false);
    } finally {
      this.waitedFor -= 1;
    }
  }

  /** Resolves when no fold is going on. What happens to its error is not the caller's. */
  async untilUnfolding(): Promise<void> {
    this.waitedFor += 1;
    while (this.folding !== undefined) await this.folding.catch(() => undefined);
    this.waitedFor -= 1;
  }

  /** Starts a fold when enough gathered, else makes sure that one comes after `foldIntervalMs`. */
  foldIfDue(): void {
    const { overlay } = this.face;
    const full = overlay.active.bytes >= this.options.foldBytes;
    if (this.folding !== undefined || (this.foldTimer !== undefined && !full)) return;
    if (!this.writable || !this.face.dirty()) return;
    if (full) {
      this.foldInBackground();
      return;
    }
    this.foldTimer = setTimeout(() => {
      this.foldTimer = undefined;
      if (this.folding === undefined && this.writable && this.face.dirty()) this.foldInBackground();
    }, this.options.foldIntervalMs).unref();
  }

  stats(): LogStoreStats {
    const open = this.closing === undefined && this.fault === undefined;
    return {
      journalRecords: this.queue.lastSynced - this.face.firstRecord + 1,
      overlayBytes: this.face.overlay.bytes,
      freeBytes: this.disk.freeBytes,
      engine: open ? engineFigures(this.db) : {},
      ...this.counts,
    };
  }

  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private writerNow(): WriterClient {
    if (this.writer === undefined) throw this.fault ?? new StorageClosedError('the store is closed');
    return this.writer;
  }

  private async startWriter(): Promise<void> {
    this.writer = await WriterClient.start(this.db.handle, {
      onSynced: (upTo) => {
        this.counts.batches += 1;
        this.queue.syncedUpTo(upTo);
        this.foldIfDue();
      },
      onFailed: (full, message) => this.fail(full, message),
    });
  }

  private foldInBackground(): void {
    clearTimeout(this.foldTimer);
    this.foldTimer = undefined;
    this.startFold(false).then(
      () => this.foldIfDue(),
      () => undefined, // startFold has reported it
    );
  }

  private async startFold(sync: boolean): Promise<void> {
    const { base, options, face } = this;
    const startJob = (generation: Generation): FoldJob => face.foldJob(generation);
    const { overlay } = face;
    const hurry = (): boolean =>
      this.waitedFor > 0 || this.closing !== undefined || overlay.active.bytes >= options.foldBytes / 2;
    const folding = runFold({ writer: this.writerNow(), base, overlay, options, hurry, startJob }, sync);
    this.folding = folding;
    try {
      await folding;
      this.counts.folds += 1;
    } catch (error) {
      // A failed writer has reported itself. Anything else would come again: stop accepting, and say why.
      if (this.closing === undefined) this.fail(false, `fold: ${String(error)}`);
      throw error;
    } finally {
      this.folding = undefined;
    }
  }

  private fail(full: boolean, message: string): void {
    if (this.fault !== undefined) return;
    this.fault = this.face.faultOf(full, message);
    this.hooks.onEvent?.({ t: 'failed', message });
    this.queue.rejectAll(this.fault);
    this.looksToReopen = 0;
    this.looksAfterFailure = 1;
  }

  /**
   * After a write error RocksDB refuses every further write: open it again, in place. Reads of folded state throw
   * StorageFailedError meanwhile.
   */
  private async reopenIfDue(): Promise<void> {
    if (this.fault === undefined || this.closing !== undefined || !this.disk.hasRoom) return;
    this.looksToReopen -= 1;
    if (this.looksToReopen > 0) return;
    try {
      await this.untilUnfolding();
      await this.writer?.stop();
      this.writer = undefined;
      this.base.detach();
      this.face.detached();
      await this.db.close();
      this.db = (await openFolder(this.options)).rocks;
      await this.face.reopened(this.db);
      await this.startWriter();
      this.base.attach(this.db);
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
      if (this.fault === undefined && this.disk.hasRoom && this.face.dirty()) await this.startFold(true);
    } catch (error) {
      // The journal has everything: the next start folds it.
      if (this.fault === undefined) this.hooks.onEvent?.({ t: 'failed', message: `last fold: ${String(error)}` });
    }
    this.queue.rejectAll(new StorageClosedError('the store is closed'));
    await this.writer?.stop();
    this.writer = undefined;
    this.base.detach();
    this.face.detached();
    try {
      await this.db.close();
    } catch (error) {
      // After a write error RocksDB may refuse to close as well. What it was to write the journal has, or nobody was told.
      if (this.fault === undefined) throw error;
    }
  }
}

/** The usual answer to a write error: the caller is told whether it was for lack of room. */
export function plainFault(full: boolean, message: string): Error {
  return full ? new StorageFullError(message) : new StorageFailedError(message);
}
