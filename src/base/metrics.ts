import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { assert } from './assert.ts';

export type Labels = Readonly<Record<string, string>>;

/** A count that only rises. Write `counter.n++` on the hot path: it is a plain number, read at scrape time. */
export interface Counter {
  n: number;
}

interface Sample {
  readonly labels: Record<string, string | number>;
  readonly value: number;
  readonly metricName?: string;
}

interface Family {
  readonly type: string;
  readonly sources: (() => Sample[])[];
}

/** Labels have fixed, few values; ids belong in logs. More series than this in one family is a mistake of ours. */
const SERIES_MAX = 200;

/** Upper bounds in seconds for durations from 50 µs to 10 s. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** Upper bounds for sizes of batches and queues. */
export const SIZE_BUCKETS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

/** Counts of observations by fixed upper bounds. `observe` costs a short linear search and three additions. */
export class Histogram {
  readonly buckets: readonly number[];
  /** observations per bucket, not cumulative; the last is beyond every bound */
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(buckets: readonly number[]) {
    assert(
      buckets.every((bound, i) => i === 0 || bound > buckets[i - 1]!),
      'histogram buckets must rise',
    );
    this.buckets = buckets;
    this.counts = new Array<number>(buckets.length + 1).fill(0);
  }

  observe(value: number): void {
    const { buckets } = this;
    let at = 0;
    while (at < buckets.length && value > buckets[at]!) at++;
    this.counts[at]!++;
    this.sum += value;
    this.count++;
  }

  /** Prometheus series: cumulative buckets, sum and count. */
  samples(name: string, labels: Labels): Sample[] {
    const samples: Sample[] = [];
    let cumulative = 0;
    for (let i = 0; i < this.buckets.length; i++) {
      cumulative += this.counts[i]!;
      samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le: this.buckets[i]! }, value: cumulative });
    }
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: this.count });
    samples.push({ metricName: `${name}_sum`, labels, value: this.sum });
    samples.push({ metricName: `${name}_count`, labels, value: this.count });
    return samples;
  }
}

/**
 * The figures of one node. Declare them once, beside the code that moves them; a second call with the same name and
 * other labels adds a series. Everything is read when Prometheus asks, so counting costs nanoseconds.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #families = new Map<string, Family>();
  readonly #before: (() => void)[] = [];

  readonly contentType = this.#registry.contentType;

  /** @param name by custom ends in `_total` */
  counter(name: string, help: string, labels: Labels = {}): Counter {
    const counter: Counter = { n: 0 };
    this.#series('counter', name, help, () => [{ labels, value: counter.n }]);
    return counter;
  }

  /** A value read at scrape time. */
  gauge(name: string, help: string, read: () => number, labels: Labels = {}): void {
    this.#series('gauge', name, help, () => [{ labels, value: read() }]);
  }

  /** Several values read at scrape time, told apart by one label (RocksDB properties, queue depths by kind …). */
  gauges(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    this.#series('gauge', name, help, () => labelled(label, read()));
  }

  /** As `gauges`, for values that only rise and are counted elsewhere. */
  counters(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    this.#series('counter', name, help, () => labelled(label, read()));
  }

  /** @param buckets rising upper bounds, in the unit the name ends in */
  histogram(name: string, help: string, buckets: readonly number[] = SECONDS_BUCKETS, labels: Labels = {}): Histogram {
    const histogram = new Histogram(buckets);
    this.#series('histogram', name, help, () => histogram.samples(name, labels));
    return histogram;
  }

  /** Runs `read` once before each scrape: to take one snapshot that several gauges read from. */
  collect(read: () => void): void {
    this.#before.push(read);
  }

  /**
   * Adds Node's own figures: CPU, memory, file descriptors, garbage collection and the event loop's lag by
   * `perf_hooks.monitorEventLoopDelay`. Once a process, since the lag's extremes start anew at every scrape.
   * @param lagResolutionMs how often the lag is sampled
   */
  addProcessMetrics(lagResolutionMs: number): void {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: lagResolutionMs });
  }

  /** Prometheus text format 0.0.4, of the type `contentType`. */
  async text(): Promise<string> {
    for (const read of this.#before) read();
    return this.#registry.metrics();
  }

  #series(type: string, name: string, help: string, source: () => Sample[]): void {
    const known = this.#families.get(name);
    if (known !== undefined) {
      assert(known.type === type, `metric ${name} is a ${known.type}, not a ${type}`);
      assert(known.sources.length < SERIES_MAX, `metric ${name} has too many series`);
      known.sources.push(source);
      return;
    }
    const family: Family = { type, sources: [source] };
    this.#families.set(name, family);
    const get = async () => ({ name, help, type, values: family.sources.flatMap((read) => read()) });
    // The registry asks its metrics only for `name`, `type` and `get()`; prom-client's own classes would count in maps
    // keyed by label hashes, 0.3 µs a count.
    this.#registry.registerMetric({ name, help, type, get } as unknown as Metric);
  }
}

function labelled(label: string, values: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));
}
