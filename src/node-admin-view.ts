import { memberOf, type NodeView, nodesById, plannerOf } from './cluster/membership.ts';
import { type Member, memberName, type ShardConfig, sameMember } from './cluster/shard-config.ts';
import {
  type ClusterNode,
  type ClusterShard,
  type ClusterStatus,
  SHARD_STATES,
  type ShardState,
} from './http/admin-cluster.ts';

/** The cluster as this node sees it: what the admin answers are made from, and nothing else. Pure. */
export interface ClusterView {
  readonly name: string;
  readonly self: Member;
  /** every node with a record */
  readonly nodes: readonly NodeView[];
  /** by number; undefined for a shard without a record */
  readonly configs: readonly (ShardConfig | undefined)[];
  /** copies wanted, R */
  readonly copies: number;
  /** ms of silence after which a node's copies are made anew elsewhere */
  readonly replaceAfterMs: number;
  /** shards whose copy on this node has halted */
  readonly halted: ReadonlySet<number>;
}

interface Count {
  leads: number;
  copies: number;
  inSync: number;
}

/** It runs and is heard, in the incarnation that the member names. */
export function isThere(view: ClusterView, member: Member): boolean {
  const node = view.nodes.find(({ record }) => record.node === member.node);
  return (
    node !== undefined && node.suspectedForMs === 0 && node.record.state !== 'left' && node.record.inc === member.inc
  );
}

export function nodeList(view: ClusterView): ClusterNode[] {
  const planner = plannerOf(nodesById(view.nodes));
  const counts = countsOf(view);
  return view.nodes.map(({ record, suspectedForMs }) => {
    const { node, inc, zone, version, state, since } = record;
    const { leads, copies, inSync } = counts.get(memberName(memberOf(record))) ?? { leads: 0, copies: 0, inSync: 0 };
    return {
      node,
      inc,
      zone,
      version,
      state,
      since,
      suspectedForMs: Math.round(suspectedForMs),
      gone: suspectedForMs >= view.replaceAfterMs,
      leads,
      copies,
      inSync,
      planner: node === planner,
      self: node === view.self.node,
    };
  });
}

function countsOf({ configs }: ClusterView): Map<string, Count> {
  const counts = new Map<string, Count>();
  const count = (member: Member, what: keyof Count): void => {
    const name = memberName(member);
    const of = counts.get(name) ?? { leads: 0, copies: 0, inSync: 0 };
    of[what] += 1;
    counts.set(name, of);
  };
  for (const config of configs) {
    if (config === undefined) continue;
    if (config.leader !== undefined) count(config.leader, 'leads');
    for (const member of config.replicas) count(member, 'copies');
    for (const member of config.isr) count(member, 'inSync');
  }
  return counts;
}

/** @param of only shards with a copy on this node */
export function shardList(view: ClusterView, of?: string): ClusterShard[] {
  const there = whoIsThere(view);
  const name = (member: Member): string => nameOf(view, member);
  return view.configs.flatMap((config, shard) => {
    if (of !== undefined && !config?.replicas.some(({ node }) => node === of)) return [];
    const state = stateOf(view, shard, there);
    if (config === undefined) return [{ shard, epoch: 0, leader: undefined, isr: [], replicas: [], state }];
    const { epoch, leader, isr, replicas } = config;
    return [{ shard, epoch, leader: leader && name(leader), isr: isr.map(name), replicas: replicas.map(name), state }];
  });
}

/** The node, with the incarnation when it is not the one that the node has now. */
export function nameOf({ nodes }: ClusterView, member: Member): string {
  const now = nodes.find(({ record }) => record.node === member.node)?.record.inc;
  return now === member.inc ? member.node : memberName(member);
}

type There = ReadonlyMap<string, Member>;

function whoIsThere(view: ClusterView): There {
  const there = view.nodes.map(({ record }) => memberOf(record)).filter((member) => isThere(view, member));
  return new Map(there.map((member) => [memberName(member), member]));
}

function stateOf({ configs, copies, halted }: ClusterView, shard: number, there: There): ShardState {
  const config = configs[shard];
  if (config === undefined) return 'unplaced';
  if (halted.has(shard)) return 'halted';
  const { leader, isr } = config;
  const here = isr.filter((member) => there.has(memberName(member)));
  if (here.length === 0) return 'lost';
  if (leader === undefined || !here.some((member) => sameMember(member, leader))) return 'leaderless';
  // A silent member holds commits up until it is taken out, which takes two others.
  if (here.length < isr.length || here.length < Math.min(2, copies)) return 'stalled';
  return here.length < copies ? 'short' : 'healthy';
}

export function statusOf(view: ClusterView): ClusterStatus {
  const there = whoIsThere(view);
  const shards: Partial<Record<ShardState, number>> = {};
  const states = view.configs.map((_, shard) => stateOf(view, shard, there));
  for (const state of SHARD_STATES) {
    const count = states.filter((one) => one === state).length;
    if (count > 0) shards[state] = count;
  }
  const nodes = { up: 0, draining: 0, left: 0, silent: 0 };
  for (const { record, suspectedForMs } of view.nodes)
    nodes[record.state !== 'left' && suspectedForMs > 0 ? 'silent' : record.state] += 1;
  const own = countsOf(view).get(memberName(view.self)) ?? { leads: 0, copies: 0, inSync: 0 };
  return { name: view.name, nodes, shards, ...own, planner: plannerOf(nodesById(view.nodes)) };
}

/** Has the member got a copy of any shard, or is it getting one? */
export function holdsOf({ configs }: ClusterView, node: string): { leads: number; copies: number } {
  const of = { leads: 0, copies: 0 };
  for (const config of configs) {
    if (config === undefined) continue;
    if (config.leader?.node === node) of.leads += 1;
    if (config.replicas.some((member) => member.node === node)) of.copies += 1;
  }
  return of;
}

/** In-sync members of whom none is there; undefined when one is, or when the shard has no record. */
export function lostInSync(view: ClusterView, shard: number): readonly Member[] | undefined {
  const isr = view.configs[shard]?.isr;
  return isr === undefined || isr.some((member) => isThere(view, member)) ? undefined : isr;
}

/** Copies of the shard that are there, whether in sync or not. */
export function reachableCopies(view: ClusterView, shard: number): Member[] {
  return (view.configs[shard]?.replicas ?? []).filter((member) => isThere(view, member));
}
