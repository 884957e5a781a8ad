import type { Check } from '../cluster-world.ts';

/**
 * X8: who sets out to depose a leader has that on disk first. Without it a process that dies with its compare-and-set
 * on the way tells the leader afterwards, in good faith, that it may go on answering reads.
 */
export const contestOnDisk: Check = {
  name: 'contest-on-disk',
  reads: ['deposes'],
  begin: (world) => ({
    onFact(fact) {
      if (fact.t !== 'deposes') return undefined;
      const contends = world.nodes[fact.node]?.disk.shards[fact.shard]?.hard.contends;
      if (contends === fact.expected) return undefined;
      return `shard ${fact.shard}: n${fact.node} deposes over revision ${fact.expected}, its disk has ${contends}`;
    },
  }),
};
