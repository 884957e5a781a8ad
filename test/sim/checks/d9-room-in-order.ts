import type { Check } from '../cluster-world.ts';

/** D9: a device in a room gets what is said there from where it entered on, in the room's order, each once, none left out. */
export const roomInOrder: Check = {
  name: 'room-in-order',
  reads: ['heard'],
  begin(world) {
    const last = new Map<string, number>();
    return {
      onFact(fact) {
        if (fact.t !== 'heard') return undefined;
        const { stay, room, nth, seq, oid } = fact;
        const before = last.get(stay) ?? 0;
        last.set(stay, seq);
        if (nth > 0 && seq !== before + 1) return `${stay} hears ${seq} after ${before}`;
        const said = world.whole?.ledger.chats.get(room)?.[seq - 1]?.oid;
        return said === oid ? undefined : `${stay} hears ${oid} as ${seq}, which is ${said}`;
      },
      atEnd: () => (world.healed ? world.whole?.unheard() : undefined),
    };
  },
};
