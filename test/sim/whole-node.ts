import { Packr } from 'msgpackr';
import { decideRegistration } from '../../src/actors/registration.ts';
import { createReplicatedPipeline, type ReplicatedPipeline } from '../../src/actors/replicated-pipeline.ts';
import { createRuntime, type Runtime } from '../../src/actors/runtime.ts';
import { startActorSystem, type Wakers } from '../../src/actors/spawn.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { Position } from '../../src/cluster/replica-types.ts';
import type { ShardConfig } from '../../src/cluster/shard-config.ts';
import type { Bus, Envelope, Receiver } from '../../src/transport/bus.ts';
import type { App } from './cluster-app.ts';
import type { Cell } from './cluster-facts.ts';
import type { Host } from './cluster-host.ts';
import type { Process } from './cluster-process.ts';
import { brief, type World } from './cluster-world.ts';
import { DOMAIN } from './core-world.ts';
import { NodePlanner } from './whole-planner.ts';
import { fastCrossing, fastRuntime, WALL_MS } from './whole-runtime.ts';
import { ProcessState } from './whole-state.ts';
import type { Whole } from './whole-world.ts';

/** Ms until what gathers in one turn of the event loop is looked at. */
const SOON_MS = 0.02;
const SWEEP_MS = 40;
/** Ops proposed at once, below the replicas' uncommittedEntriesMax (cluster-profile.ts). */
const OFFER_MAX = 16;
/** Ms between two tellings of what is delivered. */
const ACKED_MS = 100;
/** share of the looks at a lease that find it gone, and for how long it is at most, ms */
const LAPSES = 0.005;
const LAPSE_MS_MAX = 300;

/** Plain maps, as the bus over NATS packs them: what is no plain value does not come out as it went in. */
const packr = new Packr({ useRecords: false, copyBuffers: true });

/** The entities of one life of a node, on its replicas: wired as src/node-cluster.ts does, with the world's time. */
export class WholeNode implements App {
  readonly runtime: Runtime;
  readonly state: ProcessState;
  readonly planner: NodePlanner;
  readonly pipeline: ReplicatedPipeline;
  readonly #world: World;
  readonly #whole: Whole;
  readonly #process: Process;
  readonly #host: Host;
  readonly #leaders: (string | undefined)[] = [];
  readonly #epochs: number[] = [];
  /** shards led here whose lease is gone */
  readonly #unreadable = new Set<number>();
  #receive: Receiver = () => {};
  #soon: (() => void)[] = [];
  #alive = true;

  constructor(world: World, whole: Whole, process: Process, host: Host) {
    this.#world = world;
    this.#whole = whole;
    this.#process = process;
    this.#host = host;
    const { shards } = world.profile;
    this.state = new ProcessState(shards, (shard, idx) => world.note({ t: 'released', node: host.index, shard, idx }));
    for (const [shard, { cells, folded, ackedUpTo }] of host.disk.shards.entries())
      this.restored(shard, cells.slice(0, folded), ackedUpTo);
    this.pipeline = createReplicatedPipeline({
      pendingMax: 10_000,
      monotonicMs: () => host.clock(),
      soon: (run) => this.#later(run),
      offerMax: OFFER_MAX,
      propose: (shard, ops) =>
        process.propose(
          shard,
          ops.map((body) => whole.number(body)),
        ),
    });
    this.planner = new NodePlanner(world, whole, process, host);
    this.runtime = this.#createRuntime();
    this.#every(SWEEP_MS, () => this.runtime.sweep());
    this.#every(ACKED_MS, () => this.#tellAcked());
    this.#every(whole.planMs, () => this.planner.plan());
  }

  #createRuntime(): Runtime {
    const { world, whole } = { world: this.#world, whole: this.#whole };
    const clock = this.#clock();
    let names = 0;
    const name = (): string => `${this.#host.name}x${this.#process.life}x${++names}`;
    const onFault = (error: unknown): void => world.fail('nothing-crashes', String((error as Error).stack ?? error));
    return createRuntime({
      ...fastRuntime(whole.profile.tight),
      nodeId: this.#host.name,
      store: this.state.store,
      bus: this.#bus(),
      directory: {
        shards: world.profile.shards,
        leader: (shard) => this.#leaders[shard],
        epoch: (shard) => this.#epochs[shard] ?? 0,
      },
      pipeline: this.pipeline,
      actors: startActorSystem(this.#wakers()),
      rules: whole.rules,
      now: () => clock.now(),
      monotonicMs: () => clock.monotonic(),
      later: (delayMs, run) => void clock.setTimer(delayMs, run),
      sessionParts: {
        domain: DOMAIN,
        newId: name,
        dispatchIq: () => false,
        registration: decideRegistration,
        setPassword: async () => 'busy',
        chatOf: (user, to) => whole.chatOf(user, to),
      },
      cluster: {
        clock,
        random: world.random,
        newRun: name,
        unacked: (shard) => this.state.unacked(shard),
        options: fastCrossing(whole.rules),
        soon: (run) => this.#later(run),
        mayRead: (shard) => this.#mayRead(shard, clock),
        onFault,
      },
      onCrash: (_kind, error) => onFault(error),
    });
  }

  /** Now and then a lease is gone for a while. What the replicas know of it is checked at their reads. */
  #mayRead(shard: number, clock: Clock): boolean {
    if (this.#unreadable.has(shard)) return false;
    const { random } = this.#world;
    if (random.float() >= LAPSES) return true;
    this.#unreadable.add(shard);
    clock.setTimer(1 + random.float() * LAPSE_MS_MAX, () => {
      this.#unreadable.delete(shard);
      this.runtime.readable(shard);
    });
    return false;
  }

  // --- what the replicas tell --------------------------------------------------------------------------------------

  applied(shard: number, { idx, epoch }: Position, op: number): void {
    const body = this.#whole.bodyOf(op);
    this.state.apply(shard, idx, epoch, body);
    this.#whole.committed(shard, idx, body);
  }

  committed(shard: number, upTo: number): void {
    this.pipeline.committed(shard, upTo);
  }

  wiped(shard: number): void {
    this.state.wipe(shard);
  }

  restored(shard: number, cells: readonly Cell[], ackedUpTo: number): void {
    this.state.wipe(shard);
    this.state.tellAcked(shard, ackedUpTo);
    for (const [i, { epoch, op }] of cells.entries()) this.state.apply(shard, i + 1, epoch, this.#whole.bodyOf(op));
  }

  ready(shard: number, epoch: number): void {
    this.pipeline.ready(shard);
    this.runtime.lead(shard, epoch);
  }

  unready(shard: number, reason: 'transfer' | 'deposed' | 'halted'): void {
    if (reason === 'transfer') return this.runtime.pause(shard);
    // First the entities, so that none of them takes the failure of its op for a refusal.
    this.runtime.unlead(shard, reason);
    this.pipeline.lost(shard);
  }

  config(shard: number, { leader, epoch }: ShardConfig): void {
    this.#epochs[shard] = epoch;
    if (this.#leaders[shard] === leader?.node) return;
    this.#leaders[shard] = leader?.node;
    this.runtime.moved(shard);
  }

  beat(): void {
    for (const gone of this.planner.look()) this.runtime.nodeGone(gone);
  }

  ackedUpTo(shard: number): number {
    return this.state.ackedUpTo(shard);
  }

  die(): void {
    this.#alive = false;
    this.#receive = () => {};
  }

  // --- the rest of a node ------------------------------------------------------------------------------------------

  receive(envelope: Envelope, from: string): void {
    this.#whole.yields = true;
    if (this.#world.tracing) this.#world.say(`${this.#host.name} < ${from} ${brief(envelope.message)}`);
    this.#receive(envelope, from);
  }

  #bus(): Bus {
    const { network, nodes, names } = this.#world;
    const nodeId = this.#host.name;
    return {
      nodeId,
      send: (to, envelope) => {
        if (!this.#alive) return;
        if (to === nodeId) return this.#receive(envelope, nodeId);
        const target = nodes[names.get(to) ?? 0] as Host;
        const packed = this.#whole.profile.packed ? Buffer.from(packr.pack(envelope)) : undefined;
        network.carryInOrder(this.#host.index, target.index, () =>
          target.post((process) => {
            const came = packed === undefined ? envelope : (packr.unpack(packed) as Envelope);
            (process.app as WholeNode).receive(came, nodeId);
          }),
        );
      },
      receive: (handler) => {
        this.#receive = handler;
      },
      close: async () => {},
    };
  }

  /** This node's own time. What it set dies with it, and waits while it is paused. */
  #clock(): Clock {
    const { queue } = this.#world;
    return {
      now: () => Math.floor(WALL_MS + this.#host.clock()),
      monotonic: () => this.#host.clock(),
      setTimer: (delayMs, run) => {
        const timer = { dueMs: queue.now + delayMs, cleared: false };
        queue.after(delayMs / this.#host.rate, () => {
          if (timer.cleared) return;
          this.#whole.yields = true;
          this.#run(run);
        });
        return timer;
      },
      clear: (timer) => {
        if (timer !== undefined) (timer as unknown as { cleared: boolean }).cleared = true;
      },
    };
  }

  #run(run: () => void): void {
    this.#host.postTo(this.#process, run);
  }

  #every(ms: number, run: () => void): void {
    this.#world.queue.after(ms, () => {
      if (!this.#alive) return;
      this.#run(run);
      this.#every(ms, run);
    });
  }

  /** What gathers until the event loop comes round again runs in one go, in order. */
  #later(run: () => void): void {
    this.#soon.push(run);
    if (this.#soon.length > 1) return;
    this.#world.queue.after(SOON_MS, () =>
      this.#run(() => {
        for (const one of this.#soon.splice(0)) one();
      }),
    );
  }

  #wakers(): Wakers {
    return {
      add: (_name, drain) => {
        let stopped = false;
        return {
          wake: () => this.#later(() => (stopped ? undefined : drain())),
          stop: () => {
            stopped = true;
          },
        };
      },
      stop: () => {},
    };
  }

  /** Followers learn what is delivered, so that they need not keep it. */
  #tellAcked(): void {
    const { profile, store, network, nodes } = this.#world;
    for (let shard = 0; shard < profile.shards; shard++) {
      if (!this.#process.leads(shard)) continue;
      const upTo = this.state.watermark(shard);
      for (const { node } of store.current(shard)?.record.replicas ?? []) {
        const target = nodes[this.#world.names.get(node) ?? 0] as Host;
        if (target === this.#host) continue;
        const { inc } = target;
        network.carry(this.#host.index, target.index, () =>
          target.post((process) => {
            if (process.member.inc === inc) (process.app as WholeNode).state.tellAcked(shard, upTo);
          }),
        );
      }
    }
  }
}
