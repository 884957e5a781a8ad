import { trimTail } from './replica-leader.ts';
import { epochAt, lastIdx, lastOf, openLog } from './replica-log.ts';
import {
  commitTo,
  type Following,
  halt,
  inSync,
  isContending,
  isReplica,
  newestEpoch,
  promise,
  type ReplicaState,
  send,
  stepDown,
  writeEntries,
} from './replica-state.ts';
import type { Entry, Position, ReplicaEffect, ReplicaEnv, ReplicaEvent, ReplicaMessage } from './replica-types.ts';
import { cutWrites, hardIsDurable, issueLogWrite } from './replica-writes.ts';
import { type Member, memberName, sameMember } from './shard-config.ts';

type Append = Extract<ReplicaMessage, { t: 'append' }>;
type Offer = Extract<ReplicaMessage, { t: 'offer' }>;

/** An append: promise, check that it follows what is here, write what is new. The disk decides when to acknowledge. */
export function onAppend(
  state: ReplicaState,
  env: ReplicaEnv,
  from: Member,
  message: Append,
  out: ReplicaEffect[],
): void {
  const following = accept(state, env, from, message, out);
  if (following === undefined) return;
  if (state.loading !== undefined) {
    const { epoch, session } = state.loading;
    // The tail of the session that loads comes too early: it is sent again. Another session knows nothing of the load.
    if (epoch === message.epoch && session === message.session) return;
    out.push({ t: 'wipe', write: emptyCopy(state) });
  }
  const { log } = state;
  const { prevIdx, prevEpoch, entries } = message;
  if (entries.some((entry) => contradictsCommitted(state, entry))) return diverged(state, env, from, message, out);
  if (prevIdx > lastIdx(log)) return refuse(state, from, message, 'gap', lastAgreeing(state, message), out);
  if (prevIdx < log.base.idx) return refuse(state, from, message, 'gap', log.base, out);
  if (epochAt(log, prevIdx) !== prevEpoch && env.rules.chained) {
    if (prevIdx <= state.commitIdx) return diverged(state, env, from, message, out);
    return refuse(state, from, message, 'gap', lastAgreeing(state, message), out);
  }
  const fresh = entries.findIndex((entry) => epochAt(log, entry.idx) !== entry.epoch);
  if (fresh !== -1) writeEntries(state, prevIdx + fresh, entries.slice(fresh), out);
  following.verified = Math.max(following.verified, prevIdx + entries.length);
  following.leaderCommit = Math.max(following.leaderCommit, message.commitIdx);
  following.stamp = Math.max(following.stamp, message.stamp);
  following.ackDue = true;
  followerWritten(state, env, following, out);
}

/**
 * May this append or offer be dealt with? Makes this member a follower of its sender, with a promise that goes to the
 * disk before anything is acknowledged (I2). Undefined: it was refused, or is older than what was promised.
 */
function accept(
  state: ReplicaState,
  env: ReplicaEnv,
  from: Member,
  message: Append | Offer,
  out: ReplicaEffect[],
): Following | undefined {
  const { hard, role } = state;
  const { epoch, session, revision } = message;
  if (epoch < newestEpoch(state)) {
    if (message.t === 'append') refuse(state, from, message, 'epoch', lastOf(state.log), out);
    return undefined;
  }
  if (epoch === hard.epoch && !sameMember(hard.leader, from)) {
    halt(state, 'two-leaders', `epoch ${epoch}: ${memberName(hard.leader)} and ${memberName(from)}`, out);
    return undefined;
  }
  if (epoch === hard.epoch && session < hard.session) return undefined;
  // Removed since the session began: the leader is told by the configuration, or has lost its own place.
  if (state.config !== undefined && state.config.revision > revision && !isReplica(state, env.self)) return undefined;
  if (role.t === 'leading') stepDown(state, 'deposed', out);
  if (epoch > hard.epoch || session > hard.session) {
    if (epoch > hard.epoch && !env.rules.truncateByEpoch && lastIdx(state.log) > state.commitIdx)
      writeEntries(state, state.commitIdx, [], out);
    promise(state, env, { epoch, leader: from, session, revision, contends: hard.contends }, out);
    state.role = { t: 'idle' };
  }
  if (state.role.t !== 'following')
    state.role = {
      t: 'following',
      verified: 0,
      leaderCommit: 0,
      stamp: 0,
      ackDue: false,
    } satisfies Following;
  return state.role as Following;
}

/** The last place at which this log may agree with one that has `prevEpoch` at `prevIdx`. */
function lastAgreeing({ log, commitIdx }: ReplicaState, { prevIdx, prevEpoch }: Append): Position {
  let idx = Math.min(prevIdx, lastIdx(log));
  while (idx > commitIdx && (epochAt(log, idx) as number) > prevEpoch) idx -= 1;
  return { idx, epoch: epochAt(log, idx) as number };
}

function contradictsCommitted({ log, commitIdx }: ReplicaState, { idx, epoch }: Entry): boolean {
  if (idx > commitIdx) return false;
  const ours = epochAt(log, idx);
  return ours === undefined ? epoch > log.base.epoch : ours !== epoch;
}

/**
 * The leader's log lacks what this member knows as committed. After an unclean recovery that is the loss the operator
 * accepted: the copy is offered for replacement. Otherwise the promise is broken somewhere: nothing is touched.
 */
function diverged(state: ReplicaState, env: ReplicaEnv, from: Member, message: Append, out: ReplicaEffect[]): void {
  const { config } = state;
  if (config === undefined || config.record.epoch < message.epoch) return;
  const unclean = config.record.uncleanEpoch ?? 0;
  const committedEpoch = epochAt(state.log, state.commitIdx) ?? 0;
  const detail = `index ${state.commitIdx} of epoch ${committedEpoch}, leader ${memberName(from)} of epoch ${message.epoch}`;
  if (unclean <= committedEpoch || inSync(state, env.self)) return halt(state, 'committed-diverged', detail, out);
  out.push({ t: 'alarm', reason: 'unclean-dropped', halted: false, detail });
  refuse(state, from, message, 'diverged', { idx: 0, epoch: 0 }, out);
}

function refuse(
  state: ReplicaState,
  to: Member,
  { session, prevIdx }: Pick<Append, 'session' | 'prevIdx'>,
  reason: 'epoch' | 'gap' | 'diverged',
  hint: Position,
  out: ReplicaEffect[],
): void {
  send(out, to, { t: 'refuse', shard: state.shard, reason, epoch: newestEpoch(state), session, prevIdx, hint });
}

/** Something reached the disk, or an append brought nothing new: acknowledge, apply, or announce the empty copy. */
export function followerWritten(
  state: ReplicaState,
  env: ReplicaEnv,
  following: Following,
  out: ReplicaEffect[],
): void {
  const { hard, writes, loading } = state;
  if (hard.leader === undefined || (!hardIsDurable(writes) && env.rules.promiseBeforeAck)) return;
  const { shard } = state;
  const { epoch, session } = hard;
  if (loading !== undefined) {
    if (loading.announced || writes.written < loading.write || loading.session !== session || loading.epoch !== epoch)
      return;
    loading.announced = true;
    return send(out, hard.leader, { t: 'loading', shard, epoch, session });
  }
  const matchIdx = Math.min(following.verified, writes.durableIdx);
  const known = env.rules.applyAtCommit ? Math.min(following.leaderCommit, matchIdx) : matchIdx;
  commitTo(state, known, out);
  if (!following.ackDue) return;
  following.ackDue = matchIdx < following.verified;
  const { stamp } = following;
  const contends = isContending(state);
  send(out, hard.leader, { t: 'ack', shard, epoch, session, matchIdx, commitIdx: state.commitIdx, stamp, contends });
  trimTail(state, env);
}

/**
 * The leader wants to replace this copy. Each session may do so once: a repeated offer that comes after the copy was
 * installed, and perhaps counted on, must not wipe it again.
 */
export function onOffer(
  state: ReplicaState,
  env: ReplicaEnv,
  from: Member,
  message: Offer,
  out: ReplicaEffect[],
): void {
  const { epoch, session } = message;
  const known = state.hard.epoch === epoch && state.hard.session >= session && env.rules.offerOnce;
  const following = accept(state, env, from, message, out);
  if (following === undefined) return;
  const { loading } = state;
  if (loading !== undefined && loading.epoch === epoch && loading.session === session) {
    loading.announced = false;
    return followerWritten(state, env, following, out);
  }
  if (known) {
    // What the offer was for is over: the copy is installed, or the process ended before. The leader is told which.
    if (following.verified === 0) return refuse(state, from, { ...message, prevIdx: 0 }, 'gap', lastOf(state.log), out);
    following.ackDue = true;
    return followerWritten(state, env, following, out);
  }
  const write = emptyCopy(state);
  state.loading = { from, epoch, session, write, announced: false };
  out.push({ t: 'load', write, from, epoch, session });
}

/** The copy in memory is empty from here on. @returns the number of the write that makes it so on disk */
export function emptyCopy(state: ReplicaState): number {
  Object.assign(state.log, openLog({ idx: 0, epoch: 0 }, []));
  cutWrites(state.writes, 0);
  state.commitIdx = 0;
  state.loading = undefined;
  if (state.role.t === 'following') Object.assign(state.role, { verified: 0, leaderCommit: 0, ackDue: false });
  return issueLogWrite(state.writes, 0);
}

/** The shell has a whole copy on disk. It counts if it is still the one that was asked for. */
export function onInstalled(
  state: ReplicaState,
  env: ReplicaEnv,
  { epoch, session, at }: Extract<ReplicaEvent, { t: 'installed' }>,
  out: ReplicaEffect[],
): void {
  const { loading, role, hard } = state;
  if (loading === undefined || loading.epoch !== epoch || loading.session !== session) return;
  state.loading = undefined;
  Object.assign(state.log, openLog(at, []));
  state.commitIdx = at.idx;
  state.writes.durableIdx = at.idx;
  if (role.t !== 'following' || hard.epoch !== epoch || hard.session !== session) return;
  role.verified = at.idx;
  role.leaderCommit = at.idx;
  role.ackDue = true;
  followerWritten(state, env, role, out);
}
