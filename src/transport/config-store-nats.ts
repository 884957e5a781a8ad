import { JetStreamApiCodes, type JetStreamClient, jetstream } from '@nats-io/jetstream';
import { type KV, type KvEntry, Kvm } from '@nats-io/kv';
import { headers } from '@nats-io/transport-node';
import { systemClock, type Timer } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { decodeConfig, encodeConfig } from './config-codec.ts';
import {
  type CasResult,
  type ConfigChange,
  type ConfigEntry,
  type ConfigStore,
  type ConfigStoreBackwardsError,
  ConfigStoreUnavailableError,
  ConfigStoreUnknownError,
  type ConfigWatch,
  checkKey,
  checkPrefix,
  checkRevision,
} from './config-store.ts';
import { NatsWatch, type WatchStats } from './config-watch-nats.ts';
import { isApiError, isNobodyThere } from './nats-errors.ts';
import type { NatsLink } from './nats-link.ts';
import { bucketName } from './subjects.ts';

export interface NatsConfigOptions {
  /** longest wait for an answer, milliseconds; then a write counts as unknown */
  readonly requestMsMax: number;
  /** an idle watch hears from the server this often; after two missed it begins anew */
  readonly watchHeartbeatMs: number;
  /** between attempts to begin a watch anew, milliseconds: doubled from the first, at most the second, at random */
  readonly watchRetryMs: number;
  readonly watchRetryMsMax: number;
  /** between two questions whether the store is led, while there are watches, milliseconds */
  readonly leaderCheckMs: number;
}

export const natsConfigDefaults: NatsConfigOptions = {
  requestMsMax: 2_000,
  watchHeartbeatMs: 500,
  watchRetryMs: 100,
  watchRetryMsMax: 5_000,
  leaderCheckMs: 2_000,
};

export interface NatsConfigParts {
  readonly cluster: string;
  /** The store uses it and leaves it open. */
  readonly link: NatsLink;
  readonly log: Log;
  /** A watch found that the store went backwards and has ended: halt what stands on it (I12). */
  readonly onBackwards: (error: ConfigStoreBackwardsError) => void;
}

export interface NatsConfigStore extends ConfigStore {
  /** for /metrics */
  readonly stats: { won: number; refused: number; unknown: number; unavailable: number; readonly watches: WatchStats };
}

/**
 * The configuration store in the JetStream bucket `rookery-<cluster>`, which `checkNats` has made or checked. A key's
 * revision is the stream sequence of its last message; a write carries it as `Nats-Expected-Last-Subject-Sequence`,
 * which the stream leader compares. Reads go to the stream leader too (`allow_direct` is off). A deletion is a message
 * as well and keeps a revision, so making a deleted key again takes a second write, under the revision of the deletion.
 */
export async function natsConfigStore(
  parts: NatsConfigParts,
  options: Partial<NatsConfigOptions> = {},
): Promise<NatsConfigStore> {
  const settings = { ...natsConfigDefaults, ...options };
  const js = jetstream(parts.link.connection, { timeout: settings.requestMsMax });
  const kv = await new Kvm(js).open(bucketName(parts.cluster), { allow_direct: false });
  return new NatsStore(parts, settings, js, kv);
}

/** A deleted key may be made by others at the same time: each time we lose to a further deletion. */
const CREATE_ATTEMPTS_MAX = 3;
/** Nobody writes it: to read it asks whether there is a leader. */
const LEADER_CHECK_KEY = 'leader-check';
/** Checks in a row that found no leader, after which another server is tried: this one may be cut off from the others. */
const ELSEWHERE_AFTER = 3;

class NatsStore implements NatsConfigStore {
  readonly stats;
  readonly #parts: NatsConfigParts;
  readonly #settings: NatsConfigOptions;
  readonly #js: JetStreamClient;
  readonly #kv: KV;
  readonly #watches = new Set<NatsWatch>();
  #check: Timer | undefined;
  #leaderless = 0;
  #closed = false;

  constructor(parts: NatsConfigParts, settings: NatsConfigOptions, js: JetStreamClient, kv: KV) {
    this.#parts = parts;
    this.#settings = settings;
    this.#js = js;
    this.#kv = kv;
    const watches: WatchStats = { changes: 0, begun: 0, gaps: 0, silent: 0, failed: 0 };
    this.stats = { won: 0, refused: 0, unknown: 0, unavailable: 0, watches };
  }

  async get(key: string): Promise<ConfigEntry | undefined> {
    checkKey(key);
    const entry = await this.#read(key);
    return entry === null || isDeleted(entry)
      ? undefined
      : { key, value: decodeConfig(entry.value), revision: entry.revision };
  }

  async cas(key: string, value: unknown, expectedRevision: number): Promise<CasResult> {
    checkKey(key);
    checkRevision(expectedRevision, 0);
    const bytes = encodeConfig(value);
    let previousSeq = expectedRevision;
    for (let attempt = 1; ; attempt++) {
      const revision = await this.#write(key, () =>
        this.#kv.put(key, bytes, { previousSeq, timeout: this.#settings.requestMsMax }),
      );
      if (revision !== undefined) return { ok: true, revision };
      const entry = await this.#readIfPossible(key);
      const again = expectedRevision === 0 && attempt < CREATE_ATTEMPTS_MAX && isDeleted(entry);
      if (!again) return refusal(entry);
      previousSeq = entry?.revision ?? 0;
    }
  }

  async delete(key: string, expectedRevision: number): Promise<CasResult> {
    checkKey(key);
    checkRevision(expectedRevision, 1);
    const subject = `$KV.${bucketName(this.#parts.cluster)}.${key}`;
    const revision = await this.#write(key, async () => {
      // What kv.delete does, which does not tell the revision.
      const marker = headers();
      marker.set('KV-Operation', 'DEL');
      const expect = { lastSubjectSequence: expectedRevision };
      const timeout = this.#settings.requestMsMax;
      return (await this.#js.publish(subject, new Uint8Array(), { headers: marker, expect, timeout })).seq;
    });
    return revision === undefined ? refusal(await this.#readIfPossible(key)) : { ok: true, revision };
  }

  async watch(prefix: string, handler: (change: ConfigChange) => void): Promise<ConfigWatch> {
    checkPrefix(prefix);
    this.#reach();
    const watch = new NatsWatch(
      {
        link: this.#parts.link,
        log: this.#parts.log,
        bucket: bucketName(this.#parts.cluster),
        prefix,
        stats: this.stats.watches,
        handler,
        onBackwards: this.#parts.onBackwards,
        onEnd: () => void this.#watches.delete(watch),
      },
      this.#settings,
    );
    this.#watches.add(watch);
    this.#checkLater();
    await watch.begin();
    return watch;
  }

  async close(): Promise<void> {
    this.#closed = true;
    systemClock.clear(this.#check);
    for (const watch of this.#watches) watch.stop();
  }

  /**
   * A server that is cut off from the others may hold a watch's consumer and send its heartbeats for ever, so that a
   * watch which hears them knows nothing of the store: the stream leader is asked too.
   */
  #checkLater(): void {
    if (this.#closed || this.#check !== undefined || this.#watches.size === 0) return;
    this.#check = systemClock.setTimer(this.#settings.leaderCheckMs, () => {
      void this.#checkLeader().finally(() => {
        this.#check = undefined;
        this.#checkLater();
      });
    });
  }

  async #checkLeader(): Promise<void> {
    const { link } = this.#parts;
    try {
      if (link.connected) await this.#kv.get(LEADER_CHECK_KEY);
      this.#leaderless = 0;
    } catch (error) {
      if (++this.#leaderless < ELSEWHERE_AFTER) return;
      this.#leaderless = 0;
      link.elsewhere(`the configuration store has no leader there (${messageOf(error)})`);
    }
  }

  /** The new revision, or undefined when another revision is current. */
  async #write(key: string, send: () => Promise<number>): Promise<number | undefined> {
    this.#reach();
    try {
      const revision = await send();
      this.stats.won++;
      return revision;
    } catch (cause) {
      if (isApiError(cause, ...WRONG_REVISION)) {
        this.stats.refused++;
        return undefined;
      }
      if (isNobodyThere(cause)) {
        this.stats.unavailable++;
        throw new ConfigStoreUnavailableError('the configuration store has no leader', { cause });
      }
      this.stats.unknown++;
      throw new ConfigStoreUnknownError(`no answer about ${key} (${messageOf(cause)})`, { cause });
    }
  }

  async #read(key: string): Promise<KvEntry | null> {
    this.#reach();
    try {
      return await this.#kv.get(key);
    } catch (cause) {
      this.stats.unavailable++;
      throw new ConfigStoreUnavailableError(`${key} cannot be read (${messageOf(cause)})`, { cause });
    }
  }

  async #readIfPossible(key: string): Promise<KvEntry | null> {
    try {
      return await this.#read(key);
    } catch (error) {
      if (error instanceof ConfigStoreUnavailableError) return null;
      throw error;
    }
  }

  #reach(): void {
    if (this.#closed) throw new ConfigStoreUnavailableError('the configuration store is closed');
    // Without this the write would wait in the client's memory and reach the server long after it was given up.
    if (!this.#parts.link.connected) throw new ConfigStoreUnavailableError('not connected to NATS');
  }
}

function isDeleted(entry: KvEntry | null): boolean {
  return entry !== null && entry.operation !== 'PUT';
}

function refusal(entry: KvEntry | null): CasResult {
  if (entry === null || isDeleted(entry)) return { ok: false };
  return { ok: false, current: { value: decodeConfig(entry.value), revision: entry.revision } };
}

const WRONG_REVISION = [
  JetStreamApiCodes.StreamWrongLastSequence,
  // Another write of the key is on its way through the stream's replicas.
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
];
