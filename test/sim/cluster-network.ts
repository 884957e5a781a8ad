import type { World } from './cluster-world.ts';

/** Which node reaches which, and which the store. A cut has an end; the latest end holds. */
export class Network {
  readonly #world: World;
  readonly #cutUntil: number[];
  readonly #storeCutUntil: number[];
  /** when the last message in order arrives, by pair */
  readonly #lastAt: number[] = [];
  sent = 0;

  constructor(world: World) {
    this.#world = world;
    const { nodes } = world.profile;
    this.#cutUntil = new Array<number>(nodes * nodes).fill(0);
    this.#storeCutUntil = new Array<number>(nodes).fill(0);
  }

  cut(from: number, to: number, ms: number): void {
    const at = from * this.#world.profile.nodes + to;
    this.#cutUntil[at] = Math.max(this.#cutUntil[at] ?? 0, this.#world.queue.now + ms);
  }

  cutStore(node: number, ms: number): void {
    const { queue, store } = this.#world;
    this.#storeCutUntil[node] = Math.max(this.#storeCutUntil[node] ?? 0, queue.now + ms);
    queue.after(ms + 1, () => {
      if (this.storeReachable(node)) store.watch(node);
    });
  }

  reaches(from: number, to: number): boolean {
    return from !== to && (this.#cutUntil[from * this.#world.profile.nodes + to] ?? 0) <= this.#world.queue.now;
  }

  storeReachable(node: number): boolean {
    return (this.#storeCutUntil[node] ?? 0) <= this.#world.queue.now;
  }

  /** The same in the order of sending, and never twice: what NATS makes of one connection. What is cut off is lost. */
  carryInOrder(from: number, to: number, deliver: () => void): void {
    const { random, profile, queue, healed } = this.#world;
    if (!this.reaches(from, to) || (!healed && random.float() < profile.loss)) return;
    const at = from * profile.nodes + to;
    const late = !healed && random.float() < profile.late ? random.float() * profile.lateMs : 0;
    const arrives = Math.max(this.#lastAt[at] ?? 0, queue.now + 0.2 + random.float() * 0.3 + late);
    this.#lastAt[at] = arrives;
    queue.after(arrives - queue.now, () => {
      if (this.reaches(from, to)) deliver();
    });
  }

  heal(): void {
    this.#cutUntil.fill(0);
    this.#storeCutUntil.fill(0);
  }

  /** Carries something from node to node: in order mostly, late, twice or never at times. */
  carry(from: number, to: number, deliver: () => void): void {
    const { random, profile, healed } = this.#world;
    this.sent += 1;
    const lost = !healed && random.float() < profile.loss;
    if (lost || !this.reaches(from, to)) return;
    this.#deliver(from, to, deliver);
    if (!healed && random.float() < profile.dup) this.#deliver(from, to, deliver);
  }

  #deliver(from: number, to: number, deliver: () => void): void {
    const { random, profile, queue, healed } = this.#world;
    const late = !healed && random.float() < profile.late ? random.float() * profile.lateMs : 0;
    queue.after(0.2 + random.float() * 0.4 + late, () => {
      if (this.reaches(from, to)) deliver();
    });
  }
}
