/**
 * Who may be read, for a shell that asks at each wake-up of an entity: remembers until when the lease of each shard is
 * known to hold, and which shards somebody waits to read. DESIGN, Replication: leader reads need fresh acks from the
 * whole in-sync set within a lease.
 *
 * Bound: a place for each shard.
 */
export interface ShardReadsParts {
  /** own monotonic ms until which the shard may be read, as things are (replica-lease.ts) */
  readableUntil(shard: number): number;
  /** asks the in-sync set whether the shard may be read */
  ask(shard: number): void;
  /** `may` said no, and would say yes now */
  readable(shard: number): void;
}

export class ShardReads {
  readonly #parts: ShardReadsParts;
  /** as far as asked for; a lease once given is not taken back, so it holds until who could take over changes */
  readonly #until: Float64Array;
  readonly #waiting = new Set<number>();

  constructor(shards: number, parts: ShardReadsParts) {
    this.#parts = parts;
    this.#until = new Float64Array(shards).fill(Number.NEGATIVE_INFINITY);
  }

  /** @param now own monotonic ms. @returns false: the in-sync set is asked, `readable` follows unless it is deposed */
  may(shard: number, now: number): boolean {
    if (now < (this.#until[shard] ?? Number.NEGATIVE_INFINITY) || now < this.#look(shard)) return true;
    if (this.#waiting.size === 0) setImmediate(() => this.askAll());
    this.#waiting.add(shard);
    return false;
  }

  /** Does somebody wait to read the shard? */
  waits(shard: number): boolean {
    return this.#waiting.has(shard);
  }

  /** To be repeated while somebody waits: a question may be lost. */
  askAll(): void {
    for (const shard of [...this.#waiting]) this.#parts.ask(shard);
  }

  /** Something happened to the shard: whoever waits may be able to read now. */
  changed(shard: number, leads: boolean, now: number): void {
    if (!this.#waiting.has(shard) || (leads && this.#look(shard) <= now)) return;
    this.#waiting.delete(shard);
    if (leads) this.#parts.readable(shard);
  }

  /** Who could take the shard over has changed. */
  forget(shard: number): void {
    this.#until[shard] = Number.NEGATIVE_INFINITY;
  }

  forgetAll(): void {
    this.#until.fill(Number.NEGATIVE_INFINITY);
    this.#waiting.clear();
  }

  #look(shard: number): number {
    const until = this.#parts.readableUntil(shard);
    this.#until[shard] = until;
    return until;
  }
}
