import { lastIdx } from './replica-log.ts';
import { type Progress, progressOf } from './replica-progress.ts';
import { compareAndSet, inSync, keepAtLeast, type Leading, minInSync, type ReplicaState } from './replica-state.ts';
import type { Refusal, ReplicaEffect, ReplicaEnv, ReplicaEvent } from './replica-types.ts';
import { hasMember, type Member, REPLICAS_MAX, type ShardConfig, sameMember, sameMembers } from './shard-config.ts';

/** What a leader changes in the configuration: one compare-and-set at a time, a transfer before anything else. */
export function reviewMembership(state: ReplicaState, env: ReplicaEnv, leading: Leading, out: ReplicaEffect[]): void {
  if (state.stopping && leading.ready && leading.transfer === undefined) drainLeadership(state, env, leading, out);
  reviewTransfer(state, env, leading, out);
  if (state.cas !== undefined || leading.transfer !== undefined || leading.startIdx === undefined) return;
  const { record } = state.config as NonNullable<ReplicaState['config']>;
  const isr = wantedInSync(state, env, leading, record);
  if (!sameMembers(isr, record.isr)) compareAndSet(state, env, { isr }, out);
}

/**
 * The in-sync set as it should be: without who is gone, stuck or leaving, with who has caught up. It never has fewer
 * than two members: with nobody to replace him, a lost one stays, and commits wait (I10). Who was lost and who
 * replaces him change in one write.
 */
function wantedInSync(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  { isr, replicas }: ShardConfig,
): readonly Member[] {
  const stays = (member: Member): boolean => sameMember(member, env.self) || answers(state, env, leading, member);
  const kept = isr.filter(stays);
  const joiners = replicas.filter((member) => !hasMember(isr, member) && mayJoin(state, env, leading, member));
  const lost = isr.filter((member) => !stays(member));
  // Who is only leaving is kept rather than who is gone: keepAtLeast takes from the end.
  lost.sort((a, b) => Number(env.peers.isSuspect(b)) - Number(env.peers.isSuspect(a)));
  return keepAtLeast([...kept, ...joiners], lost, minInSync(env));
}

function answers(state: ReplicaState, env: ReplicaEnv, leading: Leading, member: Member): boolean {
  const progress = progressOf(leading, member);
  if (progress === undefined || env.now < progress.leavingUntil || env.peers.isSuspect(member)) return false;
  return progress.match >= lastIdx(state.log) || env.now - progress.movedAt <= env.options.laggardMs;
}

/**
 * A joiner must hold everything that may be committed (I5): up to the commit index, and in a new epoch up to its
 * no-op, since former leaders may have committed anything before it. From the proposal on it counts (I4), so it cannot
 * fall behind again.
 */
function mayJoin(state: ReplicaState, env: ReplicaEnv, leading: Leading, member: Member): boolean {
  const progress = progressOf(leading, member);
  if (progress === undefined || env.now < progress.leavingUntil || env.peers.isSuspect(member)) return false;
  if (!env.rules.joinerHoldsAll) return progress.known;
  return progress.mode === 'stream' && holdsCommitted(state, leading, progress);
}

function holdsCommitted(state: ReplicaState, leading: Leading, { match }: Progress): boolean {
  return leading.startIdx !== undefined && match >= Math.max(state.commitIdx, leading.startIdx);
}

/**
 * Hands the leadership over: nothing is admitted any more, what was is committed, and then the store gives the next
 * epoch to the target, which holds the whole log as an in-sync member.
 */
export function beginTransfer(
  state: ReplicaState,
  env: ReplicaEnv,
  leading: Leading,
  to: Member,
  out: ReplicaEffect[],
): void {
  leading.transfer = { to, startedAt: env.now };
  out.push({ t: 'unready', reason: 'transfer' });
  reviewTransfer(state, env, leading, out);
}

export function reviewTransfer(state: ReplicaState, env: ReplicaEnv, leading: Leading, out: ReplicaEffect[]): void {
  const { transfer } = leading;
  if (transfer === undefined) return;
  const { to, startedAt } = transfer;
  if (env.now - startedAt >= env.options.transferMs || env.peers.isSuspect(to) || !inSync(state, to)) {
    // Even with the compare-and-set still on its way: should it win, the target refuses our appends, so that nothing
    // admitted meanwhile can be committed here.
    leading.transfer = undefined;
    out.push({ t: 'ready', epoch: leading.epoch });
    return;
  }
  if (state.cas === undefined && state.commitIdx === lastIdx(state.log))
    compareAndSet(state, env, { epoch: leading.epoch + 1, leader: to }, out);
}

function drainLeadership(state: ReplicaState, env: ReplicaEnv, leading: Leading, out: ReplicaEffect[]): void {
  const { isr } = (state.config as NonNullable<ReplicaState['config']>).record;
  const to = isr.find((member) => !sameMember(member, env.self) && answers(state, env, leading, member));
  if (to !== undefined && state.cas === undefined) beginTransfer(state, env, leading, to, out);
}

/** Why the leadership would not be handed over to the member now. */
export function transferRefusal(state: ReplicaState, env: ReplicaEnv, to: Member): Refusal | undefined {
  const { role } = state;
  if (state.halted) return 'halted';
  if (role.t !== 'leading') return 'not-leader';
  if (!role.ready) return 'not-ready';
  if (state.cas !== undefined || role.transfer !== undefined) return 'busy';
  if (sameMember(to, env.self)) return 'no-change';
  if (!inSync(state, to)) return 'not-in-sync';
  return env.peers.isSuspect(to) ? 'suspect' : undefined;
}

/** An order to hand the leadership over. Refused rather than queued: who orders asks again. */
export function onTransfer(state: ReplicaState, env: ReplicaEnv, to: Member, out: ReplicaEffect[]): void {
  const reason = transferRefusal(state, env, to);
  if (reason !== undefined) out.push({ t: 'refused', what: 'transfer', reason });
  else if (state.role.t === 'leading') beginTransfer(state, env, state.role, to, out);
}

/** An order to add, remove or swap copies, all in one compare-and-set. */
export function onReplicas(
  state: ReplicaState,
  env: ReplicaEnv,
  { add, remove }: Extract<ReplicaEvent, { t: 'replicas' }>,
  out: ReplicaEffect[],
): void {
  const { role, config } = state;
  const refused = (reason: Refusal): void => void out.push({ t: 'refused', what: 'replicas', reason });
  if (state.halted) return refused('halted');
  if (role.t !== 'leading' || config === undefined) return refused('not-leader');
  // Not only when ready: a leader whose other in-sync member is lost becomes ready by the copy that is added here.
  if (role.startIdx === undefined) return refused('not-ready');
  if (state.cas !== undefined || role.transfer !== undefined) return refused('busy');
  if (hasMember(remove, env.self)) return refused('leader-stays');
  const { record } = config;
  const kept = record.replicas.filter((member) => !hasMember(remove, member));
  const replicas = [...kept, ...add.filter((member) => !hasMember(record.replicas, member))];
  if (sameMembers(replicas, record.replicas)) return refused('no-change');
  if (replicas.length > REPLICAS_MAX) return refused('too-many-replicas');
  const isr = record.isr.filter((member) => !hasMember(remove, member));
  if (isr.length < Math.min(record.isr.length, minInSync(env))) return refused('too-few-in-sync');
  compareAndSet(state, env, { replicas, isr }, out);
}
