import { sameMember } from '../../../src/cluster/shard-config.ts';
import type { Check } from '../cluster-world.ts';

/** I2: epochs only rise, and what is acknowledged under a promise finds the promise on disk. */
export const promises: Check = {
  name: 'promises',
  reads: ['config', 'answer'],
  begin: (world) => ({
    onFact(fact) {
      if (fact.t === 'config' && fact.at.record.epoch < (fact.before?.record.epoch ?? 0))
        return `shard ${fact.shard}: epoch ${fact.at.record.epoch} after ${fact.before?.record.epoch}`;
      if (fact.t !== 'answer') return undefined;
      const hard = world.nodes[fact.node]?.disk.shards[fact.shard]?.hard;
      const kept =
        hard !== undefined &&
        (hard.epoch > fact.epoch || (hard.epoch === fact.epoch && sameMember(hard.leader, fact.leader)));
      return kept ? undefined : `n${fact.node} acknowledges in epoch ${fact.epoch}, its disk has ${hard?.epoch}`;
    },
  }),
};
