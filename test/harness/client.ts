import type { Element } from 'ltx';
import { type ClientOptions, WebSocket } from 'ws';
import { parseFrame } from '../../src/xmpp/xml.ts';
import { base64, fromBase64, type ScramName, scramClient } from './sasl.ts';

/**
 * A client that does what the script says and nothing else: no acks, no answers, no reconnects. Every frame it gets is
 * parsed strictly, so a frame that a strict client would choke on fails the test that met it.
 */
export interface Received {
  readonly el: Element;
  readonly xml: string;
}

/** A piece of the frame's XML, a pattern, or a question about it. */
export type Match = string | RegExp | ((el: Element, xml: string) => boolean);

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** ms until an expectation gives up: no test waits that long unless it fails. */
const PATIENCE_MS = 10_000;
const OUTPUT_LIMITS = { depthMax: 100, attrsMax: 1000, nameLengthMax: 1000, elementsMax: 100_000, prefixesMax: 1000 };

function matches(match: Match, { el, xml }: Received): boolean {
  if (typeof match === 'string') return xml.includes(match);
  return match instanceof RegExp ? match.test(xml) : match(el, xml);
}

let lastId = 0;

/** An id no other stanza of this process has. */
export function nextId(prefix = 'id'): string {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

export class Client {
  readonly ws: WebSocket;
  /** frames that no expectation has taken yet, oldest first */
  readonly inbox: Received[] = [];
  /** full JID once bound */
  jid = '';
  /** the server's `<open/>` and features of this stream, as they came last */
  features = '';
  readonly closed: Promise<Closed>;
  #closedNow: Closed | undefined;
  #faults: Error[] = [];
  readonly #wakers = new Set<() => void>();

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data) => this.#take(String(data)));
    ws.on('error', () => this.#wake());
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.#closedNow = { code, reason: String(reason) };
        this.#wake();
        resolve(this.#closedNow);
      });
    });
  }

  get isClosed(): boolean {
    return this.#closedNow !== undefined;
  }

  get resource(): string {
    return this.jid.slice(this.jid.indexOf('/') + 1);
  }

  get bare(): string {
    return this.jid.slice(0, this.jid.indexOf('/'));
  }

  send(...frames: string[]): void {
    for (const frame of frames) this.ws.send(frame);
  }

  /** A frame that the stream does not survive. */
  sendLast(frame: string): Promise<Closed> {
    this.send(frame);
    return this.closed;
  }

  /** Takes the first frame that matches out of the inbox, waiting for it if need be; others stay for later. */
  async expect(match: Match, what = String(match)): Promise<Element> {
    return parseOut((await this.#wait(match, what)).xml);
  }

  async expectXml(match: Match, what = String(match)): Promise<string> {
    return (await this.#wait(match, what)).xml;
  }

  /** The stream error's condition, then `<close/>` and the end of the socket. */
  async expectStreamError(condition: string): Promise<string> {
    const xml = await this.expectXml(`<${condition} xmlns="urn:ietf:params:xml:ns:xmpp-streams"`);
    await this.expect('<close');
    await this.closed;
    return xml;
  }

  /** Asks and takes the answer of that id, result or error. */
  async iq(type: 'get' | 'set', payload: string, to?: string): Promise<Element> {
    const id = nextId('iq');
    const address = to === undefined ? '' : ` to='${to}'`;
    this.send(`<iq xmlns='jabber:client' type='${type}' id='${id}'${address}>${payload}</iq>`);
    return this.expect(
      (el) => el.name === 'iq' && el.attrs['id'] === id && /^(?:result|error)$/.test(el.attrs['type'] ?? ''),
      `the answer to ${payload}`,
    );
  }

  /** After it, everything the server had sent to this client before is in the inbox. */
  async sync(): Promise<void> {
    await this.iq('get', `<ping xmlns='urn:xmpp:ping'/>`, this.bare.slice(this.bare.indexOf('@') + 1));
  }

  /** The frames in the inbox that match, without taking them. */
  pending(match: Match): Received[] {
    return this.inbox.filter((frame) => matches(match, frame));
  }

  forget(): void {
    this.inbox.length = 0;
  }

  // --- the usual beginnings ------------------------------------------------------------------------------------

  async open(domain = 'localhost'): Promise<string> {
    this.send(`<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='${domain}' version='1.0'/>`);
    const xml = await this.expectXml('<open');
    this.features = await this.expectXml('<stream:features');
    return xml;
  }

  async register(user: string, password: string): Promise<Element> {
    const fields = `<username>${user}</username><password>${password}</password>`;
    return this.iq('set', `<query xmlns='jabber:iq:register'>${fields}</query>`);
  }

  /** SASL; gives the last frame, success or failure. */
  async scram(user: string, password: string, name: ScramName = 'SCRAM-SHA-256', authzid = ''): Promise<Element> {
    const scram = scramClient(name, user, password, authzid);
    this.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='${name}'>${base64(scram.clientFirst)}</auth>`);
    const first = await this.expect(/<(?:challenge|failure)/);
    if (first.name === 'failure') return first;
    const { clientFinal, serverFinal } = scram.respond(fromBase64(first.getText()));
    this.send(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${base64(clientFinal)}</response>`);
    const last = await this.expect(/<(?:success|failure)/);
    if (last.name === 'success' && fromBase64(last.getText()) !== serverFinal)
      throw new Error('the server does not know the password');
    return last;
  }

  async plain(user: string, password: string, authzid = ''): Promise<Element> {
    const text = base64(`${authzid}\0${user}\0${password}`);
    this.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${text}</auth>`);
    return this.expect(/<(?:success|failure)/);
  }

  /** Opens, authenticates and opens again; what follows is bind or resume. */
  async authenticate(user: string, password: string): Promise<this> {
    await this.open();
    const outcome = await this.scram(user, password);
    if (outcome.name !== 'success') throw new Error(`no login: ${outcome.toString()}`);
    await this.open();
    return this;
  }

  /** @returns the full JID @throws Error with the answer when it is not a result */
  async bind(resource = ''): Promise<string> {
    const asked = resource === '' ? '' : `<resource>${resource}</resource>`;
    const answer = await this.iq('set', `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${asked}</bind>`);
    const jid = answer.getChild('bind')?.getChildText('jid');
    if (!jid) throw new Error(`not bound: ${answer.toString()}`);
    this.jid = jid;
    return jid;
  }

  /** Turns stream management on; gives the id to resume by. */
  async enable(): Promise<string> {
    this.send(`<enable xmlns='urn:xmpp:sm:3' resume='true'/>`);
    return (await this.expect('<enabled')).attrs['id'] ?? '';
  }

  /** Asks for an ack; gives its h. */
  async ack(): Promise<number> {
    this.send(`<r xmlns='urn:xmpp:sm:3'/>`);
    return Number((await this.expect((el) => el.name === 'a')).attrs['h']);
  }

  /** Says that it is there, and waits until it has heard so itself. */
  async available(inner = ''): Promise<void> {
    this.send(`<presence xmlns='jabber:client'>${inner}</presence>`);
    await this.expect((el) => el.name === 'presence' && el.attrs['from'] === this.jid && !el.attrs['type']);
  }

  // --- the usual endings ---------------------------------------------------------------------------------------

  /** Closes the stream in good order (RFC 7395 3.6). */
  async close(): Promise<Closed> {
    this.send(`<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>`);
    return this.closed;
  }

  /** The socket breaks; no goodbye. */
  async cut(): Promise<Closed> {
    this.ws.terminate();
    return this.closed;
  }

  // --- inside --------------------------------------------------------------------------------------------------

  #take(xml: string): void {
    try {
      this.inbox.push({ el: parseOut(xml), xml });
    } catch (error) {
      this.#faults.push(new Error(`the server sent what is no XML: ${xml.slice(0, 500)}`, { cause: error }));
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
  }

  async #wait(match: Match, what: string): Promise<Received> {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      const fault = this.#faults[0];
      if (fault !== undefined) throw fault;
      const at = this.inbox.findIndex((frame) => matches(match, frame));
      if (at >= 0) return this.inbox.splice(at, 1)[0] as Received;
      const left = until - Date.now();
      if (left <= 0 || this.isClosed) throw new Error(this.#missing(what));
      await this.#woken(left);
    }
  }

  #woken(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wakers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#wakers.add(done);
    });
  }

  #missing(what: string): string {
    const why = this.#closedNow === undefined ? 'in time' : `before the socket closed (${this.#closedNow.code})`;
    const got = this.inbox.map(({ xml }) => xml.slice(0, 300)).join('\n  ');
    return `${this.jid || 'a client'} did not get ${what} ${why}; what it has:\n  ${got}`;
  }
}

function parseOut(xml: string): Element {
  return parseFrame(xml, OUTPUT_LIMITS).el;
}

/** Connects with the subprotocol. @throws Error with the status when the upgrade is refused */
export function connect(url: string, options: ClientOptions = {}): Promise<Client> {
  const ws = new WebSocket(url, 'xmpp', { perMessageDeflate: false, ...options });
  const client = new Client(ws);
  return new Promise((resolve, reject) => {
    ws.once('open', () => resolve(client));
    ws.once('error', reject);
  });
}

/** Asks the condition again and again until it holds. @throws Error naming it when it does not in time */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What an answer of type error says: its condition, or '' when it is none. */
export function conditionOf(stanza: Element): string {
  const error = stanza.getChild('error');
  return error?.getChildElements()[0]?.getName() ?? '';
}
