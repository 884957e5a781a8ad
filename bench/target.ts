import { urlsOf } from './context.ts';
import type { Measured } from './meter.ts';
import { pidOfPort, pin } from './proc.ts';
import type { Progress } from './progress.ts';
import { addressOf, type ServerProcess, startServer, waitForPort } from './server-process.ts';

export interface TargetOptions {
  readonly url: string;
  readonly domain: string;
  readonly pid?: number;
  /** shell command that starts the server; ended with the run */
  readonly spawn?: string;
  readonly pin: boolean;
  readonly serverCore: number;
  readonly loadCore: number;
}

/** The server under load. */
export interface Target {
  /** undefined when it cannot be seen (another machine): then CPU and memory are left out */
  readonly pid: number | undefined;
  /** of a cluster: all its nodes, and what is told apart; `pid` is then the first node's */
  readonly measured?: Measured;
  /** called just outside a measured stretch */
  readonly edge?: (at: 'start' | 'stop') => Promise<void>;
  stop(): Promise<void>;
  /** Ends it and starts it again on the same data; absent when it is not ours to start. `pid` changes. */
  readonly restart?: () => Promise<void>;
}

/** What a scenario without a server has. */
export const noTarget: Target = { pid: undefined, stop: async () => {} };

/** A server started by `start`, ready to be connected to. @throws Error when it does not come up */
export async function startTarget(url: string, start: () => ServerProcess, progress: Progress): Promise<StartedTarget> {
  const at = addressOf(url);
  let server = start();
  const ready = async () => {
    try {
      await waitForPort(at, server, progress);
    } catch (error) {
      await server.stop();
      throw error;
    }
  };
  await ready();
  return {
    // A shell or launcher may stand before the server: who listens is who works.
    get pid() {
      return pidOfPort(at.port) ?? server.pid;
    },
    ended: () => server.ended(),
    stop: () => server.stop(),
    async restart() {
      await server.stop();
      server = start();
      await ready();
    },
  };
}

export interface StartedTarget extends Target {
  ended(): string | undefined;
}

/** Starts the server if asked, waits for its port, finds its process, pins both sides. @throws Error with the cause */
export async function findTarget(options: TargetOptions, progress: Progress): Promise<Target> {
  if (options.pin) pin(process.pid, options.loadCore);
  const core = options.pin ? options.serverCore : undefined;
  const { spawn } = options;
  const [first, ...others] = urlsOf(options).map(addressOf);
  const at = first!;
  if (spawn !== undefined)
    return startTarget(urlsOf(options)[0]!, () => startServer('sh', ['-c', spawn], { core }), progress);
  for (const one of [at, ...others]) await waitForPort(one, undefined, progress);
  const pid = options.pid ?? pidOfPort(at.port);
  if (pid === undefined) progress.say(`no local process listens on ${at.port}: CPU and memory are left out`);
  const more = others.map(({ port }) => pidOfPort(port)).filter((other) => other !== undefined);
  const pids = pid === undefined || more.length < others.length ? [] : [...new Set([pid, ...more])];
  if (core !== undefined) for (const one of pids) pin(one, core);
  return { ...noTarget, pid, ...(pids.length > 1 && { measured: { pids } }) };
}
