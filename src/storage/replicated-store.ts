import type { LogStoreStats, Op, OpBody, StreamRange, StreamRecord, Value } from './log-store.ts';

/**
 * The store of a member of a cluster: an entry of a shard's log is on disk first, and is applied to the state when it
 * is committed; what is not committed may be truncated. Journal, overlay, folding and reads are those of LogStore
 * (log-store.ts). Two implementations pass one contract suite (test/contract/replicated-store.ts): memory
 * (replicated-store-memory.ts) and RocksDB (replicated-store-rocks.ts). Why it is safe:
 * docs/decisions/0005-replicated-store.md.
 *
 * The types of entries, positions and hard states are declared here by their shape, since storage knows nothing of the
 * replica protocol (src/cluster/replica-types.ts) that uses them.
 */

/** A place in a shard's log. `{idx: 0, epoch: 0}` is before the first entry. */
export interface Position {
  /** dense per shard, from 1 */
  readonly idx: number;
  readonly epoch: number;
}

/** One entry of a shard's log. `bytes` are of `encodeOp`, empty for the op that does nothing. */
export interface Entry extends Position {
  readonly bytes: Uint8Array;
}

/** What a member has promised. It outlives its copy. The store keeps every field of it, whatever they mean. */
export interface HardState {
  readonly epoch: number;
  readonly leader: { readonly node: string; readonly inc: string } | undefined;
  readonly session: number;
  readonly revision: number;
}

/** One change that must be on disk. */
export type WriteItem =
  /** with truncateTo, entries behind that idx are no more; then `entries` follow, dense */
  | {
      readonly t: 'append';
      readonly shard: number;
      readonly entries: readonly Entry[];
      readonly truncateTo?: number | undefined;
    }
  | { readonly t: 'hard'; readonly shard: number; readonly hard: HardState }
  /** voids the copy and marks it as loading: only `install` can fill it, and a restart finds it void */
  | { readonly t: 'load'; readonly shard: number }
  /** drops the copy; the hard state stays. The log begins again at idx 1. */
  | { readonly t: 'wipe'; readonly shard: number };

/** What start-up found of one shard. */
export interface RecoveredShard {
  readonly hard: HardState;
  /** where `entries` begin */
  readonly base: Position;
  /** the state is applied up to exactly here, ≥ base.idx. All of it had been committed; more may have been. */
  readonly commitIdx: number;
  /** dense, from base.idx + 1, applied ones included */
  readonly entries: readonly Entry[];
  /** the copy was being loaded, and is void now */
  readonly wasLoading: boolean;
}

export interface ReplicatedLogStore {
  /** Random id of the data folder, made together with it: a wiped folder has another one. */
  readonly incarnation: string;
  /**
   * What the disk had, of every shard that has a copy or a hard state. Stable until the store opened itself again after
   * a write error (StoreEvent `reopened`): then it is what that found, and all replicas must begin again from it.
   */
  readonly recovered: ReadonlyMap<number, RecoveredShard>;
  /**
   * Puts the changes of one tick, of any shards, into one journal record, in order, all or nothing. Resolves when it is
   * on disk. Calls may overlap: they are written in call order and may share a sync. Reads of a shard that is being
   * voided are undefined until then.
   * @throws RangeError when an item does not fit to what the shard has (nothing of the call was done),
   *   StorageFullError when there is no room or memory now (nothing was done: the same call may be tried again, in its
   *   place, when `writable`), StorageClosedError after close, StorageFailedError when the disk failed: it may be
   *   there after all. Nothing is accepted then until `reopened`.
   */
  write(items: readonly WriteItem[]): Promise<void>;
  /**
   * Applies a committed entry to the state, visible to reads at once. Synchronous, dense, in order; the entry must have
   * been written. `op` is what its bytes decode to.
   * @throws RangeError when it is not the next one, or its entry is another or not on disk yet; StorageFailedError,
   *   StorageClosedError as `write`
   */
  apply(shard: number, at: Position, op: OpBody): void;
  /** Leader: the op's outbox has been delivered and committed everywhere. Idempotent, no I/O; forgotten by a restart. */
  acked(shard: number, idx: number): void;
  /** Follower: every outbox up to idx is, as its leader says. Kept lazily. May run ahead of what is applied here. */
  ackedUpTo(shard: number, idx: number): void;
  /** Leader: the idx up to which every applied op's outbox is acknowledged. What it tells its followers now and then. */
  ackedWatermark(shard: number): number;
  /** Applied ops behind `after` with an outbox nobody acknowledged, without their writes, in order, at most `limit`. */
  unacked(shard: number, after: number, limit: number): Op[];
  /** As LogStore's; of what is applied. */
  get(shard: number, key: string): Value | undefined;
  scan(shard: number, prefix: string, limit: number): [key: string, value: Value][];
  read(shard: number, stream: string, range: StreamRange): StreamRecord[];
  last(shard: number, stream: string): number;
  /** Last entry applied. */
  applied(shard: number): Position;
  /** Last entry given to `write`. */
  tail(shard: number): Position;
  /**
   * The state as applied at some moment before this resolves, `at`; what is applied later is not in it.
   * @throws StorageBusyError when `snapshotsMax` are open
   */
  openSnapshot(shard: number): Promise<ShardSnapshot>;
  /**
   * Begins to fill a copy that is marked as loading. An earlier install of the shard is no more.
   * @throws RangeError when it is not marked, StorageBusyError when `installsMax` are open
   */
  install(shard: number): ShardInstall;
  /**
   * Hash of the shard's rows in key order and streams in order, however they are stored. Equal on every member at the
   * same applied idx (I16). It reads the whole shard on the calling thread: for tests and for an operator.
   */
  checksum(shard: number): string;
  /** Shards with a copy: something applied or in the log. Rising. */
  shardsPresent(): number[];
  /** True while writes are accepted; false below the free-space mark, above the memory mark or after a write error. */
  readonly writable: boolean;
  stats(): LogStoreStats;
  /** Folds what is applied into the base, syncs, releases the folder. Idempotent. */
  close(): Promise<void>;
}

/** A snapshot must be closed: while it is open it keeps old files on the disk. */
export interface ShardSnapshot {
  readonly at: Position;
  /**
   * The state as one stream of bytes, cut at any place into chunks of at most `snapshotChunkBytes`. Read once, at the
   * caller's pace; each chunk is the caller's.
   * @throws StorageVoidedError when the copy was voided, StorageClosedError when the snapshot or the store was closed
   */
  chunks(): AsyncIterable<Uint8Array>;
  /** Idempotent. */
  close(): void;
}

/** Chunks must come whole and in order, and the next one when `add` has resolved: that is the backpressure. */
export interface ShardInstall {
  /**
   * @throws SnapshotError when the bytes are no snapshot, or of a newer Rookery; StorageVoidedError when the copy was
   *   voided or another install began
   */
  add(chunk: Uint8Array): Promise<void>;
  /**
   * The copy is whole: resolves when it is on disk, and the loading mark gone with the same sync. A crash before leaves
   * it void.
   * @throws as `add`; SnapshotError when something is missing, or the snapshot is not of `at`
   */
  finish(at: Position): Promise<void>;
  /** Gives up. The copy stays void and marked. Idempotent. */
  abort(): void;
}

export const noHardState: HardState = { epoch: 0, leader: undefined, session: 0, revision: 0 };
export const noPosition: Position = { idx: 0, epoch: 0 };
