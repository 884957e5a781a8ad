import type { Check } from '../cluster-world.ts';

/** I10: the in-sync set never has fewer than two members. */
export const twoInSync: Check = {
  name: 'two-in-sync',
  reads: ['config'],
  begin: () => ({
    onFact(fact) {
      if (fact.t !== 'config' || fact.at.record.isr.length >= 2) return undefined;
      return `shard ${fact.shard}: ${fact.at.record.isr.length} in sync at revision ${fact.at.revision}`;
    },
  }),
};
