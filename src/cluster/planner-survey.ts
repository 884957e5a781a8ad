/** What the planner sees, sorted out: standings, counts, and the moves under way taken as done. */
import { isWorking, memberOf, type NodeView, nodesById, type Standing, standingOf } from './membership.ts';
import type { Holder } from './planner-layout.ts';
import { nobody } from './planner-layout.ts';
import type { Move, PlannerOptions, PlanView } from './planner-types.ts';
import { zoneCap } from './rendezvous.ts';
import { type Member, type ShardConfig, sameMember } from './shard-config.ts';

export interface Replica {
  readonly member: Member;
  readonly standing: Standing;
  readonly inSync: boolean;
  /** its holder, or `nobody` when it is to leave */
  readonly holder: number;
}

export interface ShardSurvey {
  readonly shard: number;
  readonly replicas: readonly Replica[];
  readonly leader: Replica | undefined;
  /** Nothing can be done: no working leader (it takes a copy from one, and its compare-and-set), or a move under way. */
  readonly fixed: boolean;
  /** members of the in-sync set */
  readonly inSync: number;
  /** of them, those that work */
  readonly working: number;
  /** a member that works gets its copy or catches up */
  readonly loading: boolean;
}

export interface Survey {
  readonly shards: readonly ShardSurvey[];
  readonly holders: readonly Holder[];
  /** copies a shard can have: fewer than `copies` when there are fewer nodes */
  readonly wanted: number;
  readonly zoneCap: number;
  /** no holder is away: evening out is worth it */
  readonly settled: boolean;
  /** transfers under way, by the node they leave */
  readonly transfers: ReadonlyMap<string, number>;
  /** copies that are being given up */
  readonly removals: number;
}

/** The configuration once the move is through. */
function after(config: ShardConfig, move: Move): ShardConfig {
  const others = config.replicas.filter((member) => !sameMember(member, move.member));
  switch (move.t) {
    case 'addReplica':
      return others.length < config.replicas.length ? config : { ...config, replicas: [...others, move.member] };
    case 'removeReplica':
      return { ...config, replicas: others, isr: config.isr.filter((member) => !sameMember(member, move.member)) };
    case 'transfer':
      return { ...config, leader: move.member };
  }
}

function holdersOf(view: PlanView, replaceAfterMs: number): Holder[] {
  const nodes = nodesById(view.nodes);
  const used = new Set<string>();
  for (const { replicas } of view.shards) for (const { node } of replicas) used.add(node);
  const keeps = ({ record }: NodeView): boolean => {
    const standing = standingOf(memberOf(record), nodes, replaceAfterMs);
    // One that left with nothing on it was drained: nobody waits for it.
    return standing === 'open' || (standing === 'away' && (record.state !== 'left' || used.has(record.node)));
  };
  return view.nodes
    .filter(keeps)
    .map(({ record, weight }) => ({
      member: memberOf(record),
      node: record.node,
      zone: record.zone,
      weight: weight ?? 1,
      open: standingOf(memberOf(record), nodes, replaceAfterMs) === 'open',
    }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** What is to be known of a member, whatever the shard. */
type Look = (member: Member) => Pick<Replica, 'standing' | 'holder'>;

function surveyShard(config: ShardConfig, busy: boolean, look: Look): ShardSurvey {
  let leader: Replica | undefined;
  let working = 0;
  let loading = false;
  const replicas = config.replicas.map((member) => {
    const { standing, holder } = look(member);
    const inSync = config.isr.some((other) => sameMember(other, member));
    const replica: Replica = { member, standing, inSync, holder };
    if (config.leader !== undefined && sameMember(config.leader, member)) leader = replica;
    if (isWorking(standing)) {
      if (inSync) working += 1;
      else loading = true;
    }
    return replica;
  });
  const fixed = busy || leader === undefined || !isWorking(leader.standing);
  return { shard: config.shard, replicas, leader, fixed, inSync: config.isr.length, working, loading };
}

function lookFor(view: PlanView, holders: readonly Holder[], replaceAfterMs: number): Look {
  const nodes = nodesById(view.nodes);
  const strange = { standing: 'gone', holder: nobody } as const;
  const wiped = { standing: 'wiped', holder: nobody } as const;
  const known = new Map(
    view.nodes.map(({ record }) => {
      const holder = holders.findIndex(({ node }) => node === record.node);
      const standing = standingOf(memberOf(record), nodes, replaceAfterMs);
      const keeps = standing === 'open' || standing === 'away';
      return [record.node, { inc: record.inc, standing, holder: keeps ? holder : nobody }];
    }),
  );
  return (member) => {
    const node = known.get(member.node);
    if (node === undefined) return strange;
    return node.inc === member.inc ? node : wiped;
  };
}

export function survey(view: PlanView, options: PlannerOptions): Survey {
  const { replaceAfterMs, copies } = options;
  const holders = holdersOf(view, replaceAfterMs);
  const look = lookFor(view, holders, replaceAfterMs);
  const pending = new Map<number, Move>(view.pending.map((move) => [move.shard, move]));
  const transfers = new Map<string, number>();
  const shards = [...view.shards]
    .sort((a, b) => a.shard - b.shard)
    .map((config) => {
      const move = pending.get(config.shard);
      if (move?.t === 'transfer' && config.leader !== undefined && !sameMember(config.leader, move.member)) {
        transfers.set(config.leader.node, (transfers.get(config.leader.node) ?? 0) + 1);
      }
      return surveyShard(move === undefined ? config : after(config, move), move !== undefined, look);
    });
  return {
    shards,
    holders,
    wanted: Math.min(copies, holders.length),
    zoneCap: zoneCap(holders, copies),
    settled: holders.every(({ open }) => open),
    transfers,
    removals: view.pending.filter(({ t }) => t === 'removeReplica').length,
  };
}
