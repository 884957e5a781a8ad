import type { Check } from '../cluster-world.ts';

/**
 * D4: an inbox takes every message of a chat (of a room, every message since it is a member) once and in the chat's order, so all members have one order, and its own
 * numbers are dense. Also I15 between shards: what comes behind a gap is not taken.
 */
export const inboxInOrder: Check = {
  name: 'inbox-in-order',
  reads: ['inboxed'],
  begin(world) {
    const taken = new Map<string, number>();
    const cursors = new Map<string, number>();
    const inboxes = new Map<string, number>();
    return {
      onFact(fact) {
        if (fact.t !== 'inboxed') return undefined;
        const { user, chat, chatSeq, inboxSeq } = fact;
        const key = `${user} ${chat}`;
        const before = cursors.get(key) ?? 0;
        const last = inboxes.get(user) ?? 0;
        cursors.set(key, chatSeq);
        inboxes.set(user, inboxSeq);
        if (world.whole?.isRoom(chat)) {
          const nth = taken.get(key) ?? 0;
          taken.set(key, nth + 1);
          const due = world.whole.ledger.owedTo(user, chat)[nth];
          if (chatSeq !== due) return `${user} takes ${chatSeq} of ${chat} where ${due} is due`;
        } else if (chatSeq !== before + 1) return `${user} takes ${chatSeq} of ${chat} after ${before}`;
        return inboxSeq === last + 1 ? undefined : `${user} has inboxSeq ${inboxSeq} after ${last}`;
      },
    };
  },
};
