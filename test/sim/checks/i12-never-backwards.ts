import type { Check } from '../cluster-world.ts';

/** I12: a replica never goes back to an older configuration while its process lives. */
export const neverBackwards: Check = {
  name: 'never-backwards',
  reads: ['adopt'],
  begin() {
    const seen = new Map<number, { life: number; revision: number; epoch: number }>();
    return {
      onFact(fact) {
        if (fact.t !== 'adopt') return undefined;
        const place = fact.node * 1_000 + fact.shard;
        const was = seen.get(place);
        seen.set(place, fact);
        if (was === undefined || was.life !== fact.life) return undefined;
        if (fact.revision > was.revision && fact.epoch >= was.epoch) return undefined;
        return `shard ${fact.shard}: n${fact.node} goes from revision ${was.revision} to ${fact.revision}`;
      },
    };
  },
};
