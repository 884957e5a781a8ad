import { duelWait } from './replica-config.ts';
import { lead } from './replica-leader.ts';
import {
  compareAndSet,
  inSync,
  isContending,
  isReplica,
  keepAtLeast,
  minInSync,
  persistContest,
  type ReplicaState,
} from './replica-state.ts';
import type { Refusal, ReplicaEffect, ReplicaEnv } from './replica-types.ts';
import { hardIsDurable } from './replica-writes.ts';
import { type Member, memberName, sameMember } from './shard-config.ts';

/**
 * A replica that does not lead asks itself whether it should. Only an in-sync member may (I7): it holds everything that
 * was ever committed. It wins by writing itself and the next epoch over the very record that says it is in sync.
 */
export function reviewTakeover(state: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  const { config, hard } = state;
  if (config === undefined || state.cas !== undefined || state.loading !== undefined) return;
  const may = inSync(state, env.self) || (!env.rules.inSyncTakesOver && isReplica(state, env.self));
  if (!may) {
    state.takeoverAt = undefined;
    state.contesting = false;
    return;
  }
  const { epoch, leader } = config.record;
  if (sameMember(leader, env.self)) {
    // The epoch is ours by a transfer, or by a compare-and-set of a former life that had no time to act in it. An own
    // promise of this epoch says that something may have been proposed: then only the next one is free (I9).
    if (epoch > hard.epoch || (epoch === hard.epoch && !env.rules.newEpochAfterRestart))
      return lead(state, env, epoch, out);
    if (epoch === hard.epoch) takeOver(state, env, out);
    return;
  }
  if (state.stopping || (leader !== undefined && !env.peers.isSuspect(leader))) return standDown(state, env, out);
  const quiet = state.duels > 0 && leader !== undefined ? state.epochAt + duelWait(state, env) : env.now;
  state.takeoverAt ??= Math.max(env.now, quiet) + takeoverDelay(state, env, config.record.isr, leader);
  if (env.now >= state.takeoverAt && mayContest(state, env, leader, out)) takeOver(state, env, out);
}

/**
 * A leader may answer reads as long as its followers tell it, with every acknowledgement, that they are not about to
 * depose it. A process that dies with its compare-and-set on the way must remember that: so the intention is on disk
 * before the compare-and-set leaves.
 */
function mayContest(state: ReplicaState, env: ReplicaEnv, leader: Member | undefined, out: ReplicaEffect[]): boolean {
  if (leader === undefined || !env.rules.contestOnDisk) return true;
  const revision = state.config?.revision ?? 0;
  if (state.hard.contends !== revision) {
    persistContest(state, revision, out);
    state.contesting = true;
  }
  return hardIsDurable(state.writes);
}

/** There is a leader. What an earlier life may have sent against it is outrun by a write that changes nothing else. */
function standDown(state: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  state.takeoverAt = undefined;
  if (state.contesting) persistContest(state, undefined, out);
  else if (isContending(state)) compareAndSet(state, env, {}, out);
  state.contesting = false;
}

/** Own ms to wait: by place among the in-sync members that live, and spread over the shards. */
function takeoverDelay(
  { shard }: ReplicaState,
  { options, peers, self }: ReplicaEnv,
  isr: readonly Member[],
  leader: Member | undefined,
): number {
  const live = isr.filter((member) => !sameMember(member, leader) && !peers.isSuspect(member));
  const place = Math.max(
    0,
    live.findIndex((member) => sameMember(member, self)),
  );
  const spread = options.spreadMs > 0 ? Math.imul(shard, 0x9e3779b1) >>> 0 : 0;
  return place * options.staggerMs + (spread / 2 ** 32) * options.spreadMs;
}

/** Members that are gone leave with the same write, as far as two remain. */
function takeOver(state: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  const { record } = state.config as NonNullable<ReplicaState['config']>;
  state.takeoverAt = undefined;
  state.contesting = false;
  const gone = (member: Member): boolean => !sameMember(member, env.self) && env.peers.isSuspect(member);
  const kept = record.isr.filter((member) => !gone(member));
  const isr = keepAtLeast(kept, record.isr.filter(gone), minInSync(env));
  const withSelf = isr.some((member) => sameMember(member, env.self)) ? isr : [...isr, env.self];
  compareAndSet(state, env, { epoch: record.epoch + 1, leader: env.self, isr: withSelf }, out);
}

/**
 * An operator declares the in-sync members lost and this copy the truth. What only they had is gone: the record says
 * so, and members that come back with more drop it and copy from here. Commits wait until a second member is in sync.
 */
export function recoverUnclean(state: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  const { config } = state;
  const reason = recoveryRefusal(state, env.self);
  if (config === undefined || reason !== undefined)
    return void out.push({ t: 'refused', what: 'recover', reason: reason ?? 'no-copy' });
  const epoch = config.record.epoch + 1;
  const detail = `epoch ${epoch} by ${memberName(env.self)} at index ${state.commitIdx}`;
  out.push({ t: 'alarm', reason: 'unclean-recovery', halted: false, detail });
  compareAndSet(state, env, { epoch, leader: env.self, isr: [env.self], uncleanEpoch: epoch }, out);
}

/** Why this member's copy would not be made the truth now. */
export function recoveryRefusal(state: ReplicaState, self: Member): Refusal | undefined {
  return copyRefusal(state, self) ?? (state.cas !== undefined || state.role.t === 'leading' ? 'busy' : undefined);
}

/** Why this member has no copy to speak of. */
export function copyRefusal(state: ReplicaState, self: Member): Refusal | undefined {
  if (state.halted) return 'halted';
  return state.config === undefined || state.loading !== undefined || !isReplica(state, self) ? 'no-copy' : undefined;
}
