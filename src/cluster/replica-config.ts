import { halt, type ReplicaState } from './replica-state.ts';
import type { CasOutcome, ReplicaEffect, ReplicaEnv } from './replica-types.ts';
import { type ConfigAt, memberName, sameMember } from './shard-config.ts';

/**
 * Takes up a record of the configuration store. Watches repeat and come late, so an older revision is passed over.
 * What no store that keeps its word can show halts the shard (I12): a revision with two contents, or a newer revision
 * with an older epoch than one that was seen or promised.
 */
export function observe(state: ReplicaState, env: ReplicaEnv, at: ConfigAt, out: ReplicaEffect[]): void {
  const { config, hard, cas } = state;
  if (env.rules.neverBackwards) {
    if (config !== undefined && at.revision < config.revision) return;
    const fault = contradiction(config, at);
    if (fault !== undefined) return halt(state, 'config-backwards', fault, out);
    if (at.revision >= hard.revision && at.record.epoch < hard.epoch)
      return halt(state, 'config-backwards', `epoch ${at.record.epoch}, ${hard.epoch} is promised`, out);
  }
  // A revision above the expected one settles the compare-and-set: it has won and is seen here, or it cannot win now.
  if (cas !== undefined && at.revision > cas.expected) state.cas = undefined;
  if (config === undefined || at.revision !== config.revision) {
    if (config?.record.epoch !== at.record.epoch) {
      state.leaveSentAt = undefined;
      if (config !== undefined) noteEpoch(state, env);
    }
    state.config = at;
  }
}

function noteEpoch(state: ReplicaState, env: ReplicaEnv): void {
  state.duels = env.now - state.epochAt < 2 * duelWait(state, env) ? state.duels + 1 : 0;
  state.epochAt = env.now;
}

/** Own ms for which a leader that has just come is not deposed. */
export function duelWait({ duels }: ReplicaState, { options }: ReplicaEnv): number {
  return Math.min(options.duelMs * 2 ** Math.max(0, duels - 1), options.duelMsMax);
}

function contradiction(known: ConfigAt | undefined, at: ConfigAt): string | undefined {
  if (known === undefined) return undefined;
  const was = known.record;
  const is = at.record;
  if (at.revision === known.revision)
    return is.nonce === was.nonce ? undefined : `revision ${at.revision} has two contents`;
  if (is.epoch < was.epoch) return `epoch ${is.epoch} after ${was.epoch}`;
  if (is.epoch === was.epoch && !sameMember(is.leader, was.leader))
    return `epoch ${is.epoch} has two leaders, ${memberName(was.leader)} and ${memberName(is.leader)}`;
  return undefined;
}

/**
 * The store's answer. `unknown` settles nothing: the same compare-and-set is sent again, since at most one write can
 * ever win over the expected revision, and a read could be stale.
 */
export function onCasResult(
  state: ReplicaState,
  env: ReplicaEnv,
  nonce: string,
  outcome: CasOutcome,
  out: ReplicaEffect[],
): void {
  const { cas } = state;
  if (cas === undefined || cas.record.nonce !== nonce) return;
  if (outcome.t === 'ok') return observe(state, env, { record: cas.record, revision: outcome.revision }, out);
  if (outcome.t === 'unknown' && !env.rules.settleByNonce) {
    state.cas = undefined;
    return;
  }
  if (outcome.t === 'conflict' && outcome.current !== undefined) {
    if (outcome.current.revision > cas.expected) return observe(state, env, outcome.current, out);
    cas.staleAnswers += 1;
    if (cas.staleAnswers >= env.options.staleAnswersMax) {
      const detail = `revision ${outcome.current.revision} answers for ${cas.expected}, ${cas.staleAnswers} times`;
      return halt(state, 'config-backwards', detail, out);
    }
  }
  cas.retryAt = env.now + cas.retryMs;
  cas.retryMs = Math.min(cas.retryMs * 2, env.options.casRetryMsMax);
}

/** Sends an unsettled compare-and-set again when its time has come. */
export function retryCas({ cas }: ReplicaState, env: ReplicaEnv, out: ReplicaEffect[]): void {
  if (cas?.retryAt === undefined || env.now < cas.retryAt) return;
  cas.retryAt = undefined;
  out.push({ t: 'cas', expected: cas.expected, record: cas.record });
}
