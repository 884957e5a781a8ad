import { ALL_RULES, type Rules, without } from '../../src/cluster/rules.ts';
import { CATCHERS } from './checks/index.ts';
import { profileOf, type Theme } from './cluster-profile.ts';
import { run } from './cluster-run.ts';

/** The rules by name, in the order of their invariants. */
export const RULES = Object.keys(ALL_RULES) as readonly (keyof Rules)[];

export interface Caught {
  readonly rule: keyof Rules;
  /** the first of seeds 1, 2 … that shows it; undefined: none did */
  readonly seed: number | undefined;
  readonly check: string;
  readonly detail: string;
}

/** Rules whose absence shows in runs of a theme only, or there much sooner. */
const THEME: Partial<Record<keyof Rules, Theme>> = {
  leaseReads: 'leases',
  confirmAfterLapse: 'leases',
  sessionEcho: 'moves',
  revisionGuardsWipe: 'moves',
  offerOnce: 'moves',
};

/** Takes a rule out and runs seeds until the rule's own checker notices. The other checkers are not asked. */
export function hunt(rule: keyof Rules, seedsMax: number): Caught {
  const check = CATCHERS[rule];
  const rules = without(rule);
  for (let seed = 1; seed <= seedsMax; seed++) {
    const { failure } = run(profileOf(seed, THEME[rule]), { rules, checks: [check] });
    if (failure !== undefined) return { rule, seed, check: failure.check, detail: failure.detail };
  }
  return { rule, seed: undefined, check: check.name, detail: '' };
}
