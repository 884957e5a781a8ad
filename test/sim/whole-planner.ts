import { memberOf, type NodeRecord, type NodeView, nodesById, plannerOf } from '../../src/cluster/membership.ts';
import { type Move, type PlannerOptions, plan, plannerDefaults } from '../../src/cluster/planner.ts';
import { hasMember, type ShardConfig } from '../../src/cluster/shard-config.ts';
import type { Host } from './cluster-host.ts';
import type { Process } from './cluster-process.ts';
import type { World } from './cluster-world.ts';
import type { Whole } from './whole-world.ts';

/** Ms after which a move that has not shown up may be handed out again. */
const MOVE_MS = 200;
/** Ms of silence after which copies are made anew elsewhere. */
const REPLACE_MS = 250;

/** One node's look at the cluster: whom it suspects and since when, and the moves it hands out in its turn to plan. */
export class NodePlanner {
  readonly #world: World;
  readonly #whole: Whole;
  readonly #process: Process;
  readonly #host: Host;
  /** own time since when a node is suspected, by number; its incarnation as last seen */
  readonly #suspectSince: (number | undefined)[] = [];
  readonly #incs: (string | undefined)[] = [];
  readonly #moves = new Map<number, { readonly move: Move; readonly at: number }>();

  constructor(world: World, whole: Whole, process: Process, host: Host) {
    this.#world = world;
    this.#whole = whole;
    this.#process = process;
    this.#host = host;
  }

  get #options(): PlannerOptions {
    const { copies } = this.#world.profile.options;
    return { ...plannerDefaults, copies, inSyncMin: Math.min(2, copies), replaceAfterMs: REPLACE_MS };
  }

  /** After a heartbeat round. @returns nodes that are gone as of now: silent for the grace time, or another life */
  look(): string[] {
    const gone: string[] = [];
    for (const record of this.#whole.records) {
      if (record === undefined || record.node === this.#host.name) continue;
      const at = this.#world.names.get(record.node) ?? 0;
      const before = this.#incs[at];
      this.#incs[at] = record.inc;
      const suspect = this.#process.peers.isSuspect(memberOf(record));
      const was = this.#suspectSince[at];
      this.#suspectSince[at] = suspect ? (was ?? this.#host.clock()) : undefined;
      if ((suspect && was === undefined) || (before !== undefined && before !== record.inc)) gone.push(record.node);
    }
    return gone;
  }

  #views(): NodeView[] {
    const known = this.#whole.records.filter((record): record is NodeRecord => record !== undefined);
    return known.map((record) => {
      const since = this.#suspectSince[this.#world.names.get(record.node) ?? 0];
      return { record, suspectedForMs: since === undefined ? 0 : Math.max(1, this.#host.clock() - since) };
    });
  }

  #config(shard: number): ShardConfig | undefined {
    return this.#process.shards[shard]?.replica.config?.record;
  }

  /** What this node would hand out if nothing were under way; nothing when it is not its turn to plan. */
  wanted(): readonly Move[] {
    const shards = this.#process.shards.flatMap((_, shard) => this.#config(shard) ?? []);
    const view = { self: this.#host.name, storeAvailable: true, nodes: this.#views(), shards, pending: [] };
    return plan(view, this.#options);
  }

  plan(): void {
    const nodes = this.#views();
    if (plannerOf(nodesById(nodes)) !== this.#host.name) return this.#moves.clear();
    const shards = this.#process.shards.flatMap((_, shard) => this.#config(shard) ?? []);
    const now = this.#host.clock();
    for (const [shard, { move, at }] of this.#moves)
      if (now - at > MOVE_MS || isDone(move, this.#config(shard))) this.#moves.delete(shard);
    const pending = [...this.#moves.values()].map(({ move }) => move);
    const storeAvailable = this.#world.network.storeReachable(this.#host.index);
    for (const move of plan({ self: this.#host.name, storeAvailable, nodes, shards, pending }, this.#options)) {
      const leader = this.#config(move.shard)?.leader;
      if (leader === undefined) continue;
      this.#moves.set(move.shard, { move, at: now });
      this.#handOut(move, leader.node);
    }
  }

  #handOut(move: Move, leader: string): void {
    const { names, nodes, network } = this.#world;
    const target = nodes[names.get(leader) ?? 0] as Host;
    this.#whole.moves += 1;
    if (this.#world.tracing) this.#world.say(`${this.#host.name} plans ${move.t} s${move.shard} ${move.member.node}`);
    const tell = (): void => target.post((process) => process.dispatch(move.shard, eventOf(move)));
    if (target === this.#host) tell();
    else network.carryInOrder(this.#host.index, target.index, tell);
  }
}

function eventOf({ t, member }: Move): Parameters<Process['dispatch']>[1] {
  if (t === 'transfer') return { t: 'transfer', to: member };
  return t === 'addReplica'
    ? { t: 'replicas', add: [member], remove: [] }
    : { t: 'replicas', add: [], remove: [member] };
}

function isDone({ t, member }: Move, config: ShardConfig | undefined): boolean {
  if (config === undefined) return false;
  if (t === 'transfer') return config.leader?.node === member.node;
  return hasMember(config.replicas, member) === (t === 'addReplica');
}
