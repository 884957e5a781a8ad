import type { ClusterNodeProcess } from '../../scripts/cluster-run.ts';
import { chatKey, directChatId, sessionKey } from '../../src/actors/keys.ts';
import { shardOf } from '../../src/base/hash.ts';
import { adminClient } from '../../src/http/admin-client.ts';
import type { ClusterNode, ClusterShard } from '../../src/http/admin-cluster.ts';
import { adminSocketPath } from '../../src/http/admin-socket.ts';
import type { Context } from '../context.ts';
import { histogram, nowUs } from '../meter.ts';
import { latencyOf, type Phase } from '../report.ts';
import { type ClusterBed, startClusterBed } from './bed.ts';
import { median, type SteadyLoad, type SteadyOptions, steadily } from './steady.ts';

/** What it is to reach (issue 3, Figures). */
export const FAILOVER_MS_MOST = 3_000;
export const PAUSE_MS_MOST = 200;
/** ms of load after an event is over */
export const AFTER_MS = 3_000;
/** ms between two looks at the cluster: each is an answer of a thousand shards */
const LOOK_MS = 1_000;

/** The node itself, asked through its admin socket. */
export const adminOf = (node: ClusterNodeProcess) => adminClient(adminSocketPath(node.folder)).cluster;

/** A cluster under the steady load, ended afterwards. */
export async function onCluster<O extends SteadyOptions>(
  context: Context<O & { readonly nodes: number }>,
  event: (bed: ClusterBed, load: SteadyLoad) => Promise<void>,
): Promise<void> {
  const { options, report, progress } = context;
  const bed = await startClusterBed(options, options.nodes, progress);
  try {
    const own = { ...options, url: bed.url, name: bed.name };
    await steadily({ ...context, target: bed, options: own }, (load) => event(bed, load));
    if ((report.phases.at(-1)?.checks?.duplicated ?? 0) > 0) {
      report.notes.push(
        'duplicated is what live streams saw: one that is bound anew gets again what its client had not acknowledged. ' +
          'The archives say what is stored.',
      );
    }
    for (const line of bed.died) report.notes.push(line);
  } finally {
    await bed.stop();
  }
}

/** Where what a writer's acknowledgement needs was led. */
export type Stood = 'its chat was led there' | 'its session was led there' | 'its socket was there' | 'not concerned';

/** The first of these that is true of the writer: user i, whose partner is i ^ 1. */
export function stoodOf(
  users: readonly string[],
  i: number,
  socketAt: string,
  shards: readonly ClusterShard[],
  node: { readonly id: string; readonly url: string },
): Stood {
  const leads = (key: string) => shards[shardOf(key, shards.length)]?.leader === node.id;
  if (leads(chatKey(directChatId(users[i]!, users[i ^ 1]!)))) return 'its chat was led there';
  if (leads(sessionKey(users[i]!))) return 'its session was led there';
  return socketAt === node.url ? 'its socket was there' : 'not concerned';
}

export const STOOD: readonly Stood[] = [
  'its chat was led there',
  'its session was led there',
  'its socket was there',
  'not concerned',
];

/** Times by what was hit, as phases: an operation is a writer. Writers without a time are told as errors. */
export function hitPhases(name: string, target: string, times: ReadonlyMap<Stood, (number | undefined)[]>): Phase[] {
  return STOOD.flatMap((stood) => {
    const all = times.get(stood) ?? [];
    const known = all.filter((ms) => ms !== undefined);
    if (all.length === 0) return [];
    const of = histogram();
    for (const ms of known) of.recordValue(Math.max(1, Math.round(ms * 1000)));
    const never = all.length - known.length;
    return [
      {
        name: `${name}: ${stood}`,
        target,
        unit: 'writer that writes again',
        seconds: 0,
        operations: known.length,
        perSecond: 0,
        ...(known.length === 0 ? {} : { latency: latencyOf(of) }),
        ...(never === 0 ? {} : { errors: { 'writers that did not write again in time': never } }),
      },
    ];
  });
}

export interface Looks {
  readonly nodes: readonly ClusterNode[];
  readonly healthy: number;
  readonly shards: number;
}

/** Looks at the cluster once a second until it is as wanted, or `ms` are over. @returns whether it came to be so */
export async function lookUntil(
  load: SteadyLoad,
  what: string,
  ms: number,
  node: ClusterNodeProcess,
  wanted: (looks: Looks) => boolean,
): Promise<boolean> {
  const until = nowUs() + ms * 1000;
  while (nowUs() < until) {
    const admin = adminOf(node);
    const [nodes, shards] = await Promise.all([admin.nodes(), admin.shards()]);
    if (wanted({ nodes, healthy: shards.filter(({ state }) => state === 'healthy').length, shards: shards.length })) {
      return true;
    }
    await load.wait(what, LOOK_MS);
  }
  return false;
}

/** The median of what is known; undefined when nothing is. */
export function medianOf(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((ms) => ms !== undefined);
  return known.length === 0 ? undefined : median(known);
}
