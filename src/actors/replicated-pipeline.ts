import type { OpBody } from '../storage/log-store.ts';
import { type Pipeline, PipelineFullError, type PipelineStats, type Submission } from './pipeline.ts';
import type { ProposeOutcome } from './shard-host-types.ts';

/**
 * The pipeline of a member of a cluster: gathers what entities submit in a tick, proposes it shard by shard, and settles
 * each when its shard has committed it. Order is kept per shard, which is all an entity sees: it lives in one.
 *
 * Bound: `pendingMax` submissions that are not settled; above it `submit` refuses at once. What cannot be proposed now
 * (the shard's leadership is being handed over, or too much is uncommitted) waits under the same bound.
 */
export interface ReplicatedPipelineOptions {
  readonly pendingMax: number;
  readonly monotonicMs: () => number;
  /** runs the next tick; setImmediate when absent */
  readonly soon?: (run: () => void) => void;
  /** ops of a shard proposed at once; at most what a replica takes when nothing is uncommitted. OFFER_MAX when absent */
  readonly offerMax?: number;
  propose(shard: number, ops: readonly OpBody[]): ProposeOutcome;
}

/** Well below the replicas' `uncommittedEntriesMax`: more than that at once would be refused for ever. */
const OFFER_MAX = 1_000;

export interface ReplicatedPipeline extends Pipeline {
  /** What was proposed for the shard up to this index is committed. */
  committed(shard: number, upTo: number): void;
  /** The shard admits proposals (again). */
  ready(shard: number): void;
  /** This node leads it no more: everything of it that is not settled fails. */
  lost(shard: number): void;
}

/** The shard is led elsewhere, or nowhere for now: nothing of the op is known to have happened. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError';
}

interface Waiting {
  readonly submission: Submission;
  /** settled when the shard is committed up to here */
  readonly idx: number;
  /** false: a barrier, or somebody's no-op */
  readonly op: boolean;
}

interface Lane {
  gathering: Submission[];
  readonly proposed: Waiting[];
  /** index of the first of `proposed`, since shifting an array is dear */
  head: number;
  lastIdx: number;
}

export function createReplicatedPipeline(options: ReplicatedPipelineOptions): ReplicatedPipeline {
  const lanes = new Map<number, Lane>();
  const due = new Set<number>();
  const idle: (() => void)[] = [];
  const { soon = setImmediate, offerMax = OFFER_MAX } = options;
  let scheduled = false;
  let gatheredAt = 0;
  const stats = { commits: 0, ops: 0, failures: 0, pending: 0, onTick: undefined } as PipelineStats & {
    pending: number;
  };

  function laneOf(shard: number): Lane {
    let lane = lanes.get(shard);
    if (lane === undefined) {
      lane = { gathering: [], proposed: [], head: 0, lastIdx: 0 };
      lanes.set(shard, lane);
    }
    return lane;
  }

  function submit(submission: Submission): number | undefined {
    if (stats.pending >= options.pendingMax) {
      submission.settle(new PipelineFullError(`more than ${options.pendingMax} turns wait for the log`), 0);
      return undefined;
    }
    if (stats.pending === 0) gatheredAt = options.monotonicMs();
    stats.pending += 1;
    laneOf(submission.shard).gathering.push(submission);
    due.add(submission.shard);
    schedule();
    return 0;
  }

  function schedule(): void {
    if (scheduled || due.size === 0) return;
    scheduled = true;
    soon(tick);
  }

  function tick(): void {
    scheduled = false;
    const shards = [...due];
    due.clear();
    let ops = 0;
    for (const shard of shards) ops += offer(shard, laneOf(shard));
    if (ops > 0) {
      stats.commits += 1;
      stats.ops += ops;
    }
  }

  /** @returns ops proposed */
  function offer(shard: number, lane: Lane): number {
    let offered = 0;
    while (lane.gathering.length > 0) {
      const batch = firstOf(lane.gathering, offerMax);
      const ops: OpBody[] = batch.filter(hasOp);
      const outcome = ops.length === 0 ? undefined : options.propose(shard, ops);
      // Handed over, or full: it waits for `ready`, `committed` or `lost`. Anything else will not change by waiting.
      if (outcome?.ok === false) {
        if (outcome.reason === 'not-ready' || outcome.reason === 'full' || outcome.reason === 'busy') break;
        lost(shard);
        return offered;
      }
      lane.gathering.splice(0, batch.length);
      enqueue(lane, batch, outcome?.first.idx ?? 0);
      offered += ops.length;
    }
    if (offered === 0) settleUpTo(lane, 0);
    return offered;
  }

  /** @param first index of the first op */
  function enqueue(lane: Lane, submissions: readonly Submission[], first: number): void {
    let next = first;
    for (const submission of submissions) {
      const op = hasOp(submission);
      if (op) {
        lane.lastIdx = next;
        next += 1;
      }
      lane.proposed.push({ submission, idx: lane.lastIdx, op });
    }
  }

  /** Settles what is committed, and the barriers behind it. */
  function settleUpTo(lane: Lane, upTo: number): void {
    while (lane.head < lane.proposed.length) {
      const { submission, idx, op } = lane.proposed[lane.head]!;
      if (op && idx > upTo) break;
      lane.head += 1;
      stats.pending -= 1;
      submission.settle(undefined, op ? idx : 0);
    }
    if (lane.head === lane.proposed.length) {
      lane.proposed.length = 0;
      lane.head = 0;
    } else if (lane.head > 1024) {
      lane.proposed.splice(0, lane.head);
      lane.head = 0;
    }
    settled();
  }

  function settled(): void {
    if (stats.pending > 0) return;
    for (const done of idle.splice(0)) done();
  }

  function committed(shard: number, upTo: number): void {
    const lane = lanes.get(shard);
    if (lane === undefined) return;
    const before = stats.pending;
    settleUpTo(lane, upTo);
    if (before > stats.pending) stats.onTick?.(options.monotonicMs() - gatheredAt, before - stats.pending);
    if (stats.pending > 0) gatheredAt = options.monotonicMs();
    if (lane.gathering.length > 0) ready(shard);
  }

  function ready(shard: number): void {
    if ((lanes.get(shard)?.gathering.length ?? 0) === 0) return;
    due.add(shard);
    schedule();
  }

  function lost(shard: number): void {
    const lane = lanes.get(shard);
    if (lane === undefined) return;
    lanes.delete(shard);
    const failed = [...lane.proposed.slice(lane.head).map(({ submission }) => submission), ...lane.gathering];
    if (failed.length === 0) return;
    stats.pending -= failed.length;
    stats.failures += 1;
    const error = new NotLeaderError(`shard ${shard} is not led here`);
    for (const submission of failed) submission.settle(error, 0);
    settled();
  }

  return {
    submit,
    stats,
    committed,
    ready,
    lost,
    drained: () =>
      new Promise((resolve) => {
        if (stats.pending === 0) resolve();
        else idle.push(resolve);
      }),
  };
}

/** What comes first, with at most so many ops. */
function firstOf(submissions: readonly Submission[], opsMax: number): readonly Submission[] {
  let ops = 0;
  let end = 0;
  for (const submission of submissions) {
    if (hasOp(submission)) ops += 1;
    if (ops > opsMax) break;
    end += 1;
  }
  return submissions.slice(0, end);
}

function hasOp({ writes, outbox }: Submission): boolean {
  return writes.length > 0 || outbox.length > 0;
}
