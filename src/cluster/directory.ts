/** Who leads a shard. A router looks the leader up, it never computes it (DESIGN, Placement). */
export interface Directory {
  /** Number of shards, S. */
  readonly shards: number;
  /** Node id of the shard's leader. */
  leader(shard: number): string;
  /** Epoch of its leadership; 0 on a node that is alone. */
  epoch(shard: number): number;
}

/** A node that is alone leads every shard. */
export function soleDirectory(shards: number, nodeId: string): Directory {
  return { shards, leader: () => nodeId, epoch: () => 0 };
}
