import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { type ClusterNet, openClusterNet } from './cluster-net.ts';
import { ClusterNodeProcess, type Ended } from './cluster-node.ts';
import { findNatsServer, type NatsCluster, startNatsCluster } from './nats-server.ts';

export type { ClusterNet } from './cluster-net.ts';
export type { ClusterNodeProcess, Ended } from './cluster-node.ts';

export interface StartClusterOptions {
  /** nodes at first, 2 at least: a write waits for two copies. 3 by default */
  readonly nodes?: number;
  /** nats-servers: 3, or 1 where losing it loses nothing */
  readonly servers?: 1 | 3;
  /** folders and logs of everything; made when missing, left behind, taken up again by the next start */
  readonly dir: string;
  /** port of the first node, the others count up; 0: free ones. 5280 by default */
  readonly port?: number;
  /** fixed for the life of `dir`; the setting's default when left out */
  readonly shards?: number;
  readonly profile?: 'default' | 'bench';
  readonly domain?: string;
  /** name of the cluster, 'local' by default */
  readonly name?: string;
  /** every node and nats-server in a network namespace of its own; root only */
  readonly netns?: boolean;
  /** further settings of all nodes, ROOKERY_… */
  readonly env?: Readonly<Record<string, string>>;
  /** path of nats-server; found, or fetched, when left out */
  readonly natsServer?: string;
  /** words that run `rookery`; the built command when left out */
  readonly command?: readonly string[];
  /** longest wait for a node to be ready, ms */
  readonly readyMsMax?: number;
  /** longest wait for a node to stop, ms; it is killed then */
  readonly stopMsMax?: number;
  /** a step that is begun */
  progress?(line: string): void;
  /** a node that ended by itself */
  died?(node: ClusterNodeProcess, ended: Ended): void;
}

export interface RunningCluster {
  readonly name: string;
  /** in the order of their start */
  readonly nodes: readonly ClusterNodeProcess[];
  readonly nats: NatsCluster;
  /** undefined without `netns`. Places are named after the nodes (`node-1`) and nats-servers (`nats-1`) */
  readonly net: ClusterNet | undefined;
  /** One more, with the next number; resolved when it is ready. */
  addNode(env?: Readonly<Record<string, string>>): Promise<ClusterNodeProcess>;
  /** Stops the nodes, which drain, all at once unless `one by one`, then the nats-servers. Idempotent. */
  stop(): Promise<void>;
  /** kill -9 of everything, without waiting. */
  endNow(): void;
}

const CACHE_DIR = '.cache';
/** Where all nodes stop at once the last two have nobody to hand over to, and wait for this long. */
const DRAIN_MS = 2_000;
const DEFAULTS = { nodes: 3, servers: 3, port: 5280, name: 'local', readyMsMax: 60_000, stopMsMax: 20_000 } as const;
/** as `npm start` runs a node (package.json) */
const NODE_FLAGS = [
  '--max-semi-space-size=64',
  '--no-parallel-scavenge',
  '--no-concurrent-marking',
  '--initial-heap-size=600',
];
const BUILT = 'dist/src/cli/rookery.js';

/**
 * Starts nats-servers and nodes of one cluster on this machine as real processes, and waits until all are ready. They
 * end with this process, also when it is killed.
 * @throws NatsServerMissingError; Error with the end of the log of what did not get ready; the rest is ended
 */
export async function startCluster(options: StartClusterOptions): Promise<RunningCluster> {
  const { nodes, servers } = { ...DEFAULTS, ...options };
  if (!Number.isInteger(nodes) || nodes < 2)
    throw new RangeError('a cluster has at least 2 nodes: a write waits for two copies. For one node: npm start');
  const binary = options.natsServer ?? (await findNatsServer({ cacheDir: CACHE_DIR }));
  const net = options.netns === true ? openClusterNet() : undefined;
  const endNet = (): void => net?.close();
  process.once('exit', endNet);
  let nats: NatsCluster | undefined;
  try {
    options.progress?.(`starting ${servers} nats-server${servers === 1 ? '' : 's'}`);
    nats = await startNats(options, binary, servers, net);
    const cluster = new Cluster(options, nats, net);
    await cluster.begin(nodes);
    return cluster;
  } catch (error) {
    await nats?.stop();
    endNet();
    throw error;
  }
}

async function startNats(
  options: StartClusterOptions,
  binary: string,
  servers: 1 | 3,
  net: ClusterNet | undefined,
): Promise<NatsCluster> {
  const names = Array.from({ length: servers }, (_, i) => `nats-${i + 1}`);
  const hosts = net === undefined ? undefined : names.map((name) => net.add(name));
  const own = ownSession();
  return startNatsCluster({
    binary,
    servers,
    dir: join(resolve(options.dir), 'nats'),
    prefix: (server) => [...(net?.prefix(names[server] as string) ?? []), ...own],
    ...(hosts && { hosts, ports: hosts.map(() => ({ client: 4222, route: 6222, monitor: 8222 })) }),
  });
}

/** Ctrl-C at the terminal must not end them before the nodes. Not for macOS, which has no setsid. */
function ownSession(): string[] {
  return spawnSync('setsid', ['true'], { stdio: 'ignore' }).status === 0 ? ['setsid'] : [];
}

class Cluster implements RunningCluster {
  readonly name: string;
  readonly nodes: ClusterNodeProcess[] = [];
  readonly nats: NatsCluster;
  readonly net: ClusterNet | undefined;
  readonly #options: StartClusterOptions;
  readonly #readyMsMax: number;
  readonly #endNow = (): void => this.endNow();
  #bootstrapNodes = 0;
  #stopping: Promise<void> | undefined;

  constructor(options: StartClusterOptions, nats: NatsCluster, net: ClusterNet | undefined) {
    this.#options = options;
    this.#readyMsMax = options.readyMsMax ?? DEFAULTS.readyMsMax;
    this.name = options.name ?? DEFAULTS.name;
    this.nats = nats;
    this.net = net;
  }

  async begin(nodes: number): Promise<void> {
    // All of them: a cluster that begins with fewer would move shards to the others first.
    this.#bootstrapNodes = nodes;
    process.once('exit', this.#endNow);
    this.#options.progress?.(`starting ${nodes} nodes`);
    try {
      for (let i = 0; i < nodes; i++) (await this.#makeNode({})).start();
      // All at once: a new cluster is placed when enough of them are up.
      await Promise.all(this.nodes.map((node) => node.ready(this.#readyMsMax)));
    } catch (error) {
      await this.#stopNodes();
      throw error;
    }
  }

  async addNode(env: Readonly<Record<string, string>> = {}): Promise<ClusterNodeProcess> {
    const node = await this.#makeNode(env);
    this.#options.progress?.(`starting ${node.id}`);
    node.start();
    await node.ready(this.#readyMsMax);
    return node;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  endNow(): void {
    for (const node of this.nodes) node.endNow();
    for (const pid of this.nats.pids) if (pid !== undefined) killIfThere(pid);
  }

  async #stop(): Promise<void> {
    this.#options.progress?.('stopping the nodes');
    await this.#stopNodes();
    this.#options.progress?.('stopping the nats-servers');
    await this.nats.stop();
    this.net?.close();
  }

  async #stopNodes(): Promise<void> {
    this.net?.heal();
    await Promise.all(this.nodes.map((node) => node.stop(this.#options.stopMsMax ?? DEFAULTS.stopMsMax)));
    process.removeListener('exit', this.#endNow);
  }

  async #makeNode(env: Readonly<Record<string, string>>): Promise<ClusterNodeProcess> {
    const { dir, shards, profile, domain, command, died, port = DEFAULTS.port } = this.#options;
    const number = this.nodes.length + 1;
    const id = `node-${number}`;
    const host = this.net?.add(id) ?? '127.0.0.1';
    const settings = {
      ROOKERY_CLUSTER_NAME: this.name,
      ROOKERY_CLUSTER_NATS_URLS: this.nats.urls.join(','),
      ROOKERY_CLUSTER_NATS_REPLICAS: String(this.nats.urls.length),
      ROOKERY_CLUSTER_BOOTSTRAP_NODES: String(this.#bootstrapNodes),
      ROOKERY_NODE_DRAIN_MS: String(DRAIN_MS),
      ...(shards !== undefined && { ROOKERY_NODE_SHARDS: String(shards) }),
      ...(profile !== undefined && { ROOKERY_PROFILE: profile }),
      ...(domain !== undefined && { ROOKERY_DOMAIN: domain }),
      ...this.#options.env,
      ...env,
    };
    const node = new ClusterNodeProcess({
      id,
      dir: join(resolve(dir), id),
      host,
      port: port === 0 ? await freePort() : port + number - 1,
      command: command ?? [process.execPath, ...NODE_FLAGS, resolve(BUILT)],
      prefix: this.net?.prefix(id) ?? [],
      env: settings,
      onDied: (ended) => {
        if (this.#stopping === undefined) died?.(node, ended);
      },
    });
    this.nodes.push(node);
    return node;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const PORT_MIN = 10_000;
/** below those that the system gives to outgoing connections, which could take the port of a killed node */
const PORT_MAX = 32_000;
const PORT_ATTEMPTS_MAX = 100;

async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${PORT_MIN} to ${PORT_MAX}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
}
