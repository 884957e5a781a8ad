import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from './progress.ts';

/** A server this process has started. */
export interface ServerProcess {
  readonly pid: number;
  /** undefined while it runs, else how it ended */
  ended(): string | undefined;
  /** SIGTERM to the process and what it started, SIGKILL after 20 s; nothing else is ever ended. */
  stop(): Promise<void>;
}

const stopMsMax = 20_000;

/**
 * Starts a server in a process group of its own, on one core when given. It does not outlive this process. What it
 * writes goes to the file `log`; without one its errors are shown.
 */
export function startServer(
  command: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly core?: number; readonly log?: string } = {},
): ServerProcess {
  const [program, ...rest] =
    options.core === undefined ? [command, ...args] : ['taskset', '-c', String(options.core), command, ...args];
  const log = options.log === undefined ? undefined : openSync(options.log, 'a');
  const child: ChildProcess = spawn(program!, rest, {
    detached: true,
    stdio: ['ignore', log ?? 'ignore', log ?? 'inherit'],
    env: { ...process.env, ...options.env },
  });
  if (log !== undefined) closeSync(log);
  if (child.pid === undefined) throw new Error(`${program} cannot be started`);
  const group = -child.pid;
  const kill = () => signalGroup(group, 'SIGKILL');
  process.on('exit', kill);
  const ended = () =>
    child.exitCode === null && child.signalCode === null ? undefined : `${child.exitCode ?? child.signalCode}`;
  return {
    pid: child.pid,
    ended,
    async stop() {
      process.off('exit', kill);
      if (ended() !== undefined) return;
      const gone = once(child, 'exit');
      signalGroup(group, 'SIGTERM');
      const timer = setTimeout(kill, stopMsMax);
      await gone;
      clearTimeout(timer);
    },
  };
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Host and port of a ws:// or wss:// address. */
export function addressOf(url: string): { host: string; port: number } {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (protocol === 'wss:' ? 443 : 80)) };
}

/** Waits until something accepts connections. @throws Error after 60 s (3 s for a server that is not ours to start) */
export async function waitForPort(
  at: { host: string; port: number },
  server: ServerProcess | undefined,
  progress: Progress,
): Promise<void> {
  const start = performance.now();
  const limit = server === undefined ? 3_000 : 60_000;
  while (!(await answers(at))) {
    const end = server?.ended();
    if (end !== undefined) throw new Error(`the server ended (${end}) before it listened`);
    if (performance.now() - start > limit) {
      throw new Error(`nothing listens at ${at.host}:${at.port} (waited ${limit / 1000} s)`);
    }
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
