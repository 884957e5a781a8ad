import type { Check } from '../cluster-world.ts';
import { isPrivate } from '../whole-clients.ts';

/**
 * I11 and I14 for clients: what `h` acknowledges is committed in its chat, and in the inbox of who sent it: a client that
 * asks the archive then finds it.
 */
export const toldIsKept: Check = {
  name: 'told-is-kept',
  reads: ['told'],
  begin: (world) => ({
    onFact(fact) {
      if (fact.t !== 'told') return undefined;
      const ledger = world.whole?.ledger;
      // A room hands it to the chat of the two: that it gets there is D6's.
      if (isPrivate(fact.oid)) return undefined;
      const place = ledger?.placeOf(fact.oid);
      if (place === undefined) return `${fact.oid} is acknowledged and in no chat`;
      if ((ledger?.cursorOf(fact.user, place.chat) ?? 0) >= place.seq) return undefined;
      // Who is in a room without being a member has no inbox of it.
      if (world.whole?.isRoom(place.chat) && !ledger?.owedTo(fact.user, place.chat).includes(place.seq))
        return undefined;
      return `${fact.oid} is acknowledged and not in the inbox of ${fact.user}`;
    },
  }),
};
