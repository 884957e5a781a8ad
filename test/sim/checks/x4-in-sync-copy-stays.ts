import { hasMember } from '../../../src/cluster/shard-config.ts';
import type { Check } from '../cluster-world.ts';

/** X4, X5: a copy that is in sync is not wiped, neither for a removal nor for a snapshot that are over. */
export const inSyncCopyStays: Check = {
  name: 'in-sync-copy-stays',
  reads: ['wiped'],
  begin: (world) => ({
    onFact(fact) {
      if (fact.t !== 'wiped') return undefined;
      const { isr = [] } = world.store.current(fact.shard)?.record ?? {};
      if (!hasMember(isr, world.memberAt(fact.node))) return undefined;
      return `shard ${fact.shard}: n${fact.node} drops its copy and is in sync`;
    },
  }),
};
