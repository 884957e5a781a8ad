import type { Test } from 'tap';
import { type CutProxy, startCutProxy } from './cut-proxy.ts';
import { NodeProcess } from './node-process.ts';

/**
 * Where the clients of a scenario connect: to one node, or each at another node of a cluster (cluster-site.ts). A
 * scenario knows which only where a client may see the difference.
 */
export interface Site {
  /** several nodes: a stream can outlive the node that its socket was at */
  readonly cluster: boolean;
  /** the local part of somebody of the scenario: other scenarios on the same nodes have their own romeo */
  user(name: string): string;
  /** WebSocket of the node for the n-th device, from 0 */
  url(device: number): string;
  /** the web client of that node */
  webUrl(device: number): string;
  /** leads to the first device's node, and in a cluster to the next one after each `cut` and each `kill` */
  readonly hop: Hop;
  /** kill -9 of the node that the hop leads to. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again, on its folder. Resolves when everything is as before. */
  start(): Promise<void>;
}

/** A way to a node that breaks: what a lift or a tunnel does to a phone. */
export interface Hop extends Pick<CutProxy, 'cut' | 'mend'> {
  readonly url: string;
  readonly webUrl: string;
}

/** What a stock client does, and what is expected of the server in it. */
export interface Scenario {
  readonly name: string;
  readonly timeoutMs: number;
  /** reason not to run it, said loudly */
  readonly skip?: string | false;
  run(t: Test, site: Site): Promise<void>;
}

/** Runs them one after the other, each on a new node of its own. */
export async function onOneNode(t: Test, scenarios: readonly Scenario[]): Promise<void> {
  for (const { name, timeoutMs, skip = false, run } of scenarios)
    await t.test(name, { timeout: timeoutMs, skip }, async (t) => run(t, await oneNode(t)));
}

async function oneNode(t: Test): Promise<Site> {
  // Some of the libraries derive their keys in JavaScript: seconds a login at the usual count.
  const node = await NodeProcess.start({ env: { ROOKERY_LOGIN_ITERATIONS: '4096' } });
  const proxy = await startCutProxy(() => node.port);
  t.teardown(async () => {
    await proxy.close();
    await node.dispose();
  });
  return {
    cluster: false,
    user: (name) => name,
    url: () => node.url,
    webUrl: () => node.webUrl,
    hop: hopAt(proxy),
    kill: async () => void (await node.kill()),
    start: () => node.start(),
  };
}

export function hopAt({ port, cut, mend }: CutProxy): Hop {
  return { url: `ws://127.0.0.1:${port}/xmpp-websocket`, webUrl: `http://127.0.0.1:${port}/`, cut, mend };
}
