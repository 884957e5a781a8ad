/** The moves that may be made now towards a target, within the limits, shards in the greatest need first. */
import { isWorking } from './membership.ts';
import type { Layout } from './planner-layout.ts';
import { nobody } from './planner-layout.ts';
import type { Replica, ShardSurvey, Survey } from './planner-survey.ts';
import type { Move, MoveReason, PlannerOptions } from './planner-types.ts';

class Counts {
  readonly #counts: Map<string, number>;

  constructor(counts: ReadonlyMap<string, number> = new Map()) {
    this.#counts = new Map(counts);
  }

  of(node: string): number {
    return this.#counts.get(node) ?? 0;
  }

  add(node: string): void {
    this.#counts.set(node, this.of(node) + 1);
  }
}

const reasonOf = ({ standing }: Replica): MoveReason =>
  standing === 'gone' || standing === 'wiped' ? 'repair' : standing === 'draining' ? 'drain' : 'balance';

export class MoveList {
  readonly moves: Move[] = [];
  readonly #survey: Survey;
  readonly #layout: Layout;
  readonly #options: PlannerOptions;
  /** copies on their way into a node, and out of one: the leader sends them */
  readonly #ins = new Counts();
  readonly #outs = new Counts();
  readonly #transfers: Counts;
  #removals: number;
  /** draining nodes that lead a shard which another member could lead */
  readonly #handingOver = new Set<string>();

  constructor(survey: Survey, layout: Layout, options: PlannerOptions) {
    this.#survey = survey;
    this.#layout = layout;
    this.#options = options;
    this.#transfers = new Counts(survey.transfers);
    this.#removals = survey.removals;
    this.#countLoads();
    for (const { leader, replicas, fixed } of survey.shards) {
      if (fixed || leader?.standing !== 'draining') continue;
      if (replicas.some(({ inSync, standing }) => inSync && standing === 'open')) {
        this.#handingOver.add(leader.member.node);
      }
    }
  }

  /** At most one move for each shard. */
  make(): Move[] {
    const { shards } = this.#survey;
    for (const at of this.#neediestFirst()) {
      const shard = shards[at]!;
      if (shard.fixed) continue;
      if (shard.leader!.standing === 'draining' && this.#handOver(at, shard)) continue;
      if (this.#remove(at, shard) || this.#add(at, shard)) continue;
      this.#transfer(at, shard);
    }
    return this.moves;
  }

  /** Fewest working copies first; then what is only for evenness, the fullest node's first, so that all shrink alike. */
  #neediestFirst(): number[] {
    const { shards } = this.#survey;
    const evened = new Map<number, number>();
    for (const [order, at] of this.#layout.evened.entries()) if (!evened.has(at)) evened.set(at, order);
    const orders = shards.map((_, at) => evened.get(at) ?? -1);
    return [...shards.keys()].sort(
      (a, b) => shards[a]!.working - shards[b]!.working || orders[a]! - orders[b]! || a - b,
    );
  }

  /**
   * A member that is not in sync gets its copy, or catches up after an absence: the configuration does not tell. A
   * node with more of them than a plan ever gives it catches up; that is no load to count against every leader, or
   * one node that cannot keep up would hold up the whole cluster.
   */
  #countLoads(): void {
    const loads = this.#survey.shards.flatMap(({ leader, replicas }) =>
      replicas
        .filter(({ inSync, standing }) => !inSync && isWorking(standing))
        .map(({ member }) => ({ to: member.node, from: leader?.member.node })),
    );
    for (const { to } of loads) this.#ins.add(to);
    for (const { to, from } of loads) {
      if (from !== undefined && this.#ins.of(to) <= this.#options.movesPerNode) this.#outs.add(from);
    }
  }

  /** Leaderships first. @returns true when the shard can do nothing better than hand over, now or in its turn */
  #handOver(at: number, { replicas, leader, shard }: ShardSurvey): boolean {
    const heirs = replicas.filter(({ inSync, standing }) => inSync && standing === 'open');
    const wanted = heirs.find(({ holder }) => holder === this.#layout.leaders[at]);
    const staying = heirs.filter(({ holder }) => this.#layout.copies[at]!.includes(holder));
    const heir = wanted ?? staying[0] ?? heirs[0];
    if (heir === undefined) return false;
    this.#pushTransfer(shard, leader!, heir, 'drain');
    return true;
  }

  #remove(at: number, shard: ShardSurvey): boolean {
    const leaving = shard.replicas.find(
      (replica) => replica !== shard.leader && !this.#isKept(at, replica) && this.#mayRemove(shard, replica),
    );
    if (leaving === undefined) return false;
    const reason = reasonOf(leaving);
    // Nobody waits for these, and all at once they would keep every node busy: an emptied node has a copy of most shards.
    if (reason !== 'repair') {
      if (this.#removals >= this.#options.removalBatch) return false;
      this.#removals += 1;
    }
    this.moves.push({ t: 'removeReplica', shard: shard.shard, member: leaving.member, reason });
    return true;
  }

  #isKept(at: number, { holder }: Replica): boolean {
    return holder !== nobody && this.#layout.copies[at]!.includes(holder);
  }

  /**
   * Never below the least in-sync set. Beyond that: one that is wiped goes at once; one that is gone stays listed, as
   * it may come back and need only what it missed, until the shard is whole or a copy is on its way in its place;
   * one that works goes when all the copies wanted are in sync and working without it.
   */
  #mayRemove({ replicas, inSync, working }: ShardSurvey, leaving: Replica): boolean {
    const { copies, inSyncMin } = this.#options;
    const counts = leaving.inSync && isWorking(leaving.standing) ? 1 : 0;
    if (leaving.inSync && (inSync - 1 < inSyncMin || working - counts < inSyncMin)) return false;
    if (leaving.standing === 'wiped') return true;
    // Clients wait for the leaderships of a draining node, and for its copies nobody.
    if (leaving.standing === 'draining' && this.#handingOver.has(leaving.member.node)) return false;
    if (leaving.standing === 'gone') return working >= copies || (!leaving.inSync && replicas.length > copies);
    return working - counts >= this.#survey.wanted;
  }

  #add(at: number, { replicas, loading, leader, shard }: ShardSurvey): boolean {
    const { copies, movesPerNode } = this.#options;
    if (loading || replicas.length > copies) return false;
    const target = this.#layout.copies[at]!.find((holder) => !replicas.some((replica) => replica.holder === holder));
    if (target === undefined) return false;
    const leaving = replicas.filter((replica) => !this.#isKept(at, replica));
    // The copies of a draining node wait until it leads nothing: one that only restarts is gone by then.
    if (leaving.some(({ member, standing }) => standing === 'draining' && this.#handingOver.has(member.node))) {
      if (leaving.every(({ standing }) => standing === 'draining')) return false;
    }
    const { member, open } = this.#layout.holders[target]!;
    const from = leader!.member.node;
    if (!open || this.#ins.of(member.node) >= movesPerNode || this.#outs.of(from) >= movesPerNode) return false;
    this.#ins.add(member.node);
    this.#outs.add(from);
    const missing = replicas.length - leaving.length < this.#survey.wanted;
    const reasons = leaving.map(reasonOf);
    const reason = reasons.find((one) => one !== 'balance') ?? (missing && leaving.length === 0 ? 'repair' : 'balance');
    this.moves.push({ t: 'addReplica', shard, member, reason });
    return true;
  }

  /** Not while a copy is being sent: it would have to begin again from the new leader. */
  #transfer(at: number, { replicas, loading, leader, shard }: ShardSurvey): void {
    if (loading) return;
    const heir = replicas.find(({ holder }) => holder !== nobody && holder === this.#layout.leaders[at]);
    // The target gives leaderships only to members that are open, and one of those that is not in sync is loading.
    if (heir === undefined || heir === leader) return;
    this.#pushTransfer(shard, leader!, heir, 'balance');
  }

  #pushTransfer(shard: number, from: Replica, to: Replica, reason: MoveReason): void {
    if (this.#transfers.of(from.member.node) >= this.#options.transferBatch) return;
    this.#transfers.add(from.member.node);
    this.moves.push({ t: 'transfer', shard, member: to.member, reason });
  }
}
