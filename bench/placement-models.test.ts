import t from 'tap';
import { bareRendezvous, difference, evenness, type Model, ring } from './placement-models.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const without = (gone: string): Set<string> => new Set(names.filter((name) => name !== gone));
const models: readonly [string, Model][] = [
  ['rendezvous', bareRendezvous(200, names, 3)],
  ['ring', ring(200, names, 3, 16)],
];

t.test('each model puts every copy of a shard on another node, and a lost node moves only what it had', async (t) => {
  for (const [name, model] of models) {
    const before = model(new Set(names));
    const after = model(without('c'));
    for (const [shard, placed] of before.entries()) {
      t.equal(new Set(placed).size, 3, name);
      if (!placed.includes('c')) t.same(after[shard], placed, name);
      t.same(after[shard]!.slice(0, 2), placed.filter((node) => node !== 'c').slice(0, 2), 'in the same order');
    }
    t.equal(difference(before, after).copies, before.filter((placed) => placed.includes('c')).length);
    t.equal(difference(before, after).leaders, before.filter(([leader]) => leader === 'c').length);
  }
});

t.test('evenness is the busiest node over the mean of all, the idle ones too', async (t) => {
  const assignment = [
    ['a', 'b'],
    ['a', 'c'],
    ['b', 'a'],
    ['c', 'a'],
  ];
  t.same(evenness(assignment, 4), { copies: 2, leaders: 2 });
  t.same(evenness(assignment, 8), { copies: 4, leaders: 4 });
});

t.test('the difference counts new copies and changed leaders, shard by shard', async (t) => {
  t.same(difference([['a', 'b']], [['b', 'a']]), { copies: 0, leaders: 1 });
  t.same(
    difference(
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
      [
        ['a', 'c'],
        ['d', 'e'],
      ],
    ),
    { copies: 2, leaders: 1 },
  );
});
