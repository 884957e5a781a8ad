import t from 'tap';
import { EXIT } from '../base/errors.ts';
import { AdminError } from '../http/admin.ts';
import type { ClusterShard } from '../http/admin-cluster.ts';
import { clusterIo } from './cluster.fixture.ts';
import { run } from './run.ts';

const SHARDS: readonly ClusterShard[] = [
  { shard: 0, epoch: 3, leader: 'a', isr: ['a', 'b'], replicas: ['a', 'b', 'c'], state: 'short' },
  { shard: 1, epoch: 0, leader: undefined, isr: [], replicas: [], state: 'unplaced' },
];

t.test('shards are a table of who leads, who is in sync and who is behind', async (t) => {
  const io = (await clusterIo(t, { shards: async () => SHARDS }))();
  t.equal(await run(['shards'], io), EXIT.ok);
  t.equal(
    io.out,
    `SHARD  EPOCH  STATE     LEADER  IN SYNC  BEHIND
0      3      short     a       a b      c
1      0      unplaced  -       -        -
`,
  );
});

t.test('they can be those of one node, in one state, as JSON', async (t) => {
  const asked: (string | undefined)[] = [];
  const shards = async (of?: string) => {
    asked.push(of);
    if (of === 'x y') throw new AdminError('unknown-node', 'there is no node x y; there are a, b');
    return SHARDS;
  };
  const world = await clusterIo(t, { shards });
  const io = world();
  t.equal(await run(['shards', '--of', 'b', '--state', 'short', '--json'], io), EXIT.ok);
  t.same(JSON.parse(io.out), [SHARDS[0]]);
  const other = world();
  t.equal(await run(['shards', '--of', 'x y'], other), EXIT.refused);
  t.equal(other.err, 'rookery: there is no node x y; there are a, b\n');
  t.same(asked, ['b', 'x y']);
});
