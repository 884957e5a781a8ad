import type { Check } from '../cluster-world.ts';
import { Committed } from './history.ts';

/** I8: nothing committed is ever truncated from a log. */
export const committedStays: Check = {
  name: 'committed-stays',
  reads: ['applied', 'truncated'],
  begin() {
    const committed = new Committed();
    return {
      onFact(fact) {
        if (fact.t === 'applied') committed.add(fact);
        if (fact.t !== 'truncated') return undefined;
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
