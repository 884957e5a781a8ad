import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type ClusterNodeProcess, type RunningCluster, startCluster } from '../../scripts/cluster-run.ts';
import { rookery } from '../operating/rookery.ts';
import { startCutProxy } from './cut-proxy.ts';
import { hopAt, type Site } from './site.ts';
import { until } from './until.ts';

/** ms for a node to be ready, or for all shards to have their copies again, on a slow machine */
const PATIENCE_MS = 60_000;
/** few: what is tried here is the way between nodes, and every shard has to be handed about */
const SHARDS = 64;

/** Three nodes and three nats-servers as real processes, for all scenarios of one file. */
export class ClusterSites {
  readonly #cluster: RunningCluster;
  #scenarios = 0;

  private constructor(cluster: RunningCluster) {
    this.#cluster = cluster;
  }

  static async start(t: Test): Promise<ClusterSites> {
    const dir = await mkdtemp(join(tmpdir(), 'rookery-clients-'));
    t.teardown(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));
    const cluster = await startCluster({
      dir,
      port: 0,
      shards: SHARDS,
      env: { ROOKERY_LOGIN_ITERATIONS: '4096', ROOKERY_REGISTRATION_PER_ADDRESS_PER_HOUR_MAX: '1000' },
    });
    t.teardown(() => cluster.stop());
    return new ClusterSites(cluster);
  }

  /** For one scenario: names of its own, and a hop that begins at the next node each time. */
  async next(t: Test): Promise<Site> {
    this.#scenarios += 1;
    const number = this.#scenarios;
    const { nodes } = this.#cluster;
    const nodeOf = (device: number): ClusterNodeProcess => nodes[(number + device) % nodes.length]!;
    let at = 0;
    let killed: ClusterNodeProcess | undefined;
    const proxy = await startCutProxy(() => nodeOf(at).port);
    t.teardown(() => proxy.close());
    const hop = hopAt(proxy);
    return {
      cluster: true,
      user: (name) => `${name}-${number}`,
      url: (device) => nodeOf(device).webSocketUrl,
      webUrl: (device) => `${nodeOf(device).httpUrl}/`,
      hop: {
        ...hop,
        cut: () => {
          hop.cut();
          at += 1;
        },
      },
      kill: async () => {
        killed = nodeOf(at);
        at += 1;
        await killed.kill();
      },
      start: async () => {
        if (killed === undefined) throw new Error('no node was killed');
        killed.start();
        await killed.ready(PATIENCE_MS);
        await this.#whole();
      },
    };
  }

  /** The next scenario kills another node: with copies missing its shards would stand still, as they should. */
  async #whole(): Promise<void> {
    const [{ folder }] = this.#cluster.nodes as [ClusterNodeProcess];
    await until(
      'every shard to have its copies',
      async () => {
        const { out } = await rookery(['status', '--json', '--data-dir', folder]);
        const { cluster } = JSON.parse(out) as { cluster: { shards: Readonly<Record<string, number>> } };
        return cluster.shards['healthy'] === SHARDS;
      },
      PATIENCE_MS,
    );
  }
}
