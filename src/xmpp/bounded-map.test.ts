import t from 'tap';
import { BoundedMap } from './bounded-map.ts';

t.test('a full map forgets the entry longest untouched, and reading is touching', async (t) => {
  const map = new BoundedMap<number>(2);
  map.set('a', 1);
  map.set('b', 2);
  map.get('a');
  map.set('c', 3);
  t.same([map.get('a'), map.get('b'), map.get('c')], [1, undefined, 3]);
  map.set('a', 4);
  t.equal(map.size, 2, 'writing an entry that is there pushes nobody out');
  t.equal(map.get('c'), 3);
  map.delete('a');
  t.same([map.size, map.get('a')], [1, undefined]);
});
