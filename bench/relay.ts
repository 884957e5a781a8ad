import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { siblingScript } from './files.ts';
import { LeanSocket } from './socket.ts';

/** A running relay: the floor every server is compared with. */
export interface Relay {
  readonly pid: number;
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts relay-server in a child process, on `core` when given. @throws Error when it does not come up */
export async function startRelay(core: number | undefined): Promise<Relay> {
  const node = [
    ...process.execArgv.filter((arg) => !arg.includes('prof')),
    siblingScript(import.meta.url, 'relay-server'),
  ];
  const stdio: ['pipe', 'pipe', 'inherit'] = ['pipe', 'pipe', 'inherit'];
  const child: ChildProcess =
    core === undefined
      ? spawn(process.execPath, node, { stdio })
      : spawn('taskset', ['-c', String(core), process.execPath, ...node], { stdio });
  const lines = createInterface({ input: child.stdout! });
  const port = await Promise.race([
    once(lines, 'line').then(([line]) => Number(line)),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the relay ended with code ${code}`))),
  ]);
  return {
    pid: child.pid!,
    url: `ws://127.0.0.1:${port}/`,
    async stop() {
      if (child.exitCode !== null) return;
      child.stdin?.end();
      await once(child, 'exit');
    },
  };
}

/** Connects `count` sockets; `query(i)` tells the relay who each is. */
export async function relaySockets(relay: Relay, count: number, query: (i: number) => string): Promise<LeanSocket[]> {
  const sockets: LeanSocket[] = [];
  for (let i = 0; i < count; i++) sockets.push(await LeanSocket.open({ url: `${relay.url}?${query(i)}` }));
  return sockets;
}
