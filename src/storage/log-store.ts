/**
 * The log and the state of every shard of a node, as one interface. Two implementations pass one contract suite
 * (test/contract/log-store.ts): memory (log-store-memory.ts) and RocksDB (log-store-rocks.ts).
 *
 * Shape. A shard's state is rows (key → value) and streams (append-only sequences with dense numbers from 1). An op
 * says what it writes to them, and what it must send to other shards (its outbox). The ops of all shards of one tick
 * are one journal record, written with one synced put; a read sees them at once, since they are also kept in memory
 * (the overlay). The overlay is folded into RocksDB in the background: one put for a row however often it changed, one
 * put for a block of up to `blockRecordsMax` neighbouring records of a stream. After that, and after every outbox in
 * it has been acknowledged, a journal record is deleted. Recovery reads the journal that is left and applies it again,
 * so folding and applying are idempotent. Why: docs/decisions/0001-journal-and-overlay.md.
 */

/** A msgpack-able plain value. Never mutate one after handing it over: the overlay keeps the reference. */
export type Value = unknown;

/** One change an op makes to its shard's state. Keys and stream names are relative to the shard, UTF-8, ≤ 4 KiB. */
export type Write = PlainWrite | CallWrite;

/**
 * Several writes said shortly: the journal keeps the name and the arguments, applying expands them. The same arguments
 * must give the same writes for ever, so a change of meaning is a new name. Worth it where one event always makes the
 * same few writes: half of the journal's bytes and packing time (docs/performance.md).
 */
export interface CallWrite {
  readonly t: 'call';
  readonly call: CallType;
  readonly args: readonly Value[];
  /** what `call.expand(args)` gives, when whoever writes it has it at hand */
  readonly writes?: readonly PlainWrite[];
}

export interface CallType {
  readonly name: string;
  expand(args: readonly Value[]): readonly PlainWrite[];
}

export type PlainWrite =
  /** a value of undefined deletes the row */
  | { readonly t: 'put'; readonly key: string; readonly value: Value }
  | { readonly t: 'del'; readonly key: string }
  /** `seq` must be the stream's last + 1; re-applying a seq that exists replaces it (recovery). */
  | { readonly t: 'append'; readonly stream: string; readonly seq: number; readonly record: Value }
  /**
   * The record takes the place of the one that the stream has there, whose bytes leave the state (how soon: docs/architecture.md,
   * "What is taken back"). Where the stream has none it changes nothing.
   */
  | { readonly t: 'replace'; readonly stream: string; readonly seq: number; readonly record: Value }
  /** Deletes the whole stream (account removed). A later append starts again at any seq. */
  | { readonly t: 'drop'; readonly stream: string };

/** What a committed op sends to an entity of another shard. `body` belongs to the actors; storage only keeps it. */
export interface OutboxItem {
  /** entity key, `session:<bareJid>` or `chat:<chatId>` */
  readonly to: string;
  readonly body: Value;
}

/** What an op does, wherever it stands. */
export interface OpBody {
  readonly writes: readonly Write[];
  readonly outbox: readonly OutboxItem[];
}

/** One entry of a shard's log. */
export interface Op extends OpBody {
  readonly shard: number;
  readonly epoch: number;
  /** dense per shard, from 1 */
  readonly idx: number;
}

export interface StreamRecord {
  readonly seq: number;
  readonly record: Value;
}

export interface StreamRange {
  /** first seq wanted, inclusive */
  readonly from: number;
  /** last seq wanted, inclusive */
  readonly to: number;
  readonly limit: number;
  /** newest first */
  readonly reverse?: boolean;
}

/** What start-up found, for the shards to go on from. */
export interface Recovered {
  /** last idx and epoch per shard that has any */
  readonly tails: ReadonlyMap<number, { readonly idx: number; readonly epoch: number }>;
  /**
   * Ops still in the journal that have an outbox, by shard and idx: they are sent again, receivers drop what they have.
   * Only the outbox counts: one that waited long was carried over into a fresh record and has no writes any more.
   */
  readonly unacked: readonly Op[];
}

export interface LogStore {
  /** What recovery found; stable after open. */
  readonly recovered: Recovered;
  /**
   * Appends the ops of one tick, of any shards, as one synced batch. Resolves when they are on disk and applied
   * (visible to reads). Calls may overlap; they are written in call order, and concurrent ones may share a sync.
   * @throws StorageFullError when the disk has no room (nothing of this call will become visible before a restart),
   *   StorageClosedError after close, StorageFailedError on any other I/O error.
   */
  append(ops: readonly Op[]): Promise<void>;
  /** A row's value, or undefined. Synchronous: overlay, block cache, then disk. */
  get(shard: number, key: string): Value | undefined;
  /** All rows whose key starts with `prefix`, in key order (UTF-8 byte order), at most `limit`. */
  scan(shard: number, prefix: string, limit: number): [key: string, value: Value][];
  /** Records of a stream within a range, in order asked. Missing seqs are skipped. */
  read(shard: number, stream: string, range: StreamRange): StreamRecord[];
  /** Last seq of a stream, 0 when it is empty. */
  last(shard: number, stream: string): number;
  /** The op's outbox has been delivered and committed everywhere: its journal record may go. Idempotent, no I/O. */
  acked(shard: number, idx: number): void;
  /** True while appends are accepted; false below the free-space mark or after a write error. */
  readonly writable: boolean;
  /** Figures for /metrics. */
  stats(): LogStoreStats;
  /** Folds what is left into the base, syncs, releases the folder. Idempotent. */
  close(): Promise<void>;
}

export interface LogStoreStats {
  readonly journalRecords: number;
  readonly overlayBytes: number;
  readonly opsAppended: number;
  readonly batches: number;
  readonly bytesAppended: number;
  readonly folds: number;
  readonly freeBytes: number;
  /** named RocksDB properties (memtable bytes, level files, pending compaction …); empty for memory */
  readonly engine: Readonly<Record<string, number>>;
}
