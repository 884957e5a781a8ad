import { hasMember } from '../../../src/cluster/shard-config.ts';
import type { Check } from '../cluster-world.ts';
import { Committed, lacks } from './history.ts';

/** I6: who starts as an in-sync member has everything committed: a wiped disk does not come back as the same member. */
export const inSyncHoldsAll: Check = {
  name: 'in-sync-holds-all',
  reads: ['applied', 'boot'],
  begin(world) {
    const committed = new Committed();
    return {
      onFact(fact) {
        if (fact.t === 'applied') committed.add(fact);
        if (fact.t !== 'boot') return undefined;
        for (const [shard, { cells }] of world.nodes[fact.node]?.disk.shards.entries() ?? []) {
          const { isr = [] } = world.store.current(shard)?.record ?? {};
          const at = hasMember(isr, world.memberAt(fact.node)) ? lacks(committed.of(shard), cells) : 0;
          if (at > 0) return `shard ${shard}: n${fact.node} starts as an in-sync member without ${at}`;
        }
        return undefined;
      },
    };
  },
};
