import t from 'tap';
import { SparseMap } from './sparse-map.ts';

t.test('does what a Map does, in every state', async (t) => {
  const map = new SparseMap<string, number>();
  const all = (): unknown => [map.size, [...map.keys()], [...map], map.get('a')];
  const empty = [0, [], [], undefined];
  t.same(all(), empty, 'before the first entry');
  t.equal(map.delete('a'), false);
  map.clear();
  map.trim();
  t.same(all(), empty);
  map.set('b', 2);
  map.set('a', 1);
  map.trim();
  t.same(
    all(),
    [
      2,
      ['b', 'a'],
      [
        ['b', 2],
        ['a', 1],
      ],
      1,
    ],
    'in the order of insertion',
  );
  t.equal(map.delete('b'), true);
  t.equal(map.delete('b'), false);
  map.clear();
  t.same(all(), empty, 'emptied');
  map.trim();
  t.same(all(), empty, 'and trimmed');
  map.set('a', 3);
  t.same(all(), [1, ['a'], [['a', 3]], 3], 'filled again');
});
