import { checkOp } from './check-op.ts';
import { StorageClosedError, StorageFullError } from './errors.ts';
import type { LogStore, LogStoreStats, Op, Recovered, StreamRange, StreamRecord, Value } from './log-store.ts';
import { storeDefaults } from './options.ts';
import { Overlay } from './overlay.ts';
import { emptyBase, StateView } from './state-view.ts';
import { sortOps, Tails } from './tails.ts';

/** What outlives a memory store: pass it to the next `openMemoryStore` for a restart. Tests and simulations only. */
export interface MemoryDisk {
  readonly overlay: Overlay;
  readonly tails: Tails;
  /** `shard/idx` → op with an outbox nobody acknowledged */
  readonly unacked: Map<string, Op>;
  /** set it to make appends fail as on a full disk; clear it and they are accepted again */
  full: boolean;
}

export interface MemoryStoreOptions {
  /** where state is kept; a new one when absent */
  readonly disk?: MemoryDisk;
  /** S; default 1,024 */
  readonly shards?: number;
}

export function createMemoryDisk(): MemoryDisk {
  return { overlay: new Overlay(), tails: new Tails(), unacked: new Map(), full: false };
}

/** The LogStore without a disk: everything it was given stays in memory, unbounded. For tests and simulations. */
export async function openMemoryStore(options: MemoryStoreOptions = {}): Promise<LogStore> {
  return new MemoryLogStore(options.disk ?? createMemoryDisk(), options.shards ?? storeDefaults.shards);
}

class MemoryLogStore implements LogStore {
  readonly recovered: Recovered;
  private readonly disk: MemoryDisk;
  private readonly shards: number;
  private readonly view: StateView;
  private closed = false;
  private opsAppended = 0;
  private batches = 0;

  constructor(disk: MemoryDisk, shards: number) {
    this.disk = disk;
    this.shards = shards;
    this.view = new StateView(disk.overlay, emptyBase);
    this.recovered = { tails: disk.tails.snapshot(), unacked: sortOps([...disk.unacked.values()]) };
  }

  get writable(): boolean {
    return !this.closed && !this.disk.full;
  }

  async append(ops: readonly Op[]): Promise<void> {
    if (this.closed) throw new StorageClosedError('the store is closed');
    if (this.disk.full) throw new StorageFullError('the disk is full');
    for (const op of ops) checkOp(op, this.shards);
    // As on a disk, nothing is visible before the call has returned.
    await Promise.resolve();
    for (const op of ops) {
      this.disk.overlay.apply(op);
      this.disk.tails.saw(op);
      if (op.outbox.length > 0) this.disk.unacked.set(`${op.shard}/${op.idx}`, op);
    }
    this.opsAppended += ops.length;
    this.batches += 1;
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
    this.disk.unacked.delete(`${shard}/${idx}`);
  }

  stats(): LogStoreStats {
    return {
      journalRecords: 0,
      overlayBytes: this.disk.overlay.bytes,
      opsAppended: this.opsAppended,
      batches: this.batches,
      bytesAppended: 0,
      folds: 0,
      freeBytes: Number.MAX_SAFE_INTEGER,
      engine: {},
    };
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  private mustBeOpen(): void {
    if (this.closed) throw new StorageClosedError('the store is closed');
  }
}
