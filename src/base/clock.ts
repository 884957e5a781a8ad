/** A pending timer. Opaque: hand it back to `Clock.clear`. */
export interface Timer {
  readonly dueMs: number;
}

/** Time as an argument: the system's in production, moved by hand in tests and simulations. */
export interface Clock {
  /** Wall time, milliseconds since the epoch. May jump; use it for records, never for durations. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Runs `run` once after `delayMs`. Does not keep the process alive. */
  setTimer(delayMs: number, run: () => void): Timer;
  /** Idempotent; clearing a timer that has fired is allowed. */
  clear(timer: Timer | undefined): void;
}

interface SystemTimer extends Timer {
  readonly handle: NodeJS.Timeout;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (delayMs, run): SystemTimer => ({
    dueMs: performance.now() + delayMs,
    handle: setTimeout(run, delayMs).unref(),
  }),
  clear: (timer) => {
    if (timer !== undefined) clearTimeout((timer as SystemTimer).handle);
  },
};

interface ManualTimer extends Timer {
  readonly order: number;
  readonly run: () => void;
}

/** A clock that stands still until `advance`. Timers due at the same moment fire in the order they were set. */
export class ManualClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #timers = new Set<ManualTimer>();

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  setTimer(delayMs: number, run: () => void): Timer {
    const timer: ManualTimer = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#timers.add(timer);
    return timer;
  }

  clear(timer: Timer | undefined): void {
    this.#timers.delete(timer as ManualTimer);
  }

  /** Timers that have not fired yet. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves both clocks on by `ms`, firing what falls due on the way, including timers set by fired timers. */
  advance(ms: number): void {
    const target = this.#elapsedMs + ms;
    for (let next = this.#next(); next !== undefined && next.dueMs <= target; next = this.#next()) {
      this.#timers.delete(next);
      this.#move(next.dueMs - this.#elapsedMs);
      next.run();
    }
    this.#move(target - this.#elapsedMs);
  }

  /** Moves wall time only, as an administrator or NTP would; may be negative. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  #move(ms: number): void {
    this.#elapsedMs += ms;
    this.#wallMs += ms;
  }

  #next(): ManualTimer | undefined {
    let first: ManualTimer | undefined;
    for (const timer of this.#timers) {
      if (
        first === undefined ||
        timer.dueMs < first.dueMs ||
        (timer.dueMs === first.dueMs && timer.order < first.order)
      )
        first = timer;
    }
    return first;
  }
}
