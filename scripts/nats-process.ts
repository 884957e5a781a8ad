import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Ports of one server: clients, routes between the servers, monitoring. */
export interface NatsPorts {
  readonly client: number;
  readonly route: number;
  readonly monitor: number;
}

export interface NatsProcessOptions {
  /** number of the server, from 0 */
  readonly at: number;
  readonly binary: string;
  /** the server's own folder is made in it */
  readonly dir: string;
  readonly host: string;
  readonly ports: NatsPorts;
  /** URLs of the routes of all servers, none for one alone */
  readonly routes: readonly string[];
  readonly prefix: readonly string[];
  readonly extraConfig: string;
}

interface JetStreamState {
  readonly meta_cluster?: {
    readonly leader: string;
    /** the others; from the leader only */
    readonly replicas?: readonly { readonly name: string; readonly current: boolean; readonly offline?: boolean }[];
  };
}

export const READY_POLL_MS = 50;
const STOP_MS_MAX = 5_000;

/** One nats-server with JetStream: its folder, its configuration and its process, started and ended at will. */
export class NatsProcess {
  /** the server's name in the cluster */
  readonly name: string;
  readonly url: string;
  readonly dir: string;
  readonly #monitor: string;
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;

  constructor(options: NatsProcessOptions) {
    const { at, host, ports } = options;
    this.url = `nats://${host}:${ports.client}`;
    this.name = `nats-${at + 1}`;
    this.dir = join(resolve(options.dir), this.name);
    this.#monitor = `http://${host}:${ports.monitor}`;
    mkdirSync(this.dir, { recursive: true });
    const config = join(this.dir, 'nats.conf');
    writeFileSync(config, configText(options, this.dir));
    this.#command = [...endsWithParent(), ...options.prefix, options.binary, '-c', config];
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (this.#child !== undefined) throw new Error(`${this.url} is running`);
    const [program, ...args] = this.#command;
    const child = spawn(program as string, args, { stdio: 'ignore' });
    this.#child = child;
    const gone = (): void => {
      if (this.#child === child) this.#child = undefined;
    };
    child.once('exit', gone);
    child.once('error', gone);
  }

  /**
   * Resolves when JetStream runs, knows a leader, and has caught up with what it holds.
   * @throws Error with the end of the log when it ends, or is not ready in time
   */
  async ready(msMax: number): Promise<void> {
    const until = performance.now() + msMax;
    while ((await this.#ask('/healthz')) === undefined) {
      this.assertRunning();
      if (performance.now() > until)
        throw new Error(`${this.url} was not ready within ${msMax} ms:\n${this.#logEnd()}`);
      await sleep(READY_POLL_MS);
    }
  }

  /**
   * The group of JetStream as its leader sees it, which only the leader tells: the names of those present and up to date,
   * itself included. Undefined from another server.
   */
  async groupOfLeader(): Promise<string[] | undefined> {
    const { meta_cluster: meta } = ((await this.#ask('/jsz')) ?? {}) as JetStreamState;
    if (meta?.replicas === undefined) return undefined;
    const present = meta.replicas.filter(({ current, offline }) => current && offline !== true);
    return [meta.leader, ...present.map(({ name }) => name)];
  }

  /** @throws Error with the end of the log when the process has ended */
  assertRunning(): void {
    if (this.#child === undefined) throw new Error(`${this.url} ended while starting:\n${this.#logEnd()}`);
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    const child = this.#child;
    const late = setTimeout(() => child?.kill('SIGKILL'), STOP_MS_MAX);
    // A stopped process (SIGSTOP) takes SIGTERM only when it goes on.
    child?.kill('SIGCONT');
    await this.#end('SIGTERM');
    clearTimeout(late);
  }

  async #end(name: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill(name);
    await gone;
  }

  /** What the monitoring port answers, undefined when it says no or nothing. */
  async #ask(path: string): Promise<unknown> {
    try {
      const response = await fetch(`${this.#monitor}${path}`, { signal: AbortSignal.timeout(1_000) });
      const answer = await response.json();
      return response.ok ? answer : undefined;
    } catch {
      return undefined; // not listening yet; the caller's wait is bounded
    }
  }

  #logEnd(): string {
    try {
      return readFileSync(join(this.dir, 'nats.log'), 'utf8').split('\n').slice(-12).join('\n');
    } catch {
      return '(it wrote no log)';
    }
  }
}

function configText({ at, host, ports, routes, extraConfig }: NatsProcessOptions, dir: string): string {
  const quoted = (text: string): string => JSON.stringify(text);
  const cluster = [
    'cluster {',
    '  name: rookery-development',
    `  listen: ${quoted(`${host}:${ports.route}`)}`,
    `  routes: [${routes.map(quoted).join(', ')}]`,
    // Clients keep to the addresses they were given: a proxy or a network namespace may stand between.
    '  no_advertise: true',
    '}',
  ];
  return [
    `server_name: nats-${at + 1}`,
    `listen: ${quoted(`${host}:${ports.client}`)}`,
    `http: ${quoted(`${host}:${ports.monitor}`)}`,
    `log_file: ${quoted(join(dir, 'nats.log'))}`,
    'jetstream {',
    `  store_dir: ${quoted(join(dir, 'jetstream'))}`,
    '  sync_interval: always',
    '}',
    ...(routes.length === 0 ? [] : cluster),
    extraConfig,
    '',
  ].join('\n');
}

/** The kernel ends the server with us, also after kill -9 of us. */
function endsWithParent(): string[] {
  const words = ['setpriv', '--pdeathsig', 'KILL'];
  const [program, ...args] = words;
  return spawnSync(program as string, [...args, 'true'], { stdio: 'ignore' }).status === 0 ? words : [];
}
