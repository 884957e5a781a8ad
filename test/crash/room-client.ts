import { setTimeout as sleep } from 'node:timers/promises';
import type { Element } from 'ltx';
import type { ArchivedMessage, WireClient } from '../clients/wire-client.ts';
import { NS_MUC, ROOMS } from '../harness/rooms.ts';
import type { SentMessage } from './ledger.ts';
import type { Change, Visit } from './room-ledger.ts';

const RETRY_MS = 150;

export const isRoom = (jid: string): boolean => jid.endsWith(`@${ROOMS}`);

/** `no`: it is not there, or has been taken out; `asked`: the room's answer is awaited. */
type Presence = 'no' | 'asked' | 'yes';

interface OwnChange extends Change {
  readonly room: string;
}

/**
 * The rooms of one person's device, over all its connections: as a careful client does it, it enters again whatever it
 * was in when a stream is new (XEP-0045 7.2), when it hears that it is not there (XEP-0410), and when it is invited.
 */
export class RoomClient {
  readonly user: string;
  /** what was said to each room, in the order of saying */
  readonly sent = new Map<string, SentMessage[]>();
  readonly visits = new Map<string, Visit[]>();
  /** memberships that this device gave and took, as an owner */
  readonly changes: OwnChange[] = [];
  readonly faults: string[] = [];
  /** how often it was told that it is not in a room that it took itself to be in */
  told = 0;
  readonly #nick: string;
  /** being put out without a word is a fault, and not only told */
  readonly #strict: boolean;
  readonly #note: (line: string) => void;
  readonly #follows = new Set<string>();
  readonly #wanted = new Set<string>();
  readonly #presence = new Map<string, Presence>();
  /** full JIDs that the room has shown since this device last asked to enter */
  readonly #occupants = new Map<string, Set<string>>();
  #client: WireClient | undefined;

  /** @param note told of what becomes of its being in rooms, a line each */
  constructor(user: string, strict: boolean, note: (line: string) => void = () => {}) {
    this.user = user;
    this.#nick = user.slice(0, user.indexOf('@'));
    this.#strict = strict;
    this.#note = note;
  }

  /** From now on it enters this room when it is invited. */
  follow(room: string): void {
    this.#follows.add(room);
  }

  /** Before anything can come on this connection. */
  listen(client: WireClient): void {
    client.onPresence = (presence) => this.#onPresence(presence);
  }

  /** The stream is new: no room has this device any more, as far as it knows. */
  bound(client: WireClient): void {
    this.#client = client;
    this.#presence.clear();
    for (const room of this.visits.keys()) this.#closeVisit(room);
    for (const room of this.#wanted) this.enter(room);
  }

  /** The stream is new, and these are the rooms to enter on it. */
  moved(client: WireClient, rooms: readonly string[]): void {
    this.#wanted.clear();
    this.bound(client);
    for (const room of rooms) this.enter(room);
  }

  /** After `bound`, or when a stream is resumed: what was asked of rooms and may not have been heard is asked again. */
  ready(client: WireClient): void {
    this.#client = client;
    for (const room of this.#wanted) if (this.#presence.get(room) === 'no') this.enter(room);
    for (const change of this.changes) if (change.until === undefined) void this.#order(client, change);
  }

  lost(): void {
    this.#client = undefined;
  }

  enter(room: string): void {
    this.#wanted.add(room);
    this.#closeVisit(room);
    // Without a stream it is asked on the next one.
    this.#presence.set(room, this.#client === undefined ? 'no' : 'asked');
    this.#occupants.set(room, new Set());
    this.#client?.send(
      `<presence xmlns='jabber:client' to='${room}/${this.#nick}'><x xmlns='${NS_MUC}'>` +
        `<history maxstanzas='20'/></x></presence>`,
    );
  }

  leave(room: string): void {
    this.#wanted.delete(room);
    this.#client?.send(`<presence xmlns='jabber:client' to='${room}/${this.#nick}' type='unavailable'/>`);
  }

  isIn(room: string): boolean {
    return this.#client !== undefined && this.#presence.get(room) === 'yes' && this.#wanted.has(room);
  }

  /** rooms it may speak in */
  get inside(): string[] {
    return [...this.#wanted].filter((room) => this.isIn(room));
  }

  wants(room: string): boolean {
    return this.#wanted.has(room);
  }

  /** Answers that rooms owe it. */
  get awaited(): string[] {
    const changes = this.changes.filter(({ until }) => until === undefined);
    const outside = [...this.#wanted].filter((room) => !this.isIn(room));
    return [
      ...changes.map(({ room, user, member }) => `${this.user}: ${user} a member of ${room}: ${member}`),
      ...outside.map((room) => `${this.user}: in ${room}: ${this.#presence.get(room)}`),
    ];
  }

  /** full JIDs that the room showed as present */
  occupants(room: string): ReadonlySet<string> {
    return this.#occupants.get(room) ?? new Set();
  }

  /** full JID of this device in a room where it takes itself to be */
  get jid(): string {
    return this.#client?.jid ?? '';
  }

  say(room: string): SentMessage {
    const said = this.#saidIn(room);
    const originId = `${this.#nick}-${room.slice(0, room.indexOf('@'))}-${said.length + 1}`;
    const message = { originId, from: this.user, to: room, acked: false };
    said.push(message);
    return message;
  }

  /** Makes somebody a member, or no member any more, until the room has said that it is so. */
  change(room: string, user: string, member: boolean): void {
    const change: OwnChange = { room, user, member, after: this.#saidIn(room).length, until: undefined };
    this.changes.push(change);
    if (this.#client !== undefined) void this.#order(this.#client, change);
  }

  /** A room with members only, who see each other's addresses. @throws Error when it is refused or the stream is lost */
  async found(room: string): Promise<void> {
    const fields = { membersonly: '1', whois: 'anyone', persistentroom: '1', publicroom: '0' };
    const filled = Object.entries(fields).map(
      ([name, value]) => `<field var='muc#roomconfig_${name}'><value>${value}</value></field>`,
    );
    const form = `<x xmlns='jabber:x:data' type='submit'>${filled.join('')}</x>`;
    await this.#client!.iq('set', `<query xmlns='${NS_MUC}#owner'>${form}</query>`, room);
  }

  /** The room's archive as this member reads it; undefined when it is not let. @throws Error when the stream is lost */
  async archive(room: string): Promise<ArchivedMessage[] | undefined> {
    if (this.#client === undefined) throw new Error(`${this.user} is not online`);
    try {
      return await this.#client.archive(undefined, 200, undefined, room);
    } catch (error) {
      if (/<forbidden/.test(String(error))) return undefined;
      throw error;
    }
  }

  /** Asks every room whether it is still there (XEP-0410 3), and enters again where it is not. */
  async ping(): Promise<void> {
    const client = this.#client;
    for (const room of this.inside) {
      try {
        await client?.iq('get', "<ping xmlns='urn:xmpp:ping'/>", `${room}/${this.#nick}`);
      } catch (error) {
        if (!/<not-acceptable/.test(String(error))) throw error;
        this.notThere(room, 'by a ping');
      }
    }
  }

  /** A room said `not-acceptable`. */
  notThere(room: string, how: string): void {
    if (!this.isIn(room)) return;
    this.told += 1;
    this.#note(`${this.jid} is told that it is not in ${room}, ${how}`);
    if (this.#strict) this.faults.push(`${this.jid} was put out of ${room} without a word, and heard of it ${how}`);
    this.enter(room);
  }

  /** @returns true when it was something of a room's that is in no inbox */
  onMessage(message: Element): boolean {
    const room = (message.attrs['from'] ?? '').split('/')[0]!;
    const type = message.attrs['type'];
    if (!isRoom(room) || type === 'error') return false;
    if (type !== 'groupchat') {
      // What somebody is to the room who is not in it (XEP-0045 9.3); an invitation has none.
      if (message.getChild('x', `${NS_MUC}#user`)?.getChild('item') !== undefined) return true;
      // However late it comes: a room that this user is no member of any more says so.
      if (this.#follows.has(room) && !this.#wanted.has(room)) this.enter(room);
      return false;
    }
    const id = message.getChildren('stanza-id').find(({ attrs }) => attrs['by'] === room)?.attrs['id'];
    const originId = message.getChild('origin-id')?.attrs['id'];
    if (id !== undefined) this.#visitOf(room).shown.push({ id: Number(id), originId });
    return true;
  }

  #onPresence(presence: Element): void {
    const { from = '', type } = presence.attrs;
    const room = from.split('/')[0]!;
    if (!isRoom(room)) return;
    if (type === 'error') return this.#onRefused(room, presence);
    const x = presence.getChild('x', `${NS_MUC}#user`);
    const codes = (x?.getChildren('status') ?? []).map(({ attrs }) => attrs['code']);
    const jid = x?.getChild('item')?.attrs['jid'];
    const occupants = this.#occupants.get(room);
    if (jid !== undefined && type === undefined) occupants?.add(jid);
    if (jid !== undefined && type === 'unavailable') occupants?.delete(jid);
    if (!codes.includes('110')) return;
    if (type === undefined) {
      if (this.#presence.get(room) === 'asked') this.#presence.set(room, 'yes');
      return;
    }
    this.#closeVisit(room);
    this.#note(`${this.jid} is taken out of ${room}: ${codes.join(' ')}`);
    if (this.#presence.get(room) === 'yes') this.#presence.set(room, 'no');
    // 321: it is no member any more.
    if (codes.includes('321')) this.#wanted.delete(room);
    else if (this.#wanted.has(room) && this.#presence.get(room) !== 'asked') this.enter(room);
  }

  #onRefused(room: string, presence: Element): void {
    this.#presence.set(room, 'no');
    const error = presence.getChild('error');
    const condition = error?.getChildElements()[0]?.getName();
    this.#note(`${this.jid} is not let into ${room}: ${condition}`);
    if (condition === 'registration-required') this.#wanted.delete(room);
    else if (error?.attrs['type'] === 'wait') void this.#enterLater(room);
    else this.faults.push(`${this.user} was not let into ${room}: ${presence}`);
  }

  async #enterLater(room: string): Promise<void> {
    await sleep(RETRY_MS);
    if (this.#client !== undefined && this.#wanted.has(room) && this.#presence.get(room) === 'no') this.enter(room);
  }

  async #order(client: WireClient, change: OwnChange): Promise<void> {
    const { room, user, member } = change;
    const item = `<item affiliation='${member ? 'member' : 'none'}' jid='${user}'/>`;
    while (change.until === undefined && client === this.#client) {
      try {
        await client.iq('set', `<query xmlns='${NS_MUC}#admin'>${item}</query>`, room);
        change.until = this.#saidIn(room).length;
      } catch (error) {
        // On the next stream it is asked again.
        if (client !== this.#client || /stream is lost/.test(String(error))) return;
        if (!/type="wait"|no answer/.test(String(error))) return void this.faults.push(String(error));
        await sleep(RETRY_MS);
      }
    }
  }

  #saidIn(room: string): SentMessage[] {
    const said = this.sent.get(room) ?? [];
    this.sent.set(room, said);
    return said;
  }

  #visitOf(room: string): Visit {
    const visits = this.visits.get(room) ?? [];
    this.visits.set(room, visits);
    const last = visits.at(-1);
    if (last?.open === true) return last;
    const next: Visit = { shown: [], open: true };
    visits.push(next);
    return next;
  }

  #closeVisit(room: string): void {
    const last = this.visits.get(room)?.at(-1);
    if (last !== undefined) last.open = false;
  }
}
