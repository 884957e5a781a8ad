/**
 * The log of one shard as its leader sees it, pure: numbers what is proposed, knows what is committed. With one replica
 * an op is committed when this node has it on disk; the replica protocol for more stands on the same numbers.
 *
 * Invariants: `committed ≤ proposed`; an idx is given out once per epoch; after `abandon` the next idx follows the
 * last committed one, under a higher epoch, so no two ops that could both be on disk share (idx, epoch) (I9).
 */
export interface ShardLog {
  readonly shard: number;
  epoch: number;
  proposed: number;
  committed: number;
}

/** A shard taken over by this process: what recovery found, under the next epoch (I2). */
export function openShardLog(
  shard: number,
  tail: { readonly idx: number; readonly epoch: number } | undefined,
): ShardLog {
  const idx = tail?.idx ?? 0;
  return { shard, epoch: (tail?.epoch ?? 0) + 1, proposed: idx, committed: idx };
}

/** Takes the next number for an op, under the log's epoch. */
export function propose(log: ShardLog): number {
  log.proposed += 1;
  return log.proposed;
}

/** Everything up to idx is on disk on the whole in-sync set. */
export function commit(log: ShardLog, idx: number): void {
  if (idx > log.committed) log.committed = idx;
}

/** What was proposed and not committed will not be: the log goes on after the last committed op, in a new epoch. */
export function abandon(log: ShardLog): void {
  log.proposed = log.committed;
  log.epoch += 1;
}
