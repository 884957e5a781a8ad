import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterNodeProcess, RunningCluster } from '../../scripts/cluster-run.ts';
import type { Random } from '../../src/base/random.ts';
import { adminClient } from '../../src/http/admin-client.ts';
import type { ClusterAdmin, ClusterNode, ClusterShard } from '../../src/http/admin-cluster.ts';
import { adminSocketPath } from '../../src/http/admin-socket.ts';
import type { Load } from './load.ts';

/** What a run works on, and what it looks at as an operator would. */
export interface WorldParts {
  readonly cluster: RunningCluster;
  readonly load: Load;
  readonly random: Random;
  /** id of the node whose data folder is a small file system of its own; undefined where none could be mounted */
  readonly smallDisk: string | undefined;
}

/** Longest waits, ms, after which a run has failed: an answer of an operator's command, a whole cluster. */
const ANSWER_MS_MAX = 8_000;
const WHOLE_MS_MAX = 120_000;
export const READY_MS_MAX = 90_000;
const POLL_MS = 100;
const PICTURED_MAX = 8;
const ERROR_LEVELS: readonly unknown[] = ['error', 'fatal'];
/** What a process that falls prints outside of its log. */
const FALLEN = /Error\b|FATAL|[Uu]ncaught|^rookery: /;

export class World {
  readonly cluster: RunningCluster;
  readonly load: Load;
  readonly random: Random;
  readonly smallDisk: string | undefined;
  /** nodes that are to be there when all is healed */
  readonly wanted: Set<ClusterNodeProcess>;
  readonly #logRead = new Map<string, number>();

  constructor(parts: WorldParts) {
    this.cluster = parts.cluster;
    this.load = parts.load;
    this.random = parts.random;
    this.smallDisk = parts.smallDisk;
    this.wanted = new Set(parts.cluster.nodes);
  }

  any<T>(things: Iterable<T>): T {
    const all = [...things];
    return all[this.random.int(all.length)]!;
  }

  node(id: string): ClusterNodeProcess {
    const node = this.cluster.nodes.find((one) => one.id === id);
    if (node === undefined) throw new Error(`there is no ${id}`);
    return node;
  }

  /** what an operator can ask of the node */
  admin(node: ClusterNodeProcess): ClusterAdmin {
    return adminClient(adminSocketPath(node.folder)).cluster;
  }

  /** The leader of some shard. */
  async leader(): Promise<ClusterNodeProcess> {
    return this.node((await this.#someShard()).leader!);
  }

  /** An in-sync copy of some shard that does not lead it. */
  async follower(): Promise<ClusterNodeProcess> {
    const { leader, isr } = await this.#someShard();
    return this.node(this.any(isr.filter((id) => id !== leader)));
  }

  /** The node with the most sockets. */
  gateway(): ClusterNodeProcess {
    const sockets = (node: ClusterNodeProcess): number =>
      this.load.devices.filter(({ url }) => url === node.webSocketUrl).length;
    return [...this.wanted].sort((a, b) => sockets(b) - sockets(a))[0]!;
  }

  /** Every wanted node is ready and sees all shards whole. @throws Error with what it sees when it takes too long */
  async whole(): Promise<void> {
    const until = performance.now() + WHOLE_MS_MAX;
    for (const node of this.wanted) await node.ready(READY_MS_MAX);
    for (let ill = await this.#ill(); ill !== undefined; ill = await this.#ill()) {
      if (performance.now() > until) throw new Error(`not whole after ${WHOLE_MS_MAX / 1000} s: ${ill}`);
      await sleep(POLL_MS);
    }
  }

  /** What every node says of the nodes and shards, for the report of a run that failed. */
  async picture(): Promise<string[]> {
    const lines: string[] = [];
    for (const node of this.cluster.nodes) {
      if (node.pid === undefined) continue;
      const admin = this.admin(node);
      const nodes = await inTime(admin.nodes()).catch((error: Error) => error.message);
      const shards = await inTime(admin.shards()).catch(() => []);
      const ill = shards.filter(({ state }) => state !== 'healthy');
      if (typeof nodes === 'string') lines.push(`${node.id} says ${nodes}`);
      else lines.push(`${node.id} sees ${nodes.map(describeNode).join('; ')}; ${ill.length} shards not healthy`);
      lines.push(...ill.slice(0, PICTURED_MAX).map((shard) => `  ${describe(shard)}`));
    }
    return lines;
  }

  /** @returns errors in the nodes' logs since the last call, each once with its count: `node-1: message × 3` */
  logErrors(): string[] {
    const counts = new Map<string, number>();
    for (const { id, logFile } of this.cluster.nodes) {
      if (!existsSync(logFile)) continue;
      const lines = readFileSync(logFile, 'utf8').split('\n');
      for (const line of lines.slice(this.#logRead.get(id) ?? 0)) {
        const what = errorOf(line);
        if (what !== undefined) counts.set(`${id}: ${what}`, (counts.get(`${id}: ${what}`) ?? 0) + 1);
      }
      this.#logRead.set(id, lines.length - 1);
    }
    return [...counts].map(([what, count]) => (count === 1 ? what : `${what} × ${count}`));
  }

  async #ill(): Promise<string | undefined> {
    for (const node of this.wanted) {
      const shards = await inTime(this.admin(node).shards()).catch((error: Error) => error.message);
      if (typeof shards === 'string') return `${node.id} says ${shards}`;
      const bad = shards.filter(({ state }) => state !== 'healthy');
      if (bad.length > 0) return `${node.id} sees ${bad.length} shards that are not healthy, ${describe(bad[0]!)}`;
    }
    return undefined;
  }

  async #someShard(): Promise<ClusterShard> {
    return this.any(await inTime(this.admin(this.any(this.wanted)).shards()));
  }
}

function describeNode({ node, state, suspectedForMs, leads, copies, inSync, planner }: ClusterNode): string {
  const silent = suspectedForMs > 0 ? ` silent for ${suspectedForMs} ms` : '';
  return `${node} ${state}${silent}${planner ? ' (planner)' : ''} leads ${leads}, ${copies} copies, ${inSync} in sync`;
}

function describe({ shard, epoch, leader, isr, replicas, state }: ClusterShard): string {
  return `shard ${shard} ${state} epoch ${epoch} leader ${leader} isr [${isr}] replicas [${replicas}]`;
}

/** What a line of a node's log complains about; undefined for anything below an error. */
function errorOf(line: string): string | undefined {
  if (!line.startsWith('{')) return FALLEN.test(line) ? line : undefined;
  try {
    const { level, msg, err, reason, detail } = JSON.parse(line) as Record<string, unknown>;
    if (!ERROR_LEVELS.includes(level)) return undefined;
    const why = (err as { message?: string } | undefined)?.message ?? [reason, detail].filter(Boolean).join(', ');
    return `${msg}${why ? ` (${why})` : ''}`;
  } catch {
    return `half a line: ${line.slice(0, 200)}`; // a killed process ends in the middle of one
  }
}

/** @throws Error when the node does not answer in time */
export async function inTime<T>(answer: Promise<T>): Promise<T> {
  const stop = new AbortController();
  const late = sleep(ANSWER_MS_MAX, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`no answer within ${ANSWER_MS_MAX} ms`);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    stop.abort();
    late.catch(() => undefined); // aborted: nobody waits for it any more
  }
}
