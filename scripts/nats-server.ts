import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type NatsPorts, NatsProcess, READY_POLL_MS } from './nats-process.ts';

export { findNatsServer, NatsServerMissingError } from './nats-binary.ts';

export type { NatsPorts } from './nats-process.ts';

export interface NatsClusterOptions {
  /** path of nats-server, from `findNatsServer` */
  readonly binary: string;
  /** 3 for a cluster, 1 for a server alone */
  readonly servers: 1 | 3;
  /** configurations, JetStream files and logs of all servers go under it; created when missing, left behind */
  readonly dir: string;
  /** one entry a server; free ports by default */
  readonly ports?: readonly NatsPorts[];
  /** addresses to listen on, one a server; 127.0.0.1 by default */
  readonly hosts?: readonly string[];
  /** words before the server's own command line, for example to put it into a network namespace */
  readonly prefix?: (server: number) => readonly string[];
  /** further lines of configuration for every server: authorization, tls … */
  readonly extraConfig?: string;
  /** longest wait for a server to be ready, milliseconds */
  readonly readyMsMax?: number;
}

export interface NatsCluster {
  /** URLs for clients, one a server */
  readonly urls: readonly string[];
  readonly ports: readonly NatsPorts[];
  readonly dirs: readonly string[];
  /** process ids; undefined for a server that is not running */
  readonly pids: readonly (number | undefined)[];
  /** kill -9, resolved when the process is gone */
  kill(server: number): Promise<void>;
  /** Starts a server that was killed, on its own ports and files; resolved when it is ready. */
  restart(server: number): Promise<void>;
  /** Ends all that run, by SIGTERM and after 5 s by SIGKILL. Idempotent. */
  stop(): Promise<void>;
}

const READY_MS_MAX = 30_000;
/** Somebody may take a port between our looking and the server's listening. */
const START_ATTEMPTS_MAX = 3;
/** A server that is in the group is so this long after it is healthy. */
const LEFT_OUT_MS = 3_000;

/**
 * Starts nats-servers with JetStream on this machine, for development and tests, and waits until they have a leader.
 * Their files are synced at every write (`sync_interval: always`), as docs/operating.md asks of an operator's.
 * They end with this process, also when it is killed (where `setpriv` is there).
 * @throws Error with the end of the server's log when one does not get ready in time; the others are ended
 */
export async function startNatsCluster(options: NatsClusterOptions): Promise<NatsCluster> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(options, options.ports ?? (await freePorts(options.servers)));
    } catch (error) {
      const taken = error instanceof Error && /address already in use/.test(error.message);
      if (!taken || options.ports !== undefined || attempt === START_ATTEMPTS_MAX) throw error;
    }
  }
}

async function start(options: NatsClusterOptions, ports: readonly NatsPorts[]): Promise<NatsCluster> {
  const { binary, dir, prefix, extraConfig = '', readyMsMax = READY_MS_MAX } = options;
  const hosts = options.hosts ?? ports.map(() => '127.0.0.1');
  if (ports.length !== options.servers || hosts.length !== options.servers)
    throw new RangeError(`${options.servers} servers need as many entries of ports and hosts`);
  const routes = ports.length === 1 ? [] : ports.map(({ route }, i) => `nats-route://${hosts[i]}:${route}`);
  const servers = ports.map((own, at) => {
    const host = hosts[at] as string;
    return new NatsProcess({ at, binary, dir, host, ports: own, routes, prefix: prefix?.(at) ?? [], extraConfig });
  });
  const endAll = (): void => {
    for (const server of servers) server.signal('SIGKILL');
  };
  process.once('exit', endAll);
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
    process.removeListener('exit', endAll);
  };
  try {
    await startAll(servers, readyMsMax);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    urls: servers.map(({ url }) => url),
    ports,
    dirs: servers.map((server) => server.dir),
    get pids() {
      return servers.map(({ pid }) => pid);
    },
    kill: async (at) => await serverAt(servers, at).kill(),
    restart: async (at) => {
      const server = serverAt(servers, at);
      server.start();
      await server.ready(readyMsMax);
    },
    stop,
  };
}

/**
 * All at once, until JetStream's leader counts on each of them; before that no bucket can have three replicas. Now and
 * then (1 of 40 first starts, 2.10.27) a leader is elected before it has heard of the third server and leaves that one
 * out for good, although it is healthy by its own account. Started again it is taken in.
 */
async function startAll(servers: readonly NatsProcess[], msMax: number): Promise<void> {
  for (const server of servers) server.start();
  await Promise.all(servers.map((server) => server.ready(msMax)));
  if (servers.length === 1) return;
  const until = performance.now() + msMax;
  for (;;) {
    const missing = await missingAfter(servers, LEFT_OUT_MS);
    if (missing.length === 0) return;
    if (performance.now() > until)
      throw new Error(`JetStream's leader does not count on ${missing.map(({ name }) => name).join(', ')}`);
    // Nobody is known to be out while there is no leader.
    if (missing.length === servers.length) continue;
    for (const server of missing) {
      await server.stop();
      server.start();
      await server.ready(msMax);
    }
  }
}

/** Who is not in the leader's group after a while; empty as soon as all are, all of them while there is no leader. */
async function missingAfter(servers: readonly NatsProcess[], ms: number): Promise<readonly NatsProcess[]> {
  const until = performance.now() + ms;
  for (;;) {
    for (const server of servers) server.assertRunning();
    const told = await Promise.all(servers.map((server) => server.groupOfLeader()));
    const group = told.find((names) => names !== undefined) ?? [];
    const missing = servers.filter(({ name }) => !group.includes(name));
    if (missing.length === 0 || performance.now() > until) return missing;
    await sleep(READY_POLL_MS);
  }
}

function serverAt(servers: readonly NatsProcess[], at: number): NatsProcess {
  const server = servers[at];
  if (server === undefined) throw new RangeError(`there is no server ${at}`);
  return server;
}

const PORT_MIN = 10_000;
const PORT_ATTEMPTS_MAX = 1_000;

/**
 * Ports that are free, below those that the system gives to outgoing connections: one of those could take a port that
 * a killed server wants back.
 */
async function freePorts(servers: number): Promise<NatsPorts[]> {
  const below = firstOutgoingPort();
  const free = new Set<number>();
  for (let attempt = 0; free.size < servers * 3; attempt++) {
    if (attempt === PORT_ATTEMPTS_MAX) throw new Error(`no free ports from ${PORT_MIN} to ${below}`);
    const port = PORT_MIN + Math.floor(Math.random() * (below - PORT_MIN));
    if (await isFree(port)) free.add(port);
  }
  const numbers = [...free];
  return Array.from({ length: servers }, (_, i) => ({
    client: numbers[i * 3] as number,
    route: numbers[i * 3 + 1] as number,
    monitor: numbers[i * 3 + 2] as number,
  }));
}

function firstOutgoingPort(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
  } catch {
    return 32_768; // not Linux; the lowest in common use
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
