import type { Op, Profile } from './cluster-profile.ts';
import { type RunOptions, type RunResult, run } from './cluster-run.ts';

/** Runs that a failure may be shrunk with. */
const RUNS_MAX = 400;

export interface Shrunk {
  readonly profile: Profile;
  readonly result: RunResult;
  readonly runs: number;
}

/** Leaves out what the failure does not need: faults, noise, shards, time. What is left fails in the same check. */
export function shrink(profile: Profile, options: RunOptions): Shrunk {
  let best = { profile, result: run(profile, options) };
  let runs = 1;
  const check = best.result.failure?.check;
  const tryIt = (candidate: Profile): boolean => {
    if (runs >= RUNS_MAX) return false;
    runs += 1;
    const result = run(candidate, options);
    if (result.failure?.check !== check) return false;
    best = { profile: candidate, result };
    return true;
  };
  for (let before = 0; before !== runs && check !== undefined; ) {
    before = runs;
    let changed = false;
    for (const simpler of simplerThan(best.profile, best.result.failure?.atMs ?? profile.durationMs))
      changed = tryIt({ ...best.profile, ...simpler }) || changed;
    changed = fewerOps(() => best.profile, tryIt) || changed;
    if (!changed) break;
  }
  return { ...best, runs };
}

/** One change each; those that would change nothing are left out. */
function simplerThan(profile: Profile, failedAtMs: number): Partial<Profile>[] {
  const changes: Partial<Profile>[] = [
    { loss: 0 },
    { dup: 0 },
    { late: 0 },
    { storeLoss: 0 },
    { staleWatch: 0 },
    { clockDrift: false },
    { syncMs: 1 },
    { nodes: 3 },
    { shards: 1 },
    { durationMs: Math.ceil(failedAtMs) + 1 },
    { writeMs: Math.min(200, profile.writeMs * 2) },
  ];
  return changes.filter((change) =>
    Object.entries(change).some(([name, value]) =>
      name === 'durationMs'
        ? (value as number) < profile.durationMs
        : JSON.stringify(profile[name as keyof Profile]) !== JSON.stringify(value),
    ),
  );
}

/** Takes out ever smaller parts of the list of faults. */
function fewerOps(current: () => Profile, tryIt: (candidate: Profile) => boolean): boolean {
  let changed = false;
  for (let size = Math.max(1, current().ops.length >> 1); size >= 1; size >>= 1) {
    for (let at = 0; at < current().ops.length; ) {
      const { ops } = current();
      const rest: readonly Op[] = [...ops.slice(0, at), ...ops.slice(at + size)];
      if (tryIt({ ...current(), ops: rest })) changed = true;
      else at += size;
    }
  }
  return changed;
}
