import type { Check } from '../cluster-world.ts';

/** I9: the same index and epoch are the same bytes, on every node, for ever. */
export const oneEntryAPlace: Check = {
  name: 'one-entry-a-place',
  reads: ['logged'],
  begin() {
    const known = new Map<number, number>();
    return {
      onFact(fact) {
        if (fact.t !== 'logged') return undefined;
        const place = (fact.shard * 100_000 + fact.idx) * 10_000 + fact.epoch;
        const op = known.get(place);
        if (op === undefined) known.set(place, fact.op);
        if (op === undefined || op === fact.op) return undefined;
        return `shard ${fact.shard}: ${fact.idx}@${fact.epoch} is write ${op}, and ${fact.op} on n${fact.node}`;
      },
    };
  },
};
