import { chooseMechanism, type Mechanism, plain, type ScramAnswer, scram, serverIsGenuine } from './sasl.ts';
import { attr, escapeXml, tagName, text, texts } from './scan.ts';
import { ServerError } from './server-error.ts';
import { LeanSocket, type SocketOptions } from './socket.ts';

export interface Account {
  readonly user: string;
  readonly password: string;
}

export interface ClientOptions extends SocketOptions {
  readonly domain: string;
  readonly account: Account;
  readonly auth: Mechanism | 'auto';
  readonly resource?: string;
  /** ms to wait for any one answer of the server */
  readonly timeoutMs?: number;
}

interface Waiter {
  readonly wants: (xml: string) => boolean;
  readonly resolve: (xml: string) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** One XMPP stream over WebSocket (RFC 7395) as a load generator needs it. */
export class Client {
  /** Every message and presence nobody waits for. The hot path of the load scenarios. */
  onStanza: (xml: string) => void = () => {};
  /** Stanzas of ours that the server has acknowledged (XEP-0198). */
  onAck: (h: number) => void = () => {};
  onEnd: (reason: string) => void = () => {};
  jid = '';
  readonly #options: ClientOptions;
  #socket!: LeanSocket;
  #waiters: Waiter[] = [];
  #iqs = 0;
  #features = '';
  /** XEP-0198 counters; `sm` false = not enabled */
  sm = false;
  smId = '';
  sent = 0;
  received = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get options(): ClientOptions {
    return this.#options;
  }

  get ended(): boolean {
    return this.#socket.ended;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedBytes;
  }

  /** Opens the socket and the stream. @throws Error on refusal or timeout */
  async connect(): Promise<void> {
    this.#socket = await LeanSocket.open(this.#options);
    this.#socket.onText = (xml) => this.#receive(xml);
    this.#socket.onEnd = (reason) => this.#ended(reason);
    await this.#openStream();
  }

  /** SASL (RFC 6120 6), then the stream again. @throws ServerError when refused */
  async authenticate(): Promise<void> {
    const { account, auth } = this.#options;
    const mechanism = chooseMechanism(texts(this.#features, 'mechanism'), auth);
    const open = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='${mechanism}'>`;
    if (mechanism === 'PLAIN') {
      await this.#sasl(`${open}${plain(account.user, account.password)}</auth>`, 'success');
    } else {
      const exchange = scram(mechanism, account.user, account.password);
      const challenge = await this.#sasl(`${open}${base64(exchange.first)}</auth>`, 'challenge');
      const answer: ScramAnswer = await exchange.answer(unbase64(text(challenge, 'challenge')));
      const response = `<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${base64(answer.message)}</response>`;
      const success = await this.#sasl(response, 'success');
      if (!serverIsGenuine(answer, unbase64(text(success, 'success')))) throw new Error('bad SCRAM server signature');
    }
    await this.#openStream();
  }

  /** Resource binding, and the session of RFC 3921 where the server still wants one. */
  async bind(): Promise<void> {
    const resource =
      this.#options.resource === undefined ? '' : `<resource>${escapeXml(this.#options.resource)}</resource>`;
    const reply = await this.iq('set', `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${resource}</bind>`);
    this.jid = text(reply, 'jid') ?? '';
    const session = /<session[^>]*(?:\/>|>(.*?)<\/session>)/.exec(this.#features);
    if (session !== null && !session[0].includes('optional')) {
      await this.iq('set', "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>");
    }
  }

  /** connect, authenticate, bind; initial presence unless `quiet`. */
  async login(quiet = false): Promise<void> {
    await this.connect();
    await this.authenticate();
    await this.bind();
    if (!quiet) this.send("<presence xmlns='jabber:client'/>");
  }

  /** In-band registration (XEP-0077) on this unauthenticated stream. @throws ServerError, `conflict` when it exists */
  async register(): Promise<void> {
    const { user, password } = this.#options.account;
    await this.iq(
      'set',
      `<query xmlns='jabber:iq:register'><username>${escapeXml(user)}</username>` +
        `<password>${escapeXml(password)}</password></query>`,
    );
  }

  /** XEP-0198 3: enables stream management. @throws ServerError */
  async enableSm(resume: boolean): Promise<void> {
    this.sent = 0;
    const wanted = this.waitFor((xml) => {
      // At once: what follows in the same chunk of the socket counts already.
      if (xml.startsWith('<enabled')) this.sm = true;
      return this.sm || xml.startsWith('<failed');
    });
    this.#socket.send(`<enable xmlns='urn:xmpp:sm:3'${resume ? " resume='true'" : ''}/>`);
    const reply = await wanted;
    if (!reply.startsWith('<enabled')) throw new ServerError('stream management', reply);
    this.smId = attr(reply, 'id') ?? '';
  }

  /**
   * XEP-0198 5: takes up the stream `previous` on this authenticated one.
   * @returns `h`: how many of our stanzas the server has handled
   * @throws ServerError
   */
  async resume(previous: Client): Promise<number> {
    const wanted = this.waitFor((xml) => {
      // At once, as above: the server's resent stanzas come right behind.
      if (xml.startsWith('<resumed')) {
        this.sm = true;
        this.received = previous.received;
      }
      return this.sm || xml.startsWith('<failed');
    });
    this.#socket.send(`<resume xmlns='urn:xmpp:sm:3' h='${previous.received}' previd='${escapeXml(previous.smId)}'/>`);
    const reply = await wanted;
    if (!reply.startsWith('<resumed')) throw new ServerError('resume', reply);
    this.smId = previous.smId;
    this.jid = previous.jid;
    this.sent = previous.sent;
    return Number(attr(reply, 'h') ?? 0);
  }

  /** Sends a whole stanza; leaves with everything else of this turn of the event loop. */
  send(xml: string): void {
    if (this.sm) this.sent++;
    this.#socket.send(xml);
  }

  requestAck(): void {
    this.#socket.send("<r xmlns='urn:xmpp:sm:3'/>");
  }

  /** Sends an iq and waits for its answer. @throws ServerError on type='error', Error on timeout or a lost stream */
  async iq(type: 'get' | 'set', payload: string, to?: string): Promise<string> {
    const id = `q${++this.#iqs}`;
    const wanted = this.waitFor((xml) => xml.startsWith('<iq') && attr(xml, 'id') === id);
    const target = to === undefined ? '' : ` to='${escapeXml(to)}'`;
    this.send(`<iq xmlns='jabber:client' type='${type}' id='${id}'${target}>${payload}</iq>`);
    const reply = await wanted;
    if (attr(reply, 'type') === 'error') throw new ServerError(`iq ${tagName(payload)}`, reply);
    return reply;
  }

  /** The next frame that `wants` accepts; it does not reach onStanza. @throws Error on timeout or a lost stream */
  waitFor(wants: (xml: string) => boolean): Promise<string> {
    const ms = this.#options.timeoutMs ?? 30_000;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(new Error(`${this.#options.account.user}: no answer from the server within ${ms} ms`));
      }, ms);
      const waiter: Waiter = { wants, resolve, reject, timer };
      this.#waiters.push(waiter);
    });
  }

  /** Ends the stream as RFC 7395 3.6 wants it. */
  close(): void {
    this.#socket.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    this.#socket.close();
  }

  cut(): void {
    this.#socket.cut();
  }

  async #openStream(): Promise<void> {
    const features = this.waitFor((xml) => xml.includes('features') && tagName(xml) === 'features');
    this.#socket.send(
      `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='${escapeXml(this.#options.domain)}' version='1.0'/>`,
    );
    this.#features = await features;
  }

  async #sasl(xml: string, wanted: string): Promise<string> {
    const answer = this.waitFor((reply) => reply.includes('xmpp-sasl'));
    this.#socket.send(xml);
    const reply = await answer;
    if (tagName(reply) !== wanted) throw new ServerError('login', reply);
    return reply;
  }

  #receive(xml: string): void {
    const second = xml.charCodeAt(1);
    // <message and <presence when nobody waits: the hot path. <r/> and <a/> of stream management next.
    const third = xml.charCodeAt(2);
    if (this.sm) {
      if (second === 0x72 && third !== 0x65) {
        this.#socket.send(`<a xmlns='urn:xmpp:sm:3' h='${this.received}'/>`);
        return;
      }
      if (second === 0x61 && (third === 0x20 || third === 0x2f)) {
        this.onAck(Number(attr(xml, 'h') ?? 0));
        return;
      }
      if (second === 0x6d || second === 0x70 || second === 0x69) this.received++;
    }
    for (let i = 0; i < this.#waiters.length; i++) {
      const waiter = this.#waiters[i]!;
      if (!waiter.wants(xml)) continue;
      this.#waiters.splice(i, 1);
      clearTimeout(waiter.timer);
      waiter.resolve(xml);
      return;
    }
    if (second === 0x69) this.#answer(xml);
    else this.onStanza(xml);
  }

  /** Pings and pushes of the server get what they want; a client that is silent would be taken for dead. */
  #answer(xml: string): void {
    const type = attr(xml, 'type');
    if (type !== 'get' && type !== 'set') return;
    const from = attr(xml, 'from');
    const to = from === undefined ? '' : ` to='${escapeXml(from)}'`;
    this.send(`<iq xmlns='jabber:client' type='result' id='${escapeXml(attr(xml, 'id') ?? '')}'${to}/>`);
  }

  #ended(reason: string): void {
    for (const waiter of this.#waiters.splice(0)) {
      clearTimeout(waiter.timer);
      waiter.reject(new Error(`${this.#options.account.user}: stream lost: ${reason}`));
    }
    this.onEnd(reason);
  }
}

const base64 = (value: string) => Buffer.from(value).toString('base64');
const unbase64 = (value: string | undefined) => Buffer.from(value ?? '', 'base64').toString();
