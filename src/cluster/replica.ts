import { observe, onCasResult, retryCas } from './replica-config.ts';
import { emptyCopy, followerWritten, onAppend, onInstalled, onOffer } from './replica-follower.ts';
import {
  advanceCommit,
  leaderWritten,
  onAck,
  onLoading,
  onRefuse,
  onSnapshot,
  propose,
  syncProgress,
} from './replica-leader.ts';
import { askForRead } from './replica-lease.ts';
import { onReplicas, onTransfer, reviewMembership, reviewTransfer, transferRefusal } from './replica-membership.ts';
import { isSettled, progressOf, pump, tickProgress } from './replica-progress.ts';
import { inSync, isReplica, type Leading, type ReplicaState, send, stepDown } from './replica-state.ts';
import { copyRefusal, recoverUnclean, recoveryRefusal, reviewTakeover } from './replica-takeover.ts';
import type { Refusal, ReplicaEffect, ReplicaEnv, ReplicaEvent, ReplicaMessage } from './replica-types.ts';
import { noteWritten } from './replica-writes.ts';
import { type Member, sameMember } from './shard-config.ts';

/**
 * One shard's replica on one node, as a step: an event in, effects out, the state changed in place. The same state,
 * events and environments give the same effects. What the shell owes it is in docs/replication.md.
 */
export function step(state: ReplicaState, event: ReplicaEvent, env: ReplicaEnv): readonly ReplicaEffect[] {
  const out: ReplicaEffect[] = [];
  if (event.t === 'propose') propose(state, env, event.items, out);
  else if (event.t === 'transfer') onTransfer(state, env, event.to, out);
  else if (event.t === 'replicas') onReplicas(state, env, event, out);
  else if (event.t === 'recoverUnclean') recoverUnclean(state, env, out);
  else if (!state.halted) react(state, event, env, out);
  return out;
}

/**
 * Why an order would be refused now, or why there is no copy to tell of; undefined when it would be taken. Changes nothing,
 * so that who must prepare for an order can ask first.
 */
export function refusalOf(
  state: ReplicaState,
  order: Extract<ReplicaEvent, { t: 'transfer' | 'recoverUnclean' }> | { readonly t: 'copy' },
  env: ReplicaEnv,
): Refusal | undefined {
  if (order.t === 'transfer') return transferRefusal(state, env, order.to);
  return order.t === 'copy' ? copyRefusal(state, env.self) : recoveryRefusal(state, env.self);
}

function react(
  state: ReplicaState,
  event: Exclude<ReplicaEvent, { t: 'propose' | 'transfer' | 'replicas' | 'recoverUnclean' }>,
  env: ReplicaEnv,
  out: ReplicaEffect[],
): void {
  const { role } = state;
  switch (event.t) {
    case 'message':
      return onMessage(state, env, event.from, event.message, out);
    case 'written':
      noteWritten(state.writes, event.upTo);
      if (role.t === 'leading') leaderWritten(state, env, role, out);
      else if (role.t === 'following') followerWritten(state, env, role, out);
      if (state.contesting) return review(state, env, out);
      return afterAnswer(state, env, out);
    case 'config':
      observe(state, env, event.at, out);
      break;
    case 'casResult':
      onCasResult(state, env, event.nonce, event.outcome, out);
      break;
    case 'installed':
      return onInstalled(state, env, event, out);
    case 'snapshotSent':
    case 'snapshotFailed':
      if (role.t === 'leading') onSnapshot(state, env, role, event, out);
      return;
    case 'read':
      if (role.t === 'leading' && role.ready)
        for (const progress of role.progress) askForRead(state, env, role, progress, out);
      return;
    case 'stop':
      state.stopping = true;
      break;
    case 'stay':
      state.stopping = false;
      state.drained = false;
      state.leaveSentAt = undefined;
      break;
    case 'peers':
      if (role.t === 'leading') for (const progress of role.progress) pump(state, env, role, progress, out);
      break;
    case 'tick':
      retryCas(state, env, out);
      if (role.t === 'leading') for (const progress of role.progress) tickProgress(state, env, role, progress, out);
      break;
  }
  review(state, env, out);
}

function onMessage(
  state: ReplicaState,
  env: ReplicaEnv,
  from: Member,
  message: ReplicaMessage,
  out: ReplicaEffect[],
): void {
  const { role } = state;
  switch (message.t) {
    case 'append':
      return onAppend(state, env, from, message, out);
    case 'offer':
      return onOffer(state, env, from, message, out);
    case 'ack':
      if (role.t === 'leading') onAck(state, env, role, from, message, out);
      return afterAnswer(state, env, out);
    case 'refuse':
      if (role.t === 'leading') onRefuse(state, env, role, from, message, out);
      return;
    case 'loading':
      if (role.t === 'leading') onLoading(role, env, from, message, out);
      return;
    case 'leave':
      if (role.t === 'leading') onLeave(env, role, from);
      return review(state, env, out);
    case 'config':
      observe(state, env, message.at, out);
      return review(state, env, out);
  }
}

function onLeave(env: ReplicaEnv, leading: Leading, from: Member): void {
  const progress = progressOf(leading, from);
  if (progress !== undefined) progress.leavingUntil = Math.max(progress.leavingUntil, env.now + env.options.leaveMs);
}

/** The common way of an acknowledgement is short: the rest is for a leader that waits for something. */
function afterAnswer(state: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  const { role } = state;
  if (role.t !== 'leading' || state.halted) return;
  if (role.transfer !== undefined) reviewTransfer(state, env, role, out);
  else if (state.config?.record.isr.length !== state.config?.record.replicas.length || state.stopping)
    reviewMembership(state, env, role, out);
}

/** What follows from the configuration, the peers and the time, whatever the event was. Changes nothing when repeated. */
function review(state: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  const { config } = state;
  if (config === undefined || state.halted) return;
  const { record } = config;
  if (state.role.t === 'leading' && (record.epoch > state.role.epoch || !inSync(state, env.self))) {
    const { leader } = record;
    if (state.role.transfer !== undefined && leader !== undefined && !sameMember(leader, env.self))
      send(out, leader, { t: 'config', shard: state.shard, at: config });
    stepDown(state, 'deposed', out);
  }
  if (state.role.t === 'leading') {
    syncProgress(state, env, state.role);
    for (const progress of state.role.progress) pump(state, env, state.role, progress, out);
    advanceCommit(state, env, state.role, out);
    reviewMembership(state, env, state.role, out);
  } else {
    dropUnwanted(state, env, out);
    reviewTakeover(state, env, out);
  }
  reviewStop(state, env, out);
}

/**
 * The configuration has no place for this copy any more. It may be an older record than the one that added it again:
 * a session that began at a later revision says so, and it is remembered on disk.
 */
function dropUnwanted(state: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  const { config, hard, log } = state;
  if (config === undefined || isReplica(state, env.self)) return;
  if (env.rules.revisionGuardsWipe && (config.revision <= hard.revision || config.record.epoch < hard.epoch)) return;
  if (log.base.idx === 0 && log.entries.length === 0 && state.loading === undefined) return;
  out.push({ t: 'wipe', write: emptyCopy(state) });
  state.role = { t: 'idle' };
}

/**
 * Drain: a follower asks the leader to be left out, again and again while its process lasts, so that no later leader
 * takes it for somebody who has caught up. A leader forgets it after leaveMs: the process may have come back.
 */
function reviewStop(state: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  const { config } = state;
  if (!state.stopping || config === undefined) return;
  const { leader, epoch } = config.record;
  const left = !inSync(state, env.self);
  if (left && !state.drained) out.push({ t: 'drained' });
  state.drained = left;
  if (leader === undefined || sameMember(leader, env.self)) return;
  if (state.leaveSentAt !== undefined && env.now - state.leaveSentAt < env.options.resendMs) return;
  state.leaveSentAt = env.now;
  send(out, leader, { t: 'leave', shard: state.shard, epoch });
}

/**
 * Does anything here wait for time to pass? A shard that is idle and acknowledged everywhere needs no ticks; the shell
 * asks after every step, and after `peers`.
 */
export function needsTick(state: ReplicaState): boolean {
  const { role, config } = state;
  if (state.halted || config === undefined) return false;
  if (state.contesting || state.cas !== undefined || state.takeoverAt !== undefined || state.stopping) return true;
  if (role.t !== 'leading') return false;
  return !role.ready || role.transfer !== undefined || role.progress.some((progress) => !isSettled(state, progress));
}

export { readableUntil } from './replica-lease.ts';
export { openReplica, type ReplicaState } from './replica-state.ts';
