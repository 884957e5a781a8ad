import { hasMember } from '../../../src/cluster/shard-config.ts';
import type { Check } from '../cluster-world.ts';
import { Committed, lacks } from './history.ts';

/** I5: who gets into the in-sync set has everything committed on its disk, under its current incarnation. */
export const joinerHoldsAll: Check = {
  name: 'joiner-holds-all',
  reads: ['applied', 'config'],
  begin(world) {
    const committed = new Committed();
    return {
      onFact(fact) {
        if (fact.t === 'applied') committed.add(fact);
        if (fact.t !== 'config' || fact.before === undefined) return undefined;
        for (const member of fact.at.record.isr) {
          const host = world.hostOf(member);
          if (hasMember(fact.before.record.isr, member) || host.inc !== member.inc) continue;
          const at = lacks(committed.of(fact.shard), host.disk.shards[fact.shard]?.cells ?? []);
          if (at > 0) return `shard ${fact.shard}: ${member.node} joins without ${at}`;
        }
        return undefined;
      },
    };
  },
};
