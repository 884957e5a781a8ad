import type { Check } from '../cluster-world.ts';

/** I15: an entry stands behind the same entry in every log, so that logs agree up to any entry they share. */
export const chained: Check = {
  name: 'chained',
  reads: ['logged'],
  begin() {
    const known = new Map<number, number>();
    return {
      onFact(fact) {
        if (fact.t !== 'logged') return undefined;
        const place = (fact.shard * 100_000 + fact.idx) * 10_000 + fact.epoch;
        const prevEpoch = known.get(place);
        if (prevEpoch === undefined) known.set(place, fact.prevEpoch);
        if (prevEpoch === undefined || prevEpoch === fact.prevEpoch) return undefined;
        return `shard ${fact.shard}: ${fact.idx}@${fact.epoch} follows epoch ${prevEpoch}, on n${fact.node} ${fact.prevEpoch}`;
      },
    };
  },
};
