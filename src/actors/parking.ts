/**
 * Messages for shards that nobody is known to lead, or that pause while they move: they wait in order, since senders
 * are not told to come again for presence, and a failover is over in seconds.
 *
 * Bound: `parkedMax` messages in all, each for `parkMs`. What does not fit or waits longer is given back to `expired`.
 */
export interface ParkingOptions<M> {
  readonly parkedMax: number;
  readonly parkMs: number;
  /** how often it is looked whether a shard has a leader now, ms */
  readonly pollMs: number;
  now(): number;
  later(delayMs: number, run: () => void): void;
  /** true when messages for the shard can leave */
  open(shard: number): boolean;
  leave(shard: number, message: M): void;
  expired(shard: number, message: M): void;
}

interface Parked<M> {
  readonly message: M;
  readonly at: number;
}

export class Parking<M> {
  readonly #options: ParkingOptions<M>;
  readonly #shards = new Map<number, Parked<M>[]>();
  #size = 0;
  #polling = false;

  constructor(options: ParkingOptions<M>) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** Something waits for this shard: what comes now must queue behind it. */
  holds(shard: number): boolean {
    return this.#size > 0 && this.#shards.has(shard);
  }

  park(shard: number, message: M): void {
    const { parkedMax, expired, now } = this.#options;
    if (this.#size >= parkedMax) return expired(shard, message);
    const waiting = this.#shards.get(shard);
    if (waiting === undefined) this.#shards.set(shard, [{ message, at: now() }]);
    else waiting.push({ message, at: now() });
    this.#size += 1;
    this.#poll();
  }

  /** Lets go of what can leave, and of what has waited too long. */
  release(): void {
    const { open, leave, expired, now, parkMs } = this.#options;
    for (const [shard, waiting] of this.#shards) {
      const free = open(shard);
      let count = 0;
      while (count < waiting.length && (free || now() - (waiting[count] as Parked<M>).at >= parkMs)) count += 1;
      if (count === 0) continue;
      const out = waiting.splice(0, count);
      if (waiting.length === 0) this.#shards.delete(shard);
      this.#size -= count;
      for (const { message } of out) {
        if (free) leave(shard, message);
        else expired(shard, message);
      }
    }
  }

  #poll(): void {
    if (this.#polling) return;
    this.#polling = true;
    this.#options.later(this.#options.pollMs, () => {
      this.#polling = false;
      this.release();
      if (this.#size > 0) this.#poll();
    });
  }
}
