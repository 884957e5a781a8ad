import { ALL_DELIVERY_RULES, type DeliveryRules } from './delivery-rules.ts';
import type { LinkReport } from './wire.ts';

/**
 * One side of a link, pure: the frames of one client socket between its gateway and its session when they are on two
 * nodes. The bus loses without a word, so frames are numbered and what follows a gap is not taken: the socket ends, the
 * stream is resumed (XEP-0198), and nothing is lost that the client or the session still has.
 *
 * - a gap shows at the next frame, or at the other side's next report (`sent` is more than was got);
 * - a dead other side shows by frames or a question that it does not confirm within `timeoutMs`.
 *
 * While a session moves between nodes its frames come by two ways, so for `reorderMs` what is ahead waits for what is
 * missing; at most `reorderMax` frames do.
 */
export interface LinkOptions {
  /** frames unconfirmed for this long make this side ask, ms */
  readonly checkMs: number;
  /** a link that nothing was heard of for this long is asked about, ms */
  readonly idleCheckMs: number;
  /** frames or a question unconfirmed for this long: the other side is gone, ms */
  readonly timeoutMs: number;
  readonly reorderMs: number;
  readonly reorderMax: number;
  /** all of them when absent; the simulation takes one out at a time */
  readonly rules?: DeliveryRules;
}

export type Received = { readonly t: 'frames'; readonly frames: readonly string[] } | { readonly t: 'gap' };

export type LinkVerdict = 'quiet' | 'report' | 'dead';

export class LinkState {
  readonly #options: LinkOptions;
  /** frames sent and got, in all */
  sent: number;
  got: number;
  /** frames sent that the other side has confirmed */
  #confirmed: number;
  /** since when something is unconfirmed or a question unanswered, ms since the epoch; undefined when nothing is */
  #waitingSince: number | undefined;
  #heardAt: number;
  #owes = false;
  /** number of the first → frames that came early; undefined but for a while after a move */
  #early: Map<number, readonly string[]> | undefined;
  #earlyUntil = 0;

  constructor(options: LinkOptions, now: number, counts: { readonly sent: number; readonly got: number } = NOTHING) {
    this.#options = options;
    this.sent = counts.sent;
    this.got = counts.got;
    this.#confirmed = counts.sent;
    this.#heardAt = now;
  }

  /** Takes a place for frames that leave now. @returns number of the first */
  send(count: number, now: number): number {
    const first = this.sent + 1;
    if (count === 0) return first;
    this.sent += count;
    this.#waitingSince ??= now;
    return first;
  }

  /** What leaves now says how far this side has got: no report is owed. */
  reported(): void {
    this.#owes = false;
  }

  receive(first: number, frames: readonly string[], now: number): Received {
    this.#heardAt = now;
    if (first > this.got + 1) {
      if (this.#chained) return this.#ahead(first, frames, now);
      this.got = first - 1;
    }
    // Had already: a way that was given up still brought it.
    const fresh = first === this.got + 1 ? frames : frames.slice(this.got + 1 - first);
    if (fresh.length === 0) return NO_FRAMES;
    this.#owes = true;
    this.got += fresh.length;
    const next = this.#early?.get(this.got + 1);
    if (next === undefined) return { t: 'frames', frames: fresh };
    this.#early?.delete(this.got + 1);
    const more = this.receive(this.got + 1, next, now);
    return more.t === 'gap' ? more : { t: 'frames', frames: [...fresh, ...more.frames] };
  }

  #ahead(first: number, frames: readonly string[], now: number): Received {
    if (this.#early === undefined || now > this.#earlyUntil || this.#early.size >= this.#options.reorderMax)
      return { t: 'gap' };
    if (frames.length > 0) this.#early.set(first, frames);
    return NO_FRAMES;
  }

  /** The other side has got so many. */
  confirm(got: number, now: number): void {
    this.#heardAt = now;
    if (got > this.#confirmed) this.#confirmed = got;
    this.#waitingSince = this.#confirmed >= this.sent ? undefined : now;
  }

  /** The other side says how far it is. @returns false when what it sent is missing here */
  compare([, sent, got]: LinkReport, now: number): boolean {
    this.confirm(got, now);
    return sent <= this.got || !this.#chained || (this.#early !== undefined && now <= this.#earlyUntil);
  }

  /** The other side is at a new place: for a while frames may come out of order. */
  moved(now: number): void {
    this.#early ??= new Map();
    this.#earlyUntil = now + this.#options.reorderMs;
  }

  get #chained(): boolean {
    return (this.#options.rules ?? ALL_DELIVERY_RULES).linksChained;
  }

  /** About once a second. `report` means: tell the other side how far this one is, and have it answer. */
  sweep(now: number): LinkVerdict {
    const { checkMs, idleCheckMs, timeoutMs } = this.#options;
    if (this.#early !== undefined && now > this.#earlyUntil) {
      if (this.#early.size > 0) return 'dead';
      this.#early = undefined;
    }
    if (this.#waitingSince !== undefined) {
      if (now - this.#waitingSince >= timeoutMs) return 'dead';
      return this.#owes || now - this.#waitingSince >= checkMs ? 'report' : 'quiet';
    }
    if (this.#owes) return 'report';
    if (now - this.#heardAt < idleCheckMs) return 'quiet';
    this.#waitingSince = now;
    return 'report';
  }
}

const NOTHING = { sent: 0, got: 0 } as const;
const NO_FRAMES: Received = { t: 'frames', frames: [] };
