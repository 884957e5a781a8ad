/**
 * Who is in the cluster, as a pure view of the node records (one key per node in the configuration store, written by
 * the node itself) and of what this node's fault detector says about them.
 */
import type { Member } from './shard-config.ts';

export type NodeState = 'up' | 'draining' | 'left';

/** One node's record. `left` is written by a clean stop; a node that is killed stays `up` and falls silent. */
export interface NodeRecord {
  readonly v: 1;
  /** node id: 1 to 64 letters, digits, `-` and `_`, since it becomes part of keys and subjects */
  readonly node: string;
  /** incarnation of its data folder */
  readonly inc: string;
  /** nodes of a zone fail together; one name for all when the operator knows none */
  readonly zone: string;
  /** of the software, for operators and rolling upgrades */
  readonly version: string;
  /** where clients may be sent (`wss://…`); undefined when the node must not be named to them */
  readonly address: string | undefined;
  readonly state: NodeState;
  /** wall time in ms since the epoch at which `state` began; for people, decides nothing */
  readonly since: number;
  /** the highest epoch of the shards in its folder, when it has any. Shards without a record are then not new ones. */
  readonly holds?: number;
}

/** A record, and how the node looks from here. */
export interface NodeView {
  readonly record: NodeRecord;
  /** ms this node has been suspected without a break; 0 while it is heard, and always for oneself */
  readonly suspectedForMs: number;
  /** share of the load relative to other nodes, > 0; 1 when left out */
  readonly weight?: number;
}

/**
 * What a member is good for:
 * - `open`: takes copies and leaderships
 * - `away`: silent, or stopped cleanly, not yet for long: keeps what it has, gets nothing
 * - `draining`: works, is to be emptied
 * - `gone`: silent for `replaceAfterMs`, or no record names its node: to be replaced, may come back
 * - `wiped`: its node lives under another incarnation: to be replaced, never comes back
 */
export type Standing = 'open' | 'away' | 'draining' | 'gone' | 'wiped';

export type Nodes = ReadonlyMap<string, NodeView>;

const NODE_ID = /^[A-Za-z0-9_-]{1,64}$/;
const STATES: ReadonlySet<unknown> = new Set<NodeState>(['up', 'draining', 'left']);

/** What is wrong with a value read from the store as a node record, in words; undefined when it is one. */
export function nodeRecordFault(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'not an object';
  const { v, node, inc, zone, version, address, state, since, holds } = value as Partial<
    Record<keyof NodeRecord, unknown>
  >;
  if (v !== 1) return `version ${String(v)}; this node knows 1`;
  if (typeof node !== 'string' || !NODE_ID.test(node)) return 'node is not a node id';
  if (typeof inc !== 'string' || inc === '') return 'inc is not a name';
  if (typeof zone !== 'string') return 'zone is not a text';
  if (typeof version !== 'string') return 'version is not a text';
  if (address !== undefined && typeof address !== 'string') return 'address is not a text';
  if (!STATES.has(state)) return 'state is none of up, draining, left';
  if (typeof since !== 'number' || !Number.isFinite(since)) return 'since is not a time';
  if (holds !== undefined && !(Number.isSafeInteger(holds) && (holds as number) >= 0)) return 'holds is not an epoch';
  return undefined;
}

/** The member that a node is now. */
export function memberOf({ node, inc }: NodeRecord): Member {
  return { node, inc };
}

/** Views by node id. */
export function nodesById(views: Iterable<NodeView>): Nodes {
  return new Map([...views].map((view) => [view.record.node, view]));
}

/** Standing of a member. @param replaceAfterMs silence after which a node is replaced */
export function standingOf(member: Member, nodes: Nodes, replaceAfterMs: number): Standing {
  const view = nodes.get(member.node);
  if (view === undefined) return 'gone';
  const { record, suspectedForMs } = view;
  if (record.inc !== member.inc) return 'wiped';
  if (suspectedForMs >= replaceAfterMs) return 'gone';
  if (suspectedForMs > 0 || record.state === 'left') return 'away';
  return record.state === 'draining' ? 'draining' : 'open';
}

/** It works now: it can lead, send a copy, and be counted in an in-sync set. */
export function isWorking(standing: Standing): boolean {
  return standing === 'open' || standing === 'draining';
}

/** Members that may get copies and leaderships, by node id. */
export function candidates(nodes: Nodes, replaceAfterMs: number): Member[] {
  return [...nodes.values()]
    .map(({ record }) => memberOf(record))
    .filter((member) => standingOf(member, nodes, replaceAfterMs) === 'open')
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/**
 * The node that plans: the lowest id among those heard and up, else among those heard and draining. Two nodes may
 * answer differently while they suspect each other; their compare-and-sets then race, which is safe.
 */
export function plannerOf(nodes: Nodes): string | undefined {
  const heard = [...nodes.values()].filter(({ suspectedForMs }) => suspectedForMs === 0).map(({ record }) => record);
  for (const state of ['up', 'draining'] as const) {
    const [lowest] = heard
      .filter((record) => record.state === state)
      .map(({ node }) => node)
      .sort();
    if (lowest !== undefined) return lowest;
  }
  return undefined;
}
