/**
 * The two placements that the planner is compared with. Both compute where a shard belongs from the list of nodes alone
 * and so move whatever the formula says: bare rendezvous hashing, and a ring of hashed points.
 */
import { hash32 } from '../src/base/hash.ts';
import { rendezvousScore } from '../src/cluster/rendezvous.ts';

/** Nodes of each shard's copies, the leader first. */
export type Assignment = readonly (readonly string[])[];

/** Where shards go for any subset of the nodes that the model was made for. */
export type Model = (nodes: ReadonlySet<string>) => Assignment;

export function bareRendezvous(shards: number, all: readonly string[], copies: number): Model {
  const rankings = Array.from({ length: shards }, (_, shard) => {
    const scored = all.map((node) => ({ node, score: rendezvousScore(shard, node) }));
    // A subset that lacks a few nodes needs a few places more than it has copies.
    return scored
      .sort((a, b) => b.score - a.score)
      .slice(0, copies + 2)
      .map(({ node }) => node);
  });
  return (nodes) => rankings.map((ranking) => ranking.filter((node) => nodes.has(node)).slice(0, copies));
}

/** @param points of each node on the ring */
export function ring(shards: number, all: readonly string[], copies: number, points: number): Model {
  const onRing = all
    .flatMap((node) => Array.from({ length: points }, (_, i) => ({ node, at: hash32(`${node}#${i}`) })))
    .sort((a, b) => a.at - b.at);
  return (nodes) => {
    const there = onRing.filter(({ node }) => nodes.has(node));
    return Array.from({ length: shards }, (_, shard) => {
      const next = firstFrom(there, hash32(`shard ${shard}`));
      const chosen: string[] = [];
      for (let step = 0; step < there.length && chosen.length < copies; step++) {
        const { node } = there[(next + step) % there.length]!;
        if (!chosen.includes(node)) chosen.push(node);
      }
      return chosen;
    });
  };
}

/** Index of the first point at or behind the place, by halving. */
function firstFrom(points: readonly { readonly at: number }[], place: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle]!.at < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Copies that the second has and the first has not, and shards led by another; nodes that died lead nothing. */
export function difference(before: Assignment, after: Assignment): { copies: number; leaders: number } {
  let copies = 0;
  let leaders = 0;
  for (const [shard, now] of after.entries()) {
    const then = before[shard]!;
    copies += now.filter((node) => !then.includes(node)).length;
    if (now[0] !== then[0]) leaders += 1;
  }
  return { copies, leaders };
}

/** Highest load over the mean, of copies and of leaderships. */
export function evenness(assignment: Assignment, nodes: number): { copies: number; leaders: number } {
  const held = new Map<string, number>();
  const led = new Map<string, number>();
  const add = (counts: Map<string, number>, node: string): Map<string, number> =>
    counts.set(node, (counts.get(node) ?? 0) + 1);
  for (const placed of assignment) {
    for (const node of placed) add(held, node);
    add(led, placed[0]!);
  }
  const over = (counts: Map<string, number>): number => {
    const values = [...counts.values()];
    return (Math.max(...values) * nodes) / values.reduce((a, b) => a + b, 0);
  };
  return { copies: over(held), leaders: over(led) };
}
