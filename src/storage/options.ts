/** Settings of the store. Every one has a default, a unit and a reason; `openRocksStore` checks their relations. */
export interface StoreOptions {
  /** folder of the database; created when missing, one process at a time */
  readonly folder: string;
  /** S, number of shards, 1–65,536. Fixed when the folder is created */
  readonly shards: number;
  /** bytes of journal in the overlay that start a fold. More coalesces better, and makes a restart read more */
  readonly foldBytes: number;
  /** ms after which something dirty is folded although `foldBytes` was not reached; keeps restarts of a quiet node short */
  readonly foldIntervalMs: number;
  /** ms of encoding between two yields to the event loop while folding */
  readonly foldSliceMs: number;
  /** bytes of a fold handed to the writer at a time; an append waits behind at most one such slice */
  readonly foldSliceBytes: number;
  /** bytes of overlay and appends in flight; above it append rejects with StorageFullError until a fold has caught up */
  readonly memoryBytesMax: number;
  /** records in a block of a stream, 1–65,535 */
  readonly blockRecordsMax: number;
  /** bytes of a block of a stream; a record that is larger has a block of its own */
  readonly blockBytesMax: number;
  /** bytes up to which a fold rewrites a stream's last block to add to it; above it a new block is begun */
  readonly blockMergeBytesMax: number;
  /** journal records kept for unacknowledged outboxes and uncommitted entries; above it those are carried over */
  readonly journalRecordsMax: number;
  /** snapshots of shards open at once (cluster); one more is refused with StorageBusyError. Each keeps old files */
  readonly snapshotsMax: number;
  /** copies being installed at once (cluster); one more is refused with StorageBusyError */
  readonly installsMax: number;
  /** bytes of a chunk of a snapshot (cluster); about as much of it is read from RocksDB on the main thread in one go */
  readonly snapshotChunkBytes: number;
  /** free bytes of the file system below which appends are refused; room for flushing memtables and a few folds */
  readonly freeBytesMin: number;
  /** ms between two looks at the free space, and between two attempts to open again after a write error */
  readonly freeCheckMs: number;
  /** bytes of RocksDB's block cache */
  readonly cacheBytes: number;
  /** bytes of RocksDB's memtables. A quarter is one memtable, two are flushed together: journal records die in them */
  readonly memtableBytes: number;
  /** RocksDB background threads for flush and compaction */
  readonly parallelism: number;
}

const MiB = 1024 * 1024;

/** Defaults of everything but the folder. */
export const storeDefaults: Omit<StoreOptions, 'folder'> = {
  shards: 1024,
  foldBytes: 8 * MiB,
  foldIntervalMs: 2000,
  foldSliceMs: 2,
  foldSliceBytes: 128 * 1024,
  memoryBytesMax: 64 * MiB,
  blockRecordsMax: 64,
  blockBytesMax: 32 * 1024,
  blockMergeBytesMax: 4 * 1024,
  journalRecordsMax: 16_384,
  snapshotsMax: 4,
  installsMax: 4,
  snapshotChunkBytes: 256 * 1024,
  freeBytesMin: 64 * MiB,
  freeCheckMs: 1000,
  cacheBytes: 64 * MiB,
  memtableBytes: 64 * MiB,
  parallelism: 2,
};

/** The folder is required, the rest has `storeDefaults`. */
export type StoreOptionsInput = Partial<StoreOptions> & { readonly folder: string };

/** Every fault of the options as one line each; empty when they fit together. The lead's config shows them all. */
export function storeOptionFaults(options: StoreOptions): string[] {
  const faults: string[] = [];
  const within = (key: keyof StoreOptions, low: number, high: number): void => {
    const value = options[key];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
      faults.push(`storage.${key} must be an integer from ${low} to ${high}, not ${value}`);
    }
  };
  if (options.folder === '') faults.push('storage.folder must not be empty');
  within('shards', 1, 65_536);
  within('foldBytes', 1, 1024 * MiB);
  within('foldIntervalMs', 1, 3_600_000);
  within('foldSliceMs', 1, 1000);
  within('foldSliceBytes', 1, 64 * MiB);
  within('memoryBytesMax', 1, 16_384 * MiB);
  within('blockRecordsMax', 1, 65_535);
  within('blockBytesMax', 1, 64 * MiB);
  within('blockMergeBytesMax', 0, 64 * MiB);
  within('journalRecordsMax', 1, 100_000_000);
  within('snapshotsMax', 1, 1024);
  within('installsMax', 1, 1024);
  within('snapshotChunkBytes', 1, 64 * MiB);
  within('freeBytesMin', 0, Number.MAX_SAFE_INTEGER);
  within('freeCheckMs', 1, 3_600_000);
  within('cacheBytes', 0, 4095 * MiB);
  within('memtableBytes', MiB, 16_384 * MiB);
  within('parallelism', 1, 64);
  if (options.memoryBytesMax < 2 * options.foldBytes) {
    faults.push('storage.memoryBytesMax must be at least twice storage.foldBytes: one half is folded while one fills');
  }
  if (options.blockMergeBytesMax > options.blockBytesMax) {
    faults.push('storage.blockMergeBytesMax must not be above storage.blockBytesMax');
  }
  return faults;
}

/** The options with their defaults. @throws RangeError on options that do not fit together, all faults at once */
export function checkedStoreOptions(input: StoreOptionsInput): StoreOptions {
  const options: StoreOptions = { ...storeDefaults, ...input };
  const faults = storeOptionFaults(options);
  if (faults.length > 0) throw new RangeError(faults.join('; '));
  return options;
}
