import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
} from '@nats-io/jetstream';
import { createInbox, nanos } from '@nats-io/transport-node';
import { backoffMs } from '../base/backoff.ts';
import { systemClock, type Timer } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { shortId } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { decodeConfig } from './config-codec.ts';
import {
  type ConfigChange,
  ConfigStoreBackwardsError,
  ConfigStoreUnavailableError,
  type ConfigWatch,
} from './config-store.ts';
import type { NatsConfigOptions } from './config-store-nats.ts';
import type { NatsLink } from './nats-link.ts';

/** What happened on all watches of a store since the start. */
export interface WatchStats {
  /** changes handed over */
  changes: number;
  /** consumers made */
  begun: number;
  /** begun anew because something was missing */
  gaps: number;
  /** begun anew because nothing was heard */
  silent: number;
  /** attempts to begin that failed */
  failed: number;
}

export interface NatsWatchParts {
  readonly link: NatsLink;
  readonly log: Log;
  readonly bucket: string;
  readonly prefix: string;
  readonly stats: WatchStats;
  readonly handler: (change: ConfigChange) => void;
  readonly onBackwards: (error: ConfigStoreBackwardsError) => void;
  readonly onEnd: () => void;
}

/** One consumer on the server and our end of it. */
interface Feed {
  readonly name: string;
  /** last number the server gave a message for us; they are dense */
  delivered: number;
  stop(): void;
}

/** The server forgets a consumer nobody listens to after this. */
const FORGOTTEN_MS = 10_000;
/** A new stream leader may not have applied everything yet, so less than we have seen is believed at the last try only. */
const BACKWARDS_ATTEMPTS_MAX = 6;

/**
 * A watch that mends itself. The client's own ordered consumer, which `kv.watch` uses, hears from the server every 30 s
 * and acts on the second silence, and does not look at the numbers that come with it: a nats-server that dies would blind
 * a node for a minute, and a lost last message for ever. Hence own consumers, of the plain kind: numbered deliveries,
 * short heartbeats that tell the last number, and a new consumer from the last revision seen whenever one is missing or
 * nothing is heard. As the bucket keeps one value per key, what follows that revision holds the newest of every key.
 *
 * Invariant: what is handed over has rising revisions.
 */
export class NatsWatch implements ConfigWatch {
  readonly #parts: NatsWatchParts;
  readonly #options: NatsConfigOptions;
  readonly #stream: string;
  readonly #subjectStart: string;
  readonly #js: JetStreamClient;
  readonly #ready: { promise: Promise<void>; resolve: () => void };
  #jsm: JetStreamManager | undefined;
  #feed: Feed | undefined;
  #seen = 0;
  /** Keys handed over so far, until all that was there has been: a deletion of another one is no news. */
  #first: Set<string> | undefined = new Set();
  #created: string | undefined;
  #failures = 0;
  #behind = 0;
  #retry: Timer | undefined;
  #ended = false;

  constructor(parts: NatsWatchParts, options: NatsConfigOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#stream = `KV_${parts.bucket}`;
    this.#subjectStart = `$KV.${parts.bucket}.`;
    this.#js = jetstream(parts.link.connection, { timeout: options.requestMsMax });
    let resolve = (): void => undefined;
    const promise = new Promise<void>((done) => {
      resolve = () => {
        this.#first = undefined;
        done();
      };
    });
    this.#ready = { promise, resolve };
  }

  /** Resolves when everything that was there has been handed over. @throws ConfigStoreUnavailableError */
  async begin(): Promise<void> {
    try {
      await this.#open();
    } catch (cause) {
      this.stop();
      throw new ConfigStoreUnavailableError(`the configuration cannot be watched (${messageOf(cause)})`, { cause });
    }
    await this.#ready.promise;
  }

  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    systemClock.clear(this.#retry);
    this.#drop();
    this.#ready.resolve();
    this.#parts.onEnd();
  }

  async #open(): Promise<void> {
    this.#jsm ??= await this.#js.jetstreamManager(false);
    const { created, state } = await this.#jsm.streams.info(this.#stream);
    this.#created ??= created;
    if (created !== this.#created) throw new ConfigStoreBackwardsError('the configuration store is another one');
    if (state.last_seq < this.#seen) {
      this.#behind++;
      const what = `the configuration store is at ${state.last_seq}, and was at ${this.#seen}`;
      if (this.#behind >= BACKWARDS_ATTEMPTS_MAX) throw new ConfigStoreBackwardsError(what);
      throw new Error(what);
    }
    this.#behind = 0;
    if (this.#ended) return;
    await this.#consume(this.#jsm);
  }

  async #consume(jsm: JetStreamManager): Promise<void> {
    const config = this.#consumer();
    const consumer = await this.#js.consumers.getBoundPushConsumer({
      deliver_subject: config.deliver_subject,
      idle_heartbeat: config.idle_heartbeat,
    });
    const feed: Feed = { name: config.name, delivered: 0, stop: () => messages.stop() };
    // Listening comes first: the server delivers as soon as the consumer is made.
    const messages = await consumer.consume({ callback: (message) => this.#take(feed, message) });
    if (this.#ended) return messages.stop();
    this.#feed = feed;
    void this.#follow(feed, messages.status());
    const { num_pending: waiting } = await jsm.consumers.add(this.#stream, config);
    this.#parts.stats.begun++;
    // With nothing delivered and nothing waiting there was nothing.
    if (waiting === 0 && feed.delivered === 0) this.#ready.resolve();
  }

  #consumer(): ConsumerConfig & { name: string; deliver_subject: string; idle_heartbeat: number } {
    const start =
      this.#seen === 0
        ? { deliver_policy: DeliverPolicy.All }
        : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: this.#seen + 1 };
    return {
      ...start,
      name: `rookery-watch-${shortId()}`,
      description: 'a Rookery node watches the configuration',
      deliver_subject: createInbox(),
      filter_subject: `${this.#subjectStart}${this.#parts.prefix}>`,
      ack_policy: AckPolicy.None,
      flow_control: true,
      idle_heartbeat: nanos(this.#options.watchHeartbeatMs),
      inactive_threshold: nanos(FORGOTTEN_MS),
      mem_storage: true,
      num_replicas: 1,
    } as ConsumerConfig & { name: string; deliver_subject: string; idle_heartbeat: number };
  }

  async #follow(feed: Feed, notes: AsyncIterable<{ readonly type: string; readonly lastConsumerSequence?: number }>) {
    for await (const note of notes) {
      if (feed !== this.#feed) return;
      if (note.type === 'heartbeat') {
        this.#failures = 0;
        // What the server has numbered it has sent before this, so it would be here.
        if ((note.lastConsumerSequence ?? 0) > feed.delivered) this.#again('gaps');
        else this.#ready.resolve();
      } else if (note.type === 'heartbeats_missed' || note.type === 'consumer_deleted') {
        this.#again('silent');
      }
    }
  }

  /** Must not throw: an exception would end the client's reading of its socket. */
  #take(feed: Feed, message: JsMsg): void {
    if (feed !== this.#feed || this.#ended) return;
    const { deliverySequence, streamSequence, pending } = message.info;
    if (deliverySequence !== feed.delivered + 1) {
      this.#again('gaps');
      return;
    }
    feed.delivered = deliverySequence;
    // A replica that lags may begin before the revision asked for.
    if (streamSequence > this.#seen) {
      this.#seen = streamSequence;
      this.#hand(message);
    }
    if (pending === 0) this.#ready.resolve();
  }

  #hand(message: JsMsg): void {
    const key = message.subject.slice(this.#subjectStart.length);
    const revision = message.seq;
    const isDeleted = (message.headers?.get('KV-Operation') ?? '') !== '';
    if (isDeleted && this.#first?.has(key) === false) return;
    this.#first?.add(key);
    try {
      this.#parts.handler(
        isDeleted ? { t: 'delete', key, revision } : { t: 'put', key, value: decodeConfig(message.data), revision },
      );
      this.#parts.stats.changes++;
    } catch (err) {
      this.#parts.log.error({ err, key, revision }, 'a change of the configuration was not taken');
    }
  }

  #again(why: 'gaps' | 'silent'): void {
    this.#parts.stats[why]++;
    this.#drop();
    this.#schedule();
  }

  #drop(): void {
    const feed = this.#feed;
    if (feed === undefined) return;
    this.#feed = undefined;
    feed.stop();
    // If this fails the server forgets the consumer by itself.
    if (this.#parts.link.connected) this.#jsm?.consumers.delete(this.#stream, feed.name).catch(() => undefined);
  }

  #schedule(): void {
    if (this.#ended || this.#retry !== undefined) return;
    const { watchRetryMs: baseMs, watchRetryMsMax: maxMs } = this.#options;
    const delayMs = backoffMs(++this.#failures, { baseMs, maxMs }, systemRandom.float());
    this.#retry = systemClock.setTimer(delayMs, () => {
      this.#retry = undefined;
      this.#open().catch((error: unknown) => this.#failed(error));
    });
  }

  #failed(error: unknown): void {
    if (this.#ended) return;
    this.#parts.stats.failed++;
    if (error instanceof ConfigStoreBackwardsError) {
      this.#parts.log.fatal({ err: error, prefix: this.#parts.prefix }, 'the configuration went backwards');
      this.stop();
      this.#parts.onBackwards(error);
      return;
    }
    this.#parts.log.warn({ err: error, prefix: this.#parts.prefix }, 'watching the configuration: trying again');
    this.#drop();
    this.#schedule();
  }
}
