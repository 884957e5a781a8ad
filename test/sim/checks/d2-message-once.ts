import type { Check } from '../cluster-world.ts';

/** D2: a message stands in its chat once, however often its client had to send it. */
export const messageOnce: Check = {
  name: 'message-once',
  reads: ['numbered'],
  begin() {
    const seen = new Set<string>();
    return {
      onFact(fact) {
        if (fact.t !== 'numbered') return undefined;
        if (seen.has(fact.oid)) return `${fact.oid} stands in ${fact.chat} again, as ${fact.seq}`;
        seen.add(fact.oid);
        return undefined;
      },
    };
  },
};
