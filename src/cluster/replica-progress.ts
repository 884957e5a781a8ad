import { agreement, bytesBetween, entriesFrom, epochAt, lastIdx, lastOf } from './replica-log.ts';
import { commitSet, type Leading, type ReplicaState, send } from './replica-state.ts';
import type { Position, ReplicaEffect, ReplicaEnv, ReplicaMessage } from './replica-types.ts';
import { hasMember, type Member, memberName, sameMember } from './shard-config.ts';

/**
 * What the leader knows of one follower, and how it sends to it.
 *
 * probe: where the logs agree is not known, or something was lost: one append at a time, until it is answered.
 * stream: appends follow each other, up to a window of bytes that are not acknowledged.
 * offer: the follower is behind what is kept in memory; it is asked to make room for a snapshot.
 * snapshot: the shell streams the state to it; no appends meanwhile.
 *
 * A session ends when the follower's copy may have become another one, and with it what is known: answers of earlier
 * sessions count for nothing. Within a session `match` only rises.
 */
export interface Progress {
  readonly member: Member;
  mode: 'probe' | 'stream' | 'offer' | 'snapshot';
  session: number;
  /** revision of the configuration when the session began */
  revision: number;
  /** the follower's disk has everything up to here, as in our log */
  match: number;
  /** the next entry to send */
  next: number;
  /** probe: the follower has answered in this session, so `next` is more than a guess */
  known: boolean;
  /** probe: an answer is awaited */
  awaiting: boolean;
  /** probes in a row that were refused for what had been acknowledged, and when the last of them was sent */
  refusals: number;
  refusedOf: number;
  /** the snapshot was sent whole: own ms until which it must be acknowledged, or it is offered anew */
  installBy: number;
  sentAt: number;
  /** when an answer last brought it on, or when it began to lack something */
  movedAt: number;
  /** stamp of the newest append that it acknowledged without contending: it had not deposed us then */
  confirmedAt: number;
  /** since when, and until when, its lease is known not to have lapsed */
  leaseSince: number;
  leaseUntil: number;
  /** commit index last sent, and last acknowledged */
  commitSent: number;
  commitAcked: number;
  /** it asked to be left out, or has lost its copy: own ms until which it is not counted on any more */
  leavingUntil: number;
}

export function openProgress(state: ReplicaState, member: Member, now: number): Progress {
  return {
    member,
    ...freshSession(state),
    refusedOf: 0,
    sentAt: Number.NEGATIVE_INFINITY,
    movedAt: now,
    confirmedAt: Number.NEGATIVE_INFINITY,
    leaseSince: Number.POSITIVE_INFINITY,
    leaseUntil: Number.NEGATIVE_INFINITY,
    leavingUntil: Number.NEGATIVE_INFINITY,
  };
}

/** A session of the next number, in which nothing is known of the copy. */
function freshSession(state: ReplicaState) {
  state.sessions += 1;
  return {
    mode: 'probe' as const,
    session: state.sessions,
    revision: state.config?.revision ?? 0,
    match: 0,
    next: lastIdx(state.log) + 1,
    known: false,
    awaiting: false,
    refusals: 0,
    installBy: Number.POSITIVE_INFINITY,
    commitSent: 0,
    commitAcked: 0,
  } satisfies Partial<Progress>;
}

export function progressOf(leading: Leading, member: Member): Progress | undefined {
  return leading.progress.find((progress) => sameMember(progress.member, member));
}

/** The follower lacks an entry, or its knowledge of the commit index is behind. */
export function isBehind(state: ReplicaState, progress: Progress): boolean {
  return progress.match < lastIdx(state.log) || progress.commitAcked < state.commitIdx;
}

/** Everything is acknowledged and nothing is waited for: nothing is sent until there is something new. */
export function isSettled(state: ReplicaState, progress: Progress): boolean {
  return progress.mode === 'stream' && !isBehind(state, progress) && progress.leavingUntil === Number.NEGATIVE_INFINITY;
}

/** Sends what the follower's mode and window allow. */
export function pump(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  progress: Progress,
  out: ReplicaEffect[],
): void {
  if (leading.startIdx === undefined || env.peers.isSuspect(progress.member)) return;
  if (progress.mode === 'probe') {
    if (!progress.awaiting) sendAppend(state, env, leading, progress, out);
    return;
  }
  if (progress.mode !== 'stream') return;
  const last = lastIdx(state.log);
  while (progress.next <= last && (progress.mode as string) === 'stream') {
    if (bytesBetween(state.log, progress.match, progress.next - 1) >= env.options.windowBytes) return;
    sendAppend(state, env, leading, progress, out);
  }
}

/** Sends what comes next, or the commit index alone. */
export function sendAppend(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  progress: Progress,
  out: ReplicaEffect[],
): void {
  const { log } = state;
  if (progress.next - 1 < log.base.idx) {
    if (progress.known) return beginOffer(state, env, leading, progress, out);
    progress.next = lastIdx(log) + 1;
  }
  const prevIdx = progress.next - 1;
  const entries = progress.next > lastIdx(log) ? [] : entriesFrom(log, progress.next, env.options.appendBytesMax);
  progress.next += entries.length;
  progress.awaiting = progress.mode === 'probe';
  progress.sentAt = env.now;
  progress.commitSent = state.commitIdx;
  send(out, progress.member, {
    t: 'append',
    shard: state.shard,
    epoch: leading.epoch,
    session: progress.session,
    revision: progress.revision,
    prevIdx,
    prevEpoch: epochAt(log, prevIdx) as number,
    entries,
    commitIdx: state.commitIdx,
    stamp: env.now,
  });
  // A probe is repeated from the same place until the follower says where it stands.
  if (progress.mode === 'probe') progress.next = prevIdx + 1;
}

/**
 * The follower's copy will be wiped: what it acknowledged so far counts no more. Never done to a member that commits
 * count on: one of those that lacks what it acknowledged has lost it. It is taken out first, as if it had asked to.
 */
export function beginOffer(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  progress: Progress,
  out: ReplicaEffect[],
): void {
  if (hasMember(commitSet(state, env), progress.member)) {
    const detail = `${memberName(progress.member)} is in sync and lacks what it acknowledged`;
    if (progress.leavingUntil !== Number.POSITIVE_INFINITY)
      out.push({ t: 'alarm', reason: 'in-sync-lost-data', halted: false, detail });
    const leavingUntil = Number.POSITIVE_INFINITY;
    Object.assign(progress, { leavingUntil, awaiting: true, sentAt: env.now } satisfies Partial<Progress>);
    return;
  }
  progress.leavingUntil = Number.NEGATIVE_INFINITY;
  restartSession(state, progress);
  progress.mode = 'offer';
  sendOffer(state, env, leading, progress, out);
}

function sendOffer(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  progress: Progress,
  out: ReplicaEffect[],
): void {
  progress.sentAt = env.now;
  const { session, revision } = progress;
  send(out, progress.member, { t: 'offer', shard: state.shard, epoch: leading.epoch, session, revision });
}

/** What is known of the copy is forgotten; the next append asks anew. */
export function restartSession(state: ReplicaState, progress: Progress): void {
  Object.assign(progress, freshSession(state));
}

/** Time has passed: repeats what was not answered, and tells the commit index to who has not heard it. */
export function tickProgress(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  progress: Progress,
  out: ReplicaEffect[],
): void {
  if (env.now >= progress.leavingUntil) progress.leavingUntil = Number.NEGATIVE_INFINITY;
  if (env.peers.isSuspect(progress.member)) return;
  if (leading.startIdx === undefined || progress.mode === 'snapshot') return;
  if (env.now >= progress.installBy) restartSession(state, progress);
  const late =
    env.now - (progress.awaiting ? progress.sentAt : Math.max(progress.sentAt, progress.movedAt)) >=
    env.options.resendMs;
  if (progress.mode === 'offer') {
    if (late) sendOffer(state, env, leading, progress, out);
  } else if (isBehind(state, progress) || progress.mode === 'probe') {
    if (late) {
      if (progress.mode === 'stream') progress.next = progress.match + 1;
      progress.mode = 'probe';
      progress.awaiting = false;
      pump(state, env, leading, progress, out);
    } else if (
      progress.mode === 'stream' &&
      progress.commitSent < state.commitIdx &&
      progress.next > lastIdx(state.log)
    )
      sendAppend(state, env, leading, progress, out);
  }
}

/** An acknowledgement of the current session. */
export function noteAck(
  state: ReplicaState,
  env: ReplicaEnv,
  progress: Progress,
  { matchIdx, commitIdx, stamp, contends }: Extract<ReplicaMessage, { t: 'ack' }>,
): void {
  progress.known = true;
  progress.awaiting = false;
  progress.refusals = 0;
  progress.installBy = Number.POSITIVE_INFINITY;
  if (!contends) progress.confirmedAt = Math.max(progress.confirmedAt, stamp);
  if (matchIdx > progress.match || commitIdx > progress.commitAcked) progress.movedAt = env.now;
  progress.match = Math.max(progress.match, matchIdx);
  progress.commitAcked = Math.max(progress.commitAcked, commitIdx);
  progress.next = Math.max(progress.next, progress.match + 1);
  // In offer and snapshot the acknowledgement that the installed copy sends ends the mode.
  if (progress.mode !== 'stream' && progress.match >= state.log.base.idx) progress.mode = 'stream';
}

/** An append of the current session was refused for a gap: go back to where the logs may agree. */
export function noteGap(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  progress: Progress,
  refusal: Extract<ReplicaMessage, { t: 'refuse' }>,
  out: ReplicaEffect[],
): void {
  // The follower's process ended between the offer and the snapshot: it is asked anew where it stands.
  if (progress.mode === 'offer') restartSession(state, progress);
  if (progress.mode !== 'probe' && progress.mode !== 'stream') return;
  // Later appends of a broken stream are refused too: the first refusal has been acted upon.
  if (progress.mode === 'probe' && (refusal.prevIdx !== progress.next - 1 || !progress.awaiting)) return;
  const { idx }: Position = agreement(state.log, refusal.hint);
  if (idx < progress.match) {
    // Older than an acknowledgement, most likely. One probe after the other says: the copy lost what it acknowledged.
    if (progress.refusedOf !== progress.sentAt) progress.refusals += 1;
    progress.refusedOf = progress.sentAt;
    if (progress.refusals >= env.options.refusalsMax) beginOffer(state, env, leading, progress, out);
    return;
  }
  progress.mode = 'probe';
  progress.known = true;
  progress.awaiting = false;
  progress.next = idx + 1;
  pump(state, env, leading, progress, out);
}

/** It would be taken up by a snapshot if its place were trimmed away. */
export function isCatchingUp(state: ReplicaState, env: ReplicaEnv, progress: Progress): boolean {
  if (env.peers.isSuspect(progress.member)) return false;
  return progress.mode !== 'stream' || progress.match < state.commitIdx || lastOf(state.log).idx === 0;
}
