import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { nowUs } from '../meter.ts';
import type { ClusterBed } from './bed.ts';
import {
  AFTER_MS,
  adminOf,
  FAILOVER_MS_MOST,
  hitPhases,
  lookUntil,
  medianOf,
  onCluster,
  STOOD,
  type Stood,
  stoodOf,
} from './events.ts';
import type { SteadyLoad, SteadyOptions } from './steady.ts';

export interface FailoverOptions extends SteadyOptions {
  readonly nodes: number;
  /** nodes killed, one after the other, each back before the next */
  readonly rounds: number;
}

/** ms for a killed node to be ready again */
const READY_MS_MAX = 60_000;

/**
 * kill -9 of a node under load. For each writer: the time from the kill to the first acknowledgement of a write that
 * left after it, by what of the writer's stood at the node.
 */
export async function failover(context: Context<FailoverOptions>): Promise<void> {
  const { options, report, signal } = context;
  const times = new Map<Stood, (number | undefined)[]>(STOOD.map((stood) => [stood, []]));
  await onCluster(context, async (bed, load) => {
    load.next('killed');
    for (let round = 0; round < options.rounds && !signal.aborted; round++) {
      if (round > 0) await comeBack(context, bed, load, round - 1);
      await killOne(context, bed, load, round, times);
    }
    await load.wait('afterwards', AFTER_MS);
    load.next('after');
  });
  report.phases.push(...hitPhases('kill', `cluster of ${options.nodes}`, times));
  const its = [...(times.get(STOOD[0]!) ?? []), ...(times.get(STOOD[1]!) ?? [])];
  for (const [name, value, most] of [
    ['writes go on after a kill, chats led there, median', medianOf(times.get(STOOD[0]!) ?? []), FAILOVER_MS_MOST],
    ['the same with sessions led there, median', medianOf(its), FAILOVER_MS_MOST],
    ['the same, the longest', its.includes(undefined) ? undefined : Math.max(...(its as number[])), undefined],
  ] as const) {
    if (value !== undefined && Number.isFinite(value))
      report.ratios.push({ name, value, unit: 'ms', ...(most === undefined ? {} : { atMost: most }) });
  }
}

const victimOf = (bed: ClusterBed, round: number) => bed.cluster.nodes[(round + 1) % bed.cluster.nodes.length]!;
const otherOf = (bed: ClusterBed, round: number) => bed.cluster.nodes[round % bed.cluster.nodes.length]!;

async function killOne(
  { options }: Context<FailoverOptions>,
  bed: ClusterBed,
  load: SteadyLoad,
  round: number,
  times: ReadonlyMap<Stood, (number | undefined)[]>,
): Promise<void> {
  const victim = victimOf(bed, round);
  const shards = await adminOf(otherOf(bed, round)).shards();
  const users = Array.from({ length: options.users }, (_, i) => `${options.prefix}${i}@${options.domain}`);
  const at = { id: victim.id, url: victim.webSocketUrl };
  const stood = load.writers.map((writer, i) => stoodOf(users, i, writer.url, shards, at));
  load.pauses.event(`kill ${victim.id}`, nowUs());
  load.pauses.mark(nowUs());
  await victim.kill('SIGKILL');
  const first = () => load.writers.map((_, i) => load.pauses.firstMs(i));
  await load.wait(`${victim.id} killed`, options.limit * 1000, () => !first().includes(undefined));
  for (const [i, ms] of first().entries()) times.get(stood[i]!)!.push(ms);
}

/** Starts the killed node again and waits until every shard has all its copies. */
async function comeBack(
  { options, report }: Context<FailoverOptions>,
  bed: ClusterBed,
  load: SteadyLoad,
  round: number,
): Promise<void> {
  const victim = victimOf(bed, round);
  await victim.restart(READY_MS_MAX);
  const whole = await lookUntil(load, `${victim.id} catches up`, options.limit * 1000, victim, (looks) => {
    return looks.healthy === looks.shards && (looks.nodes.find(({ node }) => node === victim.id)?.leads ?? 0) > 0;
  });
  if (!whole) report.notes.push(`${victim.id} was not whole again within ${options.limit} s: the next was killed then`);
  await sleep(1_000);
}
