import { type Element, parse } from 'ltx';
import { WebSocket } from 'ws';

/**
 * A client that is as plain as can be, and shares no code with the server: it says exactly what it is told to, and
 * counts acknowledgements (XEP-0198). For the crash tests, and to read archives after stock clients did their work.
 */
export interface WireAccount {
  readonly user: string;
  readonly password: string;
}

export interface ArchivedMessage {
  /** archive id (XEP-0313) */
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly originId: string | undefined;
  readonly body: string | null;
}

const NS_SM = 'urn:xmpp:sm:3';
const NS_SID = 'urn:xmpp:sid:0';
const NS_MAM = 'urn:xmpp:mam:2';
const ANSWER_MS_MAX = 15_000;
const HANDSHAKE_MS_MAX = 3_000;

export type Headers = Readonly<Record<string, string>>;

export class WireClient {
  readonly account: WireAccount;
  /** full, once it is bound */
  jid = '';
  /** stanzas sent since `enableSm` */
  sent = 0;
  /** highest h the server has acknowledged */
  acked = 0;
  received = 0;
  /** stanzas that are not acknowledged, in order: the last is number `sent` */
  readonly unacked: string[] = [];
  /** by which the stream can be resumed; undefined when it cannot */
  resumeId: string | undefined;
  onMessage: (message: Element) => void = () => {};
  onPresence: (presence: Element) => void = () => {};
  onAck: () => void = () => {};
  /** anything came from the server */
  onHeard: () => void = () => {};
  /** why the socket is gone: the last stream error, or the close code */
  why = '';
  /** longest wait for any answer, ms */
  answerMsMax = ANSWER_MS_MAX;
  /** resolves when the socket is gone, for whatever reason */
  readonly ended: Promise<void>;
  readonly #ws: WebSocket;
  #sm = false;
  #ids = 0;
  #waiters: { readonly wants: (el: Element) => boolean; readonly take: (el: Element | Error) => void }[] = [];

  private constructor(account: WireAccount, ws: WebSocket) {
    this.account = account;
    this.#ws = ws;
    ws.on('message', (data) => this.#receive(parse(String(data))));
    // `close` follows, and rejects whoever waits.
    ws.on('error', () => {});
    this.ended = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.why ||= `${code} ${reason}`.trim();
        for (const { take } of this.#waiters.splice(0)) take(new Error(`${account.user}: the stream is lost`));
        resolve();
      });
    });
  }

  /** Opens socket and stream. @throws Error when refused, or when nobody answers */
  static async connect(
    url: string,
    account: WireAccount,
    headers: Headers = {},
    answerMsMax = ANSWER_MS_MAX,
  ): Promise<WireClient> {
    const options = { perMessageDeflate: false, handshakeTimeout: HANDSHAKE_MS_MAX, headers };
    const ws = new WebSocket(url, ['xmpp'], options);
    const client = new WireClient(account, ws);
    client.answerMsMax = answerMsMax;
    await new Promise<void>((resolve, reject) => {
      ws.once('open', resolve);
      ws.once('error', reject);
    });
    await client.#cutUnless(client.#open());
    return client;
  }

  /** Makes the account (XEP-0077). */
  static async register(url: string, account: WireAccount, headers: Headers = {}): Promise<void> {
    const client = await WireClient.connect(url, account, headers);
    const { user, password } = account;
    const fields = `<username>${user}</username><password>${password}</password>`;
    await client.iq('set', `<query xmlns='jabber:iq:register'>${fields}</query>`);
    client.cut();
  }

  /** Logged in (PLAIN), bound to `resource`, with stream management, present. @param listen before anything may come */
  static async login(
    url: string,
    account: WireAccount,
    resource: string,
    listen: (client: WireClient) => void = () => {},
  ): Promise<WireClient> {
    const client = await WireClient.authenticated(url, account);
    listen(client);
    await client.bind(resource, false);
    client.send("<presence xmlns='jabber:client'/>");
    return client;
  }

  /** Logged in (PLAIN); what follows is `bind` or `resume`. */
  static async authenticated(
    url: string,
    account: WireAccount,
    headers: Headers = {},
    answerMsMax = ANSWER_MS_MAX,
  ): Promise<WireClient> {
    const client = await WireClient.connect(url, account, headers, answerMsMax);
    await client.#cutUnless(client.#authenticate());
    return client;
  }

  /** Binds, and turns stream management on. */
  async bind(resource: string, resumable: boolean): Promise<void> {
    const ask = `<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>${resource}</resource></bind>`;
    this.jid = (await this.iq('set', ask)).getChild('bind')?.getChildText('jid') ?? '';
    const enabled = this.#next((el) => el.name === 'enabled');
    this.send(`<enable xmlns='${NS_SM}'${resumable ? " resume='true'" : ''}/>`);
    this.resumeId = (await enabled).attrs['id'];
    this.#sm = true;
  }

  /**
   * Goes on with the stream of a client that has ended: what it had not acknowledged is sent again, under its numbers.
   * @returns false when it is refused; the server may have said what it has handled all the same, and `before` knows
   */
  async resume(before: WireClient): Promise<boolean> {
    const answer = this.#next((el) => el.name === 'resumed' || el.name === 'failed');
    this.#resumes = before;
    this.send(`<resume xmlns='${NS_SM}' previd='${before.resumeId}' h='${before.received}'/>`);
    const { name, attrs } = await answer;
    const h = Number(attrs['h'] ?? before.acked);
    if (name === 'failed') {
      before.acked = Math.max(before.acked, h);
      before.onAck();
      return false;
    }
    if (h < before.acked) throw new Error(`${this.account.user}: h went back from ${before.acked} to ${h}`);
    this.resumeId = before.resumeId;
    this.jid = before.jid;
    // An iq that is sent again is answered under its old id.
    this.#ids = Math.max(this.#ids, before.#ids);
    const again = before.unacked.slice(h - before.acked);
    this.sent = h;
    this.acked = h;
    this.onAck();
    for (const xml of again) this.send(xml);
    return true;
  }
  #resumes: WireClient | undefined;

  send(xml: string): void {
    if (this.#sm && /^<(message|presence|iq)/.test(xml)) {
      this.sent += 1;
      this.unacked.push(xml);
    }
    this.#ws.send(xml);
  }

  chat(to: string, originId: string, body: string, type: 'chat' | 'groupchat' = 'chat'): void {
    this.send(
      `<message xmlns='jabber:client' type='${type}' to='${to}' id='${originId}'><body>${body}</body>` +
        `<origin-id xmlns='${NS_SID}' id='${originId}'/></message>`,
    );
  }

  requestAck(): void {
    this.send(`<r xmlns='${NS_SM}'/>`);
  }

  /** @param to absent: the own account @throws Error on type='error' or when the stream is lost */
  async iq(type: 'get' | 'set', payload: string, to?: string): Promise<Element> {
    const id = `w${++this.#ids}`;
    const answer = this.#next((el) => el.name === 'iq' && el.attrs['id'] === id);
    const address = to === undefined ? '' : ` to='${to}'`;
    this.send(`<iq xmlns='jabber:client' type='${type}' id='${id}'${address}>${payload}</iq>`);
    const el = await answer;
    if (el.attrs['type'] === 'error') throw new Error(`${this.account.user}: ${el}`);
    return el;
  }

  /**
   * The whole archive, or the chat with one bare JID, in archive order, page by page; all that follows an archive id.
   * @param of a room, whose archive is read in place of the own one
   */
  async archive(peer?: string, pageMax = 200, behind?: string, of?: string): Promise<ArchivedMessage[]> {
    const all: ArchivedMessage[] = [];
    const outer = this.onMessage;
    this.onMessage = (message) => {
      const result = message.getChild('result', NS_MAM);
      const forwarded = result?.getChild('forwarded')?.getChild('message');
      if (result === undefined || forwarded === undefined) return outer(message);
      all.push({
        id: result.attrs['id'] ?? '',
        from: forwarded.attrs['from'] ?? '',
        to: forwarded.attrs['to'] ?? '',
        originId: forwarded.getChild('origin-id', NS_SID)?.attrs['id'],
        body: forwarded.getChildText('body'),
      });
    };
    const field = (name: string, value: string) => `<field var='${name}'><value>${value}</value></field>`;
    const form =
      peer === undefined
        ? ''
        : `<x xmlns='jabber:x:data' type='submit'>${field('FORM_TYPE', NS_MAM)}${field('with', peer)}</x>`;
    try {
      for (let after = behind === undefined ? '' : `<after>${behind}</after>`; ; ) {
        const set = `<set xmlns='http://jabber.org/protocol/rsm'><max>${pageMax}</max>${after}</set>`;
        const answer = await this.iq('set', `<query xmlns='${NS_MAM}'>${form}${set}</query>`, of);
        const fin = answer.getChild('fin', NS_MAM);
        if (fin?.attrs['complete'] === 'true') break;
        after = `<after>${fin?.getChild('set')?.getChildText('last')}</after>`;
      }
    } finally {
      this.onMessage = outer;
    }
    return all;
  }

  /** Without a word. */
  cut(): void {
    this.#ws.terminate();
  }

  async #authenticate(): Promise<void> {
    const { user, password } = this.account;
    const secret = Buffer.from(`\0${user}\0${password}`).toString('base64');
    const answer = this.#next((el) => el.getNS() === 'urn:ietf:params:xml:ns:xmpp-sasl');
    this.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${secret}</auth>`);
    const { name } = await answer;
    if (name !== 'success') throw new Error(`${user}: login refused: ${await answer}`);
    await this.#open();
  }

  /** A client that nobody gets must not stay connected. */
  async #cutUnless(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.cut();
      throw error;
    }
  }

  async #open(): Promise<void> {
    const features = this.#next((el) => el.getName() === 'features');
    this.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>");
    await features;
  }

  #next(wants: (el: Element) => boolean): Promise<Element> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => waiter.take(new Error(`${this.account.user}: no answer in ${this.answerMsMax} ms`)),
        this.answerMsMax,
      );
      const waiter = {
        wants,
        take: (el: Element | Error) => {
          clearTimeout(late);
          this.#waiters = this.#waiters.filter((one) => one !== waiter);
          if (el instanceof Error) reject(el);
          else resolve(el);
        },
      };
      this.#waiters.push(waiter);
    });
  }

  #receive(el: Element): void {
    this.onHeard();
    if (el.getName() === 'error' && el.name !== 'error') this.why = String(el.getChildElements()[0]?.getName());
    if (el.getNS() === NS_SM) {
      if (el.name === 'r') this.send(`<a xmlns='${NS_SM}' h='${this.received}'/>`);
      if (el.name === 'a') {
        const h = Math.max(this.acked, Number(el.attrs['h']));
        this.unacked.splice(0, h - this.acked);
        this.acked = h;
        this.onAck();
      }
      // Here and not where it is awaited: the next stanza may come in the same packet, and counts.
      if (el.name === 'resumed' && this.#resumes !== undefined) {
        this.#sm = true;
        this.received = this.#resumes.received;
      }
    } else if (this.#sm && ['message', 'presence', 'iq'].includes(el.name)) this.received += 1;
    const waiter = this.#waiters.find(({ wants }) => wants(el));
    if (waiter !== undefined) waiter.take(el);
    else if (el.name === 'message') this.onMessage(el);
    else if (el.name === 'presence') this.onPresence(el);
    // A silent client would be taken for dead: pings and pushes get their answer.
    else if (el.name === 'iq' && (el.attrs['type'] === 'get' || el.attrs['type'] === 'set'))
      this.send(`<iq xmlns='jabber:client' type='result' id='${el.attrs['id']}'/>`);
  }
}
