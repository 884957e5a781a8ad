/** What a look at the store's room asks for. */
export interface RoomVerdict {
  /** there is room again: what was refused may be proposed */
  readonly goOn: boolean;
  /** shards to leave, and those to come back to */
  readonly stop: readonly number[];
  readonly stay: readonly number[];
}

export interface RoomOptions {
  /** without room for so long, ms, a node leaves its shards */
  readonly asideMs: number;
  /** … and so many at a look */
  readonly atOnce: number;
}

export const ROOM_DEFAULTS: RoomOptions = { asideMs: 500, atOnce: 32 };

const NOTHING: RoomVerdict = { goOn: false, stop: [], stay: [] };

/**
 * A node whose disk takes nothing more hands over what it leads and leaves the in-sync sets, so many shards at a look, so
 * that the others need not wait for its room; with room it comes back. Pure: the time is an argument.
 */
export class ShardRoom {
  readonly #shards: number;
  readonly #options: RoomOptions;
  #fullSince: number | undefined;
  /** shards below this one were asked to leave */
  #aside = 0;

  constructor(shards: number, options: RoomOptions = ROOM_DEFAULTS) {
    this.#shards = shards;
    this.#options = options;
  }

  /** @param now own monotonic ms */
  look(writable: boolean, now: number): RoomVerdict {
    if (writable) {
      if (this.#fullSince === undefined) return NOTHING;
      const stay = range(0, this.#aside);
      this.begin();
      return { goOn: true, stop: [], stay };
    }
    this.#fullSince ??= now;
    if (now - this.#fullSince < this.#options.asideMs) return NOTHING;
    const from = this.#aside;
    this.#aside = Math.min(this.#shards, from + this.#options.atOnce);
    return { goOn: false, stop: range(from, this.#aside), stay: [] };
  }

  /** The replicas begin anew: none of them has been asked to leave. */
  begin(): void {
    this.#fullSince = undefined;
    this.#aside = 0;
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
