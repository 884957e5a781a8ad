import type { CloseReason, ConnPort, SessionMessage } from '../../src/actors/messages.ts';
import { NS_MUC_OWNER } from '../../src/xmpp/muc-words.ts';
import { NS_SM } from '../../src/xmpp/xep0198-stream-management.ts';
import { parseFrame } from '../../src/xmpp/xml.ts';
import { affiliateXml, RoomDevice, type Stay } from './room-device.ts';

/** What a client needs of the world: its server, and a place to write down what it saw. */
export interface ClientWorld {
  /** @param gateway node that the socket is at, where there are several */
  toSession(user: string, message: SessionMessage, gateway?: string): boolean;
  fail(text: string): void;
  /** a node to connect to, where there are several */
  gateway?(): string;
  /** the client hears that its message is safe */
  told?(client: Client, message: SentMessage): void;
  /** a message of the archive reached the client */
  shown?(client: Client, archiveId: number, oid: string): void;
  /** a message of a room's reached the client, the last of its stay there */
  heard?(client: Client, stay: Stay): void;
}

/** A message as its sender knows it. */
export interface SentMessage {
  readonly oid: string;
  readonly from: string;
  readonly to: string;
  /** to a room, or one of its occupants */
  readonly inRoom?: 'groupchat' | 'private';
  acked: boolean;
  refused: boolean;
}

interface Unacked {
  readonly xml: string;
  readonly message: SentMessage | undefined;
}

/** One XMPP stream as the client saw it, over all sockets it was resumed on: archive ids in the order they came. */
export interface View {
  readonly ids: number[];
  readonly oids: string[];
}

/** A socket. Both directions queue until the simulation lets something through; a cut loses what is in the queues. */
class Socket implements ConnPort {
  readonly toClient: string[] = [];
  readonly toServer: string[] = [];
  closing = false;
  /** the client has lost it */
  lost = false;
  sid = 0;
  readonly gateway: string | undefined;

  constructor(gateway: string | undefined) {
    this.gateway = gateway;
  }

  get queuedBytes(): number {
    return this.toClient.reduce((sum, xml) => sum + xml.length, 0);
  }

  send(xml: string): void {
    if (!this.closing) this.toClient.push(xml);
  }

  close(reason: CloseReason): void {
    if (this.closing) return;
    this.closing = true;
    if (reason.t === 'detached') this.toClient.length = 0;
  }
}

/**
 * A client that does what XEP-0198 asks of it: keeps what is not acknowledged, resumes, sends the rest again, and after
 * a failed resumption sends it on a new stream under the same origin-ids.
 */
export class Client {
  readonly user: string;
  readonly resource: string;
  readonly managed: boolean;
  readonly views: View[] = [];
  readonly sent: SentMessage[] = [];
  readonly rooms = new RoomDevice();
  readonly world: ClientWorld;
  socket: Socket | undefined;
  #leaving: Socket[] = [];
  #busy = false;
  #smId: string | undefined;
  #enabled = false;
  /** stanzas sent and received since stream management is on */
  #out = 0;
  #in = 0;
  #unacked: Unacked[] = [];
  #nicks = 0;

  /** gives its messages no origin-id: what may have arrived it does not send again on a new stream */
  readonly plain: boolean;

  constructor(world: ClientWorld, user: string, resource: string, managed: boolean, plain = false) {
    this.plain = plain;
    this.world = world;
    this.user = user;
    this.resource = resource;
    this.managed = managed;
  }

  get online(): boolean {
    return this.socket !== undefined && !this.#busy;
  }

  /** Everything sent is acknowledged, no broken socket is left to be noticed. */
  get settled(): boolean {
    return this.#leaving.length === 0 && this.#unacked.length === 0;
  }

  connect(): void {
    if (this.socket !== undefined) return;
    const socket = new Socket(this.world.gateway?.());
    this.socket = socket;
    this.#busy = true;
    const asked = this.#smId === undefined ? this.#bind(socket) : this.#resume(socket, this.#smId);
    if (!asked) this.cut();
  }

  /** @returns false when the session has no room for the question */
  #resume(socket: Socket, smId: string): boolean {
    const reply: Extract<SessionMessage, { t: 'resume' }>['reply'] = (answer) => {
      if (answer.ok) socket.sid = answer.sid;
      if (socket.lost || socket.closing) return this.#tellGone(socket);
      if (answer.ok) return;
      if (answer.h !== undefined) this.#acked(answer.h);
      this.#smId = undefined;
      if (!this.#bind(socket)) this.cut();
    };
    return this.world.toSession(this.user, { t: 'resume', conn: socket, smId, h: this.#in, reply }, socket.gateway);
  }

  #bind(socket: Socket): boolean {
    const reply: Extract<SessionMessage, { t: 'bind' }>['reply'] = (answer) => {
      if (answer.ok) socket.sid = answer.sid;
      if (socket.lost || socket.closing) return this.#tellGone(socket);
      if (!answer.ok) return this.cut();
      this.#begin(socket);
    };
    return this.world.toSession(this.user, { t: 'bind', conn: socket, resource: this.resource, reply }, socket.gateway);
  }

  #begin(socket: Socket): void {
    this.#busy = false;
    this.views.push({ ids: [], oids: [] });
    const rooms = this.rooms.forget();
    // What it knows to be refused is the person's to say again.
    const again = this.plain ? [] : this.#unacked.filter(({ message }) => message?.refused === false);
    this.#unacked = [];
    this.#out = 0;
    this.#in = 0;
    this.#enabled = false;
    if (this.managed) socket.toServer.push(`<enable xmlns='${NS_SM}' resume='true'/>`);
    this.#write(`<presence xmlns='jabber:client'/>`, undefined);
    // First the rooms, or what was said there would be refused.
    for (const room of rooms) this.enter(room);
    for (const { xml, message } of again) this.#write(xml, message);
  }

  /** Sends a new message to a bare JID. */
  say(to: string, oid: string): void {
    this.#tell(to, oid, `<body>${oid}</body>`);
  }

  /** Takes back what it said to a bare JID before, or says that it does (XEP-0424). */
  takeBack(to: string, oid: string, said: string): void {
    this.#tell(to, oid, `<retract xmlns='urn:xmpp:message-retract:1' id='${said}'/>`);
  }

  #tell(to: string, oid: string, inner: string): void {
    const message = { oid, from: this.user, to, acked: false, refused: false };
    this.sent.push(message);
    const xml =
      `<message xmlns='jabber:client' to='${to}' type='chat' id='${oid}'>${inner}` +
      `${this.plain ? '' : `<origin-id xmlns='urn:xmpp:sid:0' id='${oid}'/>`}</message>`;
    this.#write(xml, message);
  }

  /** A chat state: passes by, is never kept. */
  type(to: string): void {
    const state = `<composing xmlns='http://jabber.org/protocol/chatstates'/>`;
    this.#write(`<message xmlns='jabber:client' to='${to}' type='chat'>${state}</message>`, undefined);
  }

  // --- rooms -------------------------------------------------------------------------------------------------------

  /** Enters a room under a nick that is its own, another one each time. */
  enter(room: string): void {
    this.#write(this.rooms.enter(room, this.#newNick()), undefined);
  }

  leave(room: string): void {
    this.#write(this.rooms.leave(room), undefined);
  }

  rename(room: string): void {
    this.#write(this.rooms.rename(room, this.#newNick()), undefined);
  }

  /** Asks whether it is still in. */
  askRoom(room: string): void {
    this.#write(this.rooms.ask(room), undefined);
  }

  /** Who made a room opens it as it is. */
  openRoom(room: string): void {
    const form = `<query xmlns='${NS_MUC_OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>`;
    this.#write(`<iq xmlns='jabber:client' type='set' id='open' to='${room}'>${form}</iq>`, undefined);
  }

  affiliate(room: string, user: string, affiliation: string): void {
    this.#write(affiliateXml(room, user, affiliation, `set${++this.#nicks}`), undefined);
  }

  /** @param nick an occupant's, for a private message; else it is for all of the room */
  sayInRoom(room: string, oid: string, nick?: string): void {
    const inRoom = nick === undefined ? 'groupchat' : 'private';
    const message: SentMessage = { oid, from: this.user, to: room, inRoom, acked: false, refused: false };
    this.sent.push(message);
    const [to, type] = nick === undefined ? [room, 'groupchat'] : [`${room}/${nick}`, 'chat'];
    const origin = this.plain ? '' : `<origin-id xmlns='urn:xmpp:sid:0' id='${oid}'/>`;
    const body = `<body>${oid}</body>${origin}`;
    this.#write(`<message xmlns='jabber:client' to='${to}' type='${type}' id='${oid}'>${body}</message>`, message);
  }

  #newNick(): string {
    return `${this.user.split('@')[0]}-${this.resource}-${++this.#nicks}`;
  }

  #write(xml: string, message: SentMessage | undefined): void {
    if (this.managed) {
      this.#out += 1;
      this.#unacked.push({ xml, message });
    }
    this.socket?.toServer.push(xml);
  }

  /** Asks for an `<a/>`, and tells what it has. */
  sync(): void {
    if (!this.managed || !this.online || !this.#enabled) return;
    this.socket?.toServer.push(`<r xmlns='${NS_SM}'/>`, `<a xmlns='${NS_SM}' h='${this.#in}'/>`);
  }

  /** Lets one frame through, to the server or from it. */
  step(toServer: boolean): void {
    const { socket } = this;
    if (socket === undefined) return;
    if (toServer) {
      if (socket.closing || socket.sid === 0) return;
      const xml = socket.toServer.shift();
      if (xml === undefined) return;
      const frame = parseFrame(xml);
      if (!this.world.toSession(this.user, { t: 'frame', sid: socket.sid, frame, conn: socket }, socket.gateway))
        socket.close({ t: 'detached', why: 'full' });
      return;
    }
    const xml = socket.toClient.shift();
    if (xml !== undefined) this.#receive(xml);
    else if (socket.closing) this.cut();
  }

  /** The client's side of the socket is gone; the gateway notices later. */
  cut(): void {
    const { socket } = this;
    if (socket === undefined) return;
    socket.lost = true;
    socket.closing = true;
    this.socket = undefined;
    this.#busy = false;
    this.#leaving.push(socket);
  }

  /** Nothing came of the login in all this time: tries anew. */
  giveUp(): void {
    if (this.#busy) this.cut();
  }

  /** The gateway tells the session of a socket that went. */
  notice(): void {
    const socket = this.#leaving.shift();
    if (socket !== undefined && socket.sid !== 0) this.#tellGone(socket);
  }

  #tellGone(socket: Socket): void {
    this.world.toSession(this.user, { t: 'gone', sid: socket.sid, conn: socket, clean: false }, socket.gateway);
  }

  /** A node is gone with all its sockets. */
  nodeCrashed(node: string): void {
    this.#leaving = this.#leaving.filter(({ gateway }) => gateway !== node);
    if (this.socket?.gateway !== node) return;
    this.socket = undefined;
    this.#busy = false;
  }

  /** The server's process is gone with all its sockets. */
  serverCrashed(): void {
    this.socket = undefined;
    this.#busy = false;
    this.#leaving = [];
  }

  #receive(xml: string): void {
    const { el } = parseFrame(xml);
    if (el.getNS() === NS_SM) return this.#receiveSm(el.name, el.attrs);
    if (!['message', 'presence', 'iq'].includes(el.name)) return;
    if (this.#enabled) this.#in += 1;
    const stay = this.rooms.receive(el);
    if (stay !== undefined) this.world.heard?.(this, stay);
    if (el.name !== 'message' || el.attrs['type'] === 'groupchat') return;
    if (el.attrs['type'] === 'error') {
      const message = this.sent.find(({ oid }) => oid === el.attrs['id']);
      if (message !== undefined) message.refused = true;
      return;
    }
    const id = el.getChild('stanza-id', 'urn:xmpp:sid:0')?.attrs['id'];
    if (id === undefined) return;
    const view = this.views.at(-1);
    const oid = el.getChildText('body') ?? el.attrs['id'] ?? '';
    view?.ids.push(Number(id));
    view?.oids.push(oid);
    if (oid !== '') this.world.shown?.(this, Number(id), oid);
  }

  #receiveSm(name: string, attrs: Record<string, string | undefined>): void {
    switch (name) {
      case 'enabled':
        this.#enabled = true;
        this.#smId = attrs['id'];
        return;
      case 'a':
        return this.#acked(Number(attrs['h']));
      case 'r':
        this.socket?.toServer.push(`<a xmlns='${NS_SM}' h='${this.#in}'/>`);
        return;
      case 'resumed':
        this.#busy = false;
        this.#acked(Number(attrs['h']));
        for (const { xml } of this.#unacked) this.socket?.toServer.push(xml);
    }
  }

  #acked(h: number): void {
    const first = this.#out - this.#unacked.length;
    if (h > this.#out) this.world.fail(`${this.user}/${this.resource} was told h=${h} of ${this.#out} sent`);
    for (const { message } of this.#unacked.splice(0, Math.max(0, h - first))) {
      if (message === undefined) continue;
      message.acked = true;
      this.world.told?.(this, message);
    }
  }
}
