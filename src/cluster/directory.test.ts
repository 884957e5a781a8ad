import t from 'tap';
import { soleDirectory } from './directory.ts';

t.test('a node that is alone leads every shard', async (t) => {
  const directory = soleDirectory(4, 'n1');
  t.equal(directory.shards, 4);
  t.same(
    [0, 1, 2, 3].map((shard) => directory.leader(shard)),
    ['n1', 'n1', 'n1', 'n1'],
  );
});
