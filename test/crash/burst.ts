import type { Element } from 'ltx';
import type { Random } from '../../src/base/random.ts';
import { until } from '../clients/until.ts';
import { type WireAccount, WireClient } from '../clients/wire-client.ts';
import type { SentMessage } from './ledger.ts';

/** Messages between two acknowledgement requests, and how many may be unacknowledged before a client waits. */
const PER_REQUEST = 8;
const WINDOW = 96;

/** One person of a crash test, across all the connections that the node's deaths leave them. */
export class Person {
  readonly account: WireAccount;
  readonly jid: string;
  readonly sent: SentMessage[] = [];
  /** archive id → origin-id of what the devices were shown */
  readonly shown = new Map<string, string>();
  readonly faults: string[] = [];
  client: WireClient | undefined;
  /** on this connection: the stanza's number, and the message */
  #inFlight: { readonly n: number; readonly message: SentMessage }[] = [];
  #sinceRequest = 0;

  constructor(user: string) {
    this.account = { user, password: `the password of ${user}` };
    this.jid = `${user}@localhost`;
  }

  async login(url: string): Promise<void> {
    this.#inFlight = [];
    const client = await WireClient.login(url, this.account, 'phone');
    client.onMessage = (message) => this.#onMessage(message);
    client.onAck = () => this.#onAck(client.acked);
    this.client = client;
  }

  get waiting(): number {
    return this.#inFlight.length;
  }

  get ready(): boolean {
    return this.client !== undefined && this.#inFlight.length < WINDOW;
  }

  /** A new message to `peer`. */
  chat(peer: Person): void {
    const originId = `${this.account.user}-${this.sent.length + 1}`;
    const message = { originId, from: this.jid, to: peer.jid, acked: false };
    this.sent.push(message);
    this.#send(message);
  }

  /** What the last connection left unacknowledged goes out again, in order and with its ids, or is given up. */
  resume(unacked: readonly SentMessage[], again: boolean): void {
    if (again) for (const message of unacked) this.#send(message);
  }

  /** The connection is lost. @returns what was not acknowledged on it, in the order of sending */
  drop(): readonly SentMessage[] {
    this.client?.cut();
    this.client = undefined;
    return this.#inFlight.splice(0).map(({ message }) => message);
  }

  async settled(): Promise<void> {
    this.client?.requestAck();
    await until(`acknowledgements for ${this.jid}`, () => this.#inFlight.length === 0);
  }

  #send(message: SentMessage): void {
    const client = this.client!;
    client.chat(message.to, message.originId, 'm');
    this.#inFlight.push({ n: client.sent, message });
    if (++this.#sinceRequest % PER_REQUEST === 0) client.requestAck();
  }

  #onAck(h: number): void {
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.n <= h) this.#inFlight.shift()!.message.acked = true;
  }

  #onMessage(message: Element): void {
    // A refusal is no acknowledgement of anything: none is expected here.
    if (message.attrs['type'] === 'error') this.faults.push(`${this.jid} got ${message}`);
    const stanzaId = message.getChildren('stanza-id').find(({ attrs }) => attrs['by'] === this.jid)?.attrs['id'];
    const originId = message.getChild('origin-id')?.attrs['id'];
    if (stanzaId === undefined || originId === undefined) return;
    const before = this.shown.get(stanzaId);
    if (before !== undefined && before !== originId)
      this.faults.push(`${this.jid} was shown ${before} and ${originId} as ${stanzaId}`);
    this.shown.set(stanzaId, originId);
  }
}

/** Everyone writes to everyone until `over`, at most one message of each person a turn of the event loop. */
export async function burst(people: readonly Person[], random: Random, over: () => boolean): Promise<void> {
  while (!over()) {
    for (const person of people) {
      if (!person.ready || over()) continue;
      const others = people.filter((other) => other !== person);
      person.chat(others[random.int(others.length)]!);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
