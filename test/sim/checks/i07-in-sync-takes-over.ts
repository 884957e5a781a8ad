import { hasMember, memberName, sameMember } from '../../../src/cluster/shard-config.ts';
import type { Check } from '../cluster-world.ts';

/** I7: only a member of the in-sync set becomes leader. */
export const inSyncTakesOver: Check = {
  name: 'in-sync-takes-over',
  reads: ['config'],
  begin: () => ({
    onFact(fact) {
      if (fact.t !== 'config' || fact.before === undefined) return undefined;
      const { leader } = fact.at.record;
      if (leader === undefined || sameMember(leader, fact.before.record.leader)) return undefined;
      if (hasMember(fact.before.record.isr, leader)) return undefined;
      return `shard ${fact.shard}: ${memberName(leader)} leads and was not in sync`;
    },
  }),
};
