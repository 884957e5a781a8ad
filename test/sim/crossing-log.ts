import type { Pipeline, PipelineStats, Submission } from '../../src/actors/pipeline.ts';
import type { LogStore, Op } from '../../src/storage/log-store.ts';
import type { MemoryDisk } from '../../src/storage/log-store-memory.ts';

/**
 * The logs of all shards as one disk that every node sees, in place of replication: whoever leads a shard writes it,
 * and what a former leader still had on its way is there or is not.
 */
export class SharedLog {
  readonly disk: MemoryDisk;
  readonly store: LogStore;
  /** node that may write, by shard */
  readonly leaders: (string | undefined)[];
  /** of each shard's leadership */
  readonly epochs: number[];

  constructor(disk: MemoryDisk, store: LogStore, shards: number) {
    this.disk = disk;
    this.store = store;
    this.leaders = Array.from({ length: shards }, () => undefined);
    this.epochs = Array.from({ length: shards }, () => 0);
  }

  /** A node leads the shard from now on. @returns its epoch */
  lead(shard: number, nodeId: string): number {
    this.leaders[shard] = nodeId;
    const epoch = (this.epochs[shard] ?? 0) + 1;
    this.epochs[shard] = epoch;
    return epoch;
  }

  tail(shard: number): number {
    return this.disk.tails.snapshot().get(shard)?.idx ?? 0;
  }

  unacked(shard: number): Op[] {
    return [...this.disk.unacked.values()].filter((op) => op.shard === shard).sort((a, b) => a.idx - b.idx);
  }

  /** Numbers and writes. @returns idx of each, 0 for what writes nothing */
  async write(batch: readonly Submission[]): Promise<number[]> {
    const ops: Op[] = [];
    const next = new Map<number, number>();
    const idxs = batch.map(({ shard, writes, outbox }) => {
      if (writes.length === 0 && outbox.length === 0) return 0;
      const idx = (next.get(shard) ?? this.tail(shard)) + 1;
      next.set(shard, idx);
      ops.push({ shard, epoch: this.epochs[shard] ?? 0, idx, writes, outbox });
      return idx;
    });
    if (ops.length > 0) await this.store.append(ops);
    return idxs;
  }
}

/** One node's way to the shared log. What it submits settles when the simulation says so, if it still leads by then. */
export class SimPipeline implements Pipeline {
  readonly stats = { commits: 0, ops: 0, failures: 0, pending: 0, onTick: undefined } as PipelineStats & {
    pending: number;
  };
  #dead = false;
  readonly #nodeId: string;
  readonly #log: SharedLog;
  readonly #pendingMax: number;
  #waiting: Submission[] = [];

  constructor(nodeId: string, log: SharedLog, pendingMax: number) {
    this.#nodeId = nodeId;
    this.#log = log;
    this.#pendingMax = pendingMax;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** The process is gone, and what it still had on its way. */
  kill(): void {
    this.#dead = true;
    this.#waiting = [];
    this.stats.pending = 0;
  }

  submit(submission: Submission): number | undefined {
    if (this.#dead) return undefined;
    if (this.#waiting.length >= this.#pendingMax) {
      submission.settle(new Error('too many turns wait'), 0);
      return undefined;
    }
    this.stats.pending += 1;
    this.#waiting.push(submission);
    return 0;
  }

  /** One tick: what is led is written and settles; what is not led any more never settles. */
  async sync(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    this.stats.pending -= batch.length;
    const led = batch.filter(({ shard }) => this.#log.leaders[shard] === this.#nodeId);
    const idxs = await this.#log.write(led);
    this.stats.commits += 1;
    for (const [i, { settle }] of led.entries()) settle.call(led[i], undefined, idxs[i] ?? 0);
  }

  /** The shard goes: what was on its way is committed by the next leader (`kept`), or is not. */
  async lose(shard: number, kept: boolean): Promise<void> {
    const own = this.#waiting.filter((one) => one.shard === shard);
    this.#waiting = this.#waiting.filter((one) => one.shard !== shard);
    this.stats.pending -= own.length;
    if (kept) await this.#log.write(own);
  }

  async drained(): Promise<void> {
    while (this.#waiting.length > 0) await this.sync();
  }
}
