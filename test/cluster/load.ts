import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/base/random.ts';
import { until } from '../clients/until.ts';
import { type ArchivedMessage, type Headers, type WireAccount, WireClient } from '../clients/wire-client.ts';
import { awaited, found, type Group, ghosts, group, isSettled, judged, observe, stir } from '../crash/groups.ts';
import type { RoomObserved } from '../crash/room-ledger.ts';
import { Device, type DeviceOptions, type TimedMessage } from './device.ts';
import { Reader } from './reader.ts';
import { brokenViews } from './views.ts';

export interface LoadOptions {
  /** people, each with one device */
  readonly people: number;
  /** messages a second, of all of them together */
  readonly perSecond: number;
  readonly random: Random;
  /** WebSocket addresses of all nodes that may be there, in any state */
  urls(): readonly string[];
  /** told of what becomes of connections, a line each */
  note(line: string): void;
}

/** Each person writes to so many of those behind it, so that inboxes hold several chats. */
const PEERS = 2;
const READERS = 8;
/** Members of each group, neighbours, from which person on. */
const GROUPS = [
  { name: 'three', from: 0, members: 3 },
  { name: 'five', from: 2, members: 5 },
  { name: 'eight', from: 6, members: 8 },
  { name: 'ten', from: 11, members: 10 },
];
/** Of so many messages one goes to a group; and ms between two times that somebody comes or goes. */
const PER_GROUP_MESSAGE = 4;
const STIR_MS = 400;
const TICK_MS = 20;
/** A trusted proxy in front of the nodes says that it spoke TLS with us: passwords go plain. */
const HEADERS: Headers = { 'x-forwarded-proto': 'https' };
const SETTLE_MS_MAX = 90_000;
const LOOKS_MAX = 50;
const LOOK_MS = 200;

/** People who write to each other at a steady rate, and everything their clients know. */
export class Load {
  readonly devices: readonly Device[];
  /** second clients of some of them */
  readonly readers: readonly Reader[];
  readonly groups: readonly Group[];
  readonly #options: LoadOptions;
  readonly #archives = new Map<string, ArchivedMessage[]>();
  #paused = true;
  #over = false;
  #running: Promise<void> | undefined;

  constructor(options: LoadOptions) {
    const { random } = options;
    this.#options = options;
    const optionsOf = (i: number): DeviceOptions => ({ ...options, user: `person${i}`, random, headers: HEADERS });
    this.devices = Array.from({ length: options.people }, (_, i) => new Device(optionsOf(i)));
    this.readers = this.devices.slice(0, READERS).map((device, i) => new Reader(device, optionsOf(i)));
    this.groups = GROUPS.map(({ name, from, members }) => {
      const size = Math.min(members, options.people);
      const people = Array.from({ length: size }, (_, i) => this.devices[(from + i) % options.people]!.rooms);
      const seconds = this.readers
        .map(({ rooms }) => rooms)
        .filter(({ user }) => people.some((one) => one.user === user));
      return group(name, people, seconds);
    });
  }

  /** Makes the accounts and brings everybody online, neighbours at different nodes. */
  async start(): Promise<void> {
    const urls = this.#options.urls();
    for (const { account } of this.devices) await registered(urls, account);
    for (const [i, device] of this.devices.entries()) device.start(urls[i % urls.length]!);
    await until('everybody to be online', () => this.devices.every(({ online }) => online), SETTLE_MS_MAX);
    await found(this.groups);
    for (const reader of this.readers) reader.start();
    this.#running = this.#run();
  }

  resume(): void {
    this.#paused = false;
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#running;
    await Promise.all([...this.readers, ...this.devices].map((client) => client.stop()));
  }

  get sent(): TimedMessage[] {
    return this.devices.flatMap(({ sent, said }) => [...sent, ...said]);
  }

  /** Everybody is online, and everything sent is acknowledged or refused. Nothing new is said from here on. */
  async settled(): Promise<void> {
    this.#paused = true;
    const quiet = (): boolean =>
      this.devices.every(({ online, outstanding }) => online && outstanding === 0) && this.groups.every(isSettled);
    await until('all messages to be acknowledged, and all rooms to answer', quiet, SETTLE_MS_MAX).catch((error) => {
      throw new Error(`${error.message}: ${this.groups.flatMap(awaited).join('; ')}`);
    });
  }

  /**
   * Everything that the clients' views say against the promise, once they have settled. What was acknowledged may still
   * be on its way to the other side: a fault counts when it stays.
   * @param anew every archive from its beginning; else what was read before is trusted
   */
  async faults(anew: boolean): Promise<string[]> {
    if (anew) this.#archives.clear();
    let faults: string[] = [];
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      // Behind all that groups had for the inboxes.
      for (const [at, device] of this.devices.entries())
        if (device.ready) device.chat(this.devices[(at + 1) % this.devices.length]!.jid);
      await this.settled();
      const rooms = await this.#readRooms();
      await this.#readArchives();
      const sent = new Map(this.devices.map((device) => [device.jid, device.sent]));
      const seen = new Map(this.devices.map((device) => [device.jid, device.seen]));
      faults = brokenViews({ sent, seen, archives: this.#archives, groups: rooms.inboxes });
      faults.push(...this.devices.flatMap((device) => device.faults), ...this.#readFaults(), ...rooms.faults);
      faults.push(...this.devices.flatMap((device) => device.rooms.faults));
      if (faults.length === 0) break;
      await sleep(LOOK_MS);
    }
    return faults;
  }

  /** What members know of their groups: archives, what they were shown, who is there. */
  async #readRooms(): ReturnType<typeof readRooms> {
    let read: Awaited<ReturnType<typeof readRooms>> | undefined;
    let why: unknown;
    await until(
      'the archives of the rooms',
      async () => {
        // As with the archives of people: a socket may be lost at any time.
        read = await readRooms(this.groups).catch((error) => {
          why = error;
          return undefined;
        });
        return read !== undefined;
      },
      SETTLE_MS_MAX,
    ).catch((error) => {
      throw new Error(`${error.message}: ${why}`);
    });
    return read!;
  }

  #readFaults(): string[] {
    return this.readers.flatMap((reader, at) => {
      const archive = this.#archives.get(this.devices[at]!.jid) ?? [];
      return reader.contradictions(new Map(archive.map(({ id, originId }) => [id, originId])));
    });
  }

  /** What readers missed since the last call: a fault that ends nothing, and is told once. */
  staleReads(): string[] {
    return this.readers.flatMap((reader) => reader.faults.splice(0));
  }

  /** Somebody who is connected writes when it is time, to somebody elsewhere. */
  async #run(): Promise<void> {
    const { random, perSecond } = this.#options;
    let due = performance.now();
    let stirred = due;
    while (!this.#over) {
      await sleep(TICK_MS);
      for (const device of this.devices) device.tick();
      const now = performance.now();
      // What could not be said in time stays unsaid.
      if (this.#paused || due < now - 1_000) due = now;
      if (!this.#paused && now - stirred > STIR_MS) {
        stirred = now;
        stir(this.groups, random);
      }
      for (; due < now && !this.#paused; due += 1_000 / perSecond) {
        const at = random.int(this.devices.length);
        const peer = this.devices[(at + 1 + random.int(PEERS)) % this.devices.length]!;
        const [from, to] = random.int(2) === 0 ? [this.devices[at]!, peer] : [peer, this.devices[at]!];
        const rooms = random.int(PER_GROUP_MESSAGE) === 0 ? from.rooms.inside : [];
        if (!from.ready) continue;
        if (rooms.length > 0) from.say(rooms[random.int(rooms.length)]!);
        else from.chat(to.jid);
      }
    }
  }

  async #readArchives(): Promise<void> {
    await Promise.all(
      this.devices.map(async (device) => {
        const known = this.#archives.get(device.jid) ?? [];
        let more: ArchivedMessage[] | undefined;
        await until(
          `the archive of ${device.jid}`,
          async () => {
            // A socket may be lost at any time: it is asked again on the next one.
            more = device.online ? await device.archive(known.at(-1)?.id).catch(() => undefined) : undefined;
            return more !== undefined;
          },
          SETTLE_MS_MAX,
        );
        this.#archives.set(device.jid, [...known, ...more!]);
      }),
    );
  }
}

async function readRooms(groups: readonly Group[]): Promise<ReturnType<typeof judged>> {
  const observed: RoomObserved[] = [];
  for (const one of groups) observed.push(await observe(one));
  const { faults, inboxes } = judged(observed);
  for (const one of groups) faults.push(...(await ghosts(one)));
  return { faults, inboxes };
}

/** As long as the server says to wait: shards may still be moving. An account that is there was made by an earlier try. */
async function registered(urls: readonly string[], account: WireAccount): Promise<void> {
  let at = 0;
  await until(
    `the account of ${account.user}`,
    async () => {
      try {
        await WireClient.register(urls[at++ % urls.length]!, account, HEADERS);
        return true;
      } catch (error) {
        if (/type="wait"/.test(String(error))) return false;
        if (/<conflict/.test(String(error))) return true;
        throw error;
      }
    },
    SETTLE_MS_MAX,
  );
}
