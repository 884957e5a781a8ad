import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { FromWriter, ToWriter } from './writer-protocol.ts';

export interface WriterEvents {
  onSynced(upTo: number): void;
  /** once at most; nothing unanswered was written for sure. `full`: for lack of room */
  onFailed(full: boolean, message: string): void;
}

/** The thread keeps nothing between messages; V8's default would let its young generation grow to 32 MiB and more. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 };

/** The main thread's end of the writer thread. */
export class WriterClient {
  private readonly worker: Worker;
  private readonly events: WriterEvents;
  private folds: { resolve: () => void; reject: (error: Error) => void }[] = [];
  private readonly exited: Promise<void>;
  private stopping = false;
  private failed = false;

  private constructor(worker: Worker, events: WriterEvents) {
    this.worker = worker;
    this.events = events;
    this.exited = new Promise((resolve) => worker.once('exit', () => resolve()));
  }

  /** @throws when the thread does not start */
  static async start(handle: bigint, events: WriterEvents): Promise<WriterClient> {
    const worker = new Worker(writerEntry(), { workerData: { handle }, name: 'rocks-writer', resourceLimits });
    const client = new WriterClient(worker, events);
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: FromWriter) => {
        if (message.t === 'ready') resolve();
        else client.receive(message);
      });
      worker.on('error', (error) => {
        reject(error);
        client.fail(false, `the writer thread died: ${error.message}`);
      });
      worker.on('exit', (code) => {
        const ended = `the writer thread ended with code ${code}`;
        reject(new Error(ended));
        if (!client.stopping) client.fail(false, ended);
      });
    });
    return client;
  }

  /**
   * Transfers `value`: it is empty afterwards. The answer is `onSynced` or `onFailed`.
   * @param clear a fold slice, written when the record is on disk and before the answer
   */
  append(record: number, value: Buffer, clear?: Buffer): void {
    if (clear === undefined) this.post({ t: 'append', record, value: ownBuffer(value) });
    else this.post({ t: 'append', record, value: ownBuffer(value), clear: ownBuffer(clear) });
  }

  /** Writes one slice. Resolves when RocksDB has it (on disk, too, with `sync`); rejects when the writer failed. */
  fold(slice: Buffer, sync: boolean): Promise<void> {
    if (this.failed) return Promise.reject(new Error('the writer has failed'));
    return new Promise((resolve, reject) => {
      this.folds.push({ resolve, reject });
      this.post({ t: 'fold', slice: ownBuffer(slice), sync });
    });
  }

  /** Ends the thread after what was posted before; it holds no reference to the database then. */
  async stop(): Promise<void> {
    if (!this.stopping) {
      this.stopping = true;
      this.worker.postMessage({ t: 'stop' } satisfies ToWriter);
    }
    await this.exited;
  }

  private post(message: (ToWriter & { t: 'append' }) | (ToWriter & { t: 'fold' })): void {
    this.worker.postMessage(message, [message.t === 'append' ? message.value : message.slice]);
  }

  private receive(message: FromWriter): void {
    if (message.t === 'synced') this.events.onSynced(message.upTo);
    else if (message.t === 'folded') this.folds.shift()?.resolve();
    else if (message.t === 'failed') this.fail(message.full, message.message);
  }

  private fail(full: boolean, message: string): void {
    if (this.failed) return;
    this.failed = true;
    const { folds } = this;
    this.folds = [];
    for (const { reject } of folds) reject(new Error(message));
    this.events.onFailed(full, message);
  }
}

/** The whole ArrayBuffer of a buffer that stands alone, else a copy that does. */
function ownBuffer(bytes: Buffer): ArrayBuffer {
  const { buffer } = bytes;
  const alone = bytes.byteOffset === 0 && bytes.byteLength === buffer.byteLength;
  return alone && buffer instanceof ArrayBuffer ? buffer : new Uint8Array(bytes).buffer;
}

/**
 * Beside this file, in the language this file runs in. On Node 20 a worker does not inherit the loader of
 * `--import=tsx`, so from source it starts with a line that registers tsx's synchronous one: the other would start a
 * further thread for every worker.
 */
function writerEntry(): URL {
  const source = import.meta.url.endsWith('.ts');
  const entry = new URL(source ? './rocks-writer.ts' : './rocks-writer.js', import.meta.url);
  if (!source) return entry;
  const code = `import { createRequire } from 'node:module';
    const require = createRequire(${JSON.stringify(import.meta.url)});
    require('tsx/cjs/api').register();
    require(${JSON.stringify(fileURLToPath(entry))});`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
}
