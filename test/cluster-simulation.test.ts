import t from 'tap';
import { profileOf } from './sim/cluster-profile.ts';
import { run } from './sim/cluster-run.ts';
import { shrink } from './sim/cluster-shrink.ts';

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
    const result = run(profileOf(seed));
    acked += result.acked;
    if (result.failure !== undefined) {
      const { check, detail } = result.failure;
      return t.fail(`SEED=${seed} ${check}: ${detail}; node --import=tsx scripts/sim.ts --seed ${seed}`);
    }
  }
  t.ok(acked > seeds.length, `${acked} acknowledged writes in ${seeds.length} runs`);
});

t.test('the same seed is the same run', async (t) => {
  const trace = (seed: number): string[] => {
    const lines: string[] = [];
    run(profileOf(seed), { trace: (line) => lines.push(line) });
    return lines;
  };
  for (const seed of [3, 17]) t.same(trace(seed), trace(seed));
});

t.test('a failing run is shrunk to one that fails in the same check with less', async (t) => {
  const never = {
    name: 'no-second-epoch',
    reads: ['leads'] as const,
    begin: () => ({
      onFact: (fact: { readonly t: string; readonly epoch?: number }) =>
        fact.t === 'leads' && (fact.epoch ?? 0) > 1 ? 'a second epoch' : undefined,
    }),
  };
  const seed = seeds.length > 1 ? (seeds.find((one) => run(profileOf(one), { checks: [never] }).failure) ?? 1) : 3;
  const before = profileOf(seed);
  const { profile, result } = shrink(before, { checks: [never] });
  t.equal(result.failure?.check, 'no-second-epoch');
  t.ok(
    profile.ops.length <= Math.min(2, before.ops.length),
    `${profile.ops.length} of ${before.ops.length} faults are left`,
  );
});
