/**
 * The planner: which copies and leaderships should move now. Pure; any node may call it, since every move ends in a
 * compare-and-set, and only the lowest live one does (`planRefusal`). It has no memory: a plan is made from what is, so a
 * planner that dies is followed by another in mid-move.
 *
 * Sticky: a node that comes gets its share and nothing else moves; one that goes has its own copies made anew and
 * nothing else moves. Why not rendezvous hashing for good: at 100 nodes the busiest leads 1.86 times the mean of 1,024
 * shards, here 1.07 (bench/results/placement.html).
 */
import { memberOf, type NodeView, nodesById, plannerOf, standingOf } from './membership.ts';
import { nobody } from './planner-layout.ts';
import { MoveList } from './planner-moves.ts';
import { survey } from './planner-survey.ts';
import { targetOf } from './planner-target.ts';
import type { Move, PlannerOptions, PlanView } from './planner-types.ts';
import { rendezvous } from './rendezvous.ts';
import type { Member } from './shard-config.ts';

export { type Move, type MoveReason, type PlannerOptions, type PlanView, plannerDefaults } from './planner-types.ts';

/** Why this node makes no plan. */
export type PlanRefusal = 'store-unavailable' | 'another-node-plans';

/** Whether the node of the view is to plan; undefined when it is. */
export function planRefusal({ self, nodes, storeAvailable }: PlanView): PlanRefusal | undefined {
  if (!storeAvailable) return 'store-unavailable';
  return plannerOf(nodesById(nodes)) === self ? undefined : 'another-node-plans';
}

/**
 * The moves to make now: at most one a shard, `movesPerNode` copies into and out of a node and `transferBatch`
 * leaderships away from one, those already under way included. Empty when there is nothing to do, when what is to be
 * done must wait, and when this node is not to plan (`planRefusal`). The same view gives the same moves.
 */
export function plan(view: PlanView, options: PlannerOptions): Move[] {
  if (planRefusal(view) !== undefined) return [];
  const seen = survey(view, options);
  if (seen.holders.length === 0) return [];
  return new MoveList(seen, targetOf(seen), options).make();
}

export interface Placement {
  readonly shard: number;
  readonly leader: Member;
  /** the leader among them; all of them are in sync, as an empty shard has nothing to copy */
  readonly replicas: readonly Member[];
}

/**
 * Where the shards of a new cluster go: by rendezvous hashing, then evened out, as nothing needs to be copied yet.
 * Fewer than `copies` replicas when fewer nodes take copies; none at all gives an empty list.
 */
export function firstPlacement(shards: number, nodes: readonly NodeView[], options: PlannerOptions): Placement[] {
  const byId = nodesById(nodes);
  const open = nodes
    .filter(({ record }) => standingOf(memberOf(record), byId, options.replaceAfterMs) === 'open')
    .map(({ record, weight }) => ({ ...memberOf(record), zone: record.zone, weight }));
  if (open.length === 0) return [];
  const configs = Array.from({ length: shards }, (_, shard) => {
    const replicas = rendezvous(shard, open, options.copies).map(({ node, inc }) => ({ node, inc }));
    return { v: 1 as const, shard, epoch: 1, leader: replicas[0]!, isr: replicas, replicas, nonce: '' };
  });
  const seen = survey({ self: '', storeAvailable: true, nodes, shards: configs, pending: [] }, options);
  const target = targetOf(seen);
  const at = (holder: number): Member => seen.holders[holder]!.member;
  return configs.map(({ shard, leader }) => {
    const leads = target.leaders[shard]!;
    return {
      shard,
      leader: leads === nobody ? leader : at(leads),
      replicas: target.copies[shard]!.map(at),
    };
  });
}
