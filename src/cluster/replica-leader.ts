import { bytesBetween, lastIdx, lastOf, trim } from './replica-log.ts';
import {
  beginOffer,
  isCatchingUp,
  noteAck,
  noteGap,
  openProgress,
  type Progress,
  progressOf,
  pump,
  restartSession,
} from './replica-progress.ts';
import {
  commitSet,
  commitTo,
  type Leading,
  minInSync,
  promise,
  type ReplicaState,
  stepDown,
  writeEntries,
} from './replica-state.ts';
import type { Entry, Refusal, ReplicaEffect, ReplicaEnv, ReplicaEvent, ReplicaMessage } from './replica-types.ts';
import { hardIsDurable } from './replica-writes.ts';
import { type Member, sameMember } from './shard-config.ts';

type Ack = Extract<ReplicaMessage, { t: 'ack' }>;
type Refuse = Extract<ReplicaMessage, { t: 'refuse' }>;

const NO_BYTES = new Uint8Array(0);

/**
 * Begins to lead an epoch that the store has given to this member. Nothing is proposed before the promise is on disk:
 * a process that finds its own promise there knows that it may have proposed in that epoch, and takes another (I9).
 */
export function lead(state: ReplicaState, env: ReplicaEnv, epoch: number, out: ReplicaEffect[]): void {
  const revision = state.config?.revision ?? 0;
  promise(state, env, { epoch, leader: env.self, session: 0, revision }, out);
  state.takeoverAt = undefined;
  state.role = {
    t: 'leading',
    epoch,
    promiseWrite: state.writes.hardWrite,
    startIdx: undefined,
    ready: false,
    transfer: undefined,
    progress: [],
  };
  syncProgress(state, env, state.role);
  if (hardIsDurable(state.writes)) begin(state, env, state.role, out);
}

/** The promise is on disk: a no-op carries the whole log into the new epoch. The leader is ready when it is committed. */
function begin(state: ReplicaState, env: ReplicaEnv, leading: Leading, out: ReplicaEffect[]): void {
  const { idx } = lastOf(state.log);
  leading.startIdx = idx + 1;
  extend(state, env, leading, [{ idx: idx + 1, epoch: leading.epoch, bytes: NO_BYTES }], out);
}

function extend(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  entries: readonly Entry[],
  out: ReplicaEffect[],
): void {
  const before = lastIdx(state.log);
  for (const progress of leading.progress) if (progress.match >= before) progress.movedAt = env.now;
  writeEntries(state, before, entries, out);
  for (const progress of leading.progress) pump(state, env, leading, progress, out);
}

/** The followers are the replicas of the configuration: new ones get a session, gone ones are forgotten. */
export function syncProgress(state: ReplicaState, env: ReplicaEnv, leading: Leading): void {
  const replicas = state.config?.record.replicas ?? [];
  leading.progress = replicas
    .filter((member) => !sameMember(member, env.self))
    .map((member) => progressOf(leading, member) ?? openProgress(state, member, env.now));
}

/** All or nothing: the answer is one `proposed` or one `refused`. */
export function propose(
  state: ReplicaState,
  env: ReplicaEnv,
  items: readonly Uint8Array[],
  out: ReplicaEffect[],
): void {
  const { role, log } = state;
  const refusal = refusalOf(state, env, items.length);
  if (refusal !== undefined || role.t !== 'leading') {
    out.push({ t: 'refused', what: 'propose', reason: refusal ?? 'not-leader' });
    return;
  }
  const last = lastIdx(log);
  const { epoch } = role;
  out.push({ t: 'proposed', first: { idx: last + 1, epoch }, count: items.length });
  const entries = items.map((bytes, at): Entry => ({ idx: last + 1 + at, epoch, bytes }));
  extend(state, env, role, entries, out);
}

function refusalOf(
  { role, log, commitIdx, halted }: ReplicaState,
  env: ReplicaEnv,
  count: number,
): Refusal | undefined {
  if (halted) return 'halted';
  if (role.t !== 'leading') return 'not-leader';
  if (!role.ready || role.transfer !== undefined) return 'not-ready';
  const last = lastIdx(log);
  const { uncommittedEntriesMax, uncommittedBytesMax } = env.options;
  const full =
    last - commitIdx + count > uncommittedEntriesMax || bytesBetween(log, commitIdx, last) >= uncommittedBytesMax;
  return full ? 'full' : undefined;
}

/** Commits what every member of the commit set has on disk. */
export function advanceCommit(state: ReplicaState, env: ReplicaEnv, leading: Leading, out: ReplicaEffect[]): void {
  const members = commitSet(state, env);
  if (leading.startIdx === undefined || members.length < minInSync(env)) return;
  let reached = Number.POSITIVE_INFINITY;
  for (const member of members) reached = Math.min(reached, matchOf(state, env, leading, member));
  if (!env.rules.commitNeedsAll) reached = reachedByMost(members.map((member) => matchOf(state, env, leading, member)));
  if (!env.rules.effectsAfterCommit) reached = state.writes.durableIdx;
  if (reached <= state.commitIdx) return;
  commitTo(state, reached, out);
  trimTail(state, env);
  if (!leading.ready && state.commitIdx >= leading.startIdx) {
    leading.ready = true;
    out.push({ t: 'ready', epoch: leading.epoch });
  }
}

/** The rule that is not followed here: see rules.commitNeedsAll. */
function reachedByMost(matches: number[]): number {
  return matches.sort((a, b) => a - b)[(matches.length - 1) >> 1] ?? 0;
}

function matchOf(state: ReplicaState, env: ReplicaEnv, leading: Leading, member: Member): number {
  if (sameMember(member, env.self)) return state.writes.durableIdx;
  return progressOf(leading, member)?.match ?? 0;
}

/** Committed entries beyond the tail's bounds are forgotten; while somebody is brought up, more are kept. */
export function trimTail(state: ReplicaState, env: ReplicaEnv): void {
  const { role, log, writes } = state;
  const { tailBytesMax, tailEntriesMax, catchUpBytesMax } = env.options;
  const upTo = Math.min(state.commitIdx, writes.durableIdx);
  const more = role.t === 'leading' && role.progress.some((progress) => isCatchingUp(state, env, progress));
  if (more) trim(log, upTo, Number.POSITIVE_INFINITY, Math.max(tailBytesMax, catchUpBytesMax));
  else trim(log, upTo, tailEntriesMax, tailBytesMax);
}

/** Own writes are on disk. */
export function leaderWritten(state: ReplicaState, env: ReplicaEnv, leading: Leading, out: ReplicaEffect[]): void {
  if (leading.startIdx === undefined && state.writes.written >= leading.promiseWrite) begin(state, env, leading, out);
  advanceCommit(state, env, leading, out);
}

export function onAck(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  from: Member,
  message: Ack,
  out: ReplicaEffect[],
): void {
  const progress = current(env, leading, from, message);
  if (progress === undefined || message.matchIdx > lastIdx(state.log)) return;
  noteAck(state, env, progress, message);
  advanceCommit(state, env, leading, out);
  pump(state, env, leading, progress, out);
}

export function onRefuse(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  from: Member,
  message: Refuse,
  out: ReplicaEffect[],
): void {
  if (message.epoch > leading.epoch) return stepDown(state, 'deposed', out);
  // Of an epoch before, it answers who led then. Its session may have the number of one of ours, if that was in an earlier
  // life of this process.
  const progress = current(env, leading, from, message);
  if (progress === undefined) return;
  if (message.reason === 'gap') noteGap(state, env, leading, progress, message, out);
  else if (message.reason === 'diverged') beginOffer(state, env, leading, progress, out);
}

/** The follower's copy is void and marked: its state may be streamed. */
export function onLoading(
  leading: Leading,
  env: ReplicaEnv,
  from: Member,
  message: Extract<ReplicaMessage, { t: 'loading' }>,
  out: ReplicaEffect[],
): void {
  const progress = current(env, leading, from, message);
  if (progress === undefined || progress.mode !== 'offer') return;
  progress.mode = 'snapshot';
  progress.movedAt = env.now;
  out.push({ t: 'snapshot', to: from, session: progress.session });
}

export function onSnapshot(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  event: Extract<ReplicaEvent, { t: 'snapshotSent' | 'snapshotFailed' }>,
  out: ReplicaEffect[],
): void {
  const progress = progressOf(leading, event.to);
  if (progress === undefined || progress.mode !== 'snapshot' || progress.session !== event.session) return;
  if (event.t === 'snapshotFailed') {
    restartSession(state, progress);
    progress.awaiting = true;
    progress.sentAt = env.now;
    return;
  }
  progress.mode = 'probe';
  progress.known = true;
  progress.next = event.idx + 1;
  progress.installBy = env.now + env.options.laggardMs;
  pump(state, env, leading, progress, out);
}

/** The follower's progress, if the message was given in its current session. */
function current(
  env: ReplicaEnv,
  leading: Leading,
  from: Member,
  { epoch, session }: { readonly epoch: number; readonly session: number },
): Progress | undefined {
  if (epoch !== leading.epoch) return undefined;
  const progress = progressOf(leading, from);
  return progress?.session === session || !env.rules.sessionEcho ? progress : undefined;
}
