import t from 'tap';
import { hunt, RULES } from './sim/cluster-mutants.ts';

/** The test of the test: without a rule, the rule's own checker notices. MUTANT_SEEDS bounds the runs for each. */
t.setTimeout(1_200_000);
// .ci/run hunts them on all cores before it comes here.
const skip = process.env['MUTANTS_RAN'] === 'yes' && 'a step of .ci/run has done it';
const seedsMax = Number(process.env['MUTANT_SEEDS'] ?? 20_000);

for (const rule of RULES)
  t.test(`without ${rule} its checker notices`, { skip }, async (t) => {
    const { seed, check, detail } = await hunt(rule, seedsMax);
    t.ok(
      seed !== undefined,
      seed === undefined ? `${check} saw nothing in ${seedsMax} runs` : `SEED=${seed} ${detail}`,
    );
  });
