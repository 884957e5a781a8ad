import type { Fact } from '../cluster-facts.ts';
import type { Check } from '../cluster-world.ts';

/** facts that tell of an index of a shard on a node */
type Placed = 'logged' | 'applied';
type FactOf<T extends Placed> = Extract<Fact, { t: T }>;

/** A check that a fact of one kind always says the same of a place. @param fault what is wrong, said of a fact that does not */
export function sameAtPlace<T extends Placed>(
  name: string,
  t: T,
  place: (fact: FactOf<T>) => number,
  value: (fact: FactOf<T>) => number,
  fault: (fact: FactOf<T>, before: number) => string,
): Check {
  return {
    name,
    reads: [t],
    begin() {
      const known = new Map<number, number>();
      return {
        onFact(any) {
          if (any.t !== t) return undefined;
          const fact = any as FactOf<T>;
          const before = known.get(place(fact));
          if (before === undefined) known.set(place(fact), value(fact));
          return before === undefined || before === value(fact)
            ? undefined
            : `shard ${any.shard}: ${fault(fact, before)}`;
        },
      };
    },
  };
}

/** A number for a place in a shard's log. */
export function entryPlace({ shard, idx, epoch }: { shard: number; idx: number; epoch: number }): number {
  return (shard * 100_000 + idx) * 10_000 + epoch;
}
