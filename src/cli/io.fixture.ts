import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Io, NodeModule } from './io.ts';

/** A command's outside world that records what is said. For tests. */
export class TestIo implements Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly signals = new EventEmitter();
  readonly exits: number[] = [];
  /** what the clock shows, ms */
  nowMs = 0;
  readonly #node: Partial<NodeModule>;
  #out = '';
  #err = '';
  #check = () => {};

  /** @param terminal whether standard input claims to be a terminal */
  constructor({
    env = {},
    terminal = false,
    node = {},
  }: { env?: NodeJS.ProcessEnv; terminal?: boolean; node?: Partial<NodeModule> } = {}) {
    this.env = env;
    this.#node = node;
    const stdin = Object.assign(new PassThrough(), { isTTY: terminal, setRawMode: () => stdin });
    this.stdin = stdin as unknown as NodeJS.ReadStream;
    this.stdout.on('data', (chunk) => {
      this.#out += chunk;
    });
    this.stderr.on('data', (chunk) => {
      this.#err += chunk;
      this.#check();
    });
  }

  get out(): string {
    return this.#out;
  }

  get err(): string {
    return this.#err;
  }

  type(text: string): void {
    (this.stdin as unknown as PassThrough).write(text);
  }

  /** Resolves once standard error has shown `pattern`. */
  async said(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (pattern.test(this.#err)) resolve();
      };
      this.#check();
    });
  }

  exit(code: number): void {
    this.exits.push(code);
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  async loadNode(): Promise<NodeModule> {
    const missing = () => Promise.reject(new Error('this test has no node'));
    return { startNode: missing, openAdmin: missing, ...this.#node };
  }
}
