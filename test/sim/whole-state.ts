import type { LogStore, Op, OpBody, OutboxItem } from '../../src/storage/log-store.ts';
import { Overlay } from '../../src/storage/overlay.ts';
import { emptyBase, StateView } from '../../src/storage/state-view.ts';

/** The state of all shards that a process has copies of: committed entries applied, in memory, and their outboxes. */
export class ProcessState {
  readonly store: LogStore;
  readonly #overlay = new Overlay();
  readonly #outboxes: Map<number, readonly OutboxItem[]>[];
  readonly #ackedUpTo: number[];
  readonly #applied: number[];

  /** @param released hears that every item of an op is acknowledged */
  constructor(shards: number, released: (shard: number, idx: number) => void) {
    this.#outboxes = Array.from({ length: shards }, () => new Map());
    this.#ackedUpTo = new Array<number>(shards).fill(0);
    this.#applied = new Array<number>(shards).fill(0);
    const view = new StateView(this.#overlay, emptyBase);
    const none = { journalRecords: 0, overlayBytes: 0, bytesAppended: 0, folds: 0, engine: {} };
    this.store = {
      recovered: { tails: new Map(), unacked: [] },
      append: () => Promise.reject(new Error('a member writes through its replicas')),
      get: (shard, key) => view.get(shard, key),
      scan: (shard, prefix, limit) => view.scan(shard, prefix, limit),
      read: (shard, stream, range) => view.read(shard, stream, range),
      last: (shard, stream) => view.last(shard, stream),
      acked: (shard, idx) => {
        released(shard, idx);
        this.#outboxes[shard]?.delete(idx);
      },
      writable: true,
      stats: () => ({ ...none, opsAppended: 0, batches: 0, freeBytes: Number.MAX_SAFE_INTEGER }),
      close: async () => {},
    };
  }

  /** @param body undefined for a no-op */
  apply(shard: number, idx: number, epoch: number, body: OpBody | undefined): void {
    this.#applied[shard] = idx;
    if (body === undefined) return;
    this.#overlay.apply({ shard, idx, epoch, ...body });
    if (body.outbox.length > 0 && idx > (this.#ackedUpTo[shard] ?? 0)) this.#outboxes[shard]?.set(idx, body.outbox);
  }

  wipe(shard: number): void {
    this.#overlay.forget(shard);
    this.#outboxes[shard]?.clear();
    this.#ackedUpTo[shard] = 0;
    this.#applied[shard] = 0;
  }

  /** A leader's word, or a fold's. It may run ahead of what is applied. */
  tellAcked(shard: number, upTo: number): void {
    if (upTo <= (this.#ackedUpTo[shard] ?? 0)) return;
    this.#ackedUpTo[shard] = upTo;
    for (const idx of this.#outboxes[shard]?.keys() ?? []) if (idx <= upTo) this.#outboxes[shard]?.delete(idx);
  }

  /** index of the last entry in the state of that shard */
  applied(shard: number): number {
    return this.#applied[shard] ?? 0;
  }

  ackedUpTo(shard: number): number {
    return this.#ackedUpTo[shard] ?? 0;
  }

  /** On the leader: up to where every applied outbox is acknowledged. */
  watermark(shard: number): number {
    const waiting = [...(this.#outboxes[shard]?.keys() ?? [])];
    this.tellAcked(shard, waiting.length === 0 ? (this.#applied[shard] ?? 0) : Math.min(...waiting) - 1);
    return this.ackedUpTo(shard);
  }

  unacked(shard: number): Op[] {
    const waiting = [...(this.#outboxes[shard] ?? [])].sort(([a], [b]) => a - b);
    return waiting.map(([idx, outbox]) => ({ shard, idx, epoch: 0, writes: [], outbox }));
  }
}
