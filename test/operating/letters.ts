import type { Element } from 'ltx';
import { until } from '../clients/until.ts';
import { type WireAccount, WireClient } from '../clients/wire-client.ts';

/** One message, and what the server has said of it. */
export interface Letter {
  readonly id: string;
  /** number of the stanza on the connection it was last sent on */
  n: number;
  acked: boolean;
  /** condition and type of the error that came instead, such as `resource-constraint wait` */
  refusal: string;
}

/** Letters between two acknowledgement requests. */
const PER_REQUEST = 8;

/** Someone who writes to one other, with stream management, and keeps books about it. */
export class Writer {
  readonly account: WireAccount;
  readonly letters: Letter[] = [];
  client: WireClient;
  readonly #to: string;
  readonly #filling: string;
  readonly #byId = new Map<string, Letter>();

  private constructor(account: WireAccount, client: WireClient, to: string, bytes: number) {
    this.account = account;
    this.client = client;
    this.#to = to;
    this.#filling = 'x'.repeat(bytes);
    this.#listen();
  }

  /** Makes both accounts. @param bytes of each message's body */
  static async start(url: string, bytes: number): Promise<Writer> {
    const account = { user: 'ann', password: 'the password of ann' };
    for (const one of [account, { user: 'ben', password: 'the password of ben' }]) await WireClient.register(url, one);
    return new Writer(account, await WireClient.login(url, account, 'desk'), 'ben@localhost', bytes);
  }

  /** Connects anew; what was not acknowledged before stays so until `sendAgain`. */
  async back(url: string): Promise<void> {
    this.client = await WireClient.login(url, this.account, 'desk');
    this.#listen();
  }

  write(count: number): Letter[] {
    const fresh = Array.from({ length: count }, (_, i) => {
      const letter: Letter = { id: `letter-${this.letters.length + i + 1}`, n: 0, acked: false, refusal: '' };
      return letter;
    });
    this.letters.push(...fresh);
    this.#send(fresh);
    return fresh;
  }

  /** The same ids once more: what the server has already, it keeps once. */
  sendAgain(letters: readonly Letter[]): void {
    for (const letter of letters) Object.assign(letter, { acked: false, refusal: '' });
    this.#send(letters);
  }

  /** Each has been acknowledged, or refused by an error stanza. */
  answered(letters: readonly Letter[]): Promise<void> {
    return until('every letter to be answered', () => {
      this.client.requestAck();
      return letters.every(({ acked, refusal }) => acked || refusal !== '');
    });
  }

  get kept(): Letter[] {
    return this.letters.filter(({ acked, refusal }) => acked && refusal === '');
  }

  /** Ids of the letters in the archive of either, in its order. */
  async archived(url: string, user = this.account.user): Promise<string[]> {
    const reader = await WireClient.login(url, { user, password: `the password of ${user}` }, 'reader');
    const ids = (await reader.archive()).map(({ originId = '' }) => originId);
    reader.cut();
    return ids;
  }

  #send(letters: readonly Letter[]): void {
    for (const [i, letter] of letters.entries()) {
      if (i % PER_REQUEST === PER_REQUEST - 1) this.client.requestAck();
      this.#byId.set(letter.id, letter);
      this.client.chat(this.#to, letter.id, this.#filling);
      letter.n = this.client.sent;
    }
    this.client.requestAck();
  }

  #listen(): void {
    const { client } = this;
    // Before it counts as answered by an acknowledgement, an error has come: h counts what was refused, too.
    client.onAck = () => {
      for (const letter of this.letters) if (letter.n > 0 && letter.n <= client.acked) letter.acked = true;
    };
    client.onMessage = (message) => this.#onMessage(message);
  }

  #onMessage(message: Element): void {
    const letter = this.#byId.get(message.attrs['id'] ?? '');
    const error = message.getChild('error');
    if (message.attrs['type'] !== 'error' || letter === undefined || error === undefined) return;
    letter.refusal = `${error.getChildElements()[0]?.getName()} ${error.attrs['type']}`;
  }
}
