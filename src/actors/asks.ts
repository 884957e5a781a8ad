import type { Clock, Timer } from '../base/clock.ts';

/**
 * Questions to other nodes that wait for their answers. Each ends exactly once: with its answer, or with `undefined`
 * when `timeoutMs` have passed. An answer to none of them is late, and told so.
 *
 * Bound: `asksMax` open questions; one more is refused at once.
 */
export interface AskOptions {
  readonly asksMax: number;
  readonly timeoutMs: number;
  /** a question that may be put twice is put again when this long unanswered, ms */
  readonly repeatMs: number;
  readonly clock: Pick<Clock, 'setTimer' | 'clear'>;
}

interface Open<A> {
  readonly put: () => void;
  readonly done: (answer: A | undefined) => void;
  /** ms left after the timer */
  left: number;
  timer: Timer;
}

export class Asks<A> {
  readonly #options: AskOptions;
  readonly #open = new Map<number, Open<A>>();
  #next: number;
  timeouts = 0;

  /** @param first number of the first question; no earlier life of this node may have used it or any above */
  constructor(options: AskOptions, first: number) {
    this.#options = options;
    this.#next = first;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * @param put sends the question under a number, to whom leads by then; called again after `retry`
   * @param done called once; with undefined when nobody answered in time
   * @param repeat true when the question may be put twice
   * @returns the number, or undefined when too many questions are open: then `done` is not called
   */
  ask(put: (id: number) => void, done: (answer: A | undefined) => void, repeat: boolean): number | undefined {
    const { asksMax, timeoutMs, repeatMs, clock } = this.#options;
    if (this.#open.size >= asksMax) return undefined;
    const id = this.#next++;
    const wait = repeat ? Math.min(repeatMs, timeoutMs) : timeoutMs;
    this.#open.set(id, {
      put: () => put(id),
      done,
      left: timeoutMs - wait,
      timer: clock.setTimer(wait, () => this.#due(id)),
    });
    put(id);
    return id;
  }

  /** @returns false when nobody waits for it any more */
  answer(id: number, answer: A): boolean {
    const open = this.#open.get(id);
    if (open === undefined) return false;
    this.#open.delete(id);
    this.#options.clock.clear(open.timer);
    open.done(answer);
    return true;
  }

  /** Nobody will answer it: its time is up now. */
  fail(id: number): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.#options.clock.clear(open.timer);
    open.done(undefined);
  }

  /** Puts a question again that nobody has taken. */
  retry(id: number): void {
    this.#open.get(id)?.put();
  }

  #due(id: number): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    if (open.left > 0) {
      const wait = Math.min(this.#options.repeatMs, open.left);
      open.left -= wait;
      open.timer = this.#options.clock.setTimer(wait, () => this.#due(id));
      return open.put();
    }
    this.#open.delete(id);
    this.timeouts += 1;
    open.done(undefined);
  }
}
