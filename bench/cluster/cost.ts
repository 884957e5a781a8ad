import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { Meter } from '../meter.ts';
import { pin } from '../proc.ts';
import type { Phase, Report } from '../report.ts';
import { pairs } from '../scenarios/pairs.ts';
import { half, pairFloor, relayPhase } from '../scenarios/relay.ts';
import { type Bed, type BedOptions, startClusterBed, startSingle } from './bed.ts';

export interface CostOptions extends BedOptions {
  readonly users: number;
  readonly outstanding: number;
  readonly body: number;
  /** seconds */
  readonly warmup: number;
  /** seconds, of each measured stretch */
  readonly duration: number;
  /** messages a second of the half load; half of what the first cluster did without a limit when left out */
  readonly rate?: number;
  /** seconds for which a cluster is watched before anything is sent */
  readonly idle: number;
}

/** A cluster has much to write when it has just begun, ms. */
const settleMs = 5_000;
const FULL = 'full load';
const HALF = 'half load';

/** What it is to reach (issue 3, Figures). */
const COST_MOST = 2.5;
const SCALE_MOST = 1.3;
const P99_MS_MOST = 25;

/**
 * Three nodes with three copies against one node by itself: the relay, the cluster and the single node under the same
 * load in one run, then the relay again, each server alone on the machine.
 */
export async function cost(context: Context<CostOptions & { readonly nodes: number }>): Promise<void> {
  const { options, report, progress, signal } = context;
  const name = `cluster of ${options.nodes}`;
  await between(context, async () => {
    const rate = await measure(context, await startClusterBed(options, options.nodes, progress), options.rate);
    if (!signal.aborted) await measure(context, await startSingle(options, progress), rate);
    return rate;
  });
  for (const load of [FULL, HALF]) {
    ratio(report, `${name} / single node, nodes alone, ${load}`, load, name, 'single node', COST_MOST);
    ratio(report, `${name} with its nats-servers / single node, ${load}`, load, name, 'single node', undefined, true);
  }
  for (const load of [FULL, HALF]) {
    for (const server of ['single node', name]) ratio(report, `${server} / relay, ${load}`, load, server, 'relay');
  }
  const p99 = phaseOf(report, name, HALF)?.latency?.p99Ms;
  if (p99 !== undefined)
    report.ratios.push({ name: `${name}, p99 at half load`, value: p99, unit: 'ms', atMost: P99_MS_MOST });
}

/** The same load on clusters of different sizes: what a message costs must not rise with the nodes. */
export async function scale(context: Context<CostOptions & { readonly sizes: readonly number[] }>): Promise<void> {
  const { options, report, progress, signal } = context;
  await between(context, async () => {
    let rate = options.rate;
    for (const nodes of options.sizes) {
      if (!signal.aborted) rate = await measure(context, await startClusterBed(options, nodes, progress), rate);
    }
    return rate;
  });
  const [first, ...others] = options.sizes.map((nodes) => `cluster of ${nodes}`);
  for (const other of others) {
    for (const load of [FULL, HALF]) {
      ratio(report, `${other} / ${first}, nodes alone, ${load}`, load, other, first!, SCALE_MOST);
      ratio(report, `${other} / ${first}, with nats-servers, ${load}`, load, other, first!, undefined, true, true);
    }
  }
  report.notes.push(
    'The load is the same on all sizes, so a node of a larger cluster has less to do and gathers fewer messages a tick.',
  );
}

/** Runs `work` with the relay before and after, and the relay at the rate of the half load, which `work` tells. */
async function between(context: Context<CostOptions>, work: () => Promise<number | undefined>): Promise<void> {
  const { options, report, signal } = context;
  if (options.pin) pin(process.pid, options.loadCore);
  const { rate: _, ...closed } = options;
  const relay = async (name: string, rate?: number) => {
    if (signal.aborted) return;
    const pattern = { ...closed, ...(rate === undefined ? {} : { rate }) };
    report.phases.push(await relayPhase(half({ ...context, options: pattern }), pairFloor(options), name));
  };
  await relay(`relay before, ${FULL}`);
  const rate = await work();
  await relay(`relay after, ${FULL}`);
  if (rate !== undefined) await relay(`relay, ${HALF}`, rate);
}

/** Full load, then half load; the bed is ended. @returns the rate of the half load, messages a second */
async function measure(context: Context<CostOptions>, bed: Bed, rate: number | undefined): Promise<number> {
  const { report, signal } = context;
  try {
    if (bed.monitorUrls.length > 0 && context.options.idle > 0) report.phases.push(await idlePhase(context, bed));
    const full = await load(context, bed, FULL);
    const halfRate = rate ?? Math.max(1, Math.round(full.perSecond / 2));
    if (!signal.aborted) await load(context, bed, HALF, halfRate);
    return halfRate;
  } finally {
    await bed.stop();
  }
}

async function load(context: Context<CostOptions>, bed: Bed, what: string, rate?: number): Promise<Phase> {
  const { options, report } = context;
  const { rate: _, ...rest } = options;
  const pattern = { relay: false, sm: false, smEvery: 5, verify: false, ...(rate === undefined ? {} : { rate }) };
  await pairs({ ...context, target: bed, options: { ...rest, ...pattern, name: bed.name, url: bed.url } });
  const phase = report.phases.at(-1)!;
  const { pids, parts } = bed.measured;
  const extra = bed.counters.extra(phase, pids.length, parts?.['nats-servers']?.length ?? 0);
  const named = { ...phase, name: `${bed.name}, ${what}`, extra };
  report.phases[report.phases.length - 1] = named;
  return named;
}

/** What a cluster costs when nothing happens. The operation is a second. */
async function idlePhase({ options, progress, signal }: Context<CostOptions>, bed: Bed): Promise<Phase> {
  const meter = new Meter(bed.measured);
  await sleep(settleMs);
  await bed.edge('start');
  meter.start();
  for (let second = 0; second < options.idle && !signal.aborted; second++) {
    progress.show(`${bed.name}: idle ${second}/${options.idle} s`);
    await sleep(1_000);
    meter.operations++;
  }
  const { latency: _, ...phase } = meter.stop(`${bed.name}, idle`, bed.name, 'second');
  await bed.edge('stop');
  const extra = bed.counters.extra({ perSecond: 1 }, bed.measured.pids.length, bed.monitorUrls.length);
  const perSecond = Object.entries(extra).map(([name, value]) => [name.replace('per message', 'per second'), value]);
  return { ...phase, extra: Object.fromEntries(perSecond) as Record<string, number> };
}

function phaseOf({ phases }: Report, target: string, load: string): Phase | undefined {
  return phases.find((phase) => phase.name === `${target}, ${load}`);
}

/** CPU of a message, µs; the mean of the relay's two phases. */
function costOf(report: Report, target: string, load: string, withParts: boolean): number {
  const phases =
    target === 'relay'
      ? report.phases.filter((phase) => phase.target === 'relay' && phase.name.endsWith(load))
      : [phaseOf(report, target, load)];
  const each = phases.map((phase) => {
    const parts = Object.values(phase?.parts ?? {}).reduce((sum, part) => sum + part.perOperationUs, 0);
    return (phase?.server?.perOperationUs ?? Number.NaN) + (withParts ? parts : 0);
  });
  return each.reduce((a, b) => a + b, 0) / each.length;
}

/** Left out when one of the two was not measured. */
function ratio(
  report: Report,
  name: string,
  load: string,
  above: string,
  below: string,
  atMost?: number,
  withParts = false,
  withPartsBelow = false,
): void {
  const value = costOf(report, above, load, withParts) / costOf(report, below, load, withPartsBelow);
  if (Number.isFinite(value)) report.ratios.push({ name, value, ...(atMost === undefined ? {} : { atMost }) });
}
