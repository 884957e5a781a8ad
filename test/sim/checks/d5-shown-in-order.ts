import type { Check } from '../cluster-world.ts';
import { isPrivate } from '../whole-clients.ts';

/**
 * D5: a stream, over all its sockets and nodes, shows what is committed in the inbox, in its order and nothing twice. Two
 * sessions of a user at work at once would show it twice.
 */
export const shownInOrder: Check = {
  name: 'shown-in-order',
  reads: ['shown'],
  begin(world) {
    const last = new Map<string, number>();
    return {
      onFact(fact) {
        if (fact.t !== 'shown') return undefined;
        const { stream, user, inboxSeq, oid } = fact;
        // To a full JID: it may come before the stream is live, and then says nothing of what waits in the inbox.
        if (isPrivate(oid)) return undefined;
        const before = last.get(stream) ?? 0;
        last.set(stream, inboxSeq);
        if (inboxSeq <= before) return `${stream} shows ${inboxSeq} after ${before}`;
        const item = world.whole?.ledger.inboxes.get(user)?.[inboxSeq - 1];
        const place = world.whole?.ledger.placeOf(oid);
        if (item !== undefined && place?.chat === item.chat && place.seq === item.chatSeq) return undefined;
        return `${stream} shows ${oid} as ${inboxSeq}, which its inbox does not say`;
      },
    };
  },
};
