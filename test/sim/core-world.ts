import type { Affiliate } from '../../src/actors/group-state.ts';
import { groupRows, messageStream } from '../../src/actors/keys.ts';
import type { ChatItem } from '../../src/actors/messages.ts';
import { decideRegistration } from '../../src/actors/registration.ts';
import { createRuntime, type Runtime } from '../../src/actors/runtime.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { soleDirectory } from '../../src/cluster/directory.ts';
import type { LogStore, Op } from '../../src/storage/log-store.ts';
import { createMemoryDisk, openMemoryStore } from '../../src/storage/log-store-memory.ts';
import { inProcessBus } from '../../src/transport/bus.ts';
import { isMember } from '../../src/xmpp/muc-words.ts';
import { Client } from './core-client.ts';
import { type SlowStore, slowStore } from './core-disk.ts';
import type { Stay } from './room-device.ts';
import { REAL_TIMES, ROOM_DOMAIN, runtimeLimits } from './runtime-limits.ts';

/** What may go wrong in a run, and how tight the bounds are. Chosen by the seed. */
export interface Faults {
  readonly cuts: boolean;
  readonly crashes: boolean;
  readonly fullDisk: boolean;
  /** bounds so tight that mailboxes, windows and queues overflow */
  readonly tight: boolean;
  /** there is a room, that devices enter and leave and write to, and members who come and go */
  readonly rooms: boolean;
}

export const SHARDS = 16;
export const DOMAIN = 'sim.test';
export const ROOM = `room@${ROOM_DOMAIN}`;
const STEPS = 160;

/** One run: users with devices, a node on a slow disk, and a scheduler that draws what happens next from one seed. */
export class World {
  readonly random: Random;
  readonly faults: Faults;
  readonly disk = createMemoryDisk();
  readonly clients: Client[] = [];
  readonly users: string[] = [];
  readonly faultsFound: string[] = [];
  /** by user, what the room has posted to the inbox */
  readonly owed = new Map<string, number[]>();
  /** rows of the room's affiliates on disk */
  readonly #members = new Map<string, Affiliate>();
  /** messages of the room that reached a device in it */
  heardInRoom = 0;
  readonly crashes: unknown[] = [];
  now = Date.UTC(2026, 0, 1);
  store!: SlowStore;
  inner!: LogStore;
  runtime!: Runtime;
  #ids = 0;
  #oids = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const chance = (): boolean => this.random.int(2) === 0;
    const [cuts, crashes, fullDisk, tight] = [chance(), chance(), chance(), this.random.int(3) === 0];
    // Where queues overflow all the time, streams end with everybody who enters.
    const rooms = !tight && seededRandom(seed ^ 0x6d2b79).int(2) === 0;
    this.faults = { cuts, crashes, fullDisk, tight, rooms };
  }

  async start(): Promise<void> {
    await this.#boot();
    const count = 2 + this.random.int(2);
    for (let i = 0; i < count; i++) {
      const user = `${'abc'[i]}@${DOMAIN}`;
      this.users.push(user);
      this.runtime.toSession(user, { t: 'account', ask: { t: 'create', row: { v: 1 } }, reply: () => {} });
      const managed = this.random.int(4) > 0;
      this.clients.push(new Client(this, user, 'one', managed));
      if (this.random.int(3) === 0) this.clients.push(new Client(this, user, 'two', managed));
    }
    await this.settle();
    if (this.faults.rooms) await this.#makeRoom();
  }

  async #makeRoom(): Promise<void> {
    const [first] = this.clients as [Client];
    first.connect();
    await this.settle();
    first.enter(ROOM);
    first.openRoom(ROOM);
    for (let i = 0; i < 4; i++) {
      first.step(true);
      await this.settle();
    }
  }

  async #boot(): Promise<void> {
    const inner = await openMemoryStore({ disk: this.disk, shards: SHARDS });
    this.inner = Object.assign(Object.create(inner) as LogStore, {
      append: (ops: readonly Op[]) => {
        for (const op of ops) this.#notePosts(op);
        return inner.append(ops);
      },
    });
    this.store = slowStore(this.inner);
    const { tight } = this.faults;
    this.runtime = createRuntime({
      nodeId: 'n1',
      store: this.store.store,
      bus: inProcessBus('n1'),
      directory: soleDirectory(SHARDS, 'n1'),
      now: () => this.now,
      monotonicMs: () => this.now,
      ...runtimeLimits(tight, REAL_TIMES),
      turnsMax: tight ? 5 : 1000,
      sessionParts: {
        domain: DOMAIN,
        newId: () => `id-${++this.#ids}`,
        dispatchIq: () => false,
        registration: decideRegistration,
        setPassword: async () => 'busy',
      },
      onCrash: (_kind, error) => this.crashes.push(error),
    });
  }

  /** What is on disk for the inboxes of the room's members, in its order. */
  #notePosts({ writes, outbox }: Op): void {
    for (const { to, body } of outbox) {
      const { t, chat, seq } = body as ChatItem;
      if (t === 'msg' && chat === ROOM) this.#owe(to.slice(to.indexOf(':') + 1), seq);
    }
    const said = writes.flatMap((one) => (one.t === 'append' && one.stream === messageStream(ROOM) ? [one.seq] : []));
    const before = new Map(this.#members);
    for (const one of writes) {
      if ((one.t !== 'put' && one.t !== 'del') || !one.key.startsWith(AFFILIATES)) continue;
      const user = one.key.slice(AFFILIATES.length);
      if (one.t === 'put') this.#members.set(user, one.value as Affiliate);
      else this.#members.delete(user);
    }
    if (outbox.length > 0) return;
    // All of it went ahead (ahead.ts), so it is nobody's first one: it is for those who were members before the op.
    for (const [user, { affiliation, since }] of before) {
      if (!isMember(affiliation)) continue;
      const after = this.#members.get(user);
      const stays = after !== undefined && isMember(after.affiliation) && after.since === since;
      for (const seq of said) if (stays || seq <= (after?.before ?? 0)) this.#owe(user, seq);
    }
  }

  #owe(user: string, seq: number): void {
    this.owed.set(user, [...(this.owed.get(user) ?? []), seq]);
  }

  heard({ user, resource }: Client, { no, seqs }: Stay): void {
    this.heardInRoom += 1;
    const [before, seq] = seqs.slice(-2);
    if (seq !== undefined && seq !== (before ?? 0) + 1)
      this.fail(`${user}/${resource} heard ${seq} of the room after ${before}, in its stay ${no}`);
  }

  toSession(user: string, message: Parameters<Runtime['toSession']>[1]): boolean {
    return this.runtime.toSession(user, message);
  }

  fail(text: string): void {
    this.faultsFound.push(text);
  }

  /** Everything that can happen at once happens: random steps with faults. */
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
    if (faults.rooms && dice < 40 && random.int(2) === 0 && client.online)
      for (let n = random.int(4); n >= 0; n--) this.#roam(client);
    else if (dice < 25) this.#say(client, 1 + random.int(this.faults.tight ? 12 : 4));
    else if (dice < 45) for (let n = random.int(8); n >= 0; n--) client.step(true);
    else if (dice < 60) for (let n = random.int(8); n >= 0; n--) client.step(false);
    else if (dice < 72) this.store.sync();
    else if (dice < 80) client.connect();
    else if (dice < 84) client.notice();
    else if (dice < 88) client.sync();
    else if (dice < 91) this.#pass(random.int(3000));
    else if (dice < 95) {
      if (faults.cuts) client.cut();
    } else if (dice < 98) {
      if (faults.fullDisk) this.store.full = !this.store.full;
    } else if (faults.crashes && random.int(2) === 0) await this.#crash(random.int(2) === 0);
  }

  #say(client: Client, count: number): void {
    for (let i = 0; i < count && client.online; i++) {
      const to = this.users[this.random.int(this.users.length)] as string;
      if (this.random.int(6) === 0) client.type(to);
      else client.say(to, `m-${++this.#oids}`);
    }
  }

  #roam(client: Client): void {
    const { random } = this;
    const { rooms } = client;
    const [owner, other] = this.users as [string, string];
    const dice = random.int(10);
    if (client.user === owner && dice < 3) {
      if (dice < 2) client.affiliate(ROOM, other, 'none');
      if (dice > 0) client.affiliate(ROOM, other, 'member');
    } else if (!rooms.here.has(ROOM)) {
      if (!rooms.isEntering(ROOM)) client.enter(ROOM);
    } else if (dice === 3) client.leave(ROOM);
    else if (dice === 4) client.rename(ROOM);
    else client.sayInRoom(ROOM, `m-${++this.#oids}`);
  }

  #pass(ms: number): void {
    this.now += ms;
    this.runtime.sweep();
  }

  async #crash(kept: boolean): Promise<void> {
    const { runtime, store } = this;
    for (const client of this.clients) client.serverCrashed();
    store.crash(kept);
    await runtime.close();
    await this.#boot();
  }

  /** Nothing goes wrong any more and everybody comes back: what was promised must now be kept. */
  async heal(): Promise<void> {
    this.store.full = false;
    let resting = 0;
    for (let round = 0; round < 400; round++) {
      const before = this.#seen();
      this.#pass(round % 4 === 3 ? 5000 : 10);
      for (const client of this.clients) {
        client.connect();
        client.notice();
        if (this.faults.rooms && round < 20 && client.online) client.askRoom(ROOM);
        // Fewer at once than the tightest mailbox holds: a bound that is always hit is never got over.
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
    this.fail(`the world does not come to rest: ${JSON.stringify({ ...this.runtime.stats(), pipeline: undefined })}`);
  }

  #seen(): number {
    return this.clients.reduce((sum, { views }) => sum + views.reduce((ids, view) => ids + view.ids.length, 0), 0);
  }

  #quiet(): boolean {
    const { outbox, pipeline } = this.runtime.stats();
    return outbox === 0 && pipeline.pending === 0 && this.clients.every((client) => client.online && client.settled);
  }

  /** Lets the disk and the actors work until nothing moves. */
  async settle(quietMin = 3): Promise<void> {
    for (let quiet = 0; quiet < quietMin; ) {
      quiet = this.store.waiting === 0 ? quiet + 1 : 0;
      while (this.store.waiting > 0) this.store.sync();
      await rounds(2);
    }
  }

  async stop(): Promise<void> {
    this.store.crash(false);
    await this.runtime.close();
  }
}

/** Rows of the room's affiliates. */
const AFFILIATES = `${groupRows(ROOM)}a/`;

async function rounds(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
