import type { Clock, Timer } from '../base/clock.ts';
import type { FaultDetector } from '../cluster/fault-detector.ts';
import {
  candidates,
  memberOf,
  type NodeRecord,
  type NodeState,
  type NodeView,
  nodeRecordFault,
  nodesById,
  plannerOf,
} from '../cluster/membership.ts';
import { firstPlacement, type Move, type PlannerOptions, plan } from '../cluster/planner.ts';
import { hasMember, type Member, type ShardConfig } from '../cluster/shard-config.ts';
import type { ConfigChange, ConfigStore, ConfigWatch } from '../transport/config-store.ts';
import { shardKey } from './shard-host.ts';

/**
 * The shell around membership, failure detection and planning: keeps this node's record, watches those of the others,
 * feeds the detector's clock, places the shards of a new cluster, and hands out the planner's moves when it is this
 * node's turn to plan.
 */
export interface ClusterNodesOptions {
  readonly planner: PlannerOptions;
  /** nodes that must be up before the shards of a new cluster are placed */
  readonly bootstrapNodes: number;
  /** ms between two ticks of the detector; its heartbeatMs */
  readonly heartbeatMs: number;
  /** ms between two plans when nothing happens */
  readonly planMs: number;
  /** … and at least between two plans when shards move, or longer, so that planning takes a tenth of a core at most */
  readonly planGapMs: number;
  /** ms after which a move that has not shown up may be handed out again */
  readonly moveMs: number;
  /** records written at once when a new cluster is placed */
  readonly placeAtOnce: number;
}

export const clusterNodesDefaults: Omit<ClusterNodesOptions, 'planner' | 'bootstrapNodes' | 'heartbeatMs'> = {
  planMs: 500,
  planGapMs: 20,
  moveMs: 2_000,
  placeAtOnce: 64,
};

export interface ClusterNodesParts {
  readonly record: NodeRecord;
  readonly shards: number;
  readonly configs: ConfigStore;
  readonly detector: FaultDetector;
  readonly clock: Clock;
  newNonce(): string;
  /** newest configuration known of a shard */
  config(shard: number): ShardConfig | undefined;
  /** somebody is suspected, or no longer */
  peersChanged(): void;
  /** a node fell silent for the grace time, or left */
  nodeGone(node: string): void;
  /** hands a move to the shard's leader */
  request(leader: Member, move: Move): void;
  warn(fault: string, details: Record<string, unknown>): void;
  /** for the log: what an operator would want to know of */
  info(fact: string, details: Record<string, unknown>): void;
}

export const NODE_PREFIX = 'node.';
const RETRY_MS = 500;
/** share of a core that planning may take while shards move: the gap to the next plan is this many times the last one */
const PLAN_REST = 10;

export class ClusterNodes {
  readonly #parts: ClusterNodesParts;
  readonly #options: ClusterNodesOptions;
  readonly #records = new Map<string, NodeRecord>();
  readonly #moves = new Map<number, { readonly move: Move; readonly at: number }>();
  #record: NodeRecord;
  #revision = 0;
  #watch: ConfigWatch | undefined;
  #beat: Timer | undefined;
  #planTimer: Timer | undefined;
  #planDue: number | undefined;
  /** it was this node's turn to plan when it last looked */
  #plans = false;
  /** when the next plan may be made, own monotonic ms */
  #planFrom = 0;
  #placing = false;
  #closed = false;
  readonly stats = { plans: 0, moves: 0, placed: 0 };

  constructor(parts: ClusterNodesParts, options: ClusterNodesOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#record = parts.record;
  }

  /** Announces this node. Resolves when its record is written and every other one has been read. */
  async start(): Promise<void> {
    this.#watch = await this.#parts.configs.watch(NODE_PREFIX, (change) => this.#onChange(change));
    // The watch has told of this node's last life, which `left` or was drained: over with this one.
    this.#record = this.#parts.record;
    await this.announce(this.#record.state);
    this.#tick();
    this.#planLater();
  }

  get self(): NodeRecord {
    return this.#record;
  }

  /** Every node with a record, by id. */
  views(): NodeView[] {
    const { detector } = this.#parts;
    return [...this.#records.values()]
      .sort((a, b) => (a.node < b.node ? -1 : 1))
      .map((record) => ({
        record,
        suspectedForMs: record.node === this.#record.node ? 0 : detector.suspectedForMs(memberOf(record)),
      }));
  }

  record(node: string): NodeRecord | undefined {
    return this.#records.get(node);
  }

  /** Writes this node's record with that state; tries until it is there. */
  async announce(state: NodeState): Promise<void> {
    this.#record = { ...this.#record, state, since: this.#parts.clock.now() };
    await this.#put(this.#record);
  }

  /** Changes another node's state: an operator drains it, or forgets one that will not come back. */
  async setState(node: string, state: NodeState): Promise<boolean> {
    if (node === this.#record.node) {
      await this.announce(state);
      return true;
    }
    const key = NODE_PREFIX + node;
    for (;;) {
      const entry = await this.#parts.configs.get(key);
      if (entry === undefined || nodeRecordFault(entry.value) !== undefined) return false;
      const record = { ...(entry.value as NodeRecord), state, since: this.#parts.clock.now() };
      const result = await this.#parts.configs.cas(key, record, entry.revision);
      if (result.ok) return true;
    }
  }

  /** Another configuration of a shard is known: a move may be done, and the next one need not wait. */
  configChanged(): void {
    if (!this.#plans) return;
    this.#planLater(Math.max(this.#options.planGapMs, this.#planFrom - this.#parts.clock.monotonic()));
  }

  /**
   * Deletes the record of a node that will not come back. Who runs after all, out of hearing, writes its own anew.
   * @returns false when there is no such record any more: somebody was first, or the node has another incarnation
   * @throws ConfigStoreUnavailableError; ConfigStoreUnknownError when it may have been deleted
   */
  async forget({ node, inc }: Member): Promise<boolean> {
    const key = NODE_PREFIX + node;
    const entry = await this.#parts.configs.get(key);
    if (entry === undefined || (entry.value as Partial<NodeRecord> | undefined)?.inc !== inc) return false;
    return (await this.#parts.configs.delete(key, entry.revision)).ok;
  }

  close(): void {
    this.#closed = true;
    this.#watch?.stop();
    this.#parts.clock.clear(this.#beat);
    this.#parts.clock.clear(this.#planTimer);
  }

  async #put(record: NodeRecord): Promise<void> {
    const { configs, clock, warn } = this.#parts;
    const key = NODE_PREFIX + record.node;
    let expected = this.#revision;
    while (!this.#closed && this.#record === record) {
      try {
        const result = await configs.cas(key, record, expected);
        if (result.ok) {
          this.#revision = result.revision;
          return;
        }
        expected = result.current?.revision ?? 0;
      } catch (error) {
        // Unknown or not reachable: the record is this node's own, so writing it again does no harm.
        if ((error as Error).name !== 'ConfigStoreUnknownError')
          warn('the node record is not written yet', { err: error });
        await new Promise<void>((resolve) => clock.setTimer(RETRY_MS, resolve));
        expected = (await configs.get(key).catch(() => undefined))?.revision ?? expected;
      }
    }
  }

  #onChange(change: ConfigChange): void {
    const node = change.key.slice(NODE_PREFIX.length);
    if (change.t === 'delete') this.#onDelete(node, change.revision);
    else {
      const fault = nodeRecordFault(change.value);
      if (fault !== undefined) return this.#parts.warn('a node record is not understood', { node, fault });
      const before = this.#records.get(node);
      const record = change.value as NodeRecord;
      this.#records.set(node, record);
      if (before?.state !== record.state || before.inc !== record.inc)
        this.#parts.info('a node says what it is', { of: node, state: record.state, version: record.version });
      if (node === this.#record.node) this.#onOwn(record, change.revision);
      else if (record.state === 'left' || (before !== undefined && before.inc !== record.inc))
        this.#parts.nodeGone(node);
    }
    this.#parts.detector.watch([...this.#records.values()].map(memberOf));
    this.#parts.peersChanged();
  }

  #onDelete(node: string, revision: number): void {
    this.#records.delete(node);
    if (node !== this.#record.node || revision <= this.#revision || this.#record.state === 'left') return;
    // Somebody took this node for gone. Its record is what others know it by, so it is there until the node leaves.
    this.#revision = 0;
    void this.#put(this.#record);
  }

  /** Somebody asked this node to drain, by its record. */
  #onOwn(record: NodeRecord, revision: number): void {
    if (revision <= this.#revision || record.inc !== this.#record.inc) return;
    this.#revision = revision;
    this.#record = record;
  }

  #tick(): void {
    const { detector, clock } = this.#parts;
    const changes = detector.tick(clock.monotonic());
    if (changes.length > 0) this.#parts.peersChanged();
    for (const { member, suspect } of changes) {
      if (!suspect) continue;
      this.#tellSilence(member);
      this.#parts.nodeGone(member.node);
    }
    if (!this.#closed) this.#beat = clock.setTimer(this.#options.heartbeatMs, () => this.#tick());
  }

  /** Who left in good order is expected to be silent. */
  #tellSilence({ node, inc }: Member): void {
    const record = this.#records.get(node);
    if (record?.inc === inc && record.state !== 'left') this.#parts.warn('a node is silent', { silent: node });
  }

  #planLater(inMs = this.#options.planMs): void {
    const { clock } = this.#parts;
    if (this.#closed || (this.#planDue !== undefined && this.#planDue <= clock.monotonic() + inMs)) return;
    clock.clear(this.#planTimer);
    this.#planDue = clock.monotonic() + inMs;
    this.#planTimer = clock.setTimer(inMs, () => {
      this.#planDue = undefined;
      const begun = clock.monotonic();
      this.#plan();
      this.#planFrom = clock.monotonic() + PLAN_REST * (clock.monotonic() - begun);
      this.#planLater();
    });
  }

  #plan(): void {
    const nodes = this.views();
    this.#plans = plannerOf(nodesById(nodes)) === this.#record.node;
    if (!this.#plans) return this.#moves.clear();
    const shards: ShardConfig[] = [];
    for (let shard = 0; shard < this.#parts.shards; shard++) {
      const config = this.#parts.config(shard);
      if (config !== undefined) shards.push(config);
    }
    if (shards.length < this.#parts.shards) return void this.#place(nodes);
    const now = this.#parts.clock.monotonic();
    for (const [shard, { move, at }] of this.#moves)
      if (now - at > this.#options.moveMs || isDone(move, this.#parts.config(shard))) this.#moves.delete(shard);
    const pending = [...this.#moves.values()].map(({ move }) => move);
    const view = { self: this.#record.node, storeAvailable: true, nodes, shards, pending };
    this.stats.plans += 1;
    for (const move of plan(view, this.#options.planner)) {
      const leader = this.#parts.config(move.shard)?.leader;
      if (leader === undefined) continue;
      this.#moves.set(move.shard, { move, at: now });
      this.stats.moves += 1;
      this.#parts.request(leader, move);
    }
  }

  /** Writes the records that a new cluster has not got yet. Several nodes may: each record has one winner. */
  async #place(nodes: readonly NodeView[]): Promise<void> {
    const { planner, bootstrapNodes, placeAtOnce } = this.#options;
    if (this.#placing || candidates(nodesById(nodes), planner.replaceAfterMs).length < bootstrapNodes) return;
    const holders = nodes.map(({ record }) => record).filter(({ holds }) => holds !== undefined);
    if (holders.length > 1) {
      // What the records said is lost, and only they knew whose copies are whole.
      const { warn } = this.#parts;
      return warn('shards have no record, and several nodes hold copies: none is placed', {
        nodes: holders.map(({ node }) => node),
      });
    }
    this.#placing = true;
    try {
      const missing = firstPlacement(this.#parts.shards, nodes, planner).filter(
        ({ shard }) => this.#parts.config(shard) === undefined,
      );
      for (let from = 0; from < missing.length; from += placeAtOnce) {
        await Promise.all(
          missing.slice(from, from + placeAtOnce).map(({ shard, leader, replicas }) => {
            const nonce = this.#parts.newNonce();
            const record = firstRecord(shard, nonce, leader, replicas, holders[0]);
            return this.#parts.configs.cas(shardKey(shard), record, 0);
          }),
        );
        this.stats.placed += Math.min(placeAtOnce, missing.length - from);
      }
    } catch (error) {
      this.#parts.warn('placing the shards did not end, and is tried again', { err: error });
    } finally {
      this.#placing = false;
    }
  }
}

/**
 * Of a new shard all copies are in sync: they are empty. Where one node has data, what it has is what there is: it
 * leads, behind the epochs of its folder, and the others get copies of it before anything is accepted.
 */
function firstRecord(
  shard: number,
  nonce: string,
  leader: Member,
  replicas: readonly Member[],
  holder: NodeRecord | undefined,
): ShardConfig {
  const first = holder === undefined ? leader : memberOf(holder);
  const others = replicas.filter(({ node }) => node !== first.node);
  const all = [first, ...others].slice(0, replicas.length);
  const isr = holder === undefined ? all : [first];
  return { v: 1, shard, epoch: holder?.holds ?? 0, leader: undefined, isr, replicas: all, nonce };
}

function isDone({ t, member }: Move, config: ShardConfig | undefined): boolean {
  if (config === undefined) return false;
  if (t === 'transfer') return config.leader?.node === member.node;
  // Once it is a replica the planner sees by itself that a copy is under way.
  return hasMember(config.replicas, member) === (t === 'addReplica');
}
