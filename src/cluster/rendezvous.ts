/**
 * First placement: every shard ranks all nodes by a hash of its own (rendezvous hashing, Thaler and Ravishankar 1998)
 * and takes the best, at most `zoneCap` of them from one zone. A node that comes or goes changes only the shards that
 * rank it high, so two nodes that see the same list give the same answer. The spread is that of chance; the planner
 * evens it out. Nothing looks a shard up by this: the configuration record is the truth.
 */
import { hash32 } from '../base/hash.ts';

export interface PlacementNode {
  readonly node: string;
  /** nodes that fail together; all in one zone when the operator names none */
  readonly zone: string;
  /** share of the load relative to other nodes, > 0; 1 when left out */
  readonly weight?: number;
}

/**
 * How well a node suits a shard, higher is better; any positive weight. With weights the chance to rank first is
 * proportional to them (Schindelhauer and Schomaker 2005: −w / ln u for u uniform in (0, 1)).
 */
export function rendezvousScore(shard: number, node: string, weight = 1): number {
  return -weight / Math.log((hash32(`${shard}/${node}`) + 0.5) / 4294967296);
}

/** All nodes, the best for the shard first. Equal scores by node id. */
export function rankNodes<T extends PlacementNode>(shard: number, nodes: readonly T[]): T[] {
  return nodes
    .map((node) => ({ node, score: rendezvousScore(shard, node.node, node.weight) }))
    .sort((a, b) => b.score - a.score || (a.node.node < b.node.node ? -1 : 1))
    .map(({ node }) => node);
}

/**
 * Most copies of one shard that a zone may hold: the least number with which `copies` fit. 1 while there are as many
 * zones as copies; with fewer zones the copies are spread as far as the zones' sizes allow. At least 1.
 */
export function zoneCap(nodes: readonly PlacementNode[], copies: number): number {
  const sizes = new Map<string, number>();
  for (const { zone } of nodes) sizes.set(zone, (sizes.get(zone) ?? 0) + 1);
  const wanted = Math.min(copies, nodes.length);
  for (let cap = 1; ; cap++) {
    let room = 0;
    for (const size of sizes.values()) room += Math.min(size, cap);
    if (room >= wanted) return cap;
  }
}

/** The nodes of a shard's copies, the best (its first leader) first: `copies` of them, or all when there are fewer. */
export function rendezvous<T extends PlacementNode>(shard: number, nodes: readonly T[], copies: number): T[] {
  const cap = zoneCap(nodes, copies);
  const inZone = new Map<string, number>();
  const chosen: T[] = [];
  for (const node of rankNodes(shard, nodes)) {
    if (chosen.length >= copies) break;
    const held = inZone.get(node.zone) ?? 0;
    if (held >= cap) continue;
    inZone.set(node.zone, held + 1);
    chosen.push(node);
  }
  return chosen;
}
