import { isBehind, type Progress, progressOf, sendAppend } from './replica-progress.ts';
import { commitSet, inSync, type Leading, type ReplicaState } from './replica-state.ts';
import type { ReplicaEffect, ReplicaEnv } from './replica-types.ts';
import { sameMember } from './shard-config.ts';

/**
 * Own monotonic time until which this leader may answer reads: nobody else can have been made leader before. Negative
 * infinity when it may not; the event `read` then asks the in-sync set, and its answers may change that. Who would be in
 * sync if the compare-and-set on its way has won may take over as well.
 */
export function readableUntil(state: ReplicaState, env: ReplicaEnv): number {
  const { role, cas } = state;
  if (role.t !== 'leading' || !role.ready || !inSync(state, env.self)) return Number.NEGATIVE_INFINITY;
  if (cas !== undefined && !sameMember(cas.record.leader, env.self)) return Number.NEGATIVE_INFINITY;
  if (!env.rules.leaseReads) return Number.POSITIVE_INFINITY;
  let until = Number.POSITIVE_INFINITY;
  for (const member of commitSet(state, env)) {
    const progress = progressOf(role, member);
    if (progress !== undefined) until = Math.min(until, safeUntil(env, progress));
    else if (!sameMember(member, env.self)) return Number.NEGATIVE_INFINITY;
  }
  return until;
}

/**
 * Own monotonic time until which this follower cannot depose us. Its node's lease alone does not say so: if that lapsed
 * and came back, the follower may have done it meanwhile. It must have acknowledged an append since, not contending.
 */
export function safeUntil(env: ReplicaEnv, progress: Progress): number {
  const until = env.peers.leaseUntil(progress.member);
  // A lapse that nobody looked at may have been one.
  if (env.now >= progress.leaseUntil) progress.leaseSince = env.now;
  progress.leaseUntil = Math.max(progress.leaseUntil, until);
  const since = env.peers.leaseSince?.(progress.member) ?? progress.leaseSince;
  return progress.confirmedAt >= since || !env.rules.confirmAfterLapse ? until : Number.NEGATIVE_INFINITY;
}

/** Somebody wants to read: a follower that is at rest is asked whether it has deposed us. */
export function askForRead(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  progress: Progress,
  out: ReplicaEffect[],
): void {
  if (safeUntil(env, progress) > env.now || env.peers.isSuspect(progress.member)) return;
  if (progress.mode === 'stream' && !isBehind(state, progress)) sendAppend(state, env, leading, progress, out);
}
