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
  if (spawn !== undefined) return startTarget(options.url, () => startServer('sh', ['-c', spawn], { core }), progress);
  const at = addressOf(options.url);
  await waitForPort(at, undefined, progress);
  const pid = options.pid ?? pidOfPort(at.port);
  if (pid === undefined) progress.say(`no local process listens on ${at.port}: CPU and memory are left out`);
  else if (core !== undefined) pin(pid, core);
  return { ...noTarget, pid };
}
