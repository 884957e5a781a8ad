import { appendTo, entriesBetween, lastIdx, openLog, type ReplicaLog, truncateTo } from './replica-log.ts';
import type { Progress } from './replica-progress.ts';
import type {
  AlarmReason,
  Entry,
  HardState,
  RecoveredReplica,
  ReplicaEffect,
  ReplicaEnv,
  ReplicaMessage,
} from './replica-types.ts';
import { cutWrites, issueHardWrite, issueLogWrite, openWrites, type Writes } from './replica-writes.ts';
import { type ConfigAt, hasMember, type Member, memberName, type ShardConfig, sameMember } from './shard-config.ts';

/** A compare-and-set whose outcome is not settled. One at a time; it is repeated, with its nonce, until it is. */
export interface PendingCas {
  readonly expected: number;
  readonly record: ShardConfig;
  /** when to send it again; undefined while an answer is awaited */
  retryAt: number | undefined;
  retryMs: number;
  /** refusals in a row that named an older revision than expected */
  staleAnswers: number;
}

/** This member leads, or is about to: its promise is on its way to the disk, or its no-op is not committed yet. */
export interface Leading {
  readonly t: 'leading';
  readonly epoch: number;
  /** the write that makes the promise durable: nothing is proposed before */
  readonly promiseWrite: number;
  /** index of the no-op, once proposed. What a commit of an earlier leader may have reached lies before it. */
  startIdx: number | undefined;
  ready: boolean;
  transfer: { readonly to: Member; readonly startedAt: number } | undefined;
  progress: Progress[];
}

/** This member has taken an append of its promised leader. */
export interface Following {
  readonly t: 'following';
  /** the log agrees with the leader's up to here */
  verified: number;
  leaderCommit: number;
  /** the leader's clock in the newest append of the session */
  stamp: number;
  /** an append waits for its acknowledgement until the disk has it */
  ackDue: boolean;
}

/** A copy that is void until its snapshot is installed. */
export interface Loading {
  readonly from: Member;
  readonly epoch: number;
  readonly session: number;
  /** the write of the loading mark */
  readonly write: number;
  announced: boolean;
}

/**
 * One shard's replica on one node. Invariants: commitIdx ≤ last index of the log and ≥ its base; entries up to
 * commitIdx are never truncated; `hard` is what was given to the disk, `writes` knows how much of it is there.
 */
export interface ReplicaState {
  readonly shard: number;
  hard: HardState;
  readonly log: ReplicaLog;
  readonly writes: Writes;
  commitIdx: number;
  config: ConfigAt | undefined;
  cas: PendingCas | undefined;
  role: { readonly t: 'idle' } | Following | Leading;
  loading: Loading | undefined;
  /** when a take-over is due, own monotonic ms */
  takeoverAt: number | undefined;
  /** when the epoch of the configuration was first seen, own monotonic ms, and how many before it in a row were short */
  epochAt: number;
  duels: number;
  /** a take-over waits until its mark (hard.contends) is on disk */
  contesting: boolean;
  stopping: boolean;
  /** when `leave` was last sent, and whether `drained` was told */
  leaveSentAt: number | undefined;
  drained: boolean;
  halted: boolean;
  /** the last session number given out, in any epoch of this state: a snapshot of an earlier one is not mistaken */
  sessions: number;
  nonces: number;
}

export const EMPTY_HARD: HardState = { epoch: 0, leader: undefined, session: 0, revision: 0 };

/** The replica as the disk left it; `undefined` for a shard that this node has nothing of. */
export function openReplica(shard: number, recovered?: RecoveredReplica): ReplicaState {
  const log = openLog(recovered?.base ?? { idx: 0, epoch: 0 }, recovered?.entries ?? []);
  return {
    shard,
    hard: recovered?.hard ?? EMPTY_HARD,
    log,
    writes: openWrites(lastIdx(log)),
    commitIdx: recovered?.commitIdx ?? 0,
    config: undefined,
    cas: undefined,
    role: { t: 'idle' },
    loading: undefined,
    takeoverAt: undefined,
    epochAt: Number.NEGATIVE_INFINITY,
    duels: 0,
    contesting: false,
    stopping: false,
    leaveSentAt: undefined,
    drained: false,
    halted: false,
    sessions: 0,
    nonces: 0,
  };
}

export function minInSync(env: ReplicaEnv): number {
  return env.options.copies >= 2 && env.rules.twoInSync ? 2 : 1;
}

export function inSync(state: ReplicaState, member: Member): boolean {
  return state.config !== undefined && hasMember(state.config.record.isr, member);
}

export function isReplica(state: ReplicaState, member: Member): boolean {
  return state.config !== undefined && hasMember(state.config.record.replicas, member);
}

/** Whom a commit waits for: the in-sync set, and who would be in it if the compare-and-set on its way has won. */
export function commitSet(state: ReplicaState, env: ReplicaEnv): readonly Member[] {
  const isr = state.config?.record.isr ?? [];
  const next = state.cas?.record.isr;
  if (next === undefined) return isr;
  const kept = env.rules.countUntilRemoved ? isr : isr.filter((member) => hasMember(next, member));
  const added = env.rules.countFromAdd ? next.filter((member) => !hasMember(isr, member)) : [];
  return added.length === 0 && kept.length === isr.length ? isr : [...kept, ...added];
}

/** The newest epoch this member knows of: appends below it are refused. */
export function newestEpoch(state: ReplicaState): number {
  return Math.max(state.hard.epoch, state.config?.record.epoch ?? 0);
}

export function send(out: ReplicaEffect[], to: Member, message: ReplicaMessage): void {
  out.push({ t: 'send', to, message });
}

/** Gives a promise to the disk. */
export function promise(state: ReplicaState, env: ReplicaEnv, hard: HardState, out: ReplicaEffect[]): void {
  state.hard = hard;
  const leads = sameMember(hard.leader, env.self);
  if (leads ? env.rules.promiseBeforeLeading : env.rules.promiseBeforeAck)
    out.push({ t: 'persist', write: issueHardWrite(state.writes), hard });
}

/** Writes down, or withdraws, that this member sets out to depose the leader. */
export function persistContest(state: ReplicaState, contends: number | undefined, out: ReplicaEffect[]): void {
  state.hard = { ...state.hard, contends };
  out.push({ t: 'persist', write: issueHardWrite(state.writes), hard: state.hard });
}

/** May a compare-and-set of this member, of this or a former life, still depose the leader, or have done so? */
export function isContending({ hard, config }: ReplicaState): boolean {
  return hard.contends !== undefined && (config?.revision ?? 0) <= hard.contends;
}

/** Appends behind `after`; what stands there goes. The caller has seen to it that nothing committed does. */
export function writeEntries(
  state: ReplicaState,
  after: number,
  entries: readonly Entry[],
  out: ReplicaEffect[],
): void {
  const cut = after < lastIdx(state.log);
  if (cut) {
    truncateTo(state.log, after);
    cutWrites(state.writes, after);
  }
  appendTo(state.log, entries);
  const write = issueLogWrite(state.writes, lastIdx(state.log));
  out.push({ t: 'append', write, entries, truncateTo: cut ? after : undefined });
}

/** Moves the commit index up to idx and hands over what it passes. */
export function commitTo(state: ReplicaState, idx: number, out: ReplicaEffect[]): void {
  if (idx <= state.commitIdx) return;
  const entries = entriesBetween(state.log, state.commitIdx, idx);
  state.commitIdx = idx;
  out.push({ t: 'commit', entries });
}

/** Nobody may lead, follow or write this copy any more until the process is started again: an operator looks first. */
export function halt(state: ReplicaState, reason: AlarmReason, detail: string, out: ReplicaEffect[]): void {
  stepDown(state, 'halted', out);
  state.halted = true;
  state.cas = undefined;
  out.push({ t: 'alarm', reason, halted: true, detail });
}

export function stepDown(state: ReplicaState, reason: 'deposed' | 'halted', out: ReplicaEffect[]): void {
  if (state.role.t === 'leading' && (state.role.ready || state.role.transfer !== undefined))
    out.push({ t: 'unready', reason });
  state.role = { t: 'idle' };
}

/** Sends a record to the store. Its outcome is settled before the next one is sent. */
export function compareAndSet(
  state: ReplicaState,
  env: ReplicaEnv,
  change: Partial<Pick<ShardConfig, 'epoch' | 'leader' | 'isr' | 'replicas' | 'uncleanEpoch'>>,
  out: ReplicaEffect[],
): void {
  const { config } = state;
  if (config === undefined || state.cas !== undefined) return;
  state.nonces += 1;
  // The time keeps apart what two states of one process, one after the other, may ask for.
  const at = Math.trunc(env.now * 1_000).toString(36);
  const nonce = `${memberName(env.self)}.${env.boot}.${at}.${state.shard}.${state.nonces}`;
  const record: ShardConfig = { ...config.record, ...change, nonce };
  state.cas = {
    expected: config.revision,
    record,
    retryAt: undefined,
    retryMs: env.options.casRetryMs,
    staleAnswers: 0,
  };
  out.push({ t: 'cas', expected: config.revision, record });
}

/** The kept, and as many of the dropped, from the end of their list, as it takes to have `min` members. */
export function keepAtLeast(kept: readonly Member[], dropped: readonly Member[], min: number): Member[] {
  return [...kept, ...dropped.slice(Math.max(0, dropped.length - Math.max(0, min - kept.length)))];
}
