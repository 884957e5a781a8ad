/**
 * Oldest nats-server that keeps compare-and-set. Clustered, those of 2.9 acknowledge several winners of one
 * compare-and-set (nats-server issue 4320), so two nodes could lead one shard.
 */
export const natsServerVersionMin = '2.10.27';

/** `2.10.27` ≥ `2.9.10`, by numbers; what follows the third number (`-RC.1`) does not count. */
export function atLeast(version: string, minimum: string): boolean {
  const [have, want] = [version, minimum].map((text) => text.split(/[.-]/).slice(0, 3).map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (have?.[i] ?? 0) - (want?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
