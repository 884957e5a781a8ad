/**
 * When an idle process gives memory back. V8 collects when memory is asked for, so a process that has nothing to do stays
 * as large as its busiest hour left it: ten thousand logins leave a grown young generation and their garbage in the old
 * one, several times what the sessions themselves take. Decides only; node-memory.ts collects.
 *
 * A round takes three collections. V8 lets the young generation shrink when little was allocated since the last collection,
 * so one of a millisecond comes first; then the whole heap, compacted; then a short one again for what that promoted.
 * A round begins when the heap has grown by GROWN_BYTES since the last one, and load that comes ends it.
 */
export interface IdleMemoryOptions {
  /** no collection while more is in use: the pause grows with it, about 1.5 ms a MiB; 0 never collects */
  readonly heapBytesMax: number;
}

export interface HeapReading {
  /** any clock that never goes back, ms */
  readonly nowMs: number;
  /** share of the time since the last reading in which the event loop worked, 0 to 1 */
  readonly utilization: number;
  /** bytes that the heap has taken, and bytes of it in use */
  readonly totalBytes: number;
  readonly usedBytes: number;
}

export type Collection = 'none' | 'young' | 'full';

/** Above it the process is not idle, and nobody's message is to wait for a collection. */
const IDLE_SHARE_MAX = 0.1;
const GROWN_BYTES = 33_554_432;
/** each so long after the one before, the first after the beginning of the quiet */
const STEPS: readonly { readonly afterMs: number; readonly kind: Collection }[] = [
  { afterMs: 5_000, kind: 'young' },
  { afterMs: 7_000, kind: 'full' },
  { afterMs: 6_000, kind: 'young' },
];

export class IdleMemory {
  readonly #heapBytesMax: number;
  /** when the process became idle, or when it collected last since; undefined while it is not */
  #since: number | undefined = undefined;
  /** steps of this round that are done */
  #done = 0;
  /** bytes that the heap had taken after the last round */
  #floor = 0;

  constructor({ heapBytesMax }: IdleMemoryOptions) {
    this.#heapBytesMax = heapBytesMax;
  }

  /** To be asked about once a second. @returns what to collect now */
  decide({ nowMs, utilization, totalBytes, usedBytes }: HeapReading): Collection {
    if (utilization > IDLE_SHARE_MAX) {
      this.#since = undefined;
      this.#done = 0;
      return 'none';
    }
    this.#since ??= nowMs;
    const step = STEPS[this.#done];
    if (step === undefined) {
      this.#floor = totalBytes;
      this.#done = 0;
      return 'none';
    }
    if (nowMs - this.#since < step.afterMs || usedBytes > this.#heapBytesMax) return 'none';
    if (this.#done === 0 && totalBytes < this.#floor + GROWN_BYTES) return 'none';
    this.#done += 1;
    this.#since = nowMs;
    return step.kind;
  }
}
