import { setTimeout as sleep } from 'node:timers/promises';
import { WireClient } from '../clients/wire-client.ts';
import { RoomClient } from '../crash/room-client.ts';
import type { Device, DeviceOptions } from './device.ts';

/** ms between two queries, and between two attempts to connect */
const PAUSE_MS = 300;
/** Faults kept: one stale read makes many alike. */
const FAULTS_MAX = 20;

/**
 * A second client of a person, which only reads the archive, again and again, at whatever node it happens to be. Whoever
 * was told that a message is kept must find it there (docs/architecture.md, the way of one message, 6), whichever node
 * is asked: one that has been deposed and does not know it yet must not answer from what it remembers.
 *
 * It enters the rooms where the first device is, by another name on each connection: none of them may stay behind there.
 */
export class Reader {
  readonly faults: string[] = [];
  readonly rooms: RoomClient;
  queries = 0;
  readonly #device: Device;
  readonly #options: DeviceOptions;
  /** origin-id by archive id, as read so far */
  readonly #known = new Map<string, string | undefined>();
  readonly #found = new Set<string | undefined>();
  #lastId: string | undefined;
  /** own messages below it are found, or were never acknowledged when last looked at */
  #from = 0;
  #over = false;
  #client: WireClient | undefined;
  #running: Promise<void> | undefined;

  constructor(device: Device, options: DeviceOptions) {
    this.#device = device;
    this.#options = options;
    this.rooms = new RoomClient(device.jid, false, (line) => options.note(line));
  }

  start(): void {
    this.#running = this.#live();
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.#client?.cut();
    await this.#running;
  }

  async #live(): Promise<void> {
    const { random, urls, headers } = this.#options;
    for (let connection = 1; !this.#over; connection++) {
      const url = urls()[random.int(urls().length)]!;
      try {
        const client = await WireClient.authenticated(url, this.#device.account, headers);
        this.#client = client;
        client.onMessage = (message) => void this.rooms.onMessage(message);
        this.rooms.listen(client);
        await client.bind(`reader-${connection}`, false);
        this.rooms.moved(client, this.#device.rooms.inside);
        while (!this.#over) {
          await this.#query(client, url);
          await sleep(PAUSE_MS);
        }
      } catch (error) {
        this.#options.note(`${this.#device.account.user} reader at ${url}: ${String(error).slice(0, 200)}`);
        this.#client?.cut();
        this.rooms.lost();
        await sleep(PAUSE_MS);
      }
    }
  }

  async #query(client: WireClient, url: string): Promise<void> {
    const asked = performance.now();
    const { sent } = this.#device;
    const acked = sent.slice(this.#from).filter((one) => one.acked && !this.#found.has(one.originId));
    const ages = new Map(acked.map((one) => [one.originId, asked - one.ackedAt!]));
    for (const { id, originId } of await client.archive(undefined, 200, this.#lastId)) {
      this.#known.set(id, originId);
      this.#found.add(originId);
      this.#lastId = id;
    }
    this.queries += 1;
    const missing = [...ages].filter(([originId]) => !this.#found.has(originId));
    const [first] = missing;
    if (first !== undefined && this.faults.length < FAULTS_MAX) {
      const [originId, ms] = first;
      const took = Math.round(performance.now() - asked);
      this.faults.push(
        `stale read: ${missing.length} messages, ${originId} the first, acknowledged ${Math.round(ms)} ms before their ` +
          `sender's archive was asked for at ${url}, were not in the answer, after ${took} ms`,
      );
    }
    while (this.#from < sent.length && this.#found.has(sent[this.#from]!.originId)) this.#from += 1;
  }

  /** What it was told at any time that the archive does not say in the end. */
  contradictions(archive: ReadonlyMap<string, string | undefined>): string[] {
    return [...this.#known]
      .filter(([id, originId]) => archive.get(id) !== originId)
      .map(([id, originId]) => `${this.#device.jid} read ${originId} as ${id}, which is ${archive.get(id)} in the end`);
  }
}
