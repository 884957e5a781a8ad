import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** How a process ended: its exit code, or the signal. */
export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export interface ClusterNodeOptions {
  readonly id: string;
  /** the node's own folder, for its data and its log */
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  /** `rookery` and the words before it */
  readonly command: readonly string[];
  /** words before those: a network namespace */
  readonly prefix: readonly string[];
  /** settings, ROOKERY_… */
  readonly env: Readonly<Record<string, string>>;
  /** the process ended without having been asked to by this handle */
  onDied?(ended: Ended): void;
}

const READY_POLL_MS = 50;
const LOG_LINES = 15;

/** One node of a cluster as a real process, ended, hurt and started again at will. It dies with this process. */
export class ClusterNodeProcess {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  /** its data folder, for `rookery … --data-dir` */
  readonly folder: string;
  /** what it printed, of all its lives */
  readonly logFile: string;
  readonly httpUrl: string;
  readonly webSocketUrl: string;
  readonly #options: ClusterNodeOptions;
  #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #gone: Promise<Ended> | undefined;
  #asked = false;

  constructor(options: ClusterNodeOptions) {
    const { id, dir, host, port } = options;
    this.#options = options;
    this.#env = options.env;
    this.id = id;
    this.host = host;
    this.port = port;
    this.folder = join(resolve(dir), 'data');
    this.logFile = join(resolve(dir), 'rookery.log');
    this.httpUrl = `http://${host}:${port}`;
    this.webSocketUrl = `ws://${host}:${port}/xmpp-websocket`;
  }

  /** undefined while it does not run */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** settings of its next start; what `start` and `restart` are given goes on top and stays */
  get env(): Readonly<Record<string, string>> {
    return this.#env;
  }

  /** Starts the process; `ready` waits for it. @throws Error when it runs already */
  start(more: Readonly<Record<string, string>> = {}): void {
    if (this.#child !== undefined) throw new Error(`${this.id} is running`);
    const { dir, prefix, command, id, host, port } = this.#options;
    this.#env = { ...this.#env, ...more };
    mkdirSync(dir, { recursive: true });
    const own = {
      ROOKERY_NODE_ID: id,
      ROOKERY_DATA_DIR: this.folder,
      ROOKERY_HOST: host,
      ROOKERY_PORT: String(port),
      ROOKERY_LOG_FORMAT: 'json',
    };
    const log = openSync(this.logFile, 'a');
    const [program, ...args] = [...diesWithParent(), ...prefix, ...command, 'start'];
    // A process group of its own: Ctrl-C at the terminal is for us, who end the nodes before their nats-servers.
    const child = spawn(program as string, args, {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...withoutSettings(process.env), ...own, ...this.#env },
    });
    closeSync(log);
    this.#child = child;
    this.#asked = false;
    this.#gone = new Promise((done) => {
      const end = (ended: Ended): void => {
        if (this.#child === child) this.#child = undefined;
        done(ended);
        if (!this.#asked) this.#options.onDied?.(ended);
      };
      child.once('exit', (code, signal) => end({ code, signal }));
      child.once('error', () => end({ code: null, signal: null }));
    });
  }

  /**
   * Resolves when /readyz says that it writes and reads.
   * @throws Error with the end of its log when it ends, or is not ready in time
   */
  async ready(msMax: number): Promise<void> {
    const until = performance.now() + msMax;
    while (!(await this.isReady())) {
      if (this.#child === undefined) throw new Error(`${this.id} ended while starting:\n${this.logEnd()}`);
      if (performance.now() > until) throw new Error(`${this.id} was not ready within ${msMax} ms:\n${this.logEnd()}`);
      await sleep(READY_POLL_MS);
    }
  }

  async isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.httpUrl}/readyz`, { signal: AbortSignal.timeout(6_000) });
      await response.arrayBuffer();
      return response.ok;
    } catch {
      return false; // not listening, or not any more
    }
  }

  /** Resolves when the process is gone; at once when none runs. */
  async gone(): Promise<Ended | undefined> {
    return this.#child === undefined ? undefined : this.#gone;
  }

  /** Sends a signal. One that ends the process (all but SIGSTOP and SIGCONT) is waited for. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const pauses = signal === 'SIGSTOP' || signal === 'SIGCONT';
    if (!pauses) this.#asked = true;
    this.#child?.kill(signal);
    if (!pauses) await this.gone();
  }

  /** SIGTERM, and SIGKILL after `msMax`. */
  async stop(msMax: number): Promise<void> {
    const child = this.#child;
    const late = setTimeout(() => child?.kill('SIGKILL'), msMax);
    // A stopped process (SIGSTOP) takes SIGTERM only when it goes on.
    child?.kill('SIGCONT');
    await this.kill('SIGTERM');
    clearTimeout(late);
  }

  /** Starts it again on its folder and port, after SIGKILL when it still runs, and waits until it is ready. */
  async restart(msMax: number, more: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.kill();
    this.start(more);
    await this.ready(msMax);
  }

  /** For the end of this process: at once, without waiting. */
  endNow(): void {
    this.#asked = true;
    this.#child?.kill('SIGKILL');
  }

  /** the last lines it printed */
  logEnd(): string {
    if (!existsSync(this.logFile)) return '(it printed nothing)';
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-LOG_LINES).join('\n');
  }
}

/** Settings of whoever runs this must not reach the nodes. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('ROOKERY_') && name !== 'NODE_OPTIONS'),
  );
}

/** The kernel ends the node with us, also after kill -9 of us. */
function diesWithParent(): string[] {
  const words = ['setpriv', '--pdeathsig', 'KILL'];
  const [program, ...args] = words;
  return spawnSync(program as string, [...args, 'true'], { stdio: 'ignore' }).status === 0 ? words : [];
}
