import type { Check } from '../cluster-world.ts';

/** I1: a configuration version has one winner. */
export const oneWinner: Check = {
  name: 'one-winner',
  reads: ['config'],
  begin: () => ({
    onFact(fact) {
      if (fact.t !== 'config' || fact.expected === (fact.before?.revision ?? 0)) return undefined;
      return `shard ${fact.shard}: a second winner over revision ${fact.expected}`;
    },
  }),
};
