import type { Op, Profile } from './cluster-profile.ts';
import type { RunOptions, RunResult } from './cluster-run.ts';
import type { WholeProfile } from './whole-profile.ts';
import { runAny } from './whole-run.ts';

/** Runs that a failure may be shrunk with. */
const RUNS_MAX = 400;

export interface Shrunk {
  readonly profile: Profile;
  readonly result: RunResult;
  readonly runs: number;
}

/** Leaves out what the failure does not need: faults, noise, shards, time. What is left fails in the same check. */
export async function shrink(profile: Profile, options: RunOptions): Promise<Shrunk> {
  let best = { profile, result: await runAny(profile, options) };
  let runs = 1;
  const check = best.result.failure?.check;
  const tryIt = async (candidate: Profile): Promise<boolean> => {
    if (runs >= RUNS_MAX) return false;
    runs += 1;
    const result = await runAny(candidate, options);
    if (result.failure?.check !== check) return false;
    best = { profile: candidate, result };
    return true;
  };
  for (let before = 0; before !== runs && check !== undefined; ) {
    before = runs;
    let changed = false;
    for (const simpler of simplerThan(best.profile, best.result.failure?.atMs ?? profile.durationMs))
      changed = (await tryIt({ ...best.profile, ...simpler })) || changed;
    changed = (await fewerOps(() => best.profile, tryIt)) || changed;
    if (!changed) break;
  }
  return { ...best, runs };
}

/** One change each; those that would change nothing are left out. */
function simplerThan(profile: Profile, failedAtMs: number): Partial<Profile>[] {
  const { whole } = profile;
  const changes: Partial<Profile>[] = [
    { loss: 0 },
    { dup: 0 },
    { late: 0 },
    { storeLoss: 0 },
    { staleWatch: 0 },
    { clockDrift: false },
    { syncMs: 1 },
    // The chats and users of a whole run are bound to their shards: those stay.
    ...(whole === undefined ? [{ nodes: 3 }, { shards: 1 }] : simplerWhole(profile, whole)),
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

/** Fewer people, fewer words. */
function simplerWhole(profile: Profile, whole: WholeProfile): Partial<Profile>[] {
  const changes: Partial<WholeProfile>[] = [
    { groups: whole.groups.slice(0, 1) },
    { rooms: whole.rooms.slice(1) },
    { rooms: whole.rooms.slice(0, 1) },
    { groups: [] },
    { groups: whole.groups.map((size) => Math.max(2, size >> 1)) },
    { online: 2 },
    { online: 1 },
    { cuts: 0 },
    { tight: false },
    { packed: false },
    { plain: 0 },
    { takesBackEvery: 0 },
    { sayMax: Math.max(1, whole.sayMax >> 1) },
    { talkMs: whole.talkMs * 2 },
  ];
  const all = changes.map((change): Partial<Profile> => ({ whole: { ...whole, ...change } }));
  return whole.late === 0 ? all : [...all, { nodes: profile.nodes - whole.late, whole: { ...whole, late: 0 } }];
}

/** Takes out ever smaller parts of the list of faults. */
async function fewerOps(current: () => Profile, tryIt: (candidate: Profile) => Promise<boolean>): Promise<boolean> {
  let changed = false;
  for (let size = Math.max(1, current().ops.length >> 1); size >= 1; size >>= 1) {
    for (let at = 0; at < current().ops.length; ) {
      const { ops } = current();
      const rest: readonly Op[] = [...ops.slice(0, at), ...ops.slice(at + size)];
      if (await tryIt({ ...current(), ops: rest })) changed = true;
      else at += size;
    }
  }
  return changed;
}
