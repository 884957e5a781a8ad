import { AdminError } from './admin-error.ts';

/**
 * What an operator can ask of a cluster, at any of its nodes. Every answer is that node's view: what the configuration
 * store told it last, and what its own fault detector says. All methods throw AdminError; `not-a-cluster` on a node
 * that is alone, `store-unavailable` when the configuration store does not answer.
 */
export interface ClusterAdmin {
  status(): Promise<ClusterStatus>;
  /** Every node with a record, by id. */
  nodes(): Promise<readonly ClusterNode[]>;
  /** By number. @param of only those that have a copy on this node; throws `unknown-node` */
  shards(of?: string): Promise<readonly ClusterShard[]>;
  /** Has everything moved off the node; it goes on by itself. Idempotent. @throws AdminError `unknown-node`, `refused` */
  drain(node: string): Promise<DrainProgress>;
  /** How far it is. @throws AdminError `unknown-node` */
  drainProgress(node: string): Promise<DrainProgress>;
  /** The node takes copies and leaderships again. @throws AdminError `unknown-node`, `refused` */
  undrain(node: string): Promise<void>;
  /**
   * Deletes the record of a node that has stopped for good, so that nobody misses it any more.
   * @throws AdminError `unknown-node`, `refused` while it runs, or shards still name it
   */
  forget(node: string): Promise<void>;
  /**
   * Hands a leadership over and waits until that is done, some seconds at most.
   * @throws AdminError `unknown-shard`, `unknown-node`, `refused` with the replica's reason
   */
  transfer(shard: number, node: string): Promise<TransferDone>;
  /** What an unclean recovery of the shard would do. @throws AdminError `unknown-shard`, `refused` when it needs none */
  recovery(shard: number): Promise<RecoveryPlan>;
  /**
   * Makes the copy of `node` the truth although it may lack acknowledged writes, and waits until it leads.
   * @param node the survivor of a plan; another one by now is refused
   * @throws AdminError as `recovery` does
   */
  recoverUnclean(shard: number, node: string): Promise<RecoveryDone>;
}

export interface ClusterNode {
  readonly node: string;
  /** incarnation of its data folder */
  readonly inc: string;
  readonly zone: string;
  readonly version: string;
  /** what its record says: `left` after a clean stop; one that was killed stays `up` and is suspected */
  readonly state: 'up' | 'draining' | 'left';
  /** milliseconds since the epoch at which `state` began, by that node's clock */
  readonly since: number;
  /** milliseconds for which nothing was heard beyond the grace time; 0 while it is heard */
  readonly suspectedForMs: number;
  /** missed for so long (cluster.replaceAfterMs) that its copies are made anew where another node can take them */
  readonly gone: boolean;
  /** shards that it leads, has a copy of, and is in sync with, under this incarnation */
  readonly leads: number;
  readonly copies: number;
  readonly inSync: number;
  /** it plans the moves of the cluster */
  readonly planner: boolean;
  /** it is the node that answers */
  readonly self: boolean;
}

/** From best to worst, what can be said of a shard. Docs: operating.md, "The state of a shard". */
export const SHARD_STATES = [
  /** led, and as many copies in sync as are wanted */
  'healthy',
  /** led, and writes go through, with fewer copies in sync than are wanted */
  'short',
  /** led, but an in-sync member is silent and cannot be replaced: writes wait */
  'stalled',
  /** nobody leads it now; an in-sync member is there to take over */
  'leaderless',
  /** no in-sync member is there: it waits for one to come back, or for an unclean recovery */
  'lost',
  /** it has no record yet: the cluster is still being placed */
  'unplaced',
  /** the node that answers has halted its copy after an alarm */
  'halted',
] as const;
export type ShardState = (typeof SHARD_STATES)[number];

export interface ClusterShard {
  readonly shard: number;
  readonly epoch: number;
  /** node ids; a member whose node lives under another incarnation by now is `node/incarnation` */
  readonly leader: string | undefined;
  readonly isr: readonly string[];
  readonly replicas: readonly string[];
  readonly state: ShardState;
}

export interface DrainProgress {
  readonly node: string;
  readonly leads: number;
  readonly copies: number;
  /** nothing is on the node any more: it may be stopped for good */
  readonly done: boolean;
  /** it cannot become empty as things are; it goes on by itself when another node is up */
  readonly blocked: boolean;
  /** why it cannot become empty as things are, or what it costs, in words */
  readonly note?: string;
}

export interface TransferDone {
  readonly shard: number;
  readonly leader: string;
  readonly epoch: number;
}

export interface RecoveryPlan {
  readonly shard: number;
  /** its epoch now */
  readonly epoch: number;
  /** in-sync members, none of which is there: what only they have is lost for good, also when they come back */
  readonly lost: readonly string[];
  /** the node whose copy is the newest of those that can be reached */
  readonly survivor: string;
  /** where that copy ends */
  readonly last: { readonly idx: number; readonly epoch: number };
  /** copies that are there, the survivor's among them */
  readonly reachable: readonly string[];
}

export interface RecoveryDone {
  readonly shard: number;
  readonly leader: string;
  readonly epoch: number;
}

export interface ClusterStatus {
  readonly name: string;
  /** nodes by what they look like from here */
  readonly nodes: { readonly up: number; readonly draining: number; readonly left: number; readonly silent: number };
  /** shards of the cluster by state; states of no shard are left out */
  readonly shards: Readonly<Partial<Record<ShardState, number>>>;
  /** of the node that answers */
  readonly leads: number;
  readonly copies: number;
  readonly inSync: number;
  /** the node that plans; undefined when none is up */
  readonly planner: string | undefined;
}

/** The answer of a node that is alone. */
export function noCluster(): ClusterAdmin {
  const refuse = async (): Promise<never> => {
    throw new AdminError('not-a-cluster', 'this node is alone: no cluster.name is set, so it has no other nodes');
  };
  return {
    status: refuse,
    nodes: refuse,
    shards: refuse,
    drain: refuse,
    drainProgress: refuse,
    undrain: refuse,
    forget: refuse,
    transfer: refuse,
    recovery: refuse,
    recoverUnclean: refuse,
  };
}
