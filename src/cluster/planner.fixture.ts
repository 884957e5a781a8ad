/**
 * A cluster as the planner sees it, small enough for property tests and the placement bench: it carries out moves one
 * round at a time, as leaders would, and refuses what a leader would refuse.
 */
import { isWorking, memberOf, type NodeRecord, type NodeView, nodesById, standingOf } from './membership.ts';
import { firstPlacement, type Move, type PlannerOptions, type PlanView, plan, plannerDefaults } from './planner.ts';
import { type Member, type ShardConfig, sameMember } from './shard-config.ts';

export function nodeView(node: string, over: Partial<NodeRecord & Omit<NodeView, 'record'>> = {}): NodeView {
  const { suspectedForMs = 0, weight, ...record } = over;
  const known: NodeRecord = {
    v: 1,
    node,
    inc: `${node}-1`,
    zone: 'z0',
    version: '0',
    address: undefined,
    state: 'up',
    since: 0,
    ...record,
  };
  return weight === undefined ? { record: known, suspectedForMs } : { record: known, suspectedForMs, weight };
}

/** n00, n01, …: as many as asked for, in `zones` zones by turns. */
export function nodeViews(count: number, zones = 1): NodeView[] {
  return Array.from({ length: count }, (_, i) => nodeView(`n${String(i).padStart(3, '0')}`, { zone: `z${i % zones}` }));
}

export interface Done {
  added: number;
  removed: number;
  transferred: number;
  failedOver: number;
  rounds: number;
}

export class World {
  nodes: NodeView[];
  shards: ShardConfig[];
  readonly options: PlannerOptions;
  readonly done: Done = { added: 0, removed: 0, transferred: 0, failedOver: 0, rounds: 0 };

  constructor(nodes: NodeView[], shards: ShardConfig[], options: Partial<PlannerOptions> = {}) {
    this.nodes = nodes;
    this.shards = shards;
    this.options = { ...plannerDefaults, ...options };
  }

  /** A new cluster: every shard placed, all copies in sync. */
  static fresh(nodes: NodeView[], shards: number, options: Partial<PlannerOptions> = {}): World {
    const all = { ...plannerDefaults, ...options };
    const configs = firstPlacement(shards, nodes, all).map(({ shard, leader, replicas }) => ({
      v: 1 as const,
      shard,
      epoch: 1,
      leader,
      isr: [...replicas],
      replicas: [...replicas],
      nonce: '',
    }));
    return new World(nodes, configs, all);
  }

  view(pending: readonly Move[] = []): PlanView {
    const heard = this.nodes.filter(({ suspectedForMs }) => suspectedForMs === 0);
    const up = heard.filter(({ record }) => record.state === 'up');
    const ids = (up.length > 0 ? up : heard).map(({ record }) => record.node).sort();
    return { self: ids[0] ?? '', storeAvailable: true, nodes: this.nodes, shards: this.shards, pending };
  }

  plan(): Move[] {
    return plan(this.view(), this.options);
  }

  works(member: Member): boolean {
    return isWorking(standingOf(member, nodesById(this.nodes), this.options.replaceAfterMs));
  }

  set(node: string, over: Partial<NodeRecord & Omit<NodeView, 'record'>>): void {
    this.nodes = this.nodes.map((view) => {
      if (view.record.node !== node) return view;
      const { suspectedForMs = view.suspectedForMs, weight = view.weight, ...record } = over;
      return { record: { ...view.record, ...record }, suspectedForMs, ...(weight === undefined ? {} : { weight }) };
    });
  }

  /** What leaders do by themselves: take over, drop who does not work from the in-sync set, take in who caught up. */
  heal(loaded: (shard: number) => boolean = () => true): void {
    const working = new Map(
      this.nodes.filter(({ record }) => this.works(record)).map(({ record }) => [record.node, record.inc]),
    );
    const works = ({ node, inc }: Member): boolean => working.get(node) === inc;
    this.shards = this.shards.map((config) => {
      let { leader, isr, epoch } = config;
      const whole = isr.length === config.replicas.length && isr.every(works);
      if (whole && leader !== undefined && works(leader)) return config;
      if (leader === undefined || !works(leader)) {
        const heir = isr.find(works);
        if (heir === undefined) return config;
        leader = heir;
        epoch += 1;
        this.done.failedOver += 1;
      }
      if (loaded(config.shard)) {
        const caughtUp = config.replicas.filter(
          (member) => works(member) && !isr.some((one) => sameMember(one, member)),
        );
        isr = [...isr, ...caughtUp];
      }
      for (const member of isr) {
        if (!works(member) && isr.length > this.options.inSyncMin) isr = isr.filter((one) => one !== member);
      }
      return { ...config, leader, isr, epoch };
    });
  }

  /** @throws Error when a leader would have to refuse the move */
  apply(moves: readonly Move[]): void {
    const byShard = new Map(this.shards.map((config, at) => [config.shard, at]));
    for (const { t, shard, member } of moves) {
      const at = byShard.get(shard)!;
      const config = this.shards[at]!;
      const refuse = (why: string): never => {
        throw new Error(`${t} of ${member.node} for ${JSON.stringify(config)}: ${why}`);
      };
      const { replicas, isr, leader } = config;
      if (leader === undefined || !this.works(leader)) refuse('no leader works');
      if (t === 'addReplica') {
        if (replicas.some((one) => sameMember(one, member))) refuse('is one already');
        if (!this.works(member)) refuse('does not work');
        this.shards[at] = { ...config, replicas: [...replicas, member] };
        this.done.added += 1;
      } else if (t === 'removeReplica') {
        const left = isr.filter((one) => !sameMember(one, member));
        if (sameMember(leader!, member)) refuse('leads');
        if (left.length < isr.length && left.length < this.options.inSyncMin) refuse('too few in sync would be left');
        if (left.length < isr.length && left.filter((one) => this.works(one)).length < this.options.inSyncMin)
          refuse('too few that work would be left');
        this.shards[at] = { ...config, isr: left, replicas: replicas.filter((one) => !sameMember(one, member)) };
        this.done.removed += 1;
      } else {
        if (!isr.some((one) => sameMember(one, member)) || !this.works(member)) refuse('cannot lead');
        this.shards[at] = { ...config, leader: member, epoch: config.epoch + 1 };
        this.done.transferred += 1;
      }
    }
  }

  /** Rounds of plan, apply and heal until no move is left. @throws Error when that takes more than `roundsMax` */
  settle(roundsMax: number, onPlan: (moves: readonly Move[]) => void = () => undefined): void {
    for (let round = 0; round < roundsMax; round++) {
      this.heal();
      const moves = this.plan();
      onPlan(moves);
      if (moves.length === 0) return;
      this.apply(moves);
      this.done.rounds += 1;
    }
    throw new Error(`not settled after ${roundsMax} rounds`);
  }

  /** Copies and leaderships of every node that is up, by node id; copies under their own incarnation only. */
  loads(): { copies: Map<string, number>; leaders: Map<string, number> } {
    const up = this.nodes.filter(({ record, suspectedForMs }) => record.state === 'up' && suspectedForMs === 0);
    const copies = new Map(up.map(({ record }) => [record.node, 0]));
    const leaders = new Map(copies);
    const count = (counts: Map<string, number>, member: Member): void => {
      const view = up.find(({ record }) => record.node === member.node);
      if (view !== undefined && sameMember(memberOf(view.record), member)) {
        counts.set(member.node, counts.get(member.node)! + 1);
      }
    };
    for (const { leader, replicas } of this.shards) {
      if (leader !== undefined) count(leaders, leader);
      for (const member of replicas) count(copies, member);
    }
    return { copies, leaders };
  }
}
