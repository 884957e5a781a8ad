import { needsTick, openReplica, type ReplicaState, readableUntil, step } from '../../src/cluster/replica.ts';
import type { Position, Refusal, ReplicaEffect, ReplicaEnv, ReplicaEvent } from '../../src/cluster/replica-types.ts';
import { type ConfigAt, type Member, sameMember } from '../../src/cluster/shard-config.ts';
import type { App } from './cluster-app.ts';
import type { DiskWrite } from './cluster-disk.ts';
import { type Cell, nextSum } from './cluster-facts.ts';
import type { Host } from './cluster-host.ts';
import { bytesOf, opOf } from './cluster-ops.ts';
import { Peers } from './cluster-peers.ts';
import type { World } from './cluster-world.ts';

interface Memory {
  readonly replica: ReplicaState;
  /** the log as given to the journal: cells[i] is entry i + 1 */
  cells: Cell[];
  /** the state: applied up to idx, with that checksum */
  applied: number;
  sum: number;
  /** own proposals that are not committed: idx → epoch and op */
  readonly proposed: Map<number, { readonly epoch: number; readonly op: number }>;
  load: { readonly epoch: number; readonly session: number } | undefined;
  adopted: ConfigAt | undefined;
  /** the configuration that the app knows of */
  told: ConfigAt | undefined;
}

interface Journaled {
  readonly shard: number;
  readonly number: number;
  readonly write: DiskWrite;
  readonly done?: () => void;
}

/** The answer to a proposal: where the first op stands. */
export type Proposed =
  | { readonly ok: true; readonly first: Position }
  | { readonly ok: false; readonly reason: Refusal };

/** A state as one process gives it to another. */
interface Snapshot {
  readonly cells: readonly Cell[];
  readonly sum: number;
  readonly ackedUpTo: number;
}

/** The shell around the replicas of one running process: it does what the effects say, on a disk that takes its time. */
export class Process {
  readonly member: Member;
  readonly life: number;
  readonly peers: Peers;
  readonly shards: Memory[];
  /** what runs on these replicas; undefined where the replicas are all there is */
  readonly app: App | undefined;
  readonly #world: World;
  readonly #host: Host;
  readonly #env: { -readonly [K in keyof ReplicaEnv]: ReplicaEnv[K] };
  #gathering: Journaled[] = [];
  #syncing: Journaled[] | undefined;
  #digest = '';
  drained = 0;

  constructor(world: World, host: Host, life: number) {
    this.#world = world;
    this.#host = host;
    this.life = life;
    this.member = { node: host.name, inc: host.inc };
    this.peers = new Peers(host.name, world.names, () => host.clock(), world.profile.tellsSince);
    const { options } = world.profile;
    const { rules } = world;
    this.#env = { now: 0, options, rules, self: this.member, boot: `life${life}`, peers: this.peers };
    this.shards = host.disk.shards.map((_, shard) => {
      const recovered = host.disk.recover(shard);
      const { cells, folded, sum } = host.disk.shards[shard] as { cells: Cell[]; folded: number; sum: number };
      const replica = openReplica(shard, recovered);
      return {
        replica,
        cells: [...cells],
        applied: folded,
        sum,
        proposed: new Map(),
        load: undefined,
        adopted: undefined,
        told: undefined,
      };
    });
    this.app = world.appOf(this, host);
  }

  dispatch(shard: number, event: ReplicaEvent): void {
    const memory = this.shards[shard];
    if (memory === undefined || this.#world.failed) return;
    this.#env.now = this.#host.clock();
    const effects = step(memory.replica, event, this.#env);
    if (this.#world.tracing) this.#world.trace(this.#host.name, shard, event, effects);
    const { config } = memory.replica;
    if (config !== undefined && config !== memory.adopted) {
      memory.adopted = config;
      const { revision, record } = config;
      this.#world.note({ t: 'adopt', node: this.#host.index, shard, life: this.life, revision, epoch: record.epoch });
    }
    const before = memory.told;
    memory.told = config;
    for (const effect of effects) this.#perform(shard, memory, effect);
    if (config !== undefined && config !== before) this.app?.config(shard, config.record);
  }

  /** A heartbeat round has passed: tells the replicas whose view of their peers, or whose time, matters. */
  beat(): void {
    const digest = this.#digestOfPeers();
    const changed = digest !== this.#digest;
    this.#digest = digest;
    for (const [shard, { replica }] of this.shards.entries()) {
      if (changed) this.dispatch(shard, { t: 'peers' });
      if (needsTick(replica)) this.dispatch(shard, { t: 'tick' });
    }
    this.app?.beat();
  }

  #digestOfPeers(): string {
    let text = '';
    for (const { replica } of this.shards) text += this.peers.digest(replica.config?.record.replicas ?? []);
    return text;
  }

  propose(shard: number, ops: readonly number[]): Proposed {
    this.#offered = ops;
    this.#answer = { ok: false, reason: 'halted' };
    this.dispatch(shard, { t: 'propose', items: ops.map(bytesOf) });
    return this.#answer;
  }
  #offered: readonly number[] = [];
  #answer: Proposed = { ok: false, reason: 'halted' };

  leads(shard: number): boolean {
    return this.shards[shard]?.replica.role.t === 'leading';
  }

  read(shard: number): void {
    const { replica, applied } = this.shards[shard] as Memory;
    this.#env.now = this.#host.clock();
    if (this.#env.now >= readableUntil(replica, this.#env)) return this.dispatch(shard, { t: 'read' });
    this.#world.note({ t: 'read', node: this.#host.index, shard, idx: applied });
  }

  /** The process dies: of the write that syncs, all or nothing may have reached the disk; what gathers is gone. */
  die(): void {
    this.app?.die();
    if (this.#syncing !== undefined && this.#world.random.int(2) === 0)
      for (const { write } of this.#syncing) this.#host.disk.apply(write);
  }

  #perform(shard: number, memory: Memory, effect: ReplicaEffect): void {
    const world = this.#world;
    switch (effect.t) {
      case 'send':
        return this.#send(shard, effect);
      case 'append':
        return this.#append(shard, memory, effect);
      case 'persist':
        return this.#journal({ shard, number: effect.write, write: { t: 'hard', shard, hard: effect.hard } });
      case 'load':
      case 'wipe':
        this.#world.note({ t: 'wiped', node: this.#host.index, shard });
        Object.assign(memory, { cells: [], applied: 0, sum: 0, load: effect.t === 'load' ? effect : undefined });
        this.app?.wiped(shard);
        return this.#journal({ shard, number: effect.write, write: { t: effect.t, shard } });
      case 'proposed':
        for (const [i, op] of this.#offered.entries())
          memory.proposed.set(effect.first.idx + i, { epoch: effect.first.epoch, op });
        this.#answer = { ok: true, first: effect.first };
        return;
      case 'commit':
        return this.#commit(shard, memory, effect);
      case 'cas': {
        const { nonce, leader } = effect.record;
        const deposed = memory.replica.config?.record.leader;
        if (deposed !== undefined && sameMember(leader, this.member) && !sameMember(deposed, this.member))
          world.note({ t: 'deposes', node: this.#host.index, shard, expected: effect.expected });
        return world.store.compareAndSet(this.#host.index, effect.expected, effect.record, (outcome) =>
          this.#host.postTo(this, () => this.dispatch(shard, { t: 'casResult', nonce, outcome })),
        );
      }
      case 'unready':
        if (effect.reason !== 'transfer') memory.proposed.clear();
        return this.app?.unready(shard, effect.reason);
      case 'snapshot':
        return this.#snapshot(shard, memory, effect.to, effect.session);
      case 'drained':
        this.drained += 1;
        return;
      case 'alarm':
        this.#world.note({ t: 'alarm', node: this.#host.index, shard, detail: `${effect.reason}: ${effect.detail}` });
        return;
      case 'ready':
        return this.app?.ready(shard, effect.epoch);
      case 'refused':
        if (effect.what === 'propose') this.#answer = { ok: false, reason: effect.reason };
        return;
    }
  }

  #send(shard: number, { to, message }: Extract<ReplicaEffect, { t: 'send' }>): void {
    const from = this.member;
    if (message.t === 'ack') {
      const { leader } = this.shards[shard]?.replica.hard ?? {};
      const { epoch, session } = message;
      if (leader !== undefined)
        this.#world.note({ t: 'answer', node: this.#host.index, shard, epoch, session, leader });
    }
    const target = this.#world.hostOf(to);
    this.#world.network.carry(this.#host.index, target.index, () =>
      target.post((process) => {
        if (sameMember(process.member, to)) process.dispatch(shard, { t: 'message', from, message });
      }),
    );
  }

  #append(shard: number, memory: Memory, effect: Extract<ReplicaEffect, { t: 'append' }>): void {
    const after = effect.truncateTo ?? memory.cells.length;
    if (effect.truncateTo !== undefined)
      this.#world.note({ t: 'truncated', node: this.#host.index, shard, to: after, gone: memory.cells.slice(after) });
    memory.cells.length = after;
    for (const { idx, epoch, bytes } of effect.entries) {
      const op = opOf(bytes);
      const before = memory.cells[memory.cells.length - 1];
      memory.cells.push({ epoch, op, sum: nextSum(before?.sum ?? 0, epoch, op) });
      this.#world.note({ t: 'logged', node: this.#host.index, shard, idx, epoch, op, prevEpoch: before?.epoch ?? 0 });
      const { role } = memory.replica;
      if (op === 0 && role.t === 'leading' && role.epoch === epoch)
        this.#world.note({ t: 'leads', node: this.#host.index, shard, epoch });
    }
    const write: DiskWrite = { t: 'append', shard, after, cells: memory.cells.slice(after) };
    this.#journal({ shard, number: effect.write, write });
  }

  #commit(shard: number, memory: Memory, { entries }: Extract<ReplicaEffect, { t: 'commit' }>): void {
    const { role } = memory.replica;
    const leads = role.t === 'leading' ? role.epoch : undefined;
    for (const { idx, epoch, bytes } of entries) {
      const op = opOf(bytes);
      memory.sum = nextSum(memory.sum, epoch, op);
      memory.applied = idx;
      this.app?.applied(shard, { idx, epoch }, op);
      this.#world.note({
        t: 'applied',
        node: this.#host.index,
        shard,
        idx,
        cell: { epoch, op, sum: memory.sum },
        leads,
      });
      const mine = memory.proposed.get(idx);
      if (mine === undefined) continue;
      memory.proposed.delete(idx);
      if (mine.epoch === epoch && mine.op === op)
        this.#world.note({ t: 'acked', node: this.#host.index, shard, idx, epoch, op });
    }
    this.app?.committed(shard, memory.applied);
    if (this.#world.random.int(8) === 0) this.#fold(shard, memory);
  }

  /** Folds the state into the disk, as far as the log that it comes from is there. */
  #fold(shard: number, memory: Memory): void {
    const disk = this.#host.disk.shards[shard];
    if (disk === undefined || disk.loading || memory.replica.writes.durableIdx < memory.applied) return;
    disk.folded = memory.applied;
    disk.sum = memory.sum;
    disk.ackedUpTo = this.app?.ackedUpTo(shard) ?? 0;
  }

  #journal(entry: Journaled): void {
    this.#gathering.push(entry);
    if (this.#syncing === undefined) this.#sync();
  }

  /** Group commit: what gathers while a batch syncs is the next batch. */
  #sync(): void {
    const batch = this.#gathering;
    if (batch.length === 0 || this.#syncing !== undefined) return;
    this.#gathering = [];
    this.#syncing = batch;
    this.#world.queue.after(this.#host.syncMs(), () => {
      if (this.#host.process !== this) return;
      for (const { write } of batch) this.#host.disk.apply(write);
      this.#syncing = undefined;
      this.#host.postTo(this, () => this.#written(batch));
      this.#sync();
    });
  }

  #written(batch: readonly Journaled[]): void {
    const upTo = new Map<number, number>();
    for (const { shard, number, done } of batch) {
      if (done === undefined) upTo.set(shard, number);
      else done();
    }
    for (const [shard, number] of upTo) this.dispatch(shard, { t: 'written', upTo: number });
  }

  /** The state as applied now goes to the target in one piece; it or the answer may get lost on the way. */
  #snapshot(shard: number, memory: Memory, to: Member, session: number): void {
    const { queue, random, network } = this.#world;
    const cells = memory.cells.slice(0, memory.applied);
    const { applied, sum, replica } = memory;
    const ackedUpTo = Math.min(applied, this.app?.ackedUpTo(shard) ?? 0);
    const { epoch } = replica.hard;
    const target = this.#world.hostOf(to);
    let taken = false;
    const takes = 3 + random.float() * 30;
    queue.after(takes, () => {
      if (!network.reaches(this.#host.index, target.index) || random.int(6) === 0) return;
      target.post((process) => {
        if (!sameMember(process.member, to) || !process.#install(shard, epoch, session, { cells, sum, ackedUpTo }))
          return;
        taken = network.reaches(target.index, this.#host.index);
      });
    });
    queue.after(takes + 40, () =>
      this.#host.postTo(this, () =>
        this.dispatch(
          shard,
          taken ? { t: 'snapshotSent', to, session, idx: applied } : { t: 'snapshotFailed', to, session },
        ),
      ),
    );
  }

  #install(shard: number, epoch: number, session: number, { cells, sum, ackedUpTo }: Snapshot): boolean {
    const memory = this.shards[shard] as Memory;
    if (memory.load?.epoch !== epoch || memory.load.session !== session) return false;
    const { load } = memory;
    const at = { idx: cells.length, epoch: cells.at(-1)?.epoch ?? 0 };
    this.#journal({
      shard,
      number: 0,
      write: { t: 'install', shard, cells, sum, ackedUpTo },
      done: () => {
        if (memory.load !== load) return;
        Object.assign(memory, { cells: [...cells], applied: at.idx, sum, load: undefined });
        this.app?.restored(shard, cells, ackedUpTo);
        this.dispatch(shard, { t: 'installed', epoch, session, at });
      },
    });
    return true;
  }
}
