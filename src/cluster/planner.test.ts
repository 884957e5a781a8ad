import t from 'tap';
import { nodeView, nodeViews, World } from './planner.fixture.ts';
import { firstPlacement, type Move, plan, plannerDefaults, planRefusal } from './planner.ts';
import type { Member, ShardConfig } from './shard-config.ts';

const at = (node: string, inc = `${node}-1`): Member => ({ node, inc });
const told = (moves: readonly Move[]): string[] =>
  moves.map(({ t, shard, member, reason }) => `${t} ${shard} ${member.node} ${reason}`);

/** A shard whose members are named by nodes; the first in sync leads. */
function shard(number: number, isr: string, others = ''): ShardConfig {
  const members = (names: string): Member[] =>
    names
      .split(' ')
      .filter(Boolean)
      .map((name) => at(name));
  const inSync = members(isr);
  const replicas = [...inSync, ...members(others)];
  return { v: 1, shard: number, epoch: 1, leader: inSync[0], isr: inSync, replicas, nonce: 'x' };
}

const spread = (map: ReadonlyMap<string, number>): number => Math.max(...map.values()) - Math.min(...map.values());

t.test('a new cluster starts even, whole and one replica a zone, and has nothing to move', async (t) => {
  for (const [nodes, zones] of [
    [3, 3],
    [7, 1],
    [9, 3],
    [100, 4],
  ] as const) {
    const world = World.fresh(nodeViews(nodes, zones), 1024);
    t.same(world.plan(), []);
    const { copies, leaders } = world.loads();
    t.ok(spread(copies) <= 1 && spread(leaders) <= 1, `${nodes} nodes in ${zones} zones`);
    const zoneOf = new Map(world.nodes.map(({ record }) => [record.node, record.zone]));
    for (const { replicas } of world.shards) {
      t.equal(replicas.length, 3);
      if (zones >= 3) t.equal(new Set(replicas.map(({ node }) => zoneOf.get(node))).size, 3);
    }
  }
});

t.test('a new cluster uses only nodes that are up, fewer than three if need be', async (t) => {
  const nodes = [nodeView('a'), nodeView('b', { state: 'draining' }), nodeView('c')];
  for (const { replicas, leader } of firstPlacement(16, nodes, plannerDefaults)) {
    t.same(replicas.map(({ node }) => node).sort(), ['a', 'c']);
    t.ok(replicas.includes(leader));
  }
  t.same(firstPlacement(16, [nodeView('b', { state: 'left' })], plannerDefaults), []);
});

t.test('nothing is planned without the store, or by any but the lowest live node', async (t) => {
  const world = World.fresh(nodeViews(3), 16);
  world.nodes = [...world.nodes, nodeView('n003')];
  const view = world.view();
  t.ok(plan(view, plannerDefaults).length > 0);
  for (const [change, refusal] of [
    [{ storeAvailable: false }, 'store-unavailable'],
    [{ self: 'n001' }, 'another-node-plans'],
  ] as const) {
    t.same(plan({ ...view, ...change }, plannerDefaults), []);
    t.equal(planRefusal({ ...view, ...change }), refusal);
  }
});

t.test('a move is made once: what is pending counts as done and against the limits', async (t) => {
  const world = World.fresh(nodeViews(3), 64);
  world.nodes = [...world.nodes, nodeView('n003')];
  const moves = world.plan();
  t.equal(moves.filter((move) => move.t === 'addReplica' && move.member.node === 'n003').length, 2);
  t.same(plan(world.view(moves), plannerDefaults), []);
  t.same(told(plan(world.view(moves.slice(0, 1)), plannerDefaults)).length, 1);
});

t.test('the same view gives the same plan, whatever order its parts come in', async (t) => {
  const world = World.fresh(nodeViews(6, 3), 64);
  world.nodes = [...world.nodes, nodeView('n006', { zone: 'z1' })];
  const turned = { ...world.view(), nodes: [...world.nodes].reverse(), shards: [...world.shards].reverse() };
  t.same(plan(turned, plannerDefaults), world.plan());
});

t.test('one shard at a time, by what has happened to its members', async (t) => {
  const up = ['a', 'b', 'c', 'd'].map((node) => nodeView(node));
  const gone = nodeView('x', { suspectedForMs: 60_000 });
  const goneToo = nodeView('y', { suspectedForMs: 60_000 });
  const goneAlso = nodeView('z', { suspectedForMs: 60_000 });
  const away = nodeView('x', { suspectedForMs: 59_000 });
  const wiped = nodeView('x', { inc: 'x-2' });
  const draining = nodeView('x', { state: 'draining' });
  const left = nodeView('x', { state: 'left' });
  const three = up.slice(0, 3);
  const two = up.slice(0, 2);
  const cases: [what: string, nodes: typeof up, config: ShardConfig, moves: string[]][] = [
    ['whole', up, shard(0, 'a b c'), []],
    ['one away for less than a minute', [...up, away], shard(0, 'a b', 'x'), []],
    ['one that left a moment ago', [...up, left], shard(0, 'a b', 'x'), []],
    ['one gone is replaced', [...three, gone], shard(0, 'a b', 'x'), ['addReplica 0 c repair']],
    ['and goes when a copy is on its way', [...three, gone], shard(0, 'a b', 'x c'), ['removeReplica 0 x repair']],
    ['or when the shard is whole', [...three, gone], shard(0, 'a b c', 'x'), ['removeReplica 0 x repair']],
    ['one gone stays listed while nobody can replace it', [...two, gone], shard(0, 'a b', 'x'), []],
    ['one gone in an in-sync set of two stays in it', [...three, gone], shard(0, 'a x', 'b c'), []],
    ['one wiped goes at once', [...two, wiped], shard(0, 'a b', 'x'), ['removeReplica 0 x repair']],
    ['a wiped one needed by the in-sync set waits for another', [...two, wiped], shard(0, 'a x', 'b'), []],
    ['a wiped node gets its copy back', [...two, wiped], shard(0, 'a b'), ['addReplica 0 x repair']],
    ['a draining leader hands over', [...three, draining], shard(0, 'x a b'), ['transfer 0 a drain']],
    ['even if a copy is missing', [...three, draining], shard(0, 'x a'), ['transfer 0 a drain']],
    ['then its copy is made elsewhere', [...three, draining], shard(0, 'a x b'), ['addReplica 0 c drain']],
    ['then it goes', [...three, draining], shard(0, 'a x b c'), ['removeReplica 0 x drain']],
    ['not before the copy is in sync', [...three, draining], shard(0, 'a x b', 'c'), []],
    ['it goes too when there are only two others', [...two, draining], shard(0, 'a x b'), ['removeReplica 0 x drain']],
    ['but not when it is the second in sync', [...two, draining], shard(0, 'a x', 'b'), []],
    ['a leader that is silent can do nothing', [...three, away], shard(0, 'x a b'), []],
    ['no leader, no move', up, { ...shard(0, 'a b'), leader: undefined }, []],
    ['a missing copy is made', three, shard(0, 'a b'), ['addReplica 0 c repair']],
    ['one at a time', three, shard(0, 'a', 'b'), []],
    ['never more than one copy too many', [...two, gone, goneToo, goneAlso], shard(0, 'a x y z'), []],
  ];
  for (const [what, nodes, config, moves] of cases) {
    t.same(told(new World([...nodes], [config]).plan()), moves, what);
  }
});

t.test('with a copy too many the fullest node gives one up, unless that breaks the in-sync set', async (t) => {
  const nodes = ['a', 'b', 'c', 'd'].map((node) => nodeView(node));
  const rest = [shard(1, 'd a b'), shard(2, 'd b c'), shard(3, 'd c a')];
  const ofShard0 = (config: ShardConfig): string[] =>
    told(new World(nodes, [config, ...rest]).plan()).filter((move) => move.includes(' 0 '));
  t.same(ofShard0(shard(0, 'a b c d')), ['removeReplica 0 d balance']);
  t.same(ofShard0(shard(0, 'a b d', 'c')), []);
});

t.test('where two others remain, copies of a draining node go when it leads nothing, some at a time', async (t) => {
  const world = World.fresh(nodeViews(3), 128, { transferBatch: 16, removalBatch: 8 });
  world.set('n001', { state: 'draining' });
  const leads = (): boolean => world.shards.some(({ leader }) => leader?.node === 'n001');
  while (leads()) {
    const moves = world.plan();
    t.ok(moves.length > 0 && moves.every((move) => move.t === 'transfer'));
    world.apply(moves);
  }
  const moves = world.plan();
  t.equal(moves.filter((move) => move.t === 'removeReplica').length, 8);
  t.same(plan(world.view(moves), world.options), [], 'those under way count');
  t.equal(plan(world.view(moves.slice(0, 5)), world.options).length, 3);
  world.settle(2000);
  t.notOk(world.shards.some(({ replicas }) => replicas.some(({ node }) => node === 'n001')));
});

t.test('leaderships leave a draining node in batches, before any copy of it is moved', async (t) => {
  const world = World.fresh(nodeViews(4), 512, { transferBatch: 32 });
  world.set('n001', { state: 'draining' });
  const led = world.loads().leaders;
  t.notOk(led.has('n001'));
  const mine = world.shards.filter(({ leader }) => leader?.node === 'n001').length;
  for (let left = mine; left > 0; ) {
    const moves = world.plan();
    t.ok(
      moves.every((move) => move.t === 'transfer'),
      told(moves.filter((move) => move.t !== 'transfer')).join(),
    );
    t.equal(moves.filter(({ reason }) => reason === 'drain').length, Math.min(32, left));
    world.apply(moves);
    left = world.shards.filter(({ leader }) => leader?.node === 'n001').length;
  }
  world.settle(2000);
  t.notOk(
    world.shards.some(({ replicas }) => replicas.some(({ node }) => node === 'n001')),
    'nothing is left on it',
  );
  t.ok(world.shards.every(({ isr }) => isr.length === 3));
});

t.test('while a node is away nothing is evened out', async (t) => {
  const world = World.fresh(nodeViews(4), 64);
  world.nodes = [...world.nodes, nodeView('n004')];
  world.set('n003', { suspectedForMs: 3000 });
  world.heal();
  t.same(world.plan(), []);
  world.set('n003', { suspectedForMs: 0 });
  world.heal();
  t.ok(world.plan().length > 0);
});

t.test('one node that cannot catch up does not hold up the moves of the others', async (t) => {
  const world = World.fresh(nodeViews(5), 128);
  world.nodes = [...world.nodes, nodeView('n005')];
  world.shards = world.shards.map((config) => {
    const isr = config.isr.filter(({ node }) => node !== 'n004');
    return { ...config, isr, leader: isr[0] };
  });
  t.equal(world.plan().filter((move) => move.t === 'addReplica' && move.member.node === 'n005').length, 2);
});

t.test('a new zone draws a copy of every shard that has two in one zone', async (t) => {
  const world = World.fresh(nodeViews(6, 2), 96);
  world.nodes = [...world.nodes, nodeView('n006', { zone: 'z9' }), nodeView('n007', { zone: 'z9' })];
  world.settle(2000);
  const zoneOf = new Map(world.nodes.map(({ record }) => [record.node, record.zone]));
  for (const { replicas } of world.shards) t.equal(new Set(replicas.map(({ node }) => zoneOf.get(node))).size, 3);
});

t.test('a node of double weight carries double', async (t) => {
  const nodes = [...nodeViews(5), nodeView('n900', { weight: 2 })];
  const world = World.fresh(nodes, 840);
  t.same([...world.loads().copies.values()], [360, 360, 360, 360, 360, 720]);
  t.same([...world.loads().leaders.values()], [120, 120, 120, 120, 120, 240]);
  t.same(world.plan(), []);
});
