import type { Check } from '../cluster-world.ts';

/** D6: in the end every member's inbox has all of its chats, and what `h` ever acknowledged is there. */
export const everybodyHasEverything: Check = {
  name: 'everybody-has-everything',
  reads: ['told'],
  begin(world) {
    const told: string[] = [];
    return {
      onFact(fact) {
        if (fact.t === 'told') told.push(fact.oid);
        return undefined;
      },
      atEnd() {
        const { whole } = world;
        if (whole === undefined || !world.healed) return undefined;
        const lost = told.find((oid) => whole.ledger.placeOf(oid) === undefined);
        return lost === undefined ? whole.missing() : `${lost} was acknowledged and is lost`;
      },
    };
  },
};
