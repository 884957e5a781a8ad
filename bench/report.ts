import type { Histogram } from 'hdr-histogram-js';
import type { Checks } from './flow.ts';
import type { Machine } from './machine.ts';

/** The JSON a run writes. Described field by field in docs/benchmarking.md; `schema` rises when a field changes. */
export interface Report {
  readonly schema: 'rookery-bench/1';
  readonly scenario: string;
  readonly startedAt: string;
  finishedAt: string;
  /** true when the run was stopped by hand: figures cover what was done until then */
  interrupted: boolean;
  /** every option of the run with its value; passwords left out */
  readonly options: Readonly<Record<string, unknown>>;
  readonly machine: Machine;
  readonly phases: Phase[];
  readonly ratios: Ratio[];
  /** of loads in which something happens: acknowledgements over time */
  timeline?: Timeline;
  /** one-line remarks a reader must know */
  readonly notes: string[];
}

/** Acknowledged writes over time, in bins, and what happened when. */
export interface Timeline {
  readonly binMs: number;
  readonly acknowledgedPerSecond: number[];
  /** longest wait of a write acknowledged in the bin, ms */
  readonly waitMsMax: number[];
  readonly events: { readonly atSeconds: number; readonly label: string }[];
}

/** One measured stretch of load on one server. */
export interface Phase {
  readonly name: string;
  /** what was driven: the server's name, or `relay` */
  readonly target: string;
  /** what one operation is: a delivered message, a login, a page … */
  readonly unit: string;
  readonly seconds: number;
  readonly operations: number;
  readonly perSecond: number;
  latency?: Latency;
  checks?: Checks;
  /** CPU of the server process with all its threads and children */
  server?: CpuUse;
  /** CPU told apart from the server's, by name: the nats-servers of a cluster */
  parts?: Readonly<Record<string, CpuUse>>;
  /** CPU of the load generator */
  load?: CpuUse;
  memory?: Memory;
  acks?: Acks;
  /** operations per second over time, `binMs` wide bins */
  series?: { readonly binMs: number; readonly perSecond: number[] };
  /** further figures by name, units in the name */
  extra?: Record<string, number>;
  errors?: Record<string, number>;
}

export interface CpuUse {
  readonly seconds: number;
  readonly perOperationUs: number;
  /** share of one core, 0..1 (above 1 with several cores) */
  readonly cores: number;
}

export interface Memory {
  readonly beforeKb: number;
  readonly afterKb: number;
  readonly sessions: number;
  readonly perSessionBytes: number;
}

/** What stream management promised, and what the archives hold of it afterwards. */
export interface Acks {
  readonly sent: number;
  readonly acknowledged: number;
  /** undefined when the archives were not looked at */
  archived?: {
    readonly archives: number;
    /** acknowledged messages that an archive does not hold */
    readonly missing: number;
    /** messages an archive holds more than once */
    readonly duplicated: number;
    /** messages an archive holds behind a later one of the same sender */
    readonly reordered: number;
    /** pairs whose two archives hold the same messages in different orders */
    readonly ordersDiffer: number;
  };
}

/** Milliseconds. `curve` has [percentile, ms] points for plots. */
export interface Latency {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  readonly curve: [percentile: number, ms: number][];
}

/** A figure that says something by itself. */
export interface Ratio {
  readonly name: string;
  readonly value: number;
  /** × when left out */
  readonly unit?: string;
  /** what it is to reach, in that unit */
  readonly atMost?: number;
}

const curvePercentiles = [
  0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 100,
];

const ms = (us: number) => Math.round(us) / 1000;

/** Figures of a histogram that was fed with µs. */
export function latencyOf(histogram: Histogram): Latency {
  const at = (percentile: number) => ms(histogram.getValueAtPercentile(percentile));
  return {
    count: histogram.totalCount,
    meanMs: ms(histogram.mean),
    p50Ms: at(50),
    p90Ms: at(90),
    p99Ms: at(99),
    p999Ms: at(99.9),
    maxMs: ms(histogram.maxValue),
    curve: curvePercentiles.map((p) => [p, at(p)]),
  };
}

export function cpuUse(us: number, operations: number, seconds: number): CpuUse {
  return {
    seconds: us / 1e6,
    perOperationUs: operations === 0 ? 0 : us / operations,
    cores: seconds === 0 ? 0 : us / 1e6 / seconds,
  };
}
