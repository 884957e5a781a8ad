import t from 'tap';
import { evenOut, Rota } from './planner-even.ts';

/** Items as lists of the holders they may be at, each starting at its first. */
function setting(items: readonly (readonly number[])[], holders: number, weights = new Array<number>(holders).fill(1)) {
  const at = items.map((homes) => homes[0]!);
  const loads = new Array<number>(holders).fill(0);
  for (const home of at) loads[home]! += 1;
  const moves: string[] = [];
  return {
    at,
    loads,
    weights,
    moves,
    pick: (from: number, to: number): number =>
      items.findIndex((homes, item) => at[item] === from && homes.includes(to)),
    move: (item: number, from: number, to: number): void => {
      at[item] = to;
      loads[from]! -= 1;
      loads[to]! += 1;
      moves.push(`${item}: ${from}→${to}`);
    },
  };
}

const anywhere = [0, 1, 2, 3];
const times = <T>(count: number, item: T): T[] => new Array<T>(count).fill(item);

t.test('items go from the fullest to the emptiest until no two differ by more than one', async (t) => {
  const cases: [items: number[][], holders: number, loads: number[], moved: number][] = [
    [times(8, anywhere), 4, [2, 2, 2, 2], 6],
    [times(9, anywhere), 4, [3, 2, 2, 2], 6],
    [times(3, anywhere), 4, [1, 1, 1, 0], 2],
    [times(4, [0]), 4, [4, 0, 0, 0], 0],
    [[], 4, [0, 0, 0, 0], 0],
    [
      [
        [0, 1],
        [1, 0],
      ],
      2,
      [1, 1],
      0,
    ],
  ];
  for (const [items, holders, loads, moved] of cases) {
    const one = setting(items, holders);
    t.equal(evenOut(one, 1000), moved);
    t.same(one.loads, loads);
  }
});

t.test('where no item suits the emptiest, a chain of holders passes items on', async (t) => {
  const one = setting(
    [
      [0, 1],
      [0, 1],
      [0, 1],
      [1, 2],
      [1, 2],
      [2, 3],
      [2, 3],
    ],
    4,
  );
  t.same(one.loads, [3, 2, 2, 0]);
  t.equal(evenOut(one, 1000), 3);
  t.same(one.loads, [2, 2, 2, 1]);
});

t.test('a holder that can give nothing does not keep others from it', async (t) => {
  const one = setting([...times(9, [0]), ...times(5, [1, 2])], 3);
  evenOut(one, 1000);
  t.same(one.loads, [9, 3, 2]);
});

t.test('loads follow the weights', async (t) => {
  const one = setting(times(40, anywhere), 4, [1, 2, 1, 4]);
  evenOut(one, 1000);
  t.same(one.loads, [5, 10, 5, 20]);
});

t.test('it stops after the rounds it is given', async (t) => {
  const one = setting(times(8, anywhere), 4);
  t.equal(evenOut(one, 2), 2);
});

t.test('a chain that would move one item twice is not taken', async (t) => {
  // Item 0 could go from 0 to 1 and, as pick sees it now, also from 2 to 3.
  const loads = [3, 2, 2, 0];
  const moved: string[] = [];
  const pick = (from: number, to: number): number => {
    if (from === 0 && to === 1) return 0;
    if (from === 1 && to === 2) return 1;
    return from === 2 && to === 3 ? 0 : -1;
  };
  const move = (item: number, from: number, to: number): void => {
    moved.push(`${item}: ${from}→${to}`);
    loads[from]! -= 1;
    loads[to]! += 1;
  };
  evenOut({ loads, weights: [1, 1, 1, 1], pick, move }, 4);
  t.notOk(moved.includes('0: 0→1'), moved.join(', '));
});

t.test('a search goes on behind the last find and forgets what is gone', async (t) => {
  const rota = new Rota([[1, 2, 3, 4]]);
  const seen: number[] = [];
  const look = (good: number, gone: readonly number[] = []) =>
    rota.find(0, (item) => {
      seen.push(item);
      return gone.includes(item) ? 'gone' : item === good ? 'good' : item === 4 ? 'fair' : 'not';
    });
  t.equal(look(2), 2);
  t.equal(look(1), 1);
  t.same(seen.splice(0), [1, 2, 3, 4, 1]);
  t.equal(look(9), 4, 'none is good');
  t.equal(look(9, [4, 2]), -1);
  seen.length = 0;
  rota.add(0, 7);
  t.equal(look(9), -1);
  t.same(seen.sort(), [1, 3, 7]);
});
