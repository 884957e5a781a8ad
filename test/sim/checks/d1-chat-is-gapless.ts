import type { Check } from '../cluster-world.ts';

/** D1: a chat's messages are numbered 1, 2, 3 …, without a gap and none twice. */
export const chatIsGapless: Check = {
  name: 'chat-is-gapless',
  reads: ['numbered'],
  begin() {
    const last = new Map<string, number>();
    return {
      onFact(fact) {
        if (fact.t !== 'numbered') return undefined;
        const before = last.get(fact.chat) ?? 0;
        last.set(fact.chat, fact.seq);
        return fact.seq === before + 1 ? undefined : `${fact.chat}: ${fact.seq} is numbered after ${before}`;
      },
    };
  },
};
