import type { Test } from 'tap';
import { type ClusterNodeProcess, type RunningCluster, startCluster } from '../../scripts/cluster-run.ts';
import { until } from '../clients/until.ts';
import { WireClient } from '../clients/wire-client.ts';
import { parsePrometheus } from './prometheus.ts';
import { type Finished, fetched, rookery, temporaryFolder } from './rookery.ts';

/** ms for copies to be made, or a node to start, on a slow machine */
export const PATIENCE_MS = 60_000;
export const SHARDS = 24;

export interface Shard {
  readonly shard: number;
  readonly epoch: number;
  readonly leader?: string;
  readonly isr: readonly string[];
  readonly replicas: readonly string[];
  readonly state: string;
}

export interface NodeRow {
  readonly node: string;
  readonly state: string;
  readonly gone: boolean;
  readonly leads: number;
  readonly copies: number;
  readonly inSync: number;
}

/** The cluster as its operator has it: the command, asked at one of the nodes. */
export class Desk {
  readonly cluster: RunningCluster;

  constructor(cluster: RunningCluster) {
    this.cluster = cluster;
  }

  node(number: number): ClusterNodeProcess {
    return this.cluster.nodes[number - 1]!;
  }

  /** @param at number of the node that is asked, from 1 */
  run(at: number, ...args: string[]): Promise<Finished> {
    return rookery([...args, '--data-dir', this.node(at).folder], { ROOKERY_CLUSTER_NAME: this.cluster.name });
  }

  async json<T>(at: number, ...args: string[]): Promise<T> {
    const { code, out, err } = await this.run(at, ...args, '--json');
    if (code !== 0 && out === '') throw new Error(`rookery ${args.join(' ')}: code ${code}: ${err}`);
    return JSON.parse(out) as T;
  }

  shards(at: number, ...args: string[]): Promise<Shard[]> {
    return this.json(at, 'shards', ...args);
  }

  async row(at: number, node: string): Promise<NodeRow | undefined> {
    return (await this.json<NodeRow[]>(at, 'nodes')).find((one) => one.node === node);
  }

  /** @param holds of every shard */
  async allShards(what: string, at: number, holds: (shard: Shard) => boolean): Promise<void> {
    await until(what, async () => (await this.shards(at)).every(holds), PATIENCE_MS);
  }

  /** SIGTERM. @returns exit code */
  async stop(number: number): Promise<number | null | undefined> {
    const node = this.node(number);
    const gone = node.gone();
    process.kill(node.pid!, 'SIGTERM');
    return (await gone)?.code;
  }
}

export const isHealthy = ({ state }: Shard): boolean => state === 'healthy';
export const ready = ({ httpUrl }: ClusterNodeProcess) => fetched(`${httpUrl}/readyz`);

export async function started(t: Test): Promise<Desk> {
  const cluster = await startCluster({
    dir: await temporaryFolder(t),
    port: 0,
    servers: 1,
    shards: SHARDS,
    env: {
      ROOKERY_LOGIN_ITERATIONS: '4096',
      ROOKERY_CLUSTER_REPLACE_AFTER_MS: '3000',
      ROOKERY_NODE_DRAIN_MS: '10000',
    },
  });
  t.teardown(async () => {
    cluster.endNow();
    await cluster.stop();
  });
  return new Desk(cluster);
}

/** One sample of a node's /metrics. */
export async function figure(node: ClusterNodeProcess, sample: string): Promise<number> {
  const families = parsePrometheus((await fetched(`${node.httpUrl}/metrics`)).body);
  return families.get(sample.replace(/\{.*/, ''))?.samples.get(sample) ?? Number.NaN;
}

/** One chat all along: what it was told is kept must be there in the end. */
export class Chat {
  readonly sent: string[] = [];
  readonly #from: WireClient;

  private constructor(from: WireClient) {
    this.#from = from;
  }

  static async start(url: string): Promise<Chat> {
    return new Chat(await WireClient.login(url, { user: 'user2', password: 'of user2' }, 'desk'));
  }

  /** Sends and waits until it is acknowledged. */
  async say(): Promise<void> {
    const id = `m${this.sent.length + 1}`;
    this.#from.chat('user3@localhost', id, id);
    this.sent.push(id);
    this.#from.requestAck();
    await until(`${id} to be acknowledged`, () => this.#from.acked === this.#from.sent);
  }

  async archived(url: string): Promise<(string | undefined)[]> {
    const reader = await WireClient.login(url, { user: 'user3', password: 'of user3' }, 'audit');
    const ids = (await reader.archive()).map(({ originId }) => originId);
    reader.cut();
    return ids;
  }
}
