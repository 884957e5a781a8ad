import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const COMMAND = fileURLToPath(new URL('../../dist/src/cli/rookery.js', import.meta.url));
const READY_MS_MAX = 20_000;
const OUTPUT_CHARS_MAX = 4000;
// Below the range from which systems give out ports: nobody's outgoing connection takes it while the node is down.
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;

export interface NodeProcessOptions {
  /** ROOKERY_* settings beside folder and port */
  readonly env?: Readonly<Record<string, string>>;
  /** a command and its arguments in front of node, such as a tracer */
  readonly wrapper?: readonly string[];
}

/** `rookery start` as a child process on a folder and a port that stay the same from one start to the next. */
export class NodeProcess {
  readonly folder: string;
  readonly port: number;
  readonly #options: NodeProcessOptions;
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(folder: string, port: number, options: NodeProcessOptions) {
    this.folder = folder;
    this.port = port;
    this.#options = options;
  }

  /** Starts a node in a new folder; removed by `dispose`. @throws Error when it does not become ready in 20 s */
  static async start(options: NodeProcessOptions = {}): Promise<NodeProcess> {
    if (!existsSync(COMMAND)) throw new Error(`${COMMAND} is missing: run npm run build first`);
    const folder = await mkdtemp(join(tmpdir(), 'rookery-clients-'));
    const node = new NodeProcess(folder, await freePort(), options);
    await node.start();
    return node;
  }

  get webUrl(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/xmpp-websocket`;
  }

  /** Starts it (again). Resolves when /readyz says that it writes and reads. */
  async start(): Promise<void> {
    const { wrapper = [], env } = this.#options;
    const [command = '', ...args] = [...wrapper, process.execPath, COMMAND, 'start'];
    this.#output = '';
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...cleanEnv(),
        ROOKERY_LOG_LEVEL: 'warn',
        ROOKERY_LOG_FORMAT: 'json',
        ROOKERY_DATA_DIR: join(this.folder, 'data'),
        ROOKERY_PORT: String(this.port),
        ROOKERY_REGISTRATION_PER_ADDRESS_PER_HOUR_MAX: '1000',
        ...env,
      },
    });
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    await until(
      'the node to become ready',
      async () => {
        if (gone(child)) throw new Error(`the node ended with code ${child.exitCode}: ${this.#output}`);
        return await fetch(`${this.webUrl}readyz`).then(
          ({ ok }) => ok,
          () => false,
        );
      },
      READY_MS_MAX,
    );
  }

  /** Power off, as far as a process can have it: no handler runs. Resolves when it is gone. */
  kill(): Promise<number | null> {
    return this.#signal('SIGKILL');
  }

  /** Asks it to stop. @returns its exit code */
  stop(): Promise<number | null> {
    return this.#signal('SIGTERM');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Kills it and removes its folder. */
  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** What it wrote last. */
  get output(): string {
    return this.#output;
  }

  async #signal(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || gone(child)) return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    // With a wrapper the node is its child, and the wrapper ends with it.
    const pid = this.#options.wrapper === undefined ? child.pid : await childOf(child.pid!);
    process.kill(pid!, signal);
    await exited;
    return child.exitCode;
  }
}

const gone = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Settings of whoever runs the tests must not reach the node under test. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('ROOKERY_') && name !== 'NODE_OPTIONS'),
  );
}

async function childOf(pid: number): Promise<number> {
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')[0]);
}

async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error('no free port was found in 100 tries');
}
