import type { Check } from '../cluster-world.ts';
import { isPrivate } from '../whole-clients.ts';

/**
 * D3: what a device sends to a chat stands there in the order of sending, whichever of its session's activations sent
 * it; of what went by way of a room that is not promised. That holds for a message which was refused and is sent again by a client that has not heard of the refusal.
 */
export const senderOrder: Check = {
  name: 'sender-order',
  reads: ['numbered'],
  begin() {
    const last = new Map<string, number>();
    return {
      onFact(fact) {
        if (fact.t !== 'numbered' || isPrivate(fact.oid)) return undefined;
        const key = `${fact.from} ${fact.chat}`;
        // What the server says for somebody, such as an invitation, has no number.
        const said = Number(/-(\d+)-/.exec(fact.oid)?.[1]);
        if (Number.isNaN(said)) return undefined;
        const before = last.get(key) ?? 0;
        last.set(key, said);
        return said > before ? undefined : `${fact.chat}: ${fact.from} said ${said} before ${before}`;
      },
    };
  },
};
