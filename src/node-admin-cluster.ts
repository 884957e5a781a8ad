import type { Clock } from './base/clock.ts';
import { messageOf } from './base/errors.ts';
import { memberOf, type NodeState, type NodeView } from './cluster/membership.ts';
import type { Position, Refusal } from './cluster/replica-types.ts';
import type { Member, ShardConfig } from './cluster/shard-config.ts';
import type { Config } from './config.ts';
import { AdminError } from './http/admin.ts';
import type { ClusterAdmin, DrainProgress, RecoveryPlan, TransferDone } from './http/admin-cluster.ts';
import {
  type ClusterView,
  holdsOf,
  isThere,
  lostInSync,
  nameOf,
  nodeList,
  reachableCopies,
  shardList,
  statusOf,
} from './node-admin-view.ts';
import type { ClusterCore } from './node-cluster.ts';
import type { Order, OrderAnswer } from './node-orders.ts';

/** What the admin answers take of a node. */
export interface ClusterAdminParts {
  readonly name: string;
  readonly self: Member;
  readonly shards: number;
  /** copies wanted, R */
  readonly copies: number;
  /** ms of silence after which a node's copies are made anew elsewhere */
  readonly replaceAfterMs: number;
  readonly clock: Clock;
  nodes(): readonly NodeView[];
  config(shard: number): ShardConfig | undefined;
  isHalted(shard: number): boolean;
  /** @returns false when the node has no record @throws when the store does not answer */
  setState(node: string, state: NodeState): Promise<boolean>;
  /** Deletes the record of that life of the node. @returns false when it is not there @throws when the store does not answer */
  forget(member: Member): Promise<boolean>;
  /** @throws OrderUnansweredError */
  order(to: Member, order: Order): Promise<OrderAnswer>;
}

export interface ClusterAdminOptions {
  /** ms that a transfer or a recovery may take, tries included; well below the admin client's patience */
  readonly doneMs: number;
  /** ms between two looks, and between two tries of what was refused for the moment */
  readonly lookMs: number;
}

export const clusterAdminDefaults: ClusterAdminOptions = { doneMs: 10_000, lookMs: 50 };

/** The replica's reasons, as an operator reads them after "shard 7: ". */
const REFUSALS: Readonly<Record<Refusal, string>> = {
  'not-leader': 'its leader has changed meanwhile',
  'not-ready': 'its leader has just taken over and is not ready yet',
  full: 'too much of it waits to be committed',
  busy: 'another change of it is under way',
  'not-in-sync': 'the node is not in sync with it, so it may lack acknowledged writes',
  suspect: 'its leader does not hear from the node',
  'too-few-in-sync': 'too few of its copies would be in sync',
  'too-many-replicas': 'it has as many copies as it can have',
  'leader-stays': 'its leader cannot be taken out',
  'no-change': 'it is so already',
  'no-copy': 'the node has no whole copy of it',
  halted: 'its copy has halted after an alarm; the log of that node says which',
};

/** Gone in a moment: tried again until the time is up. */
const PASSING: ReadonlySet<Refusal> = new Set(['not-leader', 'not-ready', 'busy', 'full']);

/** The operator's side of a node of a cluster. */
export function clusterAdminOf(core: ClusterCore, config: Config, clock: Clock): ClusterAdmin {
  return createClusterAdmin(adminPartsOf(core, config, clock));
}

/** Takes a look at the cluster at each call. */
export function clusterViewOf(core: ClusterCore, config: Config, clock: Clock): () => ClusterView {
  const admin = new Operations(adminPartsOf(core, config, clock), clusterAdminDefaults);
  return () => admin.view();
}

function adminPartsOf(core: ClusterCore, { cluster, node }: Config, clock: Clock): ClusterAdminParts {
  return {
    name: cluster.name,
    self: core.self,
    shards: node.shards,
    copies: cluster.copies,
    replaceAfterMs: cluster.replaceAfterMs,
    clock,
    nodes: () => core.nodes.views(),
    config: (shard) => core.host.config(shard),
    isHalted: (shard) => core.host.replica(shard)?.halted === true,
    setState: (of, state) => core.nodes.setState(of, state),
    forget: (member) => core.nodes.forget(member),
    order: (to, order) => core.order(to, order),
  };
}

export function createClusterAdmin(
  parts: ClusterAdminParts,
  options: ClusterAdminOptions = clusterAdminDefaults,
): ClusterAdmin {
  const admin = new Operations(parts, options);
  return {
    status: async () => statusOf(admin.view()),
    nodes: async () => nodeList(admin.view()),
    shards: async (of) => {
      if (of !== undefined) admin.known(of);
      return shardList(admin.view(), of);
    },
    drain: async (node) => {
      admin.assertDrainable(node);
      await admin.setState(node, 'draining');
      return admin.drainProgress(node);
    },
    drainProgress: async (node) => admin.drainProgress(node),
    undrain: async (node) => {
      if (admin.known(node).record.state === 'left')
        throw new AdminError('refused', `${node} has left: there is nothing to undo; it is up again when it starts`);
      await admin.setState(node, 'up');
    },
    forget: (node) => admin.forget(node),
    transfer: (shard, node) => admin.transfer(shard, node),
    recovery: (shard) => admin.recovery(shard),
    recoverUnclean: (shard, node) => admin.recoverUnclean(shard, node),
  };
}

class Operations {
  readonly #parts: ClusterAdminParts;
  readonly #options: ClusterAdminOptions;

  constructor(parts: ClusterAdminParts, options: ClusterAdminOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  view(): ClusterView {
    const { name, self, shards, copies, replaceAfterMs, nodes, config, isHalted } = this.#parts;
    const numbers = Array.from({ length: shards }, (_, shard) => shard);
    const halted = new Set(numbers.filter((shard) => isHalted(shard)));
    const configs = numbers.map((shard) => config(shard));
    return { name, self, nodes: nodes(), configs, copies, replaceAfterMs, halted };
  }

  known(node: string): NodeView {
    const view = this.#parts.nodes().find(({ record }) => record.node === node);
    if (view !== undefined) return view;
    const all = this.#parts.nodes().map(({ record }) => record.node);
    throw new AdminError('unknown-node', `there is no node ${node}; there are ${all.join(', ')}`);
  }

  async setState(node: string, state: NodeState): Promise<void> {
    if (!(await stored(this.#parts.setState(node, state))))
      throw new AdminError('unknown-node', `${node} has no record any more`);
  }

  async forget(node: string): Promise<void> {
    const { record, suspectedForMs } = this.known(node);
    if (suspectedForMs === 0 && record.state !== 'left')
      throw new AdminError(
        'refused',
        `${node} runs: stop it first, after rookery drain ${node} if it shall not come back`,
      );
    const { copies } = holdsOf(this.view(), node);
    if (copies > 0)
      throw new AdminError(
        'refused',
        `${copies} shards still name ${node} (rookery shards --of ${node}): they let go of it when it has been missed ` +
          `for ${this.#parts.replaceAfterMs / 1000} s and another node has taken its copies; is one there that can?`,
      );
    if (!(await stored(this.#parts.forget(memberOf(record)))))
      throw new AdminError('refused', `the record of ${node} has just changed: look again`);
  }

  /** A node that has stopped keeps its copies for its return: what makes it let go of them is time, or its wiping. */
  assertDrainable(node: string): void {
    if (this.known(node).record.state === 'left')
      throw new AdminError('refused', `${node} has left already; what it held is made anew once it is missed for long`);
  }

  drainProgress(node: string): DrainProgress {
    this.known(node);
    const view = this.view();
    const { leads, copies } = holdsOf(view, node);
    const others = view.nodes.filter(
      ({ record, suspectedForMs }) => record.node !== node && record.state === 'up' && suspectedForMs === 0,
    ).length;
    const note = drainNote(others, view.copies);
    const blocked = copies > 0 && others < leastOthers(view.copies);
    return { node, leads, copies, done: copies === 0, blocked, ...(note !== undefined && { note }) };
  }

  async transfer(shard: number, node: string): Promise<TransferDone> {
    this.known(node);
    this.#config(shard);
    const until = this.#parts.clock.monotonic() + this.#options.doneMs;
    let why = 'nothing came of it in time';
    for (;;) {
      const { leader, epoch, replicas } = this.#config(shard);
      if (leader?.node === node) return { shard, leader: node, epoch };
      const view = this.view();
      const to = replicas.find((member) => member.node === node);
      if (to === undefined)
        throw refused(shard, `${node} has no copy of it; ${replicas.map((one) => nameOf(view, one)).join(', ')} have`);
      if (leader === undefined || !isThere(view, leader)) why = 'nobody leads it now';
      else why = (await this.#order(shard, leader, { t: 'transfer', shard, to })) ?? why;
      if (this.#parts.clock.monotonic() >= until) throw refused(shard, why);
      await this.#wait(this.#options.lookMs);
    }
  }

  async recovery(shard: number): Promise<RecoveryPlan> {
    const { epoch } = this.#config(shard);
    const view = this.view();
    const lost = lostInSync(view, shard);
    if (lost === undefined) throw refused(shard, notLost(view, shard));
    const reachable = reachableCopies(view, shard);
    const found: { readonly member: Member; readonly last: Position }[] = [];
    for (const member of reachable) {
      const answer = await this.#answer(member, { t: 'copy', shard });
      if (answer.t === 'copy') found.push({ member, last: answer.last });
    }
    // The entry of the newest epoch knows of more than any number of older ones.
    found.sort((a, b) => b.last.epoch - a.last.epoch || b.last.idx - a.last.idx);
    const [best] = found;
    if (best === undefined)
      throw refused(shard, 'no whole copy of it can be reached; start a node that has one, or restore a backup');
    return {
      shard,
      epoch,
      lost: lost.map((member) => nameOf(view, member)),
      survivor: best.member.node,
      last: best.last,
      reachable: found.map(({ member }) => member.node),
    };
  }

  async recoverUnclean(shard: number, node: string): Promise<TransferDone> {
    const plan = await this.recovery(shard);
    if (plan.survivor !== node)
      throw refused(
        shard,
        `the newest copy that can be reached is that of ${plan.survivor} now, not of ${node}: look again`,
      );
    const survivor = this.#config(shard).replicas.find(
      (member) => member.node === node && isThere(this.view(), member),
    );
    if (survivor === undefined) throw refused(shard, `${node} is not heard any more`);
    const until = this.#parts.clock.monotonic() + this.#options.doneMs;
    let taken = false;
    let why = 'nothing came of it in time';
    for (;;) {
      if (!taken) {
        const passing = await this.#order(shard, survivor, { t: 'recoverUnclean', shard });
        taken = passing === undefined;
        why = passing ?? why;
      }
      const { leader, epoch } = this.#config(shard);
      if (epoch > plan.epoch && leader !== undefined) return { shard, leader: leader.node, epoch };
      if (this.#parts.clock.monotonic() >= until) throw refused(shard, why);
      await this.#wait(this.#options.lookMs);
    }
  }

  #config(shard: number): ShardConfig {
    const { shards, config } = this.#parts;
    if (shard >= shards)
      throw new AdminError('unknown-shard', `there is no shard ${shard}: they go from 0 to ${shards - 1}`);
    const found = config(shard);
    if (found === undefined) throw refused(shard, 'it has no record yet: the cluster is still being placed');
    return found;
  }

  /** @returns why it was refused, when that may pass; undefined when it is under way @throws AdminError for what will not */
  async #order(shard: number, to: Member, order: Order): Promise<string | undefined> {
    const answer = await this.#answer(to, order);
    if (answer.t !== 'refused') return undefined;
    if (!PASSING.has(answer.reason)) throw refused(shard, REFUSALS[answer.reason]);
    return REFUSALS[answer.reason];
  }

  async #answer(to: Member, order: Order): Promise<OrderAnswer> {
    try {
      return await this.#parts.order(to, order);
    } catch (error) {
      throw new AdminError('unanswered', `${messageOf(error)}; rookery shards shows if it was done`);
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.setTimer(ms, resolve));
  }
}

/** @throws AdminError `store-unavailable` */
async function stored<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new AdminError('store-unavailable', `the configuration store does not answer: ${messageOf(error)}`);
  }
}

function refused(shard: number, why: string): AdminError {
  return new AdminError('refused', `shard ${shard}: ${why}`);
}

function notLost(view: ClusterView, shard: number): string {
  const { isr = [] } = view.configs[shard] ?? {};
  const there = isr.filter((member) => isThere(view, member)).map(({ node }) => node);
  return `it is not lost, nothing of it is missing on ${there.join(', ')}; at most its writes wait for a second copy`;
}

/** Nodes besides the draining one without which it keeps its copies: no shard gives up its second one. */
function leastOthers(copies: number): number {
  return Math.min(2, copies);
}

/** @param others nodes that are up and heard, the draining one not counted */
function drainNote(others: number, copies: number): string | undefined {
  const least = leastOthers(copies);
  const up = `${others} other node${others === 1 ? ' is' : 's are'} up`;
  if (others < least) return `a shard keeps ${least} copies, and ${up}`;
  return others < copies ? `${up}: shards go on with ${others} copies instead of ${copies}` : undefined;
}
