import type { Check } from '../cluster-world.ts';

/**
 * I11 and I14 for clients: what `h` acknowledges is committed in its chat. The sender's own inbox has it then or soon:
 * the item and the answer come from the chat on their own, and between nodes the item may be lost and come again.
 */
export const toldIsKept: Check = {
  name: 'told-is-kept',
  reads: ['told'],
  begin: (world) => ({
    onFact(fact) {
      if (fact.t !== 'told') return undefined;
      const kept = world.whole?.ledger.placeOf(fact.oid) !== undefined;
      return kept ? undefined : `${fact.oid} is acknowledged and in no chat`;
    },
  }),
};
