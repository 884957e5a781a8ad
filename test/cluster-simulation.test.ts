import t from 'tap';
import { profileOf } from './sim/cluster-profile.ts';
import { shrink } from './sim/cluster-shrink.ts';
import type { Check } from './sim/cluster-world.ts';
import { WHOLE_EVERY } from './sim/whole-profile.ts';
import { runAny } from './sim/whole-run.ts';

/**
 * The replica protocol, hunted by seeds on a faulty network, disk, clock and configuration store. `SEED=n` replays one
 * run, `SEEDS=n` runs that many; scripts/sim.ts does both faster and shows traces.
 */
t.setTimeout(600_000);
const only = process.env['SEED'];
const count = Number(process.env['SEEDS'] ?? 400);
const seeds = only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(only)];

t.test('no seed breaks a rule, and every cluster recovers when it is healed', async (t) => {
  let acked = 0;
  for (const seed of seeds) {
    const result = await runAny(profileOf(seed));
    acked += result.acked;
    if (result.failure !== undefined) {
      const { check, detail } = result.failure;
      return t.fail(`SEED=${seed} ${check}: ${detail}; node --import=tsx scripts/sim.ts --seed ${seed}`);
    }
  }
  t.ok(acked > seeds.length, `${acked} acknowledged writes in ${seeds.length} runs`);
});

t.test('the same seed is the same run', async (t) => {
  const trace = async (seed: number): Promise<string[]> => {
    const lines: string[] = [];
    await runAny(profileOf(seed), { trace: (line) => lines.push(line) });
    return lines;
  };
  for (const seed of [3, 17, WHOLE_EVERY, 3 * WHOLE_EVERY]) {
    const first = await trace(seed);
    t.ok(first.length > 100, `seed ${seed}: ${first.length} lines`);
    t.ok(first.join('\n') === (await trace(seed)).join('\n'), 'twice the same');
  }
});

/** Fails as soon as a shard is led a second time: no fault, but something to shrink. */
const NEVER: Check = {
  name: 'no-second-epoch',
  reads: ['leads'],
  begin: () => ({
    onFact: (fact) => (fact.t === 'leads' && fact.epoch > 1 ? 'a second epoch' : undefined),
  }),
};

for (const [what, seed] of [
  ['a failing run', 3],
  ['a failing whole run', WHOLE_EVERY],
] as const)
  t.test(`${what} is shrunk to one that fails in the same check with less`, async (t) => {
    let at = seed;
    while ((await runAny(profileOf(at), { checks: [NEVER] })).failure === undefined) at += WHOLE_EVERY;
    const before = profileOf(at);
    const { profile, result } = await shrink(before, { checks: [NEVER] });
    t.equal(result.failure?.check, NEVER.name);
    const left = profile.ops.length;
    t.ok(left <= Math.min(2, before.ops.length), `${left} of ${before.ops.length} faults are left`);
  });
