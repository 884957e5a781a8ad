import type { Histogram } from 'hdr-histogram-js';
import { histogram } from '../meter.ts';
import type { Timeline } from '../report.ts';

/** ms of one bin of the timeline */
export const binMs = 100;
/** bins kept, an hour: what comes later is left out of the timeline, not of the figures */
const binsMax = 36_000;

/** What the writers saw within one stretch of time. Times in ms. */
export interface Stretch {
  readonly name: string;
  readonly seconds: number;
  readonly acknowledged: number;
  /** from when a write was meant to leave to its acknowledgement; µs */
  readonly waits: Histogram;
  /** of each writer: the longest time between two of its acknowledgements that fall into or reach into the stretch */
  readonly gapsMs: readonly number[];
  /** of each writer: the longest wait of a write acknowledged in the stretch */
  readonly waitsMs: readonly number[];
}

/**
 * Measures pauses as writers see them. A pause of P shows between two bounds: the longest wait of a write is P less up
 * to the time between two writes, the longest gap between acknowledgements is P plus up to that. A write that waits
 * still counts with what it has waited so far.
 *
 * Pure: all times are given, in µs of one clock that only goes forward.
 */
export class Pauses {
  readonly timeline: Timeline = { binMs, acknowledgedPerSecond: [], waitMsMax: [], events: [] };
  readonly #beganUs: number;
  readonly #lastAckUs: number[];
  /** first acknowledgement of a write that left after the mark, µs after it */
  readonly #firstUs: (number | undefined)[];
  #markUs = Number.POSITIVE_INFINITY;
  #stretch: { name: string; sinceUs: number; waits: Histogram; gapsUs: number[]; waitsUs: number[] };

  constructor(writers: number, name: string, nowUs: number) {
    this.#beganUs = nowUs;
    this.#lastAckUs = new Array(writers).fill(nowUs);
    this.#firstUs = new Array(writers).fill(undefined);
    this.#stretch = this.#fresh(name, nowUs);
  }

  /** The write that was meant to leave at `dueUs` is acknowledged. */
  acknowledged(writer: number, dueUs: number, nowUs: number): void {
    const stretch = this.#stretch;
    const wait = nowUs - dueUs;
    stretch.waits.recordValue(Math.max(1, Math.round(wait)));
    stretch.waitsUs[writer] = Math.max(stretch.waitsUs[writer]!, wait);
    stretch.gapsUs[writer] = Math.max(stretch.gapsUs[writer]!, nowUs - this.#lastAckUs[writer]!);
    this.#lastAckUs[writer] = nowUs;
    if (dueUs >= this.#markUs) this.#firstUs[writer] ??= nowUs - this.#markUs;
    this.#count(wait, nowUs);
  }

  /** From now on first acknowledgements are looked for. */
  mark(nowUs: number): void {
    this.#markUs = nowUs;
    this.#firstUs.fill(undefined);
  }

  /** For the timeline. */
  event(label: string, nowUs: number): void {
    this.timeline.events.push({ atSeconds: (nowUs - this.#beganUs) / 1e6, label });
  }

  /** ms from the mark to the writer's first acknowledgement of a write that left after it; undefined: none yet */
  firstMs(writer: number): number | undefined {
    const us = this.#firstUs[writer];
    return us === undefined ? undefined : us / 1000;
  }

  /**
   * Ends a stretch and begins the next.
   * @param oldestDueUs when the oldest write of each writer that is not acknowledged was meant to leave
   */
  next(name: string, nowUs: number, oldestDueUs: (writer: number) => number | undefined): Stretch {
    const { sinceUs, waits, gapsUs, waitsUs, name: ended } = this.#stretch;
    const toMs = (us: number) => us / 1000;
    for (const [writer, last] of this.#lastAckUs.entries()) {
      const due = oldestDueUs(writer);
      if (due === undefined) continue;
      gapsUs[writer] = Math.max(gapsUs[writer]!, nowUs - last);
      waitsUs[writer] = Math.max(waitsUs[writer]!, nowUs - due);
    }
    this.#stretch = this.#fresh(name, nowUs);
    return {
      name: ended,
      seconds: (nowUs - sinceUs) / 1e6,
      acknowledged: waits.totalCount,
      waits,
      gapsMs: gapsUs.map(toMs),
      waitsMs: waitsUs.map(toMs),
    };
  }

  #fresh(name: string, sinceUs: number) {
    const zeros = () => new Array<number>(this.#lastAckUs.length).fill(0);
    return { name, sinceUs, waits: histogram(), gapsUs: zeros(), waitsUs: zeros() };
  }

  #count(waitUs: number, nowUs: number): void {
    const { acknowledgedPerSecond, waitMsMax } = this.timeline;
    const bin = Math.floor((nowUs - this.#beganUs) / (binMs * 1000));
    if (bin >= binsMax) return;
    while (acknowledgedPerSecond.length <= bin) {
      acknowledgedPerSecond.push(0);
      waitMsMax.push(0);
    }
    acknowledgedPerSecond[bin]! += 1000 / binMs;
    waitMsMax[bin] = Math.max(waitMsMax[bin]!, waitUs / 1000);
  }
}
