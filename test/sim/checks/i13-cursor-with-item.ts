import type { Check } from '../cluster-world.ts';

/** I13: the op that puts a message into an inbox moves the cursor of its chat to it. */
export const cursorWithItem: Check = {
  name: 'cursor-with-item',
  reads: ['inboxed'],
  begin: () => ({
    onFact(fact) {
      if (fact.t !== 'inboxed' || (fact.cursor ?? 0) >= fact.chatSeq) return undefined;
      return `${fact.user} takes ${fact.chatSeq} of ${fact.chat}, its op says cursor ${fact.cursor}`;
    },
  }),
};
