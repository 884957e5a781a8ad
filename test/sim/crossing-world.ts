import { sessionKey } from '../../src/actors/keys.ts';
import { ManualClock } from '../../src/base/clock.ts';
import { shardOf } from '../../src/base/hash.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import type { LogStore } from '../../src/storage/log-store.ts';
import { createMemoryDisk, openMemoryStore } from '../../src/storage/log-store-memory.ts';
import { Client } from './core-client.ts';
import { DOMAIN, SHARDS } from './core-world.ts';
import { SharedLog } from './crossing-log.ts';
import { Net } from './crossing-net.ts';
import { SimNode } from './crossing-node.ts';

/** What may go wrong in a run of several nodes. Chosen by the seed. */
export interface CrossingFaults {
  readonly cuts: boolean;
  readonly deaths: boolean;
  readonly moves: boolean;
  readonly loss: boolean;
  readonly fullDisk: false;
  readonly tight: boolean;
}

const STEPS = 160;

/**
 * Users with devices at several nodes, whose shards move, whose buses lose and whose gateways die, driven from one
 * seed. The logs are one disk that nodes share (crossing-log.ts): replication has a simulation of its own.
 */
export class CrossingWorld {
  readonly random: Random;
  readonly faults: CrossingFaults;
  readonly clock = new ManualClock();
  readonly net: Net;
  readonly clients: Client[] = [];
  readonly users: string[] = [];
  readonly faultsFound: string[] = [];
  readonly crashes: unknown[] = [];
  readonly nodes: SimNode[] = [];
  log!: SharedLog;
  #oids = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const chance = (): boolean => this.random.int(2) === 0;
    const [cuts, deaths, moves, loss] = [chance(), chance(), chance(), chance()];
    this.faults = { cuts, deaths, moves, loss, fullDisk: false, tight: this.random.int(4) === 0 };
    this.net = new Net(this.random, () => this.clock.now());
  }

  get inner(): LogStore {
    return this.log.store;
  }

  async start(): Promise<void> {
    const disk = createMemoryDisk();
    this.log = new SharedLog(disk, await openMemoryStore({ disk, shards: SHARDS }), SHARDS);
    const nodes = 2 + this.random.int(2);
    for (let i = 1; i <= nodes; i++) this.nodes.push(new SimNode(this, `n${i}`));
    for (let shard = 0; shard < SHARDS; shard++) await this.#place(shard);
    for (const node of this.nodes) node.learn(this.log.leaders);
    const users = 2 + this.random.int(2);
    for (let i = 0; i < users; i++) await this.#addUser(`${'abc'[i]}@${DOMAIN}`);
    await this.settle();
    if (this.faults.loss) this.net.loss = 0.05;
  }

  async #addUser(user: string): Promise<void> {
    this.users.push(user);
    this.#living().runtime.toSession(user, { t: 'account', ask: { t: 'create', row: { v: 1 } }, reply: () => {} });
    await this.settle();
    const managed = this.random.int(4) > 0;
    this.clients.push(new Client(this, user, 'one', managed, this.random.int(3) === 0));
    if (this.random.int(3) === 0) this.clients.push(new Client(this, user, 'two', managed));
  }

  // --- what clients need -------------------------------------------------------------------------------------------

  toSession(user: string, message: Parameters<SimNode['runtime']['toSession']>[1], gateway?: string): boolean {
    const node = this.nodes.find(({ id, alive }) => id === gateway && alive);
    return node?.runtime.toSession(user, message) ?? false;
  }

  gateway(): string {
    return this.#living().id;
  }

  fail(text: string): void {
    this.faultsFound.push(text);
  }

  // --- what happens ------------------------------------------------------------------------------------------------

  async run(): Promise<void> {
    for (let i = 0; i < STEPS; i++) {
      await this.#step();
      await rounds(this.random.int(4));
    }
  }

  async #step(): Promise<void> {
    const { random, faults } = this;
    const client = this.clients[random.int(this.clients.length)] as Client;
    const dice = random.int(100);
    if (dice < 20) this.#say(client, 1 + random.int(faults.tight ? 12 : 4));
    else if (dice < 35) for (let n = random.int(8); n >= 0; n--) client.step(true);
    else if (dice < 50) for (let n = random.int(8); n >= 0; n--) client.step(false);
    else if (dice < 60) await this.nodes[random.int(this.nodes.length)]?.sync();
    else if (dice < 70) for (let n = random.int(12); n >= 0; n--) this.net.step();
    else if (dice < 78) client.connect();
    else if (dice < 82) client.notice();
    else if (dice < 85) client.sync();
    else if (dice < 88) await this.#pass(random.int(1500));
    else if (dice < 91) this.#gossip();
    else if (dice < 94) {
      if (faults.cuts) client.cut();
    } else if (dice < 98) {
      if (faults.moves) await this.#place(this.#someShard());
    } else if (faults.deaths && random.int(2) === 0) await this.#die();
  }

  #say(client: Client, count: number): void {
    for (let i = 0; i < count && client.online; i++) {
      const to = this.users[this.random.int(this.users.length)] as string;
      if (this.random.int(6) === 0) client.type(to);
      else client.say(to, `m-${++this.#oids}`);
    }
  }

  /** Time passes; nothing is on its way between nodes for longer than a moment. */
  async #pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      this.net.deliver(this.clock.now() - 500);
      this.clock.advance(Math.min(left, 250));
      await rounds(1);
    }
    for (const { alive, runtime } of this.nodes) if (alive) runtime.sweep();
  }

  /** A node hears who leads what now. */
  #gossip(): void {
    this.nodes[this.random.int(this.nodes.length)]?.learn(this.log.leaders);
  }

  #living(): SimNode {
    const living = this.nodes.filter(({ alive }) => alive);
    return living[this.random.int(living.length)] as SimNode;
  }

  /** A shard gets a leader among the living, whatever it had; the one it had may learn of it later. */
  async #place(shard: number): Promise<void> {
    const next = this.#living();
    const before = this.nodes.find(({ id }) => id === this.log.leaders[shard]);
    if (before === next) return;
    if (before !== undefined) {
      const planned = before.alive && this.random.int(2) === 0;
      if (planned && this.random.int(3) > 0) await this.#pause(before, shard);
      if (planned) before.runtime.unlead(shard, 'moved');
      this.log.leaders[shard] = undefined;
      await before.pipeline.lose(shard, this.random.int(2) === 0);
      if (!planned) before.deposed.add(shard);
    }
    await this.#give(shard, next);
  }

  /** A leadership that is handed over: what is under way settles, mostly. */
  async #pause(node: SimNode, shard: number): Promise<void> {
    node.runtime.pause(shard);
    for (let i = this.random.int(4); i > 0; i--) {
      await node.sync();
      await rounds(2);
      if (this.random.int(3) === 0) this.net.step();
    }
    // Now and then nothing comes of it.
    if (this.random.int(8) === 0) node.runtime.lead(shard);
  }

  async #give(shard: number, next: SimNode): Promise<void> {
    // It led the shard before and has not heard that it did not since.
    if (next.runtime.leads(shard)) next.runtime.unlead(shard, 'led again');
    await next.pipeline.lose(shard, false);
    next.deposed.delete(shard);
    next.view[shard] = next.id;
    next.runtime.lead(shard, this.log.lead(shard, next.id));
    for (const node of this.nodes) {
      if (!node.alive || node === next || this.random.int(2) === 0) continue;
      node.view[shard] = next.id;
      node.runtime.moved(shard);
    }
  }

  /** More often than not one that matters. */
  #someShard(): number {
    const user = this.users[this.random.int(this.users.length)] as string;
    return this.random.int(3) > 0 ? shardOf(sessionKey(user), SHARDS) : this.random.int(SHARDS);
  }

  /** A node dies and comes back empty-handed; the others learn of it. */
  async #die(): Promise<void> {
    const node = this.#living();
    node.kill();
    for (const client of this.clients) client.nodeCrashed(node.id);
    const back = new SimNode(this, node.id);
    this.nodes.splice(this.nodes.indexOf(node), 1, back);
    const others = this.nodes.filter((one) => one !== back);
    for (const [shard, leader] of this.log.leaders.entries()) {
      if (leader !== node.id) continue;
      await node.pipeline.lose(shard, this.random.int(2) === 0);
      const next = others[this.random.int(others.length)] as SimNode;
      await this.#give(shard, next);
    }
    for (const other of others) if (this.random.int(4) > 0) other.runtime.nodeGone(node.id);
  }

  /** Nothing goes wrong any more and everybody comes back: what was promised must now be kept. */
  async heal(): Promise<void> {
    this.net.loss = 0;
    let resting = 0;
    for (let round = 0; round < 400; round++) {
      for (const node of this.nodes) node.learn(this.log.leaders);
      const before = this.#seen();
      await this.#pass(round % 4 === 3 ? 5000 : 100);
      for (const client of this.clients) {
        if (round % 40 === 39) client.giveUp();
        client.connect();
        client.notice();
        for (let n = 0; n < 40; n++) {
          client.step(true);
          client.step(false);
          if (n % 2 === 1) await this.settle(1);
        }
        client.sync();
      }
      await this.settle();
      resting = this.#quiet() && this.#seen() === before ? resting + 1 : 0;
      if (resting > 8) return;
    }
    const stats = this.nodes.map(({ runtime }) => ({ ...runtime.stats(), pipeline: undefined, actors: undefined }));
    const clients = this.clients.map(({ user, resource, online, settled }) => ({ user, resource, online, settled }));
    this.fail(`the world does not come to rest: ${JSON.stringify({ clients, stats })}`);
  }

  /** sessions that went on at another node as they were */
  get handedOver(): number {
    return this.nodes.reduce((sum, { runtime }) => sum + runtime.stats().handedOver, 0);
  }

  #seen(): number {
    return this.clients.reduce((sum, { views }) => sum + views.reduce((ids, view) => ids + view.ids.length, 0), 0);
  }

  #quiet(): boolean {
    if (this.net.waiting > 0 || this.nodes.some(({ pipeline }) => pipeline.waiting > 0)) return false;
    if (this.nodes.some(({ runtime }) => runtime.stats().outbox > 0)) return false;
    return this.clients.every((client) => client.online && client.settled);
  }

  /** Lets disks, buses and actors work until nothing moves. */
  async settle(quietMin = 3): Promise<void> {
    for (let quiet = 0; quiet < quietMin; ) {
      quiet = this.nodes.every(({ pipeline }) => pipeline.waiting === 0) && this.net.waiting === 0 ? quiet + 1 : 0;
      for (const node of this.nodes) await node.sync();
      this.net.deliver();
      await rounds(2);
    }
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.kill();
  }
}

async function rounds(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
