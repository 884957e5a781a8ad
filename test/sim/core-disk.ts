import { StorageClosedError, StorageFullError } from '../../src/storage/errors.ts';
import type { LogStore, Op } from '../../src/storage/log-store.ts';

/** A store whose appends finish when the simulation says so, fail while the disk is full, and die with the process. */
export interface SlowStore {
  readonly store: LogStore;
  /** appends that wait for the disk */
  readonly waiting: number;
  full: boolean;
  /** Finishes the oldest append. */
  sync(): void;
  /** The process is gone: what waited is on disk (`kept`) or is not, nobody hears of it. */
  crash(kept: boolean): void;
}

interface Waiting {
  readonly ops: readonly Op[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** @param onAppend hears of every append, refused ones too */
export function slowStore(inner: LogStore, onAppend?: (ops: readonly Op[]) => void): SlowStore {
  const waiting: Waiting[] = [];
  let dead = false;
  const self: SlowStore = {
    full: false,
    get waiting() {
      return waiting.length;
    },
    store: {
      ...bind(inner),
      get recovered() {
        return inner.recovered;
      },
      get writable() {
        return inner.writable && !self.full;
      },
      append(ops: readonly Op[]): Promise<void> {
        onAppend?.(ops);
        if (dead) return Promise.reject(new StorageClosedError('crashed'));
        return new Promise((resolve, reject) => waiting.push({ ops, resolve, reject }));
      },
      acked(shard: number, idx: number): void {
        if (!dead) inner.acked(shard, idx);
      },
    },
    sync(): void {
      const next = waiting.shift();
      if (next === undefined) return;
      if (self.full) next.reject(new StorageFullError('the disk is full'));
      else inner.append(next.ops).then(next.resolve, next.reject);
    },
    crash(kept: boolean): void {
      dead = true;
      for (const { ops, reject } of waiting.splice(0)) {
        if (kept && !self.full) void inner.append(ops);
        reject(new StorageClosedError('crashed'));
      }
    },
  };
  return self;
}

function bind(inner: LogStore): Pick<LogStore, 'get' | 'scan' | 'read' | 'last' | 'stats' | 'close'> {
  return {
    get: (shard, key) => inner.get(shard, key),
    scan: (shard, prefix, limit) => inner.scan(shard, prefix, limit),
    read: (shard, stream, range) => inner.read(shard, stream, range),
    last: (shard, stream) => inner.last(shard, stream),
    stats: () => inner.stats(),
    close: () => inner.close(),
  };
}
