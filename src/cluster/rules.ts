/**
 * The rules that keep the promise, each with a switch. Production runs with all of them on; the simulation switches one
 * off at a time to see that its checker notices (test/cluster-mutants.test.ts). I-numbers are DESIGN's invariants,
 * X-numbers are rules that stand behind several of them.
 */
export interface Rules {
  /** I1: the store lets one writer win per revision. A duty of the store: only the simulation's store reads it. */
  readonly oneWinner: boolean;
  /** I2: a promise is on disk before anything is acknowledged under it. */
  readonly promiseBeforeAck: boolean;
  /** I3: a member counts for commits until its removal is confirmed. */
  readonly countUntilRemoved: boolean;
  /** I4: a member counts for commits from the moment its addition is proposed. */
  readonly countFromAdd: boolean;
  /** I5: a member is added only when it holds everything that may be committed. */
  readonly joinerHoldsAll: boolean;
  /** I6: a wiped folder gets a new incarnation. A duty of the shell: only the simulation's disk reads it. */
  readonly wipedIsNew: boolean;
  /** I7: only an in-sync member takes over. */
  readonly inSyncTakesOver: boolean;
  /** I8: a follower truncates where the epochs differ from the leader's, never to its own commit index. */
  readonly truncateByEpoch: boolean;
  /** I9: a restarted leader takes a new epoch, so (index, epoch) names one entry for ever. */
  readonly newEpochAfterRestart: boolean;
  /** I10: the in-sync set does not shrink below two. */
  readonly twoInSync: boolean;
  /** I11: a commit needs all in-sync members, not most of them. */
  readonly commitNeedsAll: boolean;
  /** I12: an older configuration is never taken up again. */
  readonly neverBackwards: boolean;
  /** I14: effects run after the commit, not after the local write. */
  readonly effectsAfterCommit: boolean;
  /** I15: a batch is taken only behind the entry it names as previous. */
  readonly chained: boolean;
  /** I16: a follower applies what is committed, not what it has. */
  readonly applyAtCommit: boolean;
  /** X1: a leader answers reads only while every in-sync member is known not to take over. */
  readonly leaseReads: boolean;
  /** X2: an unknown answer of the store is settled by the same compare-and-set, not taken for a failure. */
  readonly settleByNonce: boolean;
  /** X3: an acknowledgement counts in the session in which it was given, not for a later copy. */
  readonly sessionEcho: boolean;
  /** X4: a removal seen late does not wipe a copy that has been added again since. */
  readonly revisionGuardsWipe: boolean;
  /** X5: an offer of a snapshot that was seen before does not wipe what came after it. */
  readonly offerOnce: boolean;
  /** X6: a leader's first entry waits until its own promise is on disk. */
  readonly promiseBeforeLeading: boolean;
  /** X7: after a lapse of the lease reads wait until the in-sync set has acknowledged again. */
  readonly confirmAfterLapse: boolean;
  /** X8: the intention to depose a leader is on disk before the compare-and-set leaves. */
  readonly contestOnDisk: boolean;
}

export const ALL_RULES: Rules = {
  oneWinner: true,
  promiseBeforeAck: true,
  countUntilRemoved: true,
  countFromAdd: true,
  joinerHoldsAll: true,
  wipedIsNew: true,
  inSyncTakesOver: true,
  truncateByEpoch: true,
  newEpochAfterRestart: true,
  twoInSync: true,
  commitNeedsAll: true,
  neverBackwards: true,
  effectsAfterCommit: true,
  chained: true,
  applyAtCommit: true,
  leaseReads: true,
  settleByNonce: true,
  sessionEcho: true,
  revisionGuardsWipe: true,
  offerOnce: true,
  promiseBeforeLeading: true,
  confirmAfterLapse: true,
  contestOnDisk: true,
};

/** All rules but one. For tests. */
export function without(rule: keyof Rules): Rules {
  return { ...ALL_RULES, [rule]: false };
}
