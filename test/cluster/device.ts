import { setTimeout as sleep } from 'node:timers/promises';
import type { Element } from 'ltx';
import type { Random } from '../../src/base/random.ts';
import { type ArchivedMessage, type WireAccount, WireClient } from '../clients/wire-client.ts';
import type { SentMessage } from '../crash/ledger.ts';
import { isRoom, RoomClient } from '../crash/room-client.ts';
import type { Seen } from './views.ts';

/** A message, and when it was handed to the network first and acknowledged, ms of `performance.now()`. */
export interface TimedMessage extends SentMessage {
  readonly sentAt: number;
  ackedAt: number | undefined;
  /** condition of the error that came back in its place */
  refused: string | undefined;
}

export interface DeviceOptions {
  readonly user: string;
  /** where nodes may be; who does not answer is left for another one */
  urls(): readonly string[];
  readonly random: Random;
  readonly headers: Readonly<Record<string, string>>;
  /** told of what becomes of its connections, a line each */
  note(line: string): void;
}

/** Messages that may be unacknowledged before the person waits. */
const OUTSTANDING_MAX = 40;
/** ms between two acknowledgement requests, and without any word of the server after one until the socket is given up */
const REQUEST_MS = 300;
const SILENCE_MS_MAX = 6_000;
/** ms for one answer on the way to a stream, above what a node takes to refuse a resumption; then another node is tried */
const CONNECT_ANSWER_MS_MAX = 6_000;
/** ms between two attempts to connect, at least and at random more */
const RETRY_MS = 150;
const ARCHIVE_ANSWER_MS_MAX = 15_000;
const DOMAIN = 'localhost';

/**
 * One person with one device, as a careful client does it (XEP-0198): a broken stream is resumed, at any node that
 * answers; refused that, it logs in anew and sends again what was not acknowledged, under the same origin-ids.
 */
export class Device {
  readonly account: WireAccount;
  readonly jid: string;
  readonly sent: TimedMessage[] = [];
  /** to rooms */
  readonly said: TimedMessage[] = [];
  readonly rooms: RoomClient;
  /** everything it was shown, in order */
  readonly seen: Seen[] = [];
  readonly faults: string[] = [];
  readonly stats = { resumed: 0, bound: 0, again: 0 };
  /** why sockets were lost, each time */
  readonly losses: string[] = [];
  /** the node it is connected to; undefined while it is not */
  url: string | undefined;
  readonly #options: DeviceOptions;
  #client: WireClient | undefined;
  /** the stream that is over, as long as it may be resumed */
  #before: WireClient | undefined;
  #inFlight: { readonly n: number; readonly message: TimedMessage }[] = [];
  #heardAt = 0;
  #askedAt: number | undefined;
  #over = false;
  #running: Promise<void> | undefined;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.account = { user: options.user, password: `the password of ${options.user}` };
    this.jid = `${options.user}@${DOMAIN}`;
    this.rooms = new RoomClient(this.jid, false, (line) => options.note(line));
  }

  /** Comes online and stays so until `stop`. @param url of the first node */
  start(url: string): void {
    this.#running = this.#live(url);
  }

  async stop(): Promise<void> {
    this.#over = true;
    this.#client?.cut();
    await this.#running;
  }

  get online(): boolean {
    return this.url !== undefined;
  }

  get outstanding(): number {
    return this.#inFlight.length;
  }

  get ready(): boolean {
    return this.online && this.#inFlight.length < OUTSTANDING_MAX;
  }

  chat(to: string): void {
    const originId = `${this.account.user}-${this.sent.length + 1}`;
    const base = { originId, from: this.jid, to, acked: false };
    const times = { sentAt: performance.now(), ackedAt: undefined };
    const message: TimedMessage = { ...base, ...times, refused: undefined };
    this.sent.push(message);
    this.#send(message);
  }

  /** A new message to one of the rooms where it is. */
  say(room: string): void {
    const times = { sentAt: performance.now(), ackedAt: undefined, refused: undefined };
    const message: TimedMessage = Object.assign(this.rooms.say(room), times);
    this.said.push(message);
    this.#send(message);
  }

  /** Asks for acknowledgements, and gives a silent socket up. To be called often. */
  tick(): void {
    const client = this.#client;
    if (client === undefined || !this.online) return;
    const now = performance.now();
    if (this.#askedAt !== undefined && this.#heardAt < this.#askedAt && now - this.#askedAt > SILENCE_MS_MAX)
      return this.#giveUp(client);
    if (this.#inFlight.length === 0 && client.unacked.length === 0) return;
    if (this.#askedAt !== undefined && (this.#heardAt < this.#askedAt || now - this.#askedAt < REQUEST_MS)) return;
    this.#askedAt = now;
    client.requestAck();
  }

  /** What of the archive follows this id, by a client's query. @throws Error when it breaks on the way */
  archive(behind: string | undefined): Promise<ArchivedMessage[]> {
    if (this.#client === undefined || !this.online) throw new Error(`${this.jid} is not online`);
    return this.#client.archive(undefined, 200, behind);
  }

  #giveUp(client: WireClient): void {
    client.why = 'silent';
    client.cut();
  }

  #note(line: string): void {
    this.#options.note(`${this.account.user} ${line}`);
  }

  #send(message: TimedMessage): void {
    const client = this.#client!;
    client.chat(message.to, message.originId, 'm', isRoom(message.to) ? 'groupchat' : 'chat');
    this.#inFlight.push({ n: client.sent, message });
  }

  async #live(first: string): Promise<void> {
    const { random, urls } = this.#options;
    for (let url = first; !this.#over; url = urls()[random.int(urls().length)] ?? first) {
      const client = await this.#connect(url);
      if (client !== undefined) {
        await client.ended;
        this.url = undefined;
        this.#client = undefined;
        this.rooms.lost();
        this.#before = client;
        this.losses.push(client.why);
        this.#note(`lost (${client.why}), ${this.#inFlight.length} unacknowledged`);
      }
      if (!this.#over) await sleep(RETRY_MS * (1 + random.float()));
    }
  }

  async #connect(url: string): Promise<WireClient | undefined> {
    let client: WireClient | undefined;
    try {
      client = await WireClient.authenticated(url, this.account, this.#options.headers, CONNECT_ANSWER_MS_MAX);
      this.#listen(client);
      const before = this.#before;
      const resumed = before?.resumeId !== undefined && (await client.resume(before));
      if (resumed) this.stats.resumed += 1;
      else await this.#bindAnew(client);
      this.#note(`${resumed ? 'resumed' : 'bound'} at ${url}`);
      this.url = url;
      this.rooms.ready(client);
      client.answerMsMax = ARCHIVE_ANSWER_MS_MAX;
      return client;
    } catch (error) {
      client?.cut();
      await client?.ended;
      this.rooms.lost();
      this.#note(`not connected at ${url}: ${String(error).slice(0, 200)}`);
      if (/went back/.test(String(error))) this.faults.push(String(error));
      return undefined; // the next node may answer; the run's own deadline ends this
    }
  }

  #listen(client: WireClient): void {
    this.#client = client;
    this.#askedAt = undefined;
    client.onHeard = () => {
      this.#heardAt = performance.now();
    };
    client.onAck = () => this.#onAck(client.acked);
    client.onMessage = (message) => this.#onMessage(message);
    this.rooms.listen(client);
  }

  async #bindAnew(client: WireClient): Promise<void> {
    if (this.#before !== undefined) this.#onAck(this.#before.acked);
    this.#before = undefined;
    await client.bind('phone', true);
    this.stats.bound += 1;
    const again = this.#inFlight.splice(0).filter(({ message }) => message.refused === undefined);
    client.send("<presence xmlns='jabber:client'/>");
    this.rooms.bound(client);
    // What was for a room that it has left stays unsaid.
    for (const { message } of again) if (!isRoom(message.to) || this.rooms.wants(message.to)) this.#send(message);
    this.stats.again += again.length;
  }

  #onAck(h: number): void {
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.n <= h) {
      const { message } = this.#inFlight.shift()!;
      if (message.refused !== undefined) continue;
      message.acked = true;
      message.ackedAt = performance.now();
    }
  }

  #onMessage(message: Element): void {
    if (this.rooms.onMessage(message)) return;
    if (message.attrs['type'] === 'error') return this.#onRefused(message);
    const id = message.getChildren('stanza-id').find(({ attrs }) => attrs['by'] === this.jid)?.attrs['id'];
    const originId = message.getChild('origin-id')?.attrs['id'];
    // An invitation is a room's own word, without an origin-id.
    if (id === undefined || (originId === undefined && !isRoom(message.attrs['from'] ?? ''))) {
      this.faults.push(`${this.jid} was shown a message without archive id or origin-id: ${message}`);
      return;
    }
    const late = message.getChild('delay') !== undefined;
    this.seen.push({ stream: this.stats.bound, id: Number(id), originId, late });
  }

  #onRefused(error: Element): void {
    const { from = '', id } = error.attrs;
    const message = (isRoom(from) ? this.said : this.sent).find(({ originId }) => originId === id);
    const condition = error.getChild('error')?.getChildElements()[0]?.getName() ?? 'no condition';
    if (message === undefined) this.faults.push(`${this.jid} got an error for nothing it sent: ${error}`);
    else if (message.acked) this.faults.push(`${message.originId} was acknowledged, then refused: ${condition}`);
    else message.refused = condition;
    if (condition === 'not-acceptable') this.rooms.notThere(from, 'when it spoke');
  }
}
