import { setTimeout as sleep } from 'node:timers/promises';
import { type Account, Client, type ClientOptions } from '../client.ts';
import { readId } from '../flow.ts';
import { attr, tagName } from '../scan.ts';
import { ServerError } from '../server-error.ts';

/** What all writers count together. Reasons come from servers: few, and without ids. */
export interface WriterCounts {
  /** sockets that ended although we had not ended them, by reason */
  readonly closed: Record<string, number>;
  /** messages that came back as an error, by condition */
  readonly refused: Record<string, number>;
  resumed: number;
  /** streams that could not be resumed and were bound anew */
  bound: number;
  /** attempts to come back that failed */
  failedAttempts: number;
}

export const noCounts = (): WriterCounts => ({ closed: {}, refused: {}, resumed: 0, bound: 0, failedAttempts: 0 });

/** As counts by reason, for a phase. */
export function seenByClients({ closed, refused, resumed, bound, failedAttempts }: WriterCounts) {
  const entries = [
    ...Object.entries(closed).map(([reason, n]) => [`closed stream: ${reason}`, n] as const),
    ...Object.entries(refused).map(([condition, n]) => [`stanza error: ${condition}`, n] as const),
    ['streams resumed', resumed] as const,
    ['streams bound anew', bound] as const,
    ['attempts to come back that failed', failedAttempts] as const,
  ];
  return Object.fromEntries(entries.filter(([, n]) => n > 0));
}

/** Sums of what clients count as an error. */
export function errorsOf({ closed, refused }: WriterCounts): number {
  return [...Object.values(closed), ...Object.values(refused)].reduce((a, b) => a + b, 0);
}

export interface WriterOptions {
  readonly client: Omit<ClientOptions, 'url' | 'account'>;
  readonly account: Account;
  /** of all nodes; the list may grow and shrink while it is used */
  readonly urls: string[];
  /** index of the node to begin at */
  readonly at: number;
  /** where to count now */
  readonly counts: () => WriterCounts;
  /** the write that was meant to leave at `dueUs` is acknowledged */
  readonly onAcknowledged: (seq: number, dueUs: number) => void;
  readonly onStanza: (xml: string) => void;
  /** attempts to come back before the writer gives up, one every `retryMs` */
  readonly attemptsMax: number;
  readonly retryMs: number;
}

interface Unacknowledged {
  readonly seq: number;
  readonly dueUs: number;
  readonly xml: string;
}

/**
 * One user who writes and never gives a message up: stream management with an ack request behind every message; after
 * a lost socket it comes back at another node, resumes, or binds anew, and sends again what is not acknowledged, with the
 * same origin-ids. As a chat client should do. What waits is bounded by Load's messages under way.
 */
export class Writer {
  /** own messages that came back as an error; they may be stored or not */
  readonly refused = new Set<number>();
  /** highest message acknowledged: they are acknowledged in order */
  acknowledgedUpTo = 0;
  /** why it gave up coming back */
  gaveUp: string | undefined;
  readonly #options: WriterOptions;
  #client: Client | undefined;
  #connected = false;
  #stopped = false;
  #at: number;
  /** last stream error of the server: says more than the close code */
  #streamError: string | undefined;
  readonly #waiting: Unacknowledged[] = [];
  /** the server's count of handled stanzas of this stream, as far as we know */
  #handled = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#at = options.at;
  }

  /** @throws Error when the first login fails */
  async start(): Promise<void> {
    await this.#come();
  }

  /** The stream of now; undefined while it is away. */
  get client(): Client | undefined {
    return this.#connected ? this.#client : undefined;
  }

  get url(): string {
    return this.#options.urls[this.#at % this.#options.urls.length]!;
  }

  /** When the oldest message that is not acknowledged was meant to leave; undefined when all are. */
  get oldestDueUs(): number | undefined {
    return this.#waiting[0]?.dueUs;
  }

  send(seq: number, dueUs: number, xml: string): void {
    this.#waiting.push({ seq, dueUs, xml });
    if (this.#connected) this.#transmit(xml);
  }

  /** The server answered an own message with an error. */
  onRefused(seq: number, xml: string): void {
    this.refused.add(seq);
    const { condition } = new ServerError('message', xml);
    count(this.#options.counts().refused, condition);
  }

  /** No more of its own: it does not come back, and acks are no longer looked at. */
  stop(): void {
    this.#stopped = true;
    if (this.#client !== undefined) this.#client.onAck = () => {};
  }

  cut(): void {
    this.stop();
    if (this.#client?.ended === false) this.#client.cut();
  }

  #transmit(xml: string): void {
    this.#client!.send(xml);
    this.#client!.requestAck();
  }

  /** Connects, resumes what can be resumed, sends again what is not acknowledged. */
  async #come(): Promise<void> {
    const { account, client: common, onStanza } = this.#options;
    const client = new Client({ ...common, url: this.url, account });
    this.#streamError = undefined;
    client.onStanza = (xml) => {
      if (isStreamError(xml)) this.#streamError = new ServerError('stream', xml).condition;
      else onStanza(xml);
    };
    const previous = this.#client;
    try {
      await client.connect();
      await client.authenticate();
      await this.#open(client, previous);
      if (client.ended) throw new Error('lost at once');
    } catch (error) {
      // Its stream is no longer there to be resumed, or was not made: the next attempt begins from `previous` again.
      client.onEnd = () => {};
      client.cut();
      throw error;
    }
    client.onEnd = (reason) => void this.#back(this.#streamError ?? reason);
    client.onAck = (h) => this.#onAck(h);
    this.#client = client;
    this.#connected = true;
    for (const { xml } of this.#waiting) this.#transmit(xml);
  }

  async #open(client: Client, previous: Client | undefined): Promise<void> {
    if (previous !== undefined && previous.smId !== '') {
      try {
        this.#onAck(await client.resume(previous));
        this.#options.counts().resumed++;
        return;
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
      }
    }
    await client.bind();
    client.send("<presence xmlns='jabber:client'/>");
    await client.enableSm(true);
    if (previous !== undefined) this.#options.counts().bound++;
    this.#handled = 0;
  }

  /** XEP-0198 4: `h` counts our stanzas since the stream management began, and nothing but messages is sent after that. */
  #onAck(h: number): void {
    for (; this.#handled < h && this.#waiting.length > 0; this.#handled++) {
      const { seq, dueUs } = this.#waiting.shift()!;
      this.acknowledgedUpTo = Math.max(this.acknowledgedUpTo, seq);
      if (!this.refused.has(seq)) this.#options.onAcknowledged(seq, dueUs);
    }
  }

  async #back(reason: string): Promise<void> {
    this.#connected = false;
    if (this.#stopped) return;
    const { counts, attemptsMax, retryMs } = this.#options;
    count(counts().closed, reason);
    for (let attempt = 1; !this.#stopped; attempt++) {
      this.#at++;
      try {
        await this.#come();
        return;
      } catch (error) {
        counts().failedAttempts++;
        if (attempt >= attemptsMax) {
          this.gaveUp = error instanceof Error ? error.message : String(error);
          return;
        }
      }
      await sleep(retryMs);
    }
  }
}

function isStreamError(xml: string): boolean {
  return (xml.startsWith('<stream:error') || xml.startsWith('<error')) && tagName(xml) === 'error';
}

/** Which message of this run comes back to its sender as an error; undefined for every other stanza. */
export function refusalOf(xml: string, run: string): { readonly sender: number; readonly seq: number } | undefined {
  return xml.startsWith('<message') && attr(xml, 'type') === 'error' ? readId(attr(xml, 'id'), run) : undefined;
}

function count(counts: Record<string, number>, reason: string): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}
