import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientOptions } from 'ws';
import { type ConfigOverrides, loadConfig } from '../../src/config.ts';
import { type Node, startNode } from '../../src/node.ts';
import { type Client, connect, until } from './client.ts';

/** A really started node in this process, on a free port and a folder of its own. */
export interface TestNode {
  /** the node that runs now; another one after `restart` */
  readonly node: Node;
  readonly url: string;
  /** where it keeps its data */
  readonly folder: string;
  connect(options?: ClientOptions): Promise<Client>;
  /** makes the accounts, password = PASSWORD */
  users(...names: string[]): Promise<void>;
  /** connected, logged in and bound; makes the account when it is not there */
  login(user: string, resource?: string, options?: ClientOptions): Promise<Client>;
  /** `login`, then initial presence */
  online(user: string, resource?: string): Promise<Client>;
  /** connected and logged in, before bind */
  authenticated(user: string, options?: ClientOptions): Promise<Client>;
  /** Everything these clients have sent has had all its effects, and these have reached them. */
  settle(...clients: Client[]): Promise<void>;
  /** Sockets and unended streams of the node. */
  counts(): { readonly connections: number; readonly streams: number };
  /** Stops and starts on the same folder. */
  restart(overrides?: ConfigOverrides): Promise<void>;
}

export const PASSWORD = 'wherefore art thou';

/** Everything that would stop a test in a hurry is out of the way: all clients come from one address. */
const MANY = 1_000_000;
const DEFAULTS: ConfigOverrides = {
  node: { shards: 8, drainMs: 500 },
  listen: { port: 0, webClient: false },
  limits: {
    connectionsPerAddressMax: MANY,
    connectionsPerAddressPerSecond: MANY,
    connectionsPerAddressBurst: MANY,
    unauthenticatedPerAddressMax: MANY,
    sendsPerSecond: MANY,
    sendsBurst: MANY,
    iqsPerSecond: MANY,
    iqsBurst: MANY,
    presencesPerSecond: MANY,
    presencesBurst: MANY,
  },
  login: { iterations: 4096, addressFailuresFree: MANY, accountFailuresFree: MANY },
  registration: { perAddressPerHourMax: MANY },
  storage: { memtableBytes: 4_194_304, cacheBytes: 4_194_304, freeBytesMin: 0 },
  log: { level: 'silent' },
};

/** Later sections win setting by setting. */
function merge(base: ConfigOverrides, over: ConfigOverrides): ConfigOverrides {
  const merged: Record<string, unknown> = { ...base };
  for (const [section, settings] of Object.entries(over)) {
    const before = merged[section];
    merged[section] =
      typeof settings === 'object' && typeof before === 'object' ? { ...before, ...settings } : settings;
  }
  return merged as ConfigOverrides;
}

/** What a test is, as far as starting a node for it goes. */
interface Scope {
  teardown(work: () => Promise<void>): void;
}

/** Starts a node that lives as long as the test. */
export async function startTestNode(t: Scope, overrides: ConfigOverrides = {}): Promise<TestNode> {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-test-'));
  const start = (more: ConfigOverrides = {}): Promise<Node> => {
    const own: ConfigOverrides = { node: { dataDir: folder } };
    return startNode(loadConfig({}, merge(merge(merge(DEFAULTS, overrides), more), own)));
  };
  let node = await start();
  const clients = new Set<Client>();
  const made = new Set<string>();
  t.teardown(async () => {
    for (const client of clients) client.ws.terminate();
    await node.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(options?: ClientOptions): Promise<Client> {
    const client = await connect(test.url, options);
    clients.add(client);
    void client.closed.then(() => clients.delete(client));
    return client;
  }

  const test: TestNode = {
    get node() {
      return node;
    },
    get url() {
      return `ws://127.0.0.1:${node.port}/xmpp-websocket`;
    },
    folder,
    connect: open,
    async users(...names) {
      for (const name of names) {
        if (made.has(name)) continue;
        made.add(name);
        // In a cluster its shard may just be moving. Where the answer was lost, the next one is `conflict`.
        const create = () => node.accounts.create(`${name}@localhost`, PASSWORD, 'operator');
        await until(`the account of ${name}`, async () => (await create()) !== 'busy');
      }
    },
    async authenticated(user, options) {
      await test.users(user);
      const client = await open(options);
      return client.authenticate(user, PASSWORD);
    },
    async login(user, resource, options) {
      const client = await test.authenticated(user, options);
      await client.bind(resource);
      return client;
    },
    async online(user, resource) {
      const client = await test.login(user, resource);
      await client.available();
      return client;
    },
    async settle(...some) {
      for (const client of some) await client.sync();
      for (let quiet = 0; quiet < 3; ) {
        await node.runtime.quiesce();
        quiet = node.runtime.stats().outbox === 0 ? quiet + 1 : 0;
      }
      for (const client of some) await client.sync();
    },
    counts: () => ({ connections: node.listener.stats().connections, streams: node.runtime.stats().streams }),
    async restart(more) {
      await node.close();
      node = await start(more);
    },
  };
  return test;
}

export { until };
