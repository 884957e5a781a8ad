import type { Element } from 'ltx';
import type { Random } from '../../src/base/random.ts';
import { until } from '../clients/until.ts';
import { type WireAccount, WireClient } from '../clients/wire-client.ts';
import { type Group, stir } from './groups.ts';
import type { SentMessage } from './ledger.ts';
import { isRoom, RoomClient } from './room-client.ts';

/** Messages between two acknowledgement requests, and how many may be unacknowledged before a client waits. */
const PER_REQUEST = 8;
const WINDOW = 96;
/** Of so many messages one goes to a group; and once in so many somebody comes or goes. */
const PER_GROUP_MESSAGE = 4;
const PER_STIR = 40;

/** One person of a crash test, across all the connections that the node's deaths leave them. */
export class Person {
  readonly account: WireAccount;
  readonly jid: string;
  readonly sent: SentMessage[] = [];
  /** archive id → origin-id of what the devices were shown */
  readonly shown = new Map<string, string | undefined>();
  readonly faults: string[] = [];
  readonly rooms: RoomClient;
  client: WireClient | undefined;
  /** on this connection: the stanza's number, and the message */
  #inFlight: { readonly n: number; readonly message: SentMessage }[] = [];
  #sinceRequest = 0;
  #logins = 0;

  constructor(user: string) {
    this.account = { user, password: `the password of ${user}` };
    this.jid = `${user}@localhost`;
    this.rooms = new RoomClient(this.jid, true);
  }

  /** Every other time as another device: what was in a room under the last name is gone. */
  async login(url: string): Promise<void> {
    this.#inFlight = [];
    const client = await WireClient.login(url, this.account, `phone-${this.#logins++ >> 1}`, (client) => {
      client.onMessage = (message) => this.#onMessage(message);
      client.onAck = () => this.#onAck(client.acked);
      this.rooms.listen(client);
    });
    this.client = client;
    this.rooms.bound(client);
  }

  /** messages, to people and to groups */
  get said(): number {
    return [...this.rooms.sent.values()].reduce((sum, { length }) => sum + length, this.sent.length);
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

  /** A new message to one of the rooms where this person is. */
  say(room: string): void {
    this.#send(this.rooms.say(room));
  }

  /** What the last connection left unacknowledged goes out again, in order and with its ids, or is given up. */
  resume(unacked: readonly SentMessage[], again: boolean): void {
    if (again)
      for (const message of unacked) if (!isRoom(message.to) || this.rooms.wants(message.to)) this.#send(message);
    this.rooms.ready(this.client!);
  }

  /** The connection is lost. @returns what was not acknowledged on it, in the order of sending */
  drop(): readonly SentMessage[] {
    this.client?.cut();
    this.client = undefined;
    this.rooms.lost();
    return this.#inFlight.splice(0).map(({ message }) => message);
  }

  async settled(): Promise<void> {
    this.client?.requestAck();
    await until(`acknowledgements for ${this.jid}`, () => this.#inFlight.length === 0);
  }

  #send(message: SentMessage): void {
    const client = this.client!;
    client.chat(message.to, message.originId, 'm', isRoom(message.to) ? 'groupchat' : 'chat');
    this.#inFlight.push({ n: client.sent, message });
    if (++this.#sinceRequest % PER_REQUEST === 0) client.requestAck();
  }

  #onAck(h: number): void {
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.n <= h) {
      const { message } = this.#inFlight.shift()!;
      message.acked = message.refused === undefined;
    }
  }

  #onMessage(message: Element): void {
    if (this.rooms.onMessage(message)) return;
    if (message.attrs['type'] === 'error') this.#onRefused(message);
    const stanzaId = message.getChildren('stanza-id').find(({ attrs }) => attrs['by'] === this.jid)?.attrs['id'];
    const originId = message.getChild('origin-id')?.attrs['id'];
    if (stanzaId === undefined) return;
    const before = this.shown.get(stanzaId);
    if (this.shown.has(stanzaId) && before !== originId)
      this.faults.push(`${this.jid} was shown ${before} and ${originId} as ${stanzaId}`);
    this.shown.set(stanzaId, originId);
  }

  /** A refusal is no acknowledgement of anything. None is expected but that of a room that this person was taken out of. */
  #onRefused(error: Element): void {
    const { from = '', id } = error.attrs;
    const message = this.rooms.sent.get(from)?.find(({ originId }) => originId === id);
    if (message === undefined || error.getChild('error')?.getChild('not-acceptable') === undefined)
      return void this.faults.push(`${this.jid} got ${error}`);
    message.refused = 'not-acceptable';
    if (message.acked) this.faults.push(`${id} was acknowledged, then refused`);
    this.rooms.notThere(from, 'when it spoke');
  }
}

/** Everyone writes to everyone and to the groups until `over`, at most one message of each person a turn of the event loop. */
export async function burst(
  people: readonly Person[],
  groups: readonly Group[],
  random: Random,
  over: () => boolean,
): Promise<void> {
  while (!over()) {
    for (const person of people) {
      if (!person.ready || over()) continue;
      const others = people.filter((other) => other !== person);
      const rooms = random.int(PER_GROUP_MESSAGE) === 0 ? person.rooms.inside : [];
      if (rooms.length > 0) person.say(rooms[random.int(rooms.length)]!);
      else person.chat(others[random.int(others.length)]!);
      if (random.int(PER_STIR) === 0) stir(groups, random);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
