import type { Check } from '../cluster-world.ts';

/** I16: every copy's state at an index has the same checksum. */
export const equalStates: Check = {
  name: 'equal-states',
  reads: ['applied'],
  begin() {
    const known = new Map<number, number>();
    return {
      onFact(fact) {
        if (fact.t !== 'applied') return undefined;
        const place = fact.shard * 100_000 + fact.idx;
        const sum = known.get(place);
        if (sum === undefined) known.set(place, fact.cell.sum);
        if (sum === undefined || sum === fact.cell.sum) return undefined;
        return `shard ${fact.shard}: the state of n${fact.node} at ${fact.idx} is another one`;
      },
    };
  },
};
