import { ALL_DELIVERY_RULES, type DeliveryRules, withoutDelivery } from '../../src/actors/delivery-rules.ts';
import { ALL_RULES, type Rules, without } from '../../src/cluster/rules.ts';
import { CATCHERS, DELIVERY_CATCHERS } from './checks/index.ts';
import { profileOf, type Theme } from './cluster-profile.ts';
import { type RunOptions, run } from './cluster-run.ts';
import type { Check } from './cluster-world.ts';
import { type WholeTheme, wholeProfileOf } from './whole-profile.ts';
import { runWhole } from './whole-run.ts';

/** A rule of the replicas, or of the delivery above them. */
export type Rule = keyof Rules | keyof DeliveryRules;

/** The rules by name, in the order of their invariants. */
export const RULES = [...Object.keys(ALL_RULES), ...Object.keys(ALL_DELIVERY_RULES)] as readonly Rule[];

export interface Caught {
  readonly rule: Rule;
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

const WHOLE_THEME: Partial<Record<keyof DeliveryRules, WholeTheme>> = {
  latestSessionSends: 'activations',
  settledBeforeHandOver: 'handOvers',
  oneSessionAtWork: 'handOvers',
  roomGapsFetched: 'rooms',
  membershipsChained: 'rooms',
  occupantsAsked: 'rooms',
  leaversPointed: 'rooms',
  relaysAckedDecided: 'rooms',
  retractedIsGone: 'retractions',
  wordsForgotten: 'retractions',
  hadWhenAcked: 'rooms',
};

/** Takes a rule out and runs seeds until the rule's own checker notices. The other checkers are not asked. */
export async function hunt(rule: Rule, seedsMax: number): Promise<Caught> {
  return isDelivery(rule) ? huntDelivery(rule, seedsMax) : huntReplica(rule, seedsMax);
}

function isDelivery(rule: Rule): rule is keyof DeliveryRules {
  return rule in ALL_DELIVERY_RULES;
}

function huntReplica(rule: keyof Rules, seedsMax: number): Caught {
  const check = CATCHERS[rule];
  const options: RunOptions = { rules: without(rule), checks: [check] };
  const theme = THEME[rule];
  for (let seed = 1; seed <= seedsMax; seed++) {
    const profile = profileOf(seed, theme);
    if (profile.whole !== undefined) continue;
    const { failure } = run(profile, options);
    if (failure?.check === check.name) return { rule, seed, check: check.name, detail: failure.detail };
  }
  return missed(rule, check);
}

async function huntDelivery(rule: keyof DeliveryRules, seedsMax: number): Promise<Caught> {
  const check = DELIVERY_CATCHERS[rule];
  const options: RunOptions = { delivery: withoutDelivery(rule), checks: [check] };
  for (let seed = 1; seed <= seedsMax; seed++) {
    const profile = wholeProfileOf(seed, profileOf(seed, 'moves'), WHOLE_THEME[rule]);
    const { failure } = await runWhole(profile, options);
    if (failure?.check === check.name) return { rule, seed, check: check.name, detail: failure.detail };
  }
  return missed(rule, check);
}

function missed(rule: Rule, { name }: Check): Caught {
  return { rule, seed: undefined, check: name, detail: '' };
}
