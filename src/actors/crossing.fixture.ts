import t from 'tap';
import { DOMAIN, SHARDS } from '../../test/sim/core-world.ts';
import { SharedLog } from '../../test/sim/crossing-log.ts';
import { Net } from '../../test/sim/crossing-net.ts';
import { type NodeHome, SimNode } from '../../test/sim/crossing-node.ts';
import { ManualClock } from '../base/clock.ts';
import { shardOf } from '../base/hash.ts';
import { seededRandom } from '../base/random.ts';
import { createMemoryDisk, openMemoryStore } from '../storage/log-store-memory.ts';
import { parseFrame } from '../xmpp/xml.ts';
import { chatKey, directChatId, sessionKey } from './keys.ts';
import type { AccountAnswer, AccountAsk, BindAnswer, ResumeAnswer } from './messages.ts';
import { TestConn } from './runtime.fixture.ts';
import type { RuntimeOptions } from './runtime.ts';

/** Several nodes in one process, for tests: time stands still, buses carry when told to, shards move by hand. */
export class TestCluster implements NodeHome {
  readonly clock = new ManualClock();
  readonly random = seededRandom(1);
  readonly net = new Net(this.random, () => this.clock.now());
  readonly faults = { tight: false };
  readonly crashes: unknown[] = [];
  readonly nodes = new Map<string, SimNode>();
  readonly log: SharedLog;

  /** Node `n1` leads everything. */
  static async start(
    ids: readonly string[] = ['n1', 'n2'],
    options: Partial<RuntimeOptions> = {},
  ): Promise<TestCluster> {
    const disk = createMemoryDisk();
    const cluster = new TestCluster(new SharedLog(disk, await openMemoryStore({ disk, shards: SHARDS }), SHARDS));
    for (const id of ids) cluster.nodes.set(id, new SimNode(cluster, id, options));
    for (let shard = 0; shard < SHARDS; shard++) await cluster.give(shard, 'n1');
    return cluster;
  }

  private constructor(log: SharedLog) {
    this.log = log;
  }

  fail(text: string): void {
    throw new Error(text);
  }

  node(id: string): SimNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** The shard's leader is this node; who led it hears of it, and all others if `told`. */
  async give(shard: number, id: string | undefined, told = true): Promise<void> {
    const before = this.log.leaders[shard];
    if (before !== undefined) {
      this.node(before).runtime.unlead(shard, 'led elsewhere');
      await this.node(before).pipeline.lose(shard, true);
    }
    this.log.leaders[shard] = undefined;
    if (told) for (const node of this.nodes.values()) node.view[shard] = id;
    if (id !== undefined) this.node(id).runtime.lead(shard, this.log.lead(shard, id));
  }

  shardOf(key: string): number {
    return shardOf(key, SHARDS);
  }

  /** The shard of an entity is led by this node. */
  async place(key: string, id: string | undefined, told = true): Promise<number> {
    const shard = shardOf(key, SHARDS);
    await this.give(shard, id, told);
    return shard;
  }

  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet++) {
      for (const node of this.nodes.values()) {
        if (node.alive && node.pipeline.waiting > 0) quiet = 0;
        await node.sync();
      }
      if (this.net.waiting > 0) quiet = 0;
      this.net.deliver();
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Time passes in steps of a second, each with a sweep of every node. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1000) {
      this.clock.advance(Math.min(left, 1000));
      for (const { alive, runtime } of this.nodes.values()) if (alive) runtime.sweep();
      await this.settle();
    }
  }

  async ask(id: string, user: string, ask: AccountAsk): Promise<AccountAnswer | undefined> {
    let answer: AccountAnswer | undefined;
    this.node(id).runtime.toSession(user, { t: 'account', ask, reply: (came) => (answer = came) });
    await this.settle();
    return answer;
  }

  /** An account whose session lives at this node. */
  async account(name: string, id: string): Promise<string> {
    const user = `${name}@${DOMAIN}`;
    await this.place(sessionKey(user), id);
    await this.ask(id, user, { t: 'create', row: { v: 1 } });
    return user;
  }

  client(gateway: string, user: string): TestSocket {
    return new TestSocket(this, gateway, user);
  }

  /** A bound, managed and available stream of a client at this gateway. */
  async bind(gateway: string, user: string, resource = 'one'): Promise<TestSocket> {
    const client = this.client(gateway, user);
    await client.bind(resource);
    const [enabled] = await client.send(`<enable xmlns='urn:xmpp:sm:3' resume='true'/>`);
    client.smId = / id='(.*?)'/.exec(enabled ?? '')?.[1] ?? '';
    await client.send(`<presence xmlns='jabber:client'/>`);
    client.conn.take();
    return client;
  }
}

/** A client at one of the gateways. */
export class TestSocket {
  readonly cluster: TestCluster;
  gateway: string;
  readonly user: string;
  conn = new TestConn();
  sid = 0;
  smId = '';

  constructor(cluster: TestCluster, gateway: string, user: string) {
    this.cluster = cluster;
    this.gateway = gateway;
    this.user = user;
  }

  /** @returns undefined when there is no answer yet */
  async bind(resource: string): Promise<BindAnswer | undefined> {
    const { conn } = this;
    let answer: BindAnswer | undefined;
    this.#tell({ t: 'bind', conn, resource, reply: (came) => (answer = came) });
    await this.cluster.settle();
    if (answer?.ok === true) this.sid = answer.sid;
    return answer;
  }

  async resume(gateway: string, h: number): Promise<ResumeAnswer | undefined> {
    this.gateway = gateway;
    this.conn = new TestConn();
    const { conn, smId } = this;
    let answer: ResumeAnswer | undefined;
    this.#tell({ t: 'resume', conn, smId, h, reply: (came) => (answer = came) });
    await this.cluster.settle();
    if (answer?.ok === true) this.sid = answer.sid;
    return answer;
  }

  frame(xml: string): void {
    this.#tell({ t: 'frame', sid: this.sid, frame: parseFrame(xml), conn: this.conn });
  }

  async send(...frames: string[]): Promise<string[]> {
    for (const xml of frames) this.frame(xml);
    await this.cluster.settle();
    return this.conn.take();
  }

  gone(clean = false): void {
    this.#tell({ t: 'gone', sid: this.sid, conn: this.conn, clean });
  }

  #tell(message: Parameters<SimNode['runtime']['toSession']>[1]): void {
    this.cluster.node(this.gateway).runtime.toSession(this.user, message);
  }
}

/** Users `a` at n1 and `b` at n2, their chat at `chatAt`. */
export async function pair(
  chatAt: string,
  ids = ['n1', 'n2'],
): Promise<{ cluster: TestCluster; a: string; b: string }> {
  const cluster = await TestCluster.start(ids);
  const a = await cluster.account('a', 'n1');
  const b = await cluster.account('b', 'n2');
  await cluster.place(chatKey(directChatId(a, b)), chatAt);
  t.teardown(() => cluster.nodes.forEach((node) => void node.kill()));
  return { cluster, a, b };
}

/** Moves a user's shard the planned way. */
export async function move(cluster: TestCluster, user: string, to: string): Promise<void> {
  const shard = cluster.shardOf(sessionKey(user));
  cluster.node(cluster.log.leaders[shard] as string).runtime.pause(shard);
  await cluster.settle();
  await cluster.give(shard, to);
  for (const { runtime } of cluster.nodes.values()) runtime.moved(shard);
  await cluster.settle();
}
