import type { NodeView } from './membership.ts';
import type { Member, ShardConfig } from './shard-config.ts';

/** Everything a plan is made from. */
export interface PlanView {
  /** id of the node that asks */
  readonly self: string;
  /** the configuration store answers, and its records here are complete */
  readonly storeAvailable: boolean;
  /** every node with a record */
  readonly nodes: readonly NodeView[];
  /** newest known configuration of every shard that has one, in any order */
  readonly shards: readonly ShardConfig[];
  /**
   * Moves handed out that have neither failed nor shown up in `shards`, at most one a shard. They count as done and
   * against the limits, and their shards get no other move.
   */
  readonly pending: readonly Move[];
}

export interface PlannerOptions {
  /** copies of a shard, R; 3 */
  readonly copies: number;
  /** members an in-sync set never falls below; 2, or 1 when R is 1 */
  readonly inSyncMin: number;
  /** ms of silence after which a node's copies are made anew elsewhere; 60,000 */
  readonly replaceAfterMs: number;
  /** copies on their way at a time, into a node and out of one; 2. What does not fit waits for the next plan */
  readonly movesPerNode: number;
  /** leaderships on their way from one node at a time; 32. What does not fit waits for the next plan */
  readonly transferBatch: number;
  /** copies that are given up at a time for evenness or a drain; 32. What does not fit waits for the next plan */
  readonly removalBatch: number;
}

export const plannerDefaults: PlannerOptions = {
  copies: 3,
  inSyncMin: 2,
  replaceAfterMs: 60_000,
  movesPerNode: 2,
  transferBatch: 32,
  removalBatch: 32,
};

/** Why a move is made: a copy was lost or is missing, a node is being emptied, the load or the zones are uneven. */
export type MoveReason = 'repair' | 'drain' | 'balance';

/**
 * - `addReplica`: the shard's leader takes the member in as a replica and sends it a copy; it joins the in-sync set
 *   when it has caught up.
 * - `removeReplica`: the leader takes the member out. Never the leader itself.
 * - `transfer`: the leader hands over to the member, which is in sync.
 *
 * They may be repeated and may come too late: the leader checks each against the newest configuration.
 */
export interface Move {
  readonly t: 'addReplica' | 'removeReplica' | 'transfer';
  readonly shard: number;
  readonly member: Member;
  readonly reason: MoveReason;
}
