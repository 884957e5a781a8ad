import type { ShardConfig } from '../../../src/cluster/shard-config.ts';
import type { Check } from '../cluster-world.ts';
import { Committed } from './history.ts';

/**
 * I8: nothing committed is ever truncated from the log of a member that is in sync. Who is not may have followed a leader
 * that is deposed by now, and lose what was committed without it; to be in sync again it has to hold all (I5).
 */
export const committedStays: Check = {
  name: 'committed-stays',
  reads: ['applied', 'config', 'truncated'],
  begin(world) {
    const committed = new Committed();
    const configs = new Map<number, ShardConfig>();
    return {
      onFact(fact) {
        if (fact.t === 'applied') committed.add(fact);
        if (fact.t === 'config') configs.set(fact.shard, fact.at.record);
        if (fact.t !== 'truncated') return undefined;
        if (!configs.get(fact.shard)?.isr.some((member) => world.hostOf(member).index === fact.node)) return undefined;
        for (const [i, { epoch, op }] of fact.gone.entries()) {
          const known = committed.of(fact.shard)[fact.to + i];
          if (known !== undefined && known.epoch === epoch && known.op === op)
            return `shard ${fact.shard}: n${fact.node} truncates ${fact.to + i + 1}@${epoch}, which is committed`;
        }
        return undefined;
      },
    };
  },
};
