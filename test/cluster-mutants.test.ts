import t from 'tap';
import { hunt, RULES } from './sim/cluster-mutants.ts';

/** The test of the test: without a rule, the rule's own checker notices. MUTANT_SEEDS bounds the runs for each. */
t.setTimeout(600_000);
const seedsMax = Number(process.env['MUTANT_SEEDS'] ?? 6_000);

for (const rule of RULES)
  t.test(`without ${rule} its checker notices`, async (t) => {
    const { seed, check, detail } = hunt(rule, seedsMax);
    t.ok(
      seed !== undefined,
      seed === undefined ? `${check} saw nothing in ${seedsMax} runs` : `SEED=${seed} ${detail}`,
    );
  });
