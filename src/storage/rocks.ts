import { RocksLevel } from '@nxtedition/rocksdb';

/** Keys `gte`/`gt` to `lt`/`lte`; RocksDB compares bytes. */
export interface RocksRange {
  readonly gte?: Buffer;
  readonly gt?: Buffer;
  readonly lt?: Buffer;
  readonly lte?: Buffer;
}

/** Puts and deletes that gather until `write`. One object for its lifetime: the binding keeps every batch it makes. */
export interface RocksWriteBatch {
  put(key: Buffer, value: Buffer): void;
  del(key: Buffer): void;
  readonly length: number;
  /** Writes and empties the batch, on the calling thread. @throws the binding's error; the batch is empty then too */
  write(sync: boolean): void;
}

/** A place in a range of keys, as the range was when it was made. */
export interface RocksCursor {
  /** The next pairs in key order, of about `bytes` together; none at the end. */
  next(bytes: number): [key: Buffer, value: Buffer][];
  /** Idempotent. */
  close(): void;
}

/** The database as this store needs it: one column family, synchronous reads, explicit sync. */
export interface Rocks {
  /** passes the open database to another thread */
  readonly handle: bigint;
  get(key: Buffer): Buffer | undefined;
  /** Pairs in key order, or from the end with `reverse`. */
  query(range: RocksRange, limit: number, reverse?: boolean): [key: Buffer, value: Buffer][];
  keys(range: RocksRange, limit: number): Buffer[];
  /** The same as `query`, for keys that are text: strings are cheaper to make than buffers. */
  textQuery(range: RocksRange, limit: number): [key: string, value: Buffer][];
  /** Reads a range as it is now, whatever is written meanwhile. Must be closed before the database is. */
  cursor(range: RocksRange): RocksCursor;
  batch(): RocksWriteBatch;
  /** Deletes a range, unsynced, in the order of writes. */
  clear(range: RocksRange): Promise<void>;
  /** A numeric RocksDB property, 0 when it has none of that name. */
  property(name: string): number;
  close(): Promise<void>;
}

export interface RocksTuning {
  readonly cacheBytes: number;
  readonly memtableBytes: number;
  readonly parallelism: number;
}

/**
 * One column family, not one for the journal and one for the state: the binding can neither flush by hand nor limit
 * the log's size, and a column family that gets few writes keeps every log file since its last flush. With one, the
 * log is never longer than the memtables, and a restart never reads more than that.
 *
 * The log's recovery mode is RocksDB's default, point-in-time: replay stops at the first record that is torn or
 * fails its checksum, and everything before it is kept. A record whose sync was answered cannot be behind such a place.
 * WAL compression is off: it costs more CPU than the bytes are worth, and a torn compressed tail loses more.
 */
export async function openRocks(folder: string, tuning: RocksTuning): Promise<Rocks> {
  const db = new RocksLevel(folder);
  await db.open({
    createIfMissing: true,
    cacheSize: tuning.cacheBytes,
    memtableMemoryBudget: tuning.memtableBytes,
    compaction: 'level',
    compression: true,
    walCompression: false,
    parallelism: tuning.parallelism,
  });
  return wrap(db, () => db.close());
}

/** The same open database in another thread. Closing it is only for the thread that opened it. */
export async function attachRocks(handle: bigint): Promise<Rocks> {
  const db = new RocksLevel(handle);
  await db.open({ createIfMissing: false });
  return wrap(db, async () => {});
}

function wrap(db: RocksLevel, close: () => Promise<void>): Rocks {
  return {
    get handle() {
      return db.handle;
    },
    get: (key) => db._getManySync([key])[0] ?? undefined,
    query: (range, limit, reverse = false) => pairsOf(rowsOf(db, range, limit, reverse)) as [Buffer, Buffer][],
    textQuery: (range, limit) => pairsOf(rowsOf(db, range, limit, false, 'utf8')) as [string, Buffer][],
    keys: (range, limit) =>
      (rowsOf(db, range, limit, false, 'buffer', false) as (Buffer | undefined)[]).filter((key) => key !== undefined),
    cursor: (range) => openCursor(db, range),
    batch: () => wrapBatch(db),
    clear: (range) =>
      new Promise((resolve, reject) => db._clear({ ...range }, (error) => (error ? reject(error) : resolve()))),
    property: (name) => Number(db.getProperty(name)) || 0,
    close,
  };
}

/** Keys and values in turn. The options are one literal: put together by spreading they cost as much as a short query. */
function rowsOf(
  db: RocksLevel,
  { gte, gt, lt, lte }: RocksRange,
  limit: number,
  reverse: boolean,
  keyEncoding: 'buffer' | 'utf8' = 'buffer',
  values = true,
): (Buffer | string | undefined)[] {
  return db.querySync({
    gte,
    gt,
    lt,
    lte,
    // The binding takes what is no safe integer for 0: `limit` and one more would find nothing.
    limit: Number.isSafeInteger(limit) ? limit : -1,
    reverse,
    values,
    keyEncoding,
    valueEncoding: 'buffer',
    fillCache: true,
    asyncIO: false,
  }).rows;
}

function pairsOf<T>(rows: readonly T[]): [T, T][] {
  const pairs: [T, T][] = [];
  for (let i = 0; i + 1 < rows.length; i += 2) pairs.push([rows[i]!, rows[i + 1]!]);
  return pairs;
}

/** Pairs of one round: the binding stops at the first of the two bounds. */
const pairsPerRound = 256;

function openCursor(db: RocksLevel, range: RocksRange): RocksCursor {
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const;
  const iterator = db._iterator({ ...range, ...encodings, fillCache: false, asyncIO: false });
  let left: (Buffer | undefined)[] = [];
  let open = true;
  return {
    next: (bytes) => {
      const pairs: [Buffer, Buffer][] = [];
      for (let taken = 0; taken < bytes; ) {
        if (left.length === 0) left = iterator._nextvSync(pairsPerRound).rows;
        if (left.length === 0) break;
        const [key, value] = left.splice(0, 2) as [Buffer, Buffer];
        pairs.push([key, value]);
        taken += key.length + value.length;
      }
      return pairs;
    },
    close: () => {
      if (open) iterator._closeSync();
      open = false;
    },
  };
}

function wrapBatch(db: RocksLevel): RocksWriteBatch {
  const batch = db.batch();
  return {
    put: (key, value) => batch._put(key, value),
    del: (key) => batch._del(key),
    get length() {
      return batch.length;
    },
    write: (sync) => {
      try {
        batch._writeSync({ sync });
      } finally {
        batch._clear();
      }
    },
  };
}

const figures: Readonly<Record<string, string>> = {
  memtableBytes: 'rocksdb.cur-size-all-mem-tables',
  tableBytes: 'rocksdb.total-sst-files-size',
  level0Files: 'rocksdb.num-files-at-level0',
  pendingCompactionBytes: 'rocksdb.estimate-pending-compaction-bytes',
  blockCacheBytes: 'rocksdb.block-cache-usage',
  tableReaderBytes: 'rocksdb.estimate-table-readers-mem',
  backgroundErrors: 'rocksdb.background-errors',
  writeStopped: 'rocksdb.is-write-stopped',
};

/** RocksDB's own figures for /metrics: bytes, files, counts, and 0 or 1. */
export function engineFigures(rocks: Rocks): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([figure, property]) => [figure, rocks.property(property)]));
}

/** What the binding's error says about a failed write or open. */
export function faultOf(error: unknown): { kind: 'full' | 'locked' | 'denied' | 'other'; message: string } {
  // abstract-level wraps what RocksDB said.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (code === 'LEVEL_LOCKED') return { kind: 'locked', message: text };
  if (code === 'ENOSPC' || /no space left|disk quota exceeded|max allowed space/i.test(text)) {
    return { kind: 'full', message: text };
  }
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM' || /permission denied|read-only/i.test(text)) {
    return { kind: 'denied', message: text };
  }
  return { kind: 'other', message: text };
}
