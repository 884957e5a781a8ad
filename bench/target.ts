import { pidOfPort, pin } from './proc.ts';
import type { Progress } from './progress.ts';
import { addressOf, startServer, waitForPort } from './server-process.ts';

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

/** The server under load. `pid` is undefined when it cannot be seen (another machine): then CPU and memory are left out. */
export interface Target {
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

/** Starts the server if asked, waits for its port, finds its process, pins both sides. @throws Error with the cause */
export async function findTarget(options: TargetOptions, progress: Progress): Promise<Target> {
  const at = addressOf(options.url);
  const server = options.spawn === undefined ? undefined : startServer('sh', ['-c', options.spawn]);
  const stop = async () => server?.stop();
  try {
    await waitForPort(at, server, progress);
    const pid = options.pid ?? pidOfPort(at.port);
    if (pid === undefined) progress.say(`no local process listens on ${at.port}: CPU and memory are left out`);
    if (options.pin) {
      pin(process.pid, options.loadCore);
      if (pid !== undefined) pin(pid, options.serverCore);
    }
    return { pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
