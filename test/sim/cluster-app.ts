import type { Position } from '../../src/cluster/replica-types.ts';
import type { ShardConfig } from '../../src/cluster/shard-config.ts';
import type { Cell } from './cluster-facts.ts';

/** What runs on the replicas of one process (whole-node.ts). It hears what the shard host's listeners hear. */
export interface App {
  /** The next entry of the state; `op` is its number, 0 for a no-op. */
  applied(shard: number, at: Position, op: number): void;
  /** What is applied up to there has been told. */
  committed(shard: number, upTo: number): void;
  /** The state is void. */
  wiped(shard: number): void;
  /** The state is that of these entries; outboxes of those up to `ackedUpTo` are acknowledged. */
  restored(shard: number, cells: readonly Cell[], ackedUpTo: number): void;
  ready(shard: number, epoch: number): void;
  unready(shard: number, reason: 'transfer' | 'deposed' | 'halted'): void;
  config(shard: number, record: ShardConfig): void;
  /** A heartbeat round has passed. */
  beat(): void;
  /** up to where all outboxes are acknowledged */
  ackedUpTo(shard: number): number;
  die(): void;
}
