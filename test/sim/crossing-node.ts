import { decideRegistration } from '../../src/actors/registration.ts';
import { createRuntime, type Runtime, type RuntimeOptions } from '../../src/actors/runtime.ts';
import type { Clock, ManualClock } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { DOMAIN, SHARDS } from './core-world.ts';
import { type SharedLog, SimPipeline } from './crossing-log.ts';
import type { Net } from './crossing-net.ts';
import { REAL_TIMES, runtimeLimits } from './runtime-limits.ts';

/** What nodes of one world share. */
export interface NodeHome {
  readonly log: SharedLog;
  readonly net: Net;
  readonly clock: ManualClock;
  readonly random: Random;
  readonly faults: { readonly tight: boolean };
  readonly crashes: unknown[];
  fail(text: string): void;
}

let lives = 0;

/** One life of a node: its runtime, its view of who leads, its way to the log. */
export class SimNode {
  readonly id: string;
  readonly pipeline: SimPipeline;
  readonly runtime: Runtime;
  alive = true;
  /** who leads, as far as this node has heard */
  readonly view: (string | undefined)[];
  /** shards that it thinks it leads, and that somebody else leads */
  readonly deposed = new Set<number>();
  readonly #world: NodeHome;

  constructor(world: NodeHome, id: string, options: Partial<RuntimeOptions> = {}) {
    this.id = id;
    this.#world = world;
    this.view = [...world.log.leaders];
    const { tight } = world.faults;
    this.pipeline = new SimPipeline(id, world.log, 10_000);
    const life = ++lives;
    let ids = 0;
    const name = (): string => `${id}x${life}x${++ids}`;
    this.runtime = createRuntime({
      nodeId: id,
      store: world.log.store,
      bus: world.net.bus(id, () => this.alive),
      directory: {
        shards: SHARDS,
        leader: (shard) => this.view[shard],
        epoch: (shard) => (this.view[shard] === world.log.leaders[shard] ? (world.log.epochs[shard] ?? 0) : 0),
      },
      pipeline: this.pipeline,
      now: () => world.clock.now(),
      monotonicMs: () => world.clock.monotonic(),
      later: (delayMs, run) => void this.#clock().setTimer(delayMs, run),
      ...runtimeLimits(tight, REAL_TIMES),
      sessionParts: {
        domain: DOMAIN,
        newId: name,
        dispatchIq: () => false,
        registration: decideRegistration,
        setPassword: async () => 'busy',
      },
      cluster: {
        clock: this.#clock(),
        random: world.random,
        newRun: name,
        unacked: (shard) => world.log.unacked(shard),
        mayRead: () => true,
        onFault: (error) => world.crashes.push(error),
      },
      onCrash: (_kind, error) => world.crashes.push(error),
      ...options,
    });
  }

  /** Timers of a node that is dead do not fire. */
  #clock(): Clock {
    const { clock } = this.#world;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      setTimer: (delayMs, run) => clock.setTimer(delayMs, () => (this.alive ? run() : undefined)),
      clear: (timer) => clock.clear(timer),
    };
  }

  async sync(): Promise<void> {
    if (this.alive) await this.pipeline.sync();
  }

  /** The configuration as it is now reaches this node. */
  learn(leaders: readonly (string | undefined)[]): void {
    for (const [shard, leader] of leaders.entries()) this.view[shard] = leader;
    const deposed = [...this.deposed];
    this.deposed.clear();
    if (deposed.length > 0) this.runtime.unlead(deposed, 'led elsewhere');
  }

  kill(): void {
    this.alive = false;
    this.pipeline.kill();
    this.#world.net.cut(this.id);
    void this.runtime.close().catch((error: unknown) => this.#world.fail(String(error)));
  }
}
