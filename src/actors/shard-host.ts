import type { Timer } from '../base/clock.ts';
import { needsTick, openReplica, type ReplicaState, readableUntil, refusalOf, step } from '../cluster/replica.ts';
import type { Entry, Position, Refusal, ReplicaEffect, ReplicaEnv, ReplicaEvent } from '../cluster/replica-types.ts';
import { checkShardConfig, type Member, type ShardConfig } from '../cluster/shard-config.ts';
import type { OpBody } from '../storage/log-store.ts';
import type { WriteItem } from '../storage/replicated-store.ts';
import type { ConfigChange, ConfigWatch } from '../transport/config-store.ts';
import { ShardCas } from './shard-cas.ts';
import type { HostMessage, ProposeOutcome, ShardHostParts } from './shard-host-types.ts';
import { ShardReads } from './shard-reads.ts';
import { ShardRoom } from './shard-room.ts';
import { ShardSnapshots } from './shard-snapshots.ts';

/** Key of a shard's record in the configuration store. */
export const shardKey = (shard: number): string => `shard.${shard}`;
export const SHARD_PREFIX = 'shard.';

/** ms between two tries of a write that found no room */
const FULL_RETRY_MS = 250;

interface Mark {
  readonly shard: number;
  readonly write: number;
}

/**
 * The shell around the replicas of this node's shards: one journal record a tick for all of them, messages to their
 * peers, compare-and-sets, snapshots. It decides nothing; src/cluster/replica.ts does.
 *
 * Order. Effects of a step are done in their order. Writes of all shards keep theirs in one queue, one `write` of the
 * store at a time: what gathers meanwhile is the next one. `written` is told per shard, in order, after the disk.
 */
export class ShardHost {
  readonly #parts: ShardHostParts;
  readonly #replicas: ReplicaState[];
  readonly #env: { -readonly [K in keyof ReplicaEnv]: ReplicaEnv[K] };
  readonly #snapshots: ShardSnapshots;
  /** own proposals that are not applied yet: idx → op, by shard */
  readonly #proposed = new Map<number, Map<number, { readonly epoch: number; readonly op: OpBody }>>();
  readonly #restless = new Set<number>();
  readonly #reads: ShardReads;
  readonly #cas: ShardCas;
  #items: WriteItem[] = [];
  #marks: Mark[] = [];
  #writing = false;
  #scheduled = false;
  #startedAt = Number.NEGATIVE_INFINITY;
  #outcome: ProposeOutcome | undefined;
  #watch: ConfigWatch | undefined;
  #timer: Timer | undefined;
  /** of this process's memory of the store: what was begun in an earlier one says nothing any more */
  #life = 0;
  #closed = false;
  readonly #room: ShardRoom;
  /** shards that were asked to stop for good */
  readonly #stopping = new Set<number>();
  /** the state cannot follow what is committed: nothing is done any more until `restart` */
  #failed = false;
  readonly stats = { writes: 0, entries: 0, alarms: 0 };

  constructor(parts: ShardHostParts) {
    this.#parts = parts;
    this.#env = {
      now: parts.clock.monotonic(),
      options: parts.options,
      rules: parts.rules,
      self: parts.self,
      boot: parts.boot,
      peers: parts.peers,
    };
    this.#replicas = this.#recovered();
    this.#room = new ShardRoom(parts.shards);
    this.#reads = new ShardReads(parts.shards, {
      readableUntil: (shard) => this.#readableUntil(shard),
      ask: (shard) => this.dispatch(shard, { t: 'read' }),
      readable: (shard) => parts.events.readable(shard),
    });
    this.#cas = new ShardCas({
      cas: (shard, record, expected) => parts.configs.cas(shardKey(shard), record, expected),
      replica: (shard) => this.#replicas[shard],
      settled: (shard, nonce, outcome) => this.dispatch(shard, { t: 'casResult', nonce, outcome }),
    });
    this.#snapshots = new ShardSnapshots(parts.store, parts.snapshots, parts.clock, {
      send: (to, m) => parts.send(to, { t: 'snapshot', m }, true),
      event: (shard, event) => this.dispatch(shard, event),
    });
  }

  /** Takes up the configuration. Resolves when every record that is there has been seen. */
  async start(): Promise<void> {
    this.#watch = await this.#parts.configs.watch(SHARD_PREFIX, (change) => this.#onChange(change));
    this.#tick();
  }

  /** A new start after the store opened itself again: everything this process had in memory is void. */
  restart(): void {
    this.#failed = false;
    this.#life += 1;
    this.#env.boot = `${this.#parts.boot}.${this.#life}`;
    for (const shard of this.#leading()) this.#parts.events.unready(shard, 'deposed');
    this.#items = [];
    this.#marks = [];
    this.#proposed.clear();
    this.#snapshots.abortAll();
    this.#reads.forgetAll();
    this.#cas.clear();
    this.#room.begin();
    const configs = this.#replicas.map(({ config }) => config);
    this.#replicas.splice(0, this.#replicas.length, ...this.#recovered());
    for (const [shard, at] of configs.entries()) if (at !== undefined) this.dispatch(shard, { t: 'config', at });
  }

  config(shard: number): ShardConfig | undefined {
    return this.#replicas[shard]?.config?.record;
  }

  /** whole copies given to others and taken from them since the start, and the bytes given */
  get copied(): Readonly<ShardSnapshots['stats']> {
    return this.#snapshots.stats;
  }

  replica(shard: number): ReplicaState | undefined {
    return this.#replicas[shard];
  }

  /**
   * May this node answer reads of the shard from its memory now? If not, the in-sync set is asked, and `readable` is
   * told when it may; or `unready`.
   */
  mayRead(shard: number): boolean {
    const may = this.#reads.may(shard, this.#parts.clock.monotonic());
    if (!may) this.#cas.raise(shard);
    return may;
  }

  #readableUntil(shard: number): number {
    const replica = this.#replicas[shard];
    if (replica === undefined) return Number.NEGATIVE_INFINITY;
    this.#env.now = this.#parts.clock.monotonic();
    return readableUntil(replica, this.#env);
  }

  /** Proposes ops of a shard, in order. They are committed when `committed` tells an index at or behind theirs. */
  propose(shard: number, ops: readonly OpBody[]): ProposeOutcome {
    if (!this.#parts.store.writable) return { ok: false, reason: 'full' };
    this.#offered = ops;
    this.#outcome = undefined;
    this.dispatch(shard, { t: 'propose', items: ops.map((op) => this.#parts.encode(op)) });
    this.#offered = [];
    this.#cas.raise(shard);
    return this.#outcome ?? { ok: false, reason: 'halted' };
  }
  #offered: readonly OpBody[] = [];

  /** A request of the planner or an operator to this shard's leader. Whether it is taken says `refusal` before. */
  request(
    shard: number,
    event: Extract<ReplicaEvent, { t: 'transfer' | 'replicas' | 'stop' | 'recoverUnclean' }>,
  ): void {
    if (event.t === 'stop') this.#stopping.add(shard);
    this.dispatch(shard, event);
  }

  /** Why the shard's replica would refuse the order now; `no-copy` when there is no such shard. */
  refusal(shard: number, order: Parameters<typeof refusalOf>[1]): Refusal | undefined {
    const replica = this.#replicas[shard];
    if (replica === undefined) return 'no-copy';
    this.#env.now = this.#parts.clock.monotonic();
    return refusalOf(replica, order, this.#env);
  }

  receive(from: Member, message: HostMessage): void {
    if (this.#closed) return;
    if (message.t === 'replica') this.dispatch(message.m.shard, { t: 'message', from, message: message.m });
    else this.#snapshots.receive(from, message.m, this.#replicas[message.m.shard]?.loading);
  }

  /** Somebody came, went, is suspected or no longer: every shard with a configuration looks again. */
  peersChanged(): void {
    for (const [shard, { config }] of this.#replicas.entries()) {
      if (config !== undefined) this.dispatch(shard, { t: 'peers' });
    }
  }

  dispatch(shard: number, event: ReplicaEvent): void {
    const replica = this.#replicas[shard];
    if (replica === undefined || this.#closed || this.#failed) return;
    this.#env.now = this.#parts.clock.monotonic();
    const { config: before, cas, role } = replica;
    const effects = step(replica, event, this.#env);
    // Who may take over has changed, perhaps.
    if (replica.config !== before || replica.cas !== cas || replica.role !== role) this.#reads.forget(shard);
    for (const effect of effects) this.#perform(shard, effect);
    const { config } = replica;
    if (config !== undefined && config !== before) this.#parts.events.config(shard, config.record);
    if (needsTick(replica)) this.#restless.add(shard);
    else this.#restless.delete(shard);
    this.#reads.changed(shard, replica.role.t === 'leading', this.#env.now);
  }

  close(): void {
    this.#closed = true;
    this.#watch?.stop();
    this.#parts.clock.clear(this.#timer);
    this.#snapshots.abortAll();
    this.#cas.clear();
  }

  #recovered(): ReplicaState[] {
    const { recovered } = this.#parts.store;
    return Array.from({ length: this.#parts.shards }, (_, shard) => openReplica(shard, recovered.get(shard)));
  }

  #leading(): number[] {
    return this.#replicas.filter(({ role }) => role.t === 'leading').map(({ shard }) => shard);
  }

  #onChange(change: ConfigChange): void {
    const shard = Number(change.key.slice(SHARD_PREFIX.length));
    if (change.t === 'delete') {
      this.#parts.events.alarm(shard, 'bad-config', false, 'its record was deleted');
      return;
    }
    const checked = checkShardConfig(change.value, shard);
    if (!checked.ok) {
      this.stats.alarms += 1;
      return this.#parts.events.alarm(shard, 'bad-config', false, checked.reason);
    }
    this.dispatch(shard, { t: 'config', at: { record: checked.config, revision: change.revision } });
  }

  #perform(shard: number, effect: ReplicaEffect): void {
    const { events } = this.#parts;
    switch (effect.t) {
      case 'send':
        return this.#parts.send(effect.to, { t: 'replica', m: effect.message }, false);
      case 'append':
        this.stats.entries += effect.entries.length;
        return this.#write(effect.write, {
          t: 'append',
          shard,
          entries: effect.entries,
          truncateTo: effect.truncateTo,
        });
      case 'persist':
        return this.#write(effect.write, { t: 'hard', shard, hard: effect.hard });
      case 'load':
      case 'wipe':
        return this.#write(effect.write, { t: effect.t, shard });
      case 'proposed':
        return this.#noteProposed(shard, effect.first);
      case 'refused':
        if (effect.what === 'propose') this.#outcome = { ok: false, reason: effect.reason };
        return;
      case 'commit':
        return this.#commit(shard, effect.entries);
      case 'cas':
        return this.#cas.put(shard, effect.expected, effect.record, this.#reads.waits(shard));
      case 'ready':
        return events.ready(shard, effect.epoch);
      case 'unready':
        if (effect.reason !== 'transfer') this.#proposed.delete(shard);
        return events.unready(shard, effect.reason);
      case 'snapshot':
        return this.#snapshots.give(shard, effect.to, effect.session);
      case 'drained':
        return events.drained(shard);
      case 'alarm':
        this.stats.alarms += 1;
        return events.alarm(shard, effect.reason, effect.halted, effect.detail);
    }
  }

  #noteProposed(shard: number, first: Position): void {
    let mine = this.#proposed.get(shard);
    if (mine === undefined) {
      mine = new Map();
      this.#proposed.set(shard, mine);
    }
    for (const [i, op] of this.#offered.entries()) mine.set(first.idx + i, { epoch: first.epoch, op });
    this.#outcome = { ok: true, first };
  }

  #commit(shard: number, entries: readonly Entry[]): void {
    const { store, events } = this.#parts;
    const mine = this.#proposed.get(shard);
    let last = 0;
    try {
      for (const { idx, epoch, bytes } of entries) {
        const own = mine?.get(idx);
        store.apply(shard, { idx, epoch }, own?.epoch === epoch ? own.op : this.#parts.decode(bytes));
        mine?.delete(idx);
        last = idx;
      }
    } catch (error) {
      // What is committed is on disk, here and elsewhere; what is in memory can no longer follow it.
      this.#failed = true;
      this.stats.alarms += 1;
      return events.alarm(shard, 'not-applied', true, String(error));
    }
    events.committed(shard, last);
  }

  #write(write: number, item: WriteItem): void {
    this.#items.push(item);
    this.#marks.push({ shard: item.shard, write });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing || this.#items.length === 0) return;
    this.#scheduled = true;
    const wait = this.#startedAt + this.#parts.busyTickMs - this.#parts.clock.monotonic();
    if (wait > 0.5) setTimeout(() => this.#flush(), wait);
    else setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#closed || this.#items.length === 0) return;
    const items = this.#items;
    const marks = this.#marks;
    this.#items = [];
    this.#marks = [];
    this.#writing = true;
    this.#startedAt = this.#parts.clock.monotonic();
    const life = this.#life;
    this.#parts.store.write(items).then(
      () => this.#written(life, marks),
      (error: unknown) => this.#notWritten(life, error, items, marks),
    );
  }

  #written(life: number, marks: readonly Mark[]): void {
    this.#writing = false;
    if (life !== this.#life) return this.#schedule();
    this.stats.writes += 1;
    // Several writes of one shard: the last one tells of all.
    const last = new Map<number, number>();
    for (const { shard, write } of marks) last.set(shard, write);
    for (const [shard, upTo] of last) this.dispatch(shard, { t: 'written', upTo });
    this.#schedule();
  }

  /** No room: nothing of it was done, so it stays at the head until there is. A failed disk: the store says `reopened`. */
  #notWritten(life: number, error: unknown, items: WriteItem[], marks: Mark[]): void {
    this.#writing = false;
    if (life !== this.#life) return this.#schedule();
    if (this.#closed || (error as Error).name !== 'StorageFullError') return;
    this.#items = [...items, ...this.#items];
    this.#marks = [...marks, ...this.#marks];
    this.#scheduled = true;
    this.#parts.clock.setTimer(FULL_RETRY_MS, () => this.#flush());
  }

  #lookAtRoom(): void {
    const { store, clock } = this.#parts;
    const { goOn, stop, stay } = this.#room.look(store.writable, clock.monotonic());
    if (goOn) this.#goOn();
    for (const shard of stop) this.dispatch(shard, { t: 'stop' });
    for (const shard of stay) if (!this.#stopping.has(shard)) this.dispatch(shard, { t: 'stay' });
  }

  /** What was refused for want of room is waiting to be proposed. */
  #goOn(): void {
    for (const { shard, role } of this.#replicas)
      if (role.t === 'leading' && role.ready && role.transfer === undefined)
        this.#parts.events.ready(shard, role.epoch);
  }

  #tick(): void {
    for (const shard of [...this.#restless]) this.dispatch(shard, { t: 'tick' });
    this.#reads.askAll();
    this.#lookAtRoom();
    if (!this.#closed) this.#timer = this.#parts.clock.setTimer(this.#parts.tickMs, () => this.#tick());
  }
}
