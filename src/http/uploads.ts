import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SlotSource } from '../actors/upload-port.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { codeOf, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { CORS, PREFLIGHT } from './file-reply.ts';
import { dayOf, dayOfFile, type FileStore, newFileId } from './file-store.ts';
import type { RawRoute } from './raw-route.ts';
import { discardBody } from './request-body.ts';
import { sendFile } from './upload-get.ts';
import { answerPut, decidePut, type PutOutcome, storeBody } from './upload-put.ts';
import { filePath, ownerTag, parseFilePath, signSlot, verifySlot } from './upload-slot.ts';

/** XEP-0363 on the side of HTTP: slots, the files they are for, and how long these stay. */
export interface UploadOptions {
  readonly maxBytes: number;
  readonly quotaBytes: number;
  /** milliseconds that bytes count for the quota */
  readonly quotaMs: number;
  /** days after that of its slot that a file is kept */
  readonly retentionDays: number;
  /** milliseconds from a slot to the begin of its PUT */
  readonly slotMs: number;
  /** uploads at once; one more is answered 503 */
  readonly uploadsMax: number;
  /** the same, of one user */
  readonly uploadsPerUserMax: number;
  /** downloads at once; one more is answered 503 */
  readonly downloadsMax: number;
  readonly idleTimeoutMs: number;
  readonly timeoutMs: number;
  /** milliseconds between two sweeps */
  readonly sweepMs: number;
}

export interface UploadParts {
  readonly store: FileStore;
  /** of all nodes that share the store */
  readonly secret: string;
  readonly options: UploadOptions;
  readonly clock: Clock;
  /** 26 characters of base32, unguessable */
  readonly newRandom: () => string;
  readonly log: Log;
}

export interface UploadStats {
  readonly slots: Readonly<Record<string, number>>;
  readonly uploads: Readonly<Record<string, number>>;
  readonly bytes: { readonly received: number; readonly sent: number };
  readonly running: { readonly uploads: number; readonly downloads: number };
  readonly stored: { readonly files: number; readonly bytes: number };
}

const DAY_MS = 86_400_000;
/** ms after which a sweep that failed is tried again */
const SWEEP_RETRY_MS = 60_000;

/** Begins sweeping at once. */
export class Uploads implements SlotSource {
  readonly maxBytes: number;
  readonly quota: SlotSource['quota'];
  readonly #parts: UploadParts;
  readonly #stopping = new AbortController();
  /** owner → uploads that run */
  readonly #running = new Map<string, number>();
  readonly #slots: Record<string, number> = {};
  readonly #outcomes: Record<string, number> = {};
  readonly #bytes = { received: 0, sent: 0 };
  #uploads = 0;
  #downloads = 0;
  #closing = false;
  #idle: (() => void) | undefined;
  #timer: Timer | undefined;
  #sweeping: Promise<void>;
  #publicUrl = '';

  constructor(parts: UploadParts) {
    this.#parts = parts;
    const { maxBytes, quotaBytes, quotaMs } = parts.options;
    this.maxBytes = maxBytes;
    this.quota = { quotaBytes, windowMs: quotaMs };
    this.#sweeping = this.#sweep();
  }

  /** The sweep that runs, or ran last, has ended, well or not. */
  get ready(): Promise<void> {
    return this.#sweeping;
  }

  /** @param url what stands in front of `<id>/<name>` in the URLs of slots, without a slash at its end */
  set publicUrl(url: string) {
    this.#publicUrl = url;
  }

  /** Origins that a page of ours has to reach, to put and to show files. */
  get origins(): readonly string[] {
    const { direct } = this.#parts.store;
    return [new URL(this.#publicUrl).origin, ...(direct === undefined ? [] : [direct.origin])];
  }

  refusal(bytes: number): 'full' | 'unavailable' | undefined {
    const { store } = this.#parts;
    if (this.#closing || store.usage() === undefined) return 'unavailable';
    return store.hasRoom(bytes) ? undefined : 'full';
  }

  async slot(...[{ name, bytes, type }, user]: Parameters<SlotSource['slot']>): ReturnType<SlotSource['slot']> {
    const { store, secret, options, clock, newRandom } = this.#parts;
    const now = clock.now();
    const id = newFileId(now, newRandom());
    const get = `${this.#publicUrl}/${filePath({ id, name })}`;
    if (store.direct !== undefined) {
      const put = await store.direct.put(id, { bytes, type }, Math.ceil(options.slotMs / 1000));
      return { put, get };
    }
    const slot = { id, name, bytes, type, expiresMs: now + options.slotMs, owner: ownerTag(secret, user) };
    return { put: `${get}?${signSlot(secret, slot)}`, get };
  }

  count(outcome: string): void {
    this.#slots[outcome] = (this.#slots[outcome] ?? 0) + 1;
  }

  stats(): UploadStats {
    return {
      slots: this.#slots,
      uploads: this.#outcomes,
      bytes: this.#bytes,
      running: { uploads: this.#uploads, downloads: this.#downloads },
      stored: this.#parts.store.usage() ?? { files: 0, bytes: 0 },
    };
  }

  readonly route: RawRoute = async (request, response, path) => {
    const file = parseFilePath(path);
    switch (request.method) {
      case 'OPTIONS':
        discardBody(request, response);
        response.writeHead(204, PREFLIGHT).end();
        return;
      case 'PUT':
        return answerPut(request, response, await this.#put(request, response, file));
      case 'GET':
      case 'HEAD':
        discardBody(request, response);
        return this.#get(request, response, file);
      default:
        discardBody(request, response);
        response.writeHead(405, { ...CORS, allow: 'GET, HEAD, PUT, OPTIONS', 'content-length': '0' }).end();
    }
  };

  /** Takes no more, waits so long for uploads that run, ends the rest, and closes the store. Idempotent. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const { clock, store } = this.#parts;
    clock.clear(this.#timer);
    const timer = clock.setTimer(timeoutMs, () => this.#stopping.abort());
    if (this.#uploads > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    clock.clear(timer);
    await store.close();
    await this.#sweeping;
  }

  async #put(
    request: IncomingMessage,
    response: ServerResponse,
    file: ReturnType<typeof parseFilePath>,
  ): Promise<PutOutcome> {
    const { store, secret, options, clock, log } = this.#parts;
    const done = (outcome: PutOutcome): PutOutcome => {
      this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + 1;
      return outcome;
    };
    if (file === undefined) return done('signature');
    const query = request.url?.split('?')[1] ?? '';
    const decision = decidePut(verifySlot(secret, file, query, clock.now()), request.headers);
    if (!decision.ok) return done(decision.reason);
    const { facts, owner } = decision;
    const own = this.#running.get(owner) ?? 0;
    if (this.#closing) return done('stopping');
    if (this.#uploads >= options.uploadsMax || own >= options.uploadsPerUserMax) return done('busy');
    this.#uploads += 1;
    this.#running.set(owner, own + 1);
    try {
      const signal = this.#stopping.signal;
      const { outcome, error } = await storeBody(store, file.id, facts, request, response, options, signal);
      if (error !== undefined) log.error({ reason: messageOf(error) }, 'upload: a file could not be stored');
      if (outcome === 'stored') this.#bytes.received += facts.bytes;
      return done(outcome);
    } finally {
      this.#uploads -= 1;
      const left = (this.#running.get(owner) ?? 1) - 1;
      if (left === 0) this.#running.delete(owner);
      else this.#running.set(owner, left);
      if (this.#uploads === 0) this.#idle?.();
    }
  }

  async #get(
    request: IncomingMessage,
    response: ServerResponse,
    file: ReturnType<typeof parseFilePath>,
  ): Promise<void> {
    const { store, options, clock } = this.#parts;
    if (this.#downloads >= options.downloadsMax) {
      response.writeHead(503, { ...CORS, 'retry-after': '5', 'content-length': '0' }).end();
      return;
    }
    this.#downloads += 1;
    try {
      const { id, name } = file ?? { id: '00000', name: '' };
      const leftMs = file === undefined ? 0 : (dayOfFile(id) + 1 + options.retentionDays) * DAY_MS - clock.now();
      const times = { leftMs, idleTimeoutMs: options.idleTimeoutMs, timeoutMs: options.timeoutMs };
      // Others are counted meanwhile: the sum is read when this one has ended.
      const sent = await sendFile(store, { id, name }, request, response, times);
      this.#bytes.sent += sent;
    } catch (error) {
      // A client that goes away in the middle is none of our faults.
      if (!response.destroyed || codeOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    } finally {
      this.#downloads -= 1;
    }
  }

  async #sweep(): Promise<void> {
    const { store, options, clock, log } = this.#parts;
    let nextMs = options.sweepMs;
    try {
      await store.sweep(dayOf(clock.now()) - options.retentionDays);
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'upload: the store could not be swept');
      nextMs = Math.min(nextMs, SWEEP_RETRY_MS);
    }
    if (this.#closing) return;
    this.#timer = clock.setTimer(nextMs, () => {
      this.#sweeping = this.#sweep();
    });
  }
}
