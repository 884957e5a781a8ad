import type { CasOutcome } from '../../src/cluster/replica-types.ts';
import type { ConfigAt, ShardConfig } from '../../src/cluster/shard-config.ts';
import type { World } from './cluster-world.ts';

/** Ms after which a shell takes a compare-and-set for unanswered. */
const ANSWER_MS = 40;

/** The configuration store: one record a shard, and everything that may go wrong between it and the nodes. */
export class Store {
  readonly history: ConfigAt[][];
  readonly #world: World;
  #revision = 0;
  #wonAt: number[] = [];
  /** simulated time until which it has no quorum */
  downUntil = 0;

  constructor(world: World) {
    this.#world = world;
    this.history = Array.from({ length: world.profile.shards }, () => []);
  }

  get #loss(): number {
    return this.#world.healed ? 0 : this.#world.profile.storeLoss;
  }

  get #stale(): number {
    return this.#world.healed ? 0 : this.#world.profile.staleWatch;
  }

  current(shard: number): ConfigAt | undefined {
    return this.history[shard]?.at(-1);
  }

  /** Puts the first record of a shard. */
  create(record: ShardConfig): void {
    this.#take(record, 0);
  }

  /** A node's compare-and-set. `answer` is called once. */
  compareAndSet(node: number, expected: number, record: ShardConfig, answer: (outcome: CasOutcome) => void): void {
    const { random, queue } = this.#world;
    let answered = false;
    const once = (outcome: CasOutcome): void => {
      if (answered) return;
      answered = true;
      answer(outcome);
    };
    queue.after(ANSWER_MS, () => once({ t: 'unknown' }));
    // A request may get lost, or come long after its sender has given up on it.
    if (random.float() < this.#loss * 0.3) return;
    const late = random.float() < this.#loss ? random.float() * 150 : 0;
    queue.after(0.3 + random.float() + late, () => {
      if (!this.#reachable(node)) return;
      const outcome = this.#decide(expected, record);
      if (random.float() < this.#loss || !this.#reachable(node)) return;
      queue.after(0.3 + random.float(), () => once(outcome));
    });
  }

  #reachable(node: number): boolean {
    return this.#world.queue.now >= this.downUntil && this.#world.network.storeReachable(node);
  }

  #decide(expected: number, record: ShardConfig): CasOutcome {
    const { random, rules, queue } = this.#world;
    const current = this.current(record.shard);
    const revision = current?.revision ?? 0;
    // What nats-server 2.9 did: several winners, if they come close together.
    const several =
      !rules.oneWinner &&
      this.history[record.shard]?.at(-2)?.revision === expected &&
      queue.now - (this.#wonAt[record.shard] ?? 0) < 20;
    if (revision === expected || several) return { t: 'ok', revision: this.#take(record, expected) };
    if (random.float() < 0.2) return { t: 'conflict', current: undefined };
    return { t: 'conflict', current: random.float() < this.#stale * 0.2 ? this.#old(record.shard) : current };
  }

  #take(record: ShardConfig, expected: number): number {
    const world = this.#world;
    const before = this.current(record.shard);
    this.#revision += 1;
    const at: ConfigAt = { record, revision: this.#revision };
    this.history[record.shard]?.push(at);
    this.#wonAt[record.shard] = world.queue.now;
    world.note({ t: 'config', shard: record.shard, expected, before, at });
    for (let node = 0; node < world.profile.nodes; node++) this.#tell(node, at, 0.3 + world.random.float());
    return at.revision;
  }

  #old(shard: number): ConfigAt | undefined {
    const history = this.history[shard] ?? [];
    return history[Math.max(0, history.length - 1 - this.#world.random.int(3))];
  }

  /** A watch begins, or comes back: the records there are, at times an old one before the newest. */
  watch(node: number): void {
    const { random, profile } = this.#world;
    for (let shard = 0; shard < profile.shards; shard++) {
      const old = this.#old(shard);
      if (old !== undefined && random.float() < this.#stale) this.#tell(node, old, random.float() * 5);
      const current = this.current(shard);
      const late = random.float() < this.#stale ? random.float() * 100 : 0;
      if (current !== undefined) this.#tell(node, current, 0.5 + random.float() * 2 + late);
    }
  }

  #tell(node: number, at: ConfigAt, delayMs: number): void {
    const { random, queue, nodes, network } = this.#world;
    const late = random.float() < this.#stale ? random.float() * 120 : 0;
    queue.after(delayMs + late, () => {
      if (!network.storeReachable(node)) return;
      nodes[node]?.post((process) => process.dispatch(at.record.shard, { t: 'config', at }));
      if (random.float() < this.#stale * 0.3) this.#tell(node, at, random.float() * 200);
    });
  }
}
