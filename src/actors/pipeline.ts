import { abandon, commit, openShardLog, propose, type ShardLog } from '../cluster/shard-log.ts';
import type { LogStore, Op, OutboxItem, Write } from '../storage/log-store.ts';
import type { Ahead } from './ahead.ts';

/**
 * Group commit: gathers the ops of all shards while the last tick is being synced, then writes them as one tick.
 * `settle` is called in the order of `submit`, after the disk has the op (or with the error that kept it from there).
 * A submission without writes and outbox is a barrier: it costs no disk and settles in order.
 *
 * Bound: `pendingMax` submissions gather; above it `submit` refuses at once, so that a stalled disk answers
 * `resource-constraint` instead of filling memory.
 */
export interface Submission {
  readonly shard: number;
  readonly writes: readonly Write[];
  readonly outbox: readonly OutboxItem[];
  /** its items have gone to their receivers already */
  readonly ahead?: Pick<Ahead, 'absorbed' | 'whole' | 'failed'> | undefined;
  /** idx is 0 for a barrier */
  settle(error: Error | undefined, idx: number): void;
}

export interface PipelineStats {
  commits: number;
  ops: number;
  failures: number;
  readonly pending: number;
  /** observed per tick: ms from the first submission of the tick to its commit, and the ops in it */
  onTick: ((latencyMs: number, ops: number) => void) | undefined;
}

export interface Pipeline {
  /** @returns the idx of its op where that is known already, else 0; undefined when it was refused and has settled */
  submit(submission: Submission): number | undefined;
  readonly stats: PipelineStats;
  /** Resolves when everything submitted so far has settled. */
  drained(): Promise<void>;
}

const NONE: readonly never[] = [];

export class PipelineFullError extends Error {
  override readonly name = 'PipelineFullError';
}

export interface PipelineOptions {
  /** submissions that may gather; one more is refused */
  readonly pendingMax: number;
  /** ops in a tick from which on the node counts as busy */
  readonly busyOps: number;
  /** ms between the starts of two ticks of a busy node */
  readonly busyTickMs: number;
  readonly monotonicMs: () => number;
  /** runs as a tick begins: what it submits is in that tick */
  readonly beforeTick?: () => void;
  /** settles the turns of a tick, by `run` */
  readonly settling?: (run: () => void) => void;
}

export function createPipeline(store: LogStore, options: PipelineOptions): Pipeline {
  const logs = new Map<number, ShardLog>();
  let gathering: Submission[] = [];
  /** of what gathers, 0 for barriers */
  let idxs: number[] = [];
  let gatheredAt = 0;
  let writing = 0;
  let scheduled = false;
  let startedAt = 0;
  let lastOps = 0;
  const idle: (() => void)[] = [];
  const { settling = (run) => run() } = options;
  const stats = { commits: 0, ops: 0, failures: 0, pending: 0, onTick: undefined } as PipelineStats & {
    pending: number;
  };

  function logOf(shard: number): ShardLog {
    let log = logs.get(shard);
    if (log === undefined) {
      log = openShardLog(shard, store.recovered.tails.get(shard));
      logs.set(shard, log);
    }
    return log;
  }

  function submit(submission: Submission): number | undefined {
    if (stats.pending >= options.pendingMax) {
      submission.settle(new PipelineFullError(`more than ${options.pendingMax} turns wait for the log`), 0);
      return undefined;
    }
    stats.pending += 1;
    if (gathering.length === 0) gatheredAt = options.monotonicMs();
    gathering.push(submission);
    const idx = submission.writes.length === 0 && submission.outbox.length === 0 ? 0 : propose(logOf(submission.shard));
    idxs.push(idx);
    schedule();
    return idx;
  }

  function schedule(): void {
    if (scheduled || writing > 0) return;
    scheduled = true;
    // A tick has a price of its own (a message to the writer and back, one synced write), so under load ticks keep a
    // distance; a quiet node's tick starts at once.
    const wait = lastOps >= options.busyOps ? startedAt + options.busyTickMs - options.monotonicMs() : 0;
    if (wait > 0.5) setTimeout(tick, wait);
    else setImmediate(tick);
  }

  function tick(): void {
    options.beforeTick?.();
    scheduled = false;
    const since = gatheredAt;
    const [batch, batchIdxs] = taken();
    const ops: Op[] = [];
    for (let i = 0; i < batch.length; i++) {
      const idx = batchIdxs[i] as number;
      if (idx === 0) continue;
      const { shard, writes, outbox, ahead } = batch[i] as Submission;
      // What it sends is in this tick as well.
      if (ahead?.absorbed === true) ahead.whole = true;
      ops.push({ shard, epoch: logOf(shard).epoch, idx, writes, outbox: ahead?.whole === true ? NONE : outbox });
    }
    if (ops.length === 0) return settleAll(batch, batchIdxs, undefined);
    startedAt = options.monotonicMs();
    lastOps = ops.length;
    writing += 1;
    store.append(ops).then(
      () => {
        writing -= 1;
        for (const op of ops) commit(logOf(op.shard), op.idx);
        stats.commits += 1;
        stats.ops += ops.length;
        stats.onTick?.(options.monotonicMs() - since, ops.length);
        settleAll(batch, batchIdxs, undefined);
      },
      (error: Error) => {
        writing -= 1;
        stats.failures += 1;
        // What gathered meanwhile was decided on memory that is now dropped: it fails too, in order.
        const [followers, followerIdxs] = taken();
        const failed = [...batch, ...followers];
        const failedIdxs = [...batchIdxs, ...followerIdxs];
        for (let i = 0; i < failed.length; i++) {
          const { shard, ahead } = failed[i] as Submission;
          if (failedIdxs[i] !== 0) abandon(logOf(shard));
          // Before the first of them settles: an entity may go on within that.
          if (ahead !== undefined) ahead.failed = true;
        }
        settleAll(failed, failedIdxs, error);
      },
    );
  }

  /** What has gathered. */
  function taken(): [Submission[], number[]] {
    const all: [Submission[], number[]] = [gathering, idxs];
    gathering = [];
    idxs = [];
    return all;
  }

  function settleAll(batch: readonly Submission[], at: readonly number[], error: Error | undefined): void {
    stats.pending -= batch.length;
    settling(() => {
      for (let i = 0; i < batch.length; i++) batch[i]!.settle(error, at[i] ?? 0);
    });
    if (gathering.length > 0) schedule();
    else if (writing === 0) for (const done of idle.splice(0)) done();
  }

  return {
    submit,
    stats,
    drained: () =>
      new Promise((resolve) => {
        if (gathering.length === 0 && writing === 0) resolve();
        else idle.push(resolve);
      }),
  };
}
