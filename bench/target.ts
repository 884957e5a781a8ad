import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pidOfPort, pin } from './proc.ts';
import type { Progress } from './progress.ts';

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

const startMsMax = 60_000;
const stopMsMax = 20_000;

/** Starts the server if asked, waits for its port, finds its process, pins both sides. @throws Error with the cause */
export async function findTarget(options: TargetOptions, progress: Progress): Promise<Target> {
  const { hostname, port, protocol } = new URL(options.url);
  const at = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (protocol === 'wss:' ? 443 : 80)) };
  const child = options.spawn === undefined ? undefined : startShell(options.spawn);
  const stop = () => (child === undefined ? Promise.resolve() : stopGroup(child));
  try {
    await waitForPort(at, child, progress);
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

/** In a process group of its own, so that ending it ends what it started, and nothing else. */
function startShell(command: string): ChildProcess {
  return spawn('sh', ['-c', command], { detached: true, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** SIGTERM to the group, SIGKILL after 20 s. */
export async function stopGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  process.kill(-child.pid, 'SIGTERM');
  const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), stopMsMax);
  await gone;
  clearTimeout(timer);
}

async function waitForPort(
  at: { host: string; port: number },
  child: ChildProcess | undefined,
  progress: Progress,
): Promise<void> {
  const start = performance.now();
  const limit = child === undefined ? 3_000 : startMsMax;
  for (;;) {
    if (await answers(at)) return;
    if (child?.exitCode != null) throw new Error(`the server ended with code ${child.exitCode} before it listened`);
    const waited = performance.now() - start;
    if (waited > limit) throw new Error(`nothing listens at ${at.host}:${at.port} (waited ${limit / 1000} s)`);
    progress.show(`waiting for ${at.host}:${at.port}`);
    await sleep(100);
  }
}

function answers(at: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(at);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
