/**
 * When a receiver that refused a delivery is tried again. One go-back stands for all that a source shard has for the
 * receiver, so a burst of refusals is one. The first after progress may be at once; without progress the wait doubles,
 * so that two sides that cannot agree do not keep each other busy.
 *
 *     refused → again at once → refused → wait 20 ms → again → refused → wait 40 ms …   an ack: from the start
 *
 * Bound: one entry a receiver and source shard with something refused and not acked since.
 */
export interface GoBackOptions {
  readonly delayMs: number;
  readonly delayMsMax: number;
  now(): number;
  later(delayMs: number, run: () => void): void;
}

interface GoBack {
  readonly shard: number;
  /** ms to wait after the next refusal */
  delay: number;
  /** not before, ms since the epoch */
  notBefore: number;
  waiting: boolean;
}

export class GoBacks {
  readonly #options: GoBackOptions;
  readonly #again: (shard: number, to: string) => number;
  readonly #entries = new Map<string, GoBack>();

  /** @param again sends what the receiver has not acked; answers how many items that were */
  constructor(options: GoBackOptions, again: (shard: number, to: string) => number) {
    this.#options = options;
    this.#again = again;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param atOnce trying again may help right now: the first time it is not waited */
  refused(shard: number, to: string, atOnce: boolean): void {
    const { delayMs, now } = this.#options;
    const key = keyOf(shard, to);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { shard, delay: delayMs, notBefore: now() + (atOnce ? 0 : delayMs), waiting: false };
      this.#entries.set(key, entry);
    }
    if (entry.waiting) return;
    const wait = entry.notBefore - now();
    if (wait <= 0) return this.#go(entry, to);
    entry.waiting = true;
    this.#options.later(wait, () => {
      // Acked or led elsewhere meanwhile.
      if (this.#entries.get(key) === entry) this.#go(entry, to);
    });
  }

  /** The receiver has taken something. A go-back that is waiting still comes. */
  progress(shard: number, to: string): void {
    const entry = this.#entries.get(keyOf(shard, to));
    if (entry === undefined) return;
    if (entry.waiting) entry.delay = this.#options.delayMs;
    else this.#entries.delete(keyOf(shard, to));
  }

  drop(shard: number): void {
    for (const [key, entry] of this.#entries) if (entry.shard === shard) this.#entries.delete(key);
  }

  #go(entry: GoBack, to: string): void {
    entry.waiting = false;
    entry.notBefore = this.#options.now() + entry.delay;
    entry.delay = Math.min(entry.delay * 2, this.#options.delayMsMax);
    if (this.#again(entry.shard, to) === 0) this.#entries.delete(keyOf(entry.shard, to));
  }
}

function keyOf(shard: number, to: string): string {
  return `${shard} ${to}`;
}
