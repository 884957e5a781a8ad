import type { ClusterNodeProcess } from '../../scripts/cluster-run.ts';
import type { Context } from '../context.ts';
import { nowUs } from '../meter.ts';
import type { Report } from '../report.ts';
import type { ClusterBed } from './bed.ts';
import { AFTER_MS, adminOf, type Looks, lookUntil, onCluster, PAUSE_MS_MOST } from './events.ts';
import { median, type Seen, type SteadyLoad, type SteadyOptions } from './steady.ts';
import { errorsOf } from './writer.ts';

export interface MoveOptions extends SteadyOptions {
  readonly nodes: number;
}

/** A new node counts as filled with this share of what it is to lead. */
const FILLED = 0.95;
/** ms for a node to stop by itself */
const STOP_MS_MAX = 20_000;

/** One node more under load: it gets copies and leaderships, and no writer should notice. */
export async function join(context: Context<MoveOptions>): Promise<void> {
  const { options, report } = context;
  await onCluster(context, async (bed, load) => {
    const before = load.next('join');
    const began = nowUs();
    load.pauses.event('join', nowUs());
    const node = await bed.cluster.addNode();
    const share = (looks: Looks) => (looks.nodes.find((one) => one.node === node.id)?.leads ?? 0) / looks.shards;
    const filled = await lookUntil(load, `${node.id} fills`, options.limit * 1000, node, (looks) => {
      return looks.healthy === looks.shards && share(looks) >= FILLED / (options.nodes + 1);
    });
    await conclude(report, load, node, began, filled);
    await load.wait('afterwards', AFTER_MS);
    pauseRatios(report, 'join', before, load.next('after'));
  });
}

/** A node is emptied, then stopped. Its clients are told to go when it stops, and come back elsewhere. */
export async function drain(context: Context<MoveOptions>): Promise<void> {
  const { options, report } = context;
  await onCluster(context, async (bed, load) => {
    const node = bed.cluster.nodes.at(-1)!;
    const [asked] = bed.cluster.nodes;
    const before = load.next('drain');
    const began = nowUs();
    load.pauses.event('drain', nowUs());
    await adminOf(asked!).drain(node.id);
    const empty = await drained(load, asked!, node, options.limit * 1000);
    await conclude(report, load, node, began, empty);
    await load.wait('drained', AFTER_MS);
    const draining = load.next('stop');
    pauseRatios(report, 'drain', before, draining);
    await stopped(bed, load, node);
    await load.wait('afterwards', AFTER_MS);
    pauseRatios(report, 'stop of the drained node', before, load.next('after'), false);
  });
}

/** As a load balancer would: no new clients first, then SIGTERM. */
async function stopped({ cluster }: ClusterBed, load: SteadyLoad, node: ClusterNodeProcess): Promise<void> {
  const at = load.urls.indexOf(node.webSocketUrl);
  if (at >= 0) load.urls.splice(at, 1);
  load.pauses.event('SIGTERM', nowUs());
  await cluster.nodes.find(({ id }) => id === node.id)!.stop(STOP_MS_MAX);
}

/** Looks until the node is empty, cannot become so, or time is up. */
async function drained(
  load: SteadyLoad,
  asked: ClusterNodeProcess,
  node: ClusterNodeProcess,
  ms: number,
): Promise<boolean> {
  const until = nowUs() + ms * 1000;
  while (nowUs() < until) {
    const { done, blocked, leads, copies } = await adminOf(asked).drainProgress(node.id);
    if (done || blocked) return done;
    await load.wait(`${node.id} still leads ${leads} shards, has ${copies} copies`, 500);
  }
  return false;
}

async function conclude(
  report: Report,
  load: SteadyLoad,
  node: ClusterNodeProcess,
  began: number,
  finished: boolean,
): Promise<void> {
  const seconds = (nowUs() - began) / 1e6;
  const self = (await adminOf(node).nodes()).find((one) => one.node === node.id);
  const left = `${node.id} leads ${self?.leads} shards and has ${self?.copies} copies`;
  report.notes.push(`${finished ? 'done' : 'NOT done'} after ${seconds.toFixed(1)} s: ${left}`);
  load.pauses.event(finished ? 'done' : 'given up', nowUs());
}

/** The pause lies between the two. `seen` is the stretch that the event was in, `before` the one before it. */
function pauseRatios(report: Report, name: string, before: Seen, seen: Seen, goal = true): void {
  const most = goal ? { atMost: PAUSE_MS_MOST } : {};
  const usual = `median writer before: ${median(before.gapsMs).toFixed(0)}, longest: ${Math.max(...before.gapsMs).toFixed(0)}`;
  report.ratios.push(
    { name: `${name}, longest wait of a write`, value: Math.max(...seen.waitsMs), unit: 'ms', ...most },
    { name: `${name}, longest gap of a writer (${usual})`, value: Math.max(...seen.gapsMs), unit: 'ms' },
    {
      name: `${name}, errors that clients saw (stanza errors and closed streams)`,
      value: errorsOf(seen.clients),
      unit: '',
      ...(goal ? { atMost: 0 } : {}),
    },
  );
}
