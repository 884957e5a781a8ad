import type { Check } from '../cluster-world.ts';

/** X1: a read sees every write that was acknowledged before it, by whomever. */
export const readsAreFresh: Check = {
  name: 'reads-are-fresh',
  reads: ['acked', 'read'],
  begin() {
    const newest: number[] = [];
    return {
      onFact(fact) {
        if (fact.t === 'acked') newest[fact.shard] = Math.max(newest[fact.shard] ?? 0, fact.idx);
        if (fact.t !== 'read' || fact.idx >= (newest[fact.shard] ?? 0)) return undefined;
        return `shard ${fact.shard}: n${fact.node} reads at ${fact.idx}, ${newest[fact.shard]} is acknowledged`;
      },
    };
  },
};
