/**
 * Evening out items over holders with the fewest moves, for copies over nodes and for leaderships over nodes alike.
 *
 * A holder's level is its load over its weight. As long as some holder's level is above what another's would be with
 * one item more, an item goes from the one to the other: directly, or where no item of the first suits the last,
 * along a chain of holders each of which passes on one item. Every round lowers the higher of two levels and raises
 * the lower one to less than that, so it ends; when no chain is left the highest level is the lowest that the items
 * allow (the augmenting-path argument of bipartite matching), with the items as little disturbed as a greedy choice can.
 */
export interface Evening {
  /** items of each holder, kept by `move` */
  readonly loads: readonly number[];
  readonly weights: readonly number[];
  /** An item that may go from one holder to the other, the least harmful first; −1 when there is none. */
  pick(from: number, to: number): number;
  move(item: number, from: number, to: number): void;
}

/** Items still looked at for a good one when a fair one is found: a preference, not worth a whole search. */
const lookMax = 32;

/**
 * The items of each holder, searched in turn: a search goes on behind the last find, so that what suits nobody is not
 * looked at first every time. Items that were moved away are dropped when met.
 */
export class Rota {
  readonly #lists: number[][];
  readonly #next: number[];

  constructor(lists: number[][]) {
    this.#lists = lists;
    this.#next = lists.map(() => 0);
  }

  add(holder: number, item: number): void {
    this.#lists[holder]!.push(item);
  }

  /**
   * An item that suits well if one is found soon, else one that suits, else −1.
   * @param suits `good`, `fair`, `not`, or `gone` when the holder has it no longer
   */
  find(holder: number, suits: (item: number) => 'good' | 'fair' | 'not' | 'gone'): number {
    const list = this.#lists[holder]!;
    let fair = -1;
    let at = this.#next[holder]!;
    for (let left = list.length; left > 0; left--) {
      if (at >= list.length) at = 0;
      const item = list[at]!;
      const answer = suits(item);
      if (answer === 'gone') {
        const last = list.pop()!;
        if (at < list.length) list[at] = last;
        continue;
      }
      at += 1;
      if (answer === 'not') continue;
      if (answer === 'good' || fair === -1) this.#next[holder] = at;
      if (answer === 'good') return item;
      if (fair === -1) {
        fair = item;
        left = Math.min(left, lookMax);
      }
    }
    return fair;
  }
}

interface Step {
  readonly item: number;
  readonly from: number;
  readonly to: number;
}

const level = ({ loads, weights }: Evening, holder: number): number => loads[holder]! / weights[holder]!;
const levelWithOneMore = ({ loads, weights }: Evening, holder: number): number =>
  (loads[holder]! + 1) / weights[holder]!;

/**
 * @param roundsMax rounds after which it stops short; what is left over is left for the next call
 * @returns items moved
 */
export function evenOut(evening: Evening, roundsMax: number): number {
  const holders = evening.loads.map((_, holder) => holder);
  const stuck = new Set<number>();
  let moved = 0;
  for (let round = 0; round < roundsMax; round++) {
    let from = -1;
    for (const holder of holders) {
      if (stuck.has(holder) || evening.loads[holder] === 0) continue;
      if (from === -1 || level(evening, holder) > level(evening, from)) from = holder;
    }
    if (from === -1) return moved;
    const lowFirst = [...holders].sort((a, b) => levelWithOneMore(evening, a) - levelWithOneMore(evening, b) || a - b);
    if (levelWithOneMore(evening, lowFirst[0]!) >= level(evening, from)) return moved;
    const { chain, without } = findChain(evening, from, lowFirst);
    for (const holder of without) stuck.add(holder);
    for (const step of chain) evening.move(step.item, step.from, step.to);
    moved += chain.length;
  }
  return moved;
}

/**
 * The shortest chain that lowers the level of the fullest holder, breadth first. When there is none, that holds for all
 * that the search reached: they reach no others, and are no fuller.
 */
function findChain(evening: Evening, start: number, lowFirst: readonly number[]): { chain: Step[]; without: number[] } {
  const above = level(evening, start);
  const reached = new Map<number, Step | undefined>([[start, undefined]]);
  // A map's iteration takes in what is added on the way: it is the queue of the search.
  for (const from of reached.keys()) {
    for (const to of lowFirst) {
      if (reached.has(to)) continue;
      const item = evening.pick(from, to);
      if (item === -1) continue;
      reached.set(to, { item, from, to });
      if (levelWithOneMore(evening, to) >= above) continue;
      const chain = chainTo(reached, to);
      return { chain, without: chain.length === 0 ? [start] : [] };
    }
  }
  return { chain: [], without: [...reached.keys()] };
}

/** An item is moved once: a chain that would take one twice is cut off, since `pick` judged its moves one by one. */
function chainTo(reached: ReadonlyMap<number, Step | undefined>, last: number): Step[] {
  const chain: Step[] = [];
  for (let step = reached.get(last); step !== undefined; step = reached.get(step.from)) chain.unshift(step);
  return new Set(chain.map(({ item }) => item)).size === chain.length ? chain : [];
}
