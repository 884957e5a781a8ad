import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningCluster, startCluster } from '../../scripts/cluster-run.ts';
import type { CommonOptions } from '../context.ts';
import type { Measured } from '../meter.ts';
import { rookery } from '../peers/rookery.ts';
import { pin } from '../proc.ts';
import type { Progress } from '../progress.ts';
import { startServer } from '../server-process.ts';
import { startTarget, type Target } from '../target.ts';
import { EdgeCounters, readCounters } from './counters.ts';

export interface BedOptions extends CommonOptions {
  /** of a cluster; the setting's default when left out */
  readonly shards?: number;
  /** of the single node; those of clusters are found */
  readonly port: number;
  /** folder for what the nodes keep; a temporary one when left out, removed afterwards */
  readonly dir?: string;
  /** leave the folders behind, with the nodes' logs */
  readonly keep?: boolean;
}

/** A server or cluster in a fresh folder, for one measurement. */
export interface Bed extends Target {
  readonly name: string;
  /** one a node, with commas between: for `--url` */
  readonly url: string;
  readonly measured: Measured;
  readonly httpUrls: readonly string[];
  /** of the nats-servers */
  readonly monitorUrls: readonly string[];
  readonly counters: EdgeCounters;
  readonly edge: (at: 'start' | 'stop') => Promise<void>;
}

/** A bed with its cluster, for those who hurt it. */
export interface ClusterBed extends Bed {
  readonly cluster: RunningCluster;
  /** nodes that ended by themselves */
  readonly died: readonly string[];
}

/** Nodes get this long to stop, ms: nothing of them is needed any more. */
const STOP_MS_MAX = 5_000;

/** One node by itself, as `npm start` runs it: no NATS, one copy. @throws Error when it does not come up */
export async function startSingle(options: BedOptions, progress: Progress): Promise<Bed> {
  const folder = freshFolder(options);
  const start = rookery.prepare(folder, options.port, true);
  const log = join(folder, 'output.log');
  const core = options.pin ? options.serverCore : undefined;
  const launch = () => startServer(start.command, start.args, { env: start.env, core, log });
  try {
    const target = await startTarget(start.url, launch, progress);
    const stop = async () => {
      await target.stop();
      leave(folder, options, progress);
    };
    return bedOf('single node', { pids: [target.pid!] }, [start.url], [], stop);
  } catch (error) {
    progress.say(readFileSync(log, 'utf8').slice(-2_000));
    leave(folder, options, progress);
    throw error;
  }
}

/** `nodes` nodes and three nats-servers. @throws Error when they do not get ready; what was started is ended */
export async function startClusterBed(options: BedOptions, nodes: number, progress: Progress): Promise<ClusterBed> {
  const folder = freshFolder(options);
  const died: string[] = [];
  let cluster: RunningCluster;
  try {
    cluster = await startCluster({
      nodes,
      dir: folder,
      port: 0,
      profile: 'bench',
      stopMsMax: STOP_MS_MAX,
      ...(options.shards !== undefined && { shards: options.shards }),
      progress: (line) => progress.show(line),
      died: (node, { code, signal }) => {
        died.push(`${node.id} ended (${signal ?? code})`);
        progress.say(`${node.id} ended (${signal ?? code}):\n${node.logEnd()}`);
      },
    });
  } catch (error) {
    leave(folder, options, progress);
    throw error;
  }
  const pidsOf = (all: readonly (number | undefined)[]) => all.filter((pid) => pid !== undefined);
  const measured = {
    pids: pidsOf(cluster.nodes.map(({ pid }) => pid)),
    parts: { 'nats-servers': pidsOf(cluster.nats.pids) },
  };
  if (options.pin)
    for (const pid of [...measured.pids, ...measured.parts['nats-servers']]) pin(pid, options.serverCore);
  const stop = async () => {
    await cluster.stop();
    leave(folder, options, progress);
  };
  const urls = cluster.nodes.map(({ webSocketUrl }) => webSocketUrl);
  const monitors = cluster.nats.ports.map(({ monitor }) => `http://127.0.0.1:${monitor}`);
  return Object.assign(bedOf(`cluster of ${nodes}`, measured, urls, monitors, stop), { cluster, died });
}

function bedOf(
  name: string,
  measured: Measured,
  urls: readonly string[],
  monitorUrls: readonly string[],
  stop: () => Promise<void>,
): Bed {
  const httpUrls = urls.map((url) => `http://${new URL(url).host}`);
  const bed: Omit<Bed, 'counters' | 'edge'> = {
    name,
    pid: measured.pids[0],
    measured,
    url: urls.join(','),
    httpUrls,
    monitorUrls,
    stop,
  };
  const counters: EdgeCounters = new EdgeCounters(() => readCounters(bed as Bed));
  return Object.assign(bed, { counters, edge: (at: 'start' | 'stop') => counters.edge(at) });
}

/** Removes what a bed wrote, unless it is to be kept. */
function leave(folder: string, { keep }: BedOptions, progress: Progress): void {
  if (keep === true) progress.say(`kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}

function freshFolder({ dir }: BedOptions): string {
  return mkdtempSync(join(dir ?? tmpdir(), 'rookery-bench-'));
}
