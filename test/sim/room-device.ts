import type { Element } from 'ltx';
import { NS_MUC, NS_MUC_ADMIN, NS_MUC_USER, STATUS } from '../../src/xmpp/muc-words.ts';
import { NS_PING } from '../../src/xmpp/xep0199-ping.ts';

const NS_STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** One stay of a device in a room, from what the room let it see on entering. */
export interface Stay {
  readonly room: string;
  /** counts a device's */
  readonly no: number;
  /** chatSeqs in the order they came: the last one before it entered, if there was one, and all since */
  readonly seqs: number[];
  /** … and what they said */
  readonly oids: string[];
  nick: string;
}

/**
 * The rooms as a device knows them from its stream alone (XEP-0045): asks to enter with one message of the past, so that
 * it can tell from where on it gets all of them, and asks now and then whether it is still in (XEP-0410).
 */
export class RoomDevice {
  readonly #here = new Map<string, Stay>();
  /** rooms it asked to enter, until it hears the last of the welcome */
  readonly #entering = new Map<string, Stay>();
  #asked = 0;
  #stays = 0;
  /** by id of a question: what it was asked about */
  readonly #questions = new Map<string, Stay>();

  /** rooms it is in, as far as it knows */
  get here(): ReadonlyMap<string, Stay> {
    return this.#here;
  }

  /** it waits for an answer from a room */
  get busy(): boolean {
    return this.#entering.size > 0;
  }

  isEntering(room: string): boolean {
    return this.#entering.has(room);
  }

  /** A stanza that asks to enter. */
  enter(room: string, nick: string): string {
    this.#entering.set(room, { room, no: ++this.#stays, seqs: [], oids: [], nick });
    const x = `<x xmlns='${NS_MUC}'><history maxstanzas='1'/></x>`;
    return `<presence xmlns='jabber:client' to='${room}/${nick}'>${x}</presence>`;
  }

  leave(room: string): string {
    return `<presence xmlns='jabber:client' to='${room}/${this.#here.get(room)?.nick ?? 'x'}' type='unavailable'/>`;
  }

  rename(room: string, nick: string): string {
    return `<presence xmlns='jabber:client' to='${room}/${nick}'/>`;
  }

  /** Asks about its own nick; of a room it is not in, about the room, which wakes it. */
  ask(room: string): string {
    const stay = this.#here.get(room);
    const id = `ask${++this.#asked}`;
    if (stay !== undefined) this.#questions.set(id, stay);
    const to = stay === undefined ? room : `${room}/${stay.nick}`;
    return `<iq xmlns='jabber:client' type='get' id='${id}' to='${to}'><ping xmlns='${NS_PING}'/></iq>`;
  }

  /** The stream is gone, and with it all that its rooms told. @returns the rooms it was in or entering */
  forget(): string[] {
    const rooms = [...new Set([...this.#here.keys(), ...this.#entering.keys()])];
    this.#here.clear();
    this.#entering.clear();
    this.#questions.clear();
    return rooms;
  }

  /** @returns a message's stay, when it was one that a room numbered */
  receive(el: Element): Stay | undefined {
    const [room = '', nick = ''] = (el.attrs['from'] ?? '').split('/');
    if (el.name === 'presence') this.#onPresence(el, room, nick);
    else if (el.name === 'iq') this.#onIq(el);
    else if (el.attrs['type'] === 'groupchat') return this.#onMessage(el, room);
    return undefined;
  }

  #onPresence(el: Element, room: string, nick: string): void {
    const { type } = el.attrs;
    if (type === 'error') {
      // Of a new nick it says nothing about being in.
      if (el.getChild('x', NS_MUC) !== undefined) this.#entering.delete(room);
      return;
    }
    const x = el.getChild('x', NS_MUC_USER);
    const codes = (x?.getChildren('status') ?? []).map(({ attrs }) => Number(attrs['code']));
    if (!codes.includes(STATUS.self)) return;
    // It asked twice, the first time on a stream that is gone (SM sends that again): each time it is welcomed.
    if (type === undefined && codes.includes(STATUS.logged) && !this.#entering.has(room))
      this.#entering.set(room, { room, no: ++this.#stays, seqs: [], oids: [], nick });
    const stay = this.#entering.get(room) ?? this.#here.get(room);
    if (type === 'unavailable') {
      if (!codes.includes(STATUS.nickChanged)) this.#end(room);
    } else if (stay !== undefined) stay.nick = nick;
  }

  #end(room: string): void {
    this.#here.delete(room);
  }

  #onIq(el: Element): void {
    const id = el.attrs['id'] ?? '';
    const stay = this.#questions.get(id);
    this.#questions.delete(id);
    // XEP-0410 3: any other error says that it is in; its nick may have changed since.
    const out = el.getChild('error')?.getChild('not-acceptable', NS_STANZAS) !== undefined;
    if (stay !== undefined && out && this.#here.get(stay.room) === stay) this.#end(stay.room);
  }

  #onMessage(el: Element, room: string): Stay | undefined {
    const id = el.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['id'];
    const entering = this.#entering.get(room);
    if (id === undefined) {
      // The subject is the last of a welcome.
      if (entering === undefined || el.getChild('subject') === undefined) return undefined;
      this.#end(room);
      this.#entering.delete(room);
      this.#here.set(room, entering);
      return undefined;
    }
    const stay =
      entering !== undefined && el.getChild('delay', 'urn:xmpp:delay') !== undefined ? entering : this.#here.get(room);
    if (stay === undefined) return undefined;
    stay.seqs.push(Number(id));
    stay.oids.push(el.getChildText('body') ?? '');
    return stay;
  }
}

/** An owner or administrator makes somebody a member, or one no more. */
export function affiliateXml(room: string, user: string, affiliation: string, id: string): string {
  const item = `<item jid='${user}' affiliation='${affiliation}'/>`;
  const query = `<query xmlns='${NS_MUC_ADMIN}'>${item}</query>`;
  return `<iq xmlns='jabber:client' type='set' id='${id}' to='${room}'>${query}</iq>`;
}
