import type { Check } from '../cluster-world.ts';

/** I14: nothing leaves a shard before it is on two disks at least. */
export const effectsAfterCommit: Check = {
  name: 'effects-after-commit',
  reads: ['acked'],
  begin: (world) => ({
    onFact(fact) {
      if (fact.t !== 'acked') return undefined;
      const { isr = [] } = world.store.current(fact.shard)?.record ?? {};
      // One of the two disks may have been lost since it acknowledged.
      if (isr.some((member) => world.isGone(member))) return undefined;
      let disks = 0;
      for (const { disk } of world.nodes) if (disk.holds(fact.shard, fact.idx, fact)) disks += 1;
      return disks >= 2 ? undefined : `shard ${fact.shard}: write ${fact.op} is acknowledged and on ${disks} disk`;
    },
  }),
};
