import t from 'tap';
import { type PlacementNode, rankNodes, rendezvous, zoneCap } from './rendezvous.ts';

const nodesIn = (zones: readonly string[]): PlacementNode[] => zones.map((zone, i) => ({ node: `n${i}`, zone }));
const plain = (count: number): PlacementNode[] => nodesIn(Array.from({ length: count }, () => ''));

t.test('a shard is placed the same by every node, in whatever order it knows the others', async (t) => {
  const nodes = nodesIn(['a', 'b', 'c', 'a', 'b', 'c', 'a']);
  for (let shard = 0; shard < 64; shard++)
    t.same(rendezvous(shard, [...nodes].reverse(), 3), rendezvous(shard, nodes, 3));
});

t.test('a new node only takes, from each shard at most one copy', async (t) => {
  const before = plain(10);
  const after = plain(11);
  let taken = 0;
  for (let shard = 0; shard < 1024; shard++) {
    const old = rendezvous(shard, before, 3).map(({ node }) => node);
    const now = rendezvous(shard, after, 3).map(({ node }) => node);
    const added = now.filter((node) => !old.includes(node));
    if (added.length > 0) t.same(added, ['n10']);
    taken += added.length;
  }
  t.ok(taken > 230 && taken < 330, `${taken} of 3,072 copies; the ideal is 279`);
});

t.test('copies lie in as many zones as there are', async (t) => {
  for (const [zones, copies, cap] of [
    [['a', 'b', 'c', 'd'], 3, 1],
    [['a', 'a', 'b', 'b', 'c', 'c'], 3, 1],
    [['a', 'a', 'b', 'b'], 3, 2],
    [['a', 'b', 'b', 'b', 'b'], 5, 4],
    [['a', 'a', 'a'], 3, 3],
    [['a', 'b'], 3, 1],
    [[], 3, 1],
  ] as const) {
    const nodes = nodesIn(zones);
    t.equal(zoneCap(nodes, copies), cap, zones.join(''));
    for (let shard = 0; shard < 50; shard++) {
      const chosen = rendezvous(shard, nodes, copies);
      t.equal(chosen.length, Math.min(copies, nodes.length));
      for (const zone of zones) t.ok(chosen.filter((one) => one.zone === zone).length <= cap);
    }
  }
});

t.test('a node of double weight ranks first about twice as often', async (t) => {
  const nodes = plain(5).map((node, i) => ({ ...node, weight: i === 0 ? 2 : 1 }));
  const first = new Map<string, number>();
  for (let shard = 0; shard < 6000; shard++) {
    const best = rankNodes(shard, nodes)[0]!.node;
    first.set(best, (first.get(best) ?? 0) + 1);
  }
  t.ok(Math.abs(first.get('n0')! - 2000) < 150, JSON.stringify([...first]));
  for (const node of ['n1', 'n2', 'n3', 'n4']) t.ok(Math.abs(first.get(node)! - 1000) < 120, node);
});

t.test('the placement never changes, since it is what the first start of a cluster writes', async (t) => {
  const nodes = nodesIn(['a', 'b', 'c', 'a', 'b']);
  t.same(
    [0, 1, 2, 1023].map((shard) =>
      rendezvous(shard, nodes, 3)
        .map(({ node }) => node)
        .join(' '),
    ),
    ['n0 n2 n4', 'n2 n4 n0', 'n2 n1 n3', 'n1 n2 n3'],
  );
});
