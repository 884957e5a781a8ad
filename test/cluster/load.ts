import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/base/random.ts';
import { until } from '../clients/until.ts';
import { type ArchivedMessage, type Headers, type WireAccount, WireClient } from '../clients/wire-client.ts';
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
  }

  /** Makes the accounts and brings everybody online, neighbours at different nodes. */
  async start(): Promise<void> {
    const urls = this.#options.urls();
    for (const { account } of this.devices) await registered(urls, account);
    for (const [i, device] of this.devices.entries()) device.start(urls[i % urls.length]!);
    await until('everybody to be online', () => this.devices.every(({ online }) => online), SETTLE_MS_MAX);
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
    return this.devices.flatMap(({ sent }) => sent);
  }

  /** Everybody is online, and everything sent is acknowledged or refused. Nothing new is said from here on. */
  async settled(): Promise<void> {
    this.#paused = true;
    const quiet = (): boolean => this.devices.every(({ online, outstanding }) => online && outstanding === 0);
    await until('all messages to be acknowledged', quiet, SETTLE_MS_MAX);
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
      await this.#readArchives();
      const sent = new Map(this.devices.map((device) => [device.jid, device.sent]));
      const seen = new Map(this.devices.map((device) => [device.jid, device.seen]));
      faults = brokenViews({ sent, seen, archives: this.#archives });
      faults.push(...this.devices.flatMap((device) => device.faults), ...this.#readFaults());
      if (faults.length === 0) break;
      await sleep(LOOK_MS);
    }
    return faults;
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
    while (!this.#over) {
      await sleep(TICK_MS);
      for (const device of this.devices) device.tick();
      const now = performance.now();
      // What could not be said in time stays unsaid.
      if (this.#paused || due < now - 1_000) due = now;
      for (; due < now && !this.#paused; due += 1_000 / perSecond) {
        const at = random.int(this.devices.length);
        const peer = this.devices[(at + 1 + random.int(PEERS)) % this.devices.length]!;
        const [from, to] = random.int(2) === 0 ? [this.devices[at]!, peer] : [peer, this.devices[at]!];
        if (from.ready) from.chat(to.jid);
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
