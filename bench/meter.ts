import { build, type Histogram } from 'hdr-histogram-js';
import { usageOf } from './proc.ts';
import { cpuUse, latencyOf, type Phase } from './report.ts';

const binMs = 500;
/** Longest latency the histogram tells apart; above it counts as this. µs */
const latencyUsMax = 600_000_000;

/** µs of a clock that only goes forward. */
export function nowUs(): number {
  return performance.now() * 1000;
}

/** A histogram of µs with 3 significant digits. */
export function histogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: latencyUsMax,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
}

/** Whose CPU is taken: of these processes and what they have started, summed; `parts` are told apart from them. */
export interface Measured {
  readonly pids: readonly number[];
  readonly parts?: Readonly<Record<string, readonly number[]>>;
}

/** Counts operations between `start` and `stop`, with CPU of both sides, latencies and a series over time. */
export class Meter {
  operations = 0;
  readonly latencies = histogram();
  readonly #measured: Measured | undefined;
  #running = false;
  #startUs = 0;
  #serverUs = 0;
  #partsUs: Readonly<Record<string, number>> = {};
  #load: NodeJS.CpuUsage = { user: 0, system: 0 };
  #bins: number[] = [];

  /** @param measured a process, several, or undefined: CPU is left out */
  constructor(measured: Measured | number | undefined) {
    this.#measured = typeof measured === 'number' ? { pids: [measured] } : measured;
  }

  get running(): boolean {
    return this.#running;
  }

  start(): void {
    this.#serverUs = cpuUsOf(this.#measured?.pids ?? []);
    this.#partsUs = this.#partsCpuUs();
    this.#load = process.cpuUsage();
    this.#startUs = nowUs();
    this.#running = true;
  }

  /** One operation is done that began (or was meant to begin) at `sinceUs`. Ignored before start and after stop. */
  done(sinceUs: number, endUs: number): void {
    if (!this.#running) return;
    this.operations++;
    this.latencies.recordValue(Math.min(latencyUsMax, Math.max(1, Math.round(endUs - sinceUs))));
    const bin = Math.floor((endUs - this.#startUs) / (binMs * 1000));
    if (bin >= 0) this.#bins[bin] = (this.#bins[bin] ?? 0) + 1;
  }

  /** Closes the stretch and says what it was. */
  stop(name: string, target: string, unit: string): Phase {
    const seconds = (nowUs() - this.#startUs) / 1e6;
    this.#running = false;
    const serverUs = cpuUsOf(this.#measured?.pids ?? []) - this.#serverUs;
    const parts = Object.entries(this.#partsCpuUs()).map(
      ([part, us]) => [part, cpuUse(us - (this.#partsUs[part] ?? 0), this.operations, seconds)] as const,
    );
    const load = process.cpuUsage(this.#load);
    const whole = Math.floor((seconds * 1000) / binMs);
    return {
      name,
      target,
      unit,
      seconds,
      operations: this.operations,
      perSecond: this.operations / seconds,
      ...(this.operations > 0 ? { latency: latencyOf(this.latencies) } : {}),
      ...(this.#measured === undefined ? {} : { server: cpuUse(serverUs, this.operations, seconds) }),
      ...(parts.length === 0 ? {} : { parts: Object.fromEntries(parts) }),
      load: cpuUse(load.user + load.system, this.operations, seconds),
      series: { binMs, perSecond: Array.from({ length: whole }, (_, i) => ((this.#bins[i] ?? 0) * 1000) / binMs) },
    };
  }

  #partsCpuUs(): Record<string, number> {
    const parts = Object.entries(this.#measured?.parts ?? {});
    return Object.fromEntries(parts.map(([part, pids]) => [part, cpuUsOf(pids)]));
  }
}

function cpuUsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + usageOf(pid).cpuUs, 0);
}
