import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { until } from '../clients/until.ts';

/**
 * The built `rookery` command as an operator has it: a process with arguments, variables, standard streams and an exit
 * code. Nothing of the server's code is shared.
 */
const COMMAND = fileURLToPath(new URL('../../dist/src/cli/rookery.js', import.meta.url));

/** Characters kept of each stream; a test that makes more is about something else. */
const OUTPUT_CHARS_MAX = 16 * 1024 * 1024;
const DONE_MS_MAX = 30_000;

export type Env = Readonly<Record<string, string>>;

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** What a test is, as far as cleaning up after it goes. */
export interface Scope {
  teardown(work: () => Promise<void>): void;
}

class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Finished>;
  out = '';
  err = '';

  constructor(args: readonly string[], env: Env, input: string) {
    if (!existsSync(COMMAND)) throw new Error(`${COMMAND} is missing: run npm run build first`);
    const child = spawn(process.execPath, [COMMAND, ...args], { env: { ...cleanEnv(), ...env } });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.out = (this.out + text).slice(-OUTPUT_CHARS_MAX);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.err = (this.err + text).slice(-OUTPUT_CHARS_MAX);
    });
    // A command that needs no input may end before it has read it.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    this.child = child;
    // `close`, not `exit`: the last lines are in the pipes when the process is gone.
    this.ended = once(child, 'close').then(() => ({ code: child.exitCode, out: this.out, err: this.err }));
  }

  get gone(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }
}

/** What a slow machine is shown besides. */
const PROGRESS = /^.* … \d+ s\n/gm;

/** Runs one command to its end; `err` is without progress lines. @throws Error when it does not end in 30 s; it is killed then */
export async function rookery(args: readonly string[], env: Env = {}, input = ''): Promise<Finished> {
  const running = new Running(args, env, input);
  const late = setTimeout(() => running.child.kill('SIGKILL'), DONE_MS_MAX);
  const finished = await running.ended;
  clearTimeout(late);
  if (finished.code === null) throw new Error(`rookery ${args.join(' ')} did not end: ${finished.err}`);
  return { ...finished, err: finished.err.replace(PROGRESS, '') };
}

export interface Fetched {
  readonly status: number;
  readonly body: string;
  /** common name in the certificate that was shown */
  readonly certificate: string | undefined;
}

/** On a connection of its own; any certificate will do. */
export function fetched(url: string, headers: Env = {}): Promise<Fetched> {
  const get = url.startsWith('https:') ? httpsGet : httpGet;
  return new Promise((resolve, reject) => {
    const request = get(url, { headers, agent: false, rejectUnauthorized: false }, (response) => {
      const { socket, statusCode: status = 0 } = response;
      const certificate = socket instanceof TLSSocket ? String(socket.getPeerCertificate().subject.CN) : undefined;
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status, body, certificate }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** `rookery start` on a free port, with a data folder that stays the same from one start to the next. */
export class Serving {
  readonly dataDir: string;
  readonly #env: Env;
  #running: Running | undefined;

  constructor(dataDir: string, env: Env) {
    this.dataDir = dataDir;
    this.#env = env;
  }

  /** Resolves when /readyz says that it writes and reads. @throws Error with what it said when it ends before */
  async start(more: Env = {}): Promise<void> {
    const running = new Running(['start'], { ...QUICK, ROOKERY_DATA_DIR: this.dataDir, ...this.#env, ...more }, '');
    this.#running = running;
    await until('the node to be ready', async () => {
      if (running.gone) throw new Error(`the node ended with code ${running.child.exitCode}: ${running.err}`);
      return /WebSocket/.test(running.err) && (await this.get('/readyz')).status === 200;
    });
  }

  /** As printed at start: `ws://127.0.0.1:40000/xmpp-websocket`. */
  get url(): string {
    const url = /WebSocket +(wss?:\S+)/.exec(this.err)?.[1];
    if (url === undefined) throw new Error(`no WebSocket is announced: ${this.err}`);
    return url;
  }

  /** `http://127.0.0.1:40000` */
  get httpUrl(): string {
    return this.url.replace(/^ws/, 'http').replace(/\/[^/]*$/, '');
  }

  get out(): string {
    return this.#now.out;
  }

  get err(): string {
    return this.#now.err;
  }

  get ended(): Promise<Finished> {
    return this.#now.ended;
  }

  get pid(): number {
    return this.#now.child.pid!;
  }

  get(path: string, headers: Env = {}): Promise<Fetched> {
    return fetched(this.httpUrl + path, headers);
  }

  /** @returns how it ended */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    this.#now.child.kill(signal);
    return this.ended;
  }

  async dispose(): Promise<void> {
    if (this.#running === undefined || this.#running.gone) return;
    await this.stop('SIGKILL');
  }

  get #now(): Running {
    if (this.#running === undefined) throw new Error('not started');
    return this.#running;
  }
}

/** Small memory, cheap keys, no limits of how many may come from one address. */
const QUICK: Env = {
  ROOKERY_PORT: '0',
  ROOKERY_LOG_FORMAT: 'json',
  ROOKERY_LOGIN_ITERATIONS: '4096',
  ROOKERY_REGISTRATION_PER_ADDRESS_PER_HOUR_MAX: '1000',
  ROOKERY_STORAGE_MEMTABLE_BYTES: '4194304',
  ROOKERY_STORAGE_CACHE_BYTES: '4194304',
};

/** A node that serves until the test is over. */
export async function serve(t: Scope, env: Env = {}, dataDir?: string): Promise<Serving> {
  const node = new Serving(dataDir ?? (await temporaryFolder(t)), env);
  t.teardown(() => node.dispose());
  await node.start();
  return node;
}

export async function temporaryFolder(t: Scope): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rookery-operating-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Settings of whoever runs the tests must not reach the node under test. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('ROOKERY_') && name !== 'NODE_OPTIONS'),
  );
}
