import t from 'tap';
import { ClusterNodes, clusterNodesDefaults } from './actors/cluster-nodes.ts';
import { type Clock, ManualClock, type Timer } from './base/clock.ts';
import { detectorDefaults, FaultDetector } from './cluster/fault-detector.ts';
import { type NodeRecord, type NodeState, type NodeView, nodesById } from './cluster/membership.ts';
import { plannerDefaults } from './cluster/planner.ts';
import { m, Rig, record } from './cluster/replica.fixture.ts';
import { refusalOf } from './cluster/replica.ts';
import type { Member, ShardConfig } from './cluster/shard-config.ts';
import { type ClusterAdminParts, createClusterAdmin } from './node-admin-cluster.ts';
import { carryOut, type Order, type OrderAnswer, OrderUnansweredError } from './node-orders.ts';
import { memoryConfigHub } from './transport/config-store-memory.ts';

const OPTIONS = { doneMs: 1_000, lookMs: 50 };

function nodeRecord(node: string, state: NodeState = 'up', inc = 'a'): NodeRecord {
  return { v: 1, node, inc, zone: 'z', version: '0.1.0', address: undefined, state, since: 5 };
}

const view = (node: string, change: Partial<NodeView> & { state?: NodeState; inc?: string } = {}): NodeView => ({
  record: nodeRecord(node, change.state, change.inc),
  suspectedForMs: change.suspectedForMs ?? 0,
});

/** Whoever waits goes on at once; what else happens meanwhile is `meanwhile`. */
function hastyClock(meanwhile: () => void): Clock {
  let ms = 0;
  const still = new ManualClock();
  return {
    now: () => still.now(),
    monotonic: () => ms,
    setTimer: (delayMs, run): Timer => {
      ms += delayMs;
      setImmediate(() => {
        meanwhile();
        run();
      });
      return { dueMs: ms };
    },
    clear: () => {},
  };
}

interface World {
  readonly nodes: NodeView[];
  readonly configs: (ShardConfig | undefined)[];
  readonly states: [string, NodeState][];
  readonly forgotten: string[];
  readonly orders: [string, Order][];
  readonly parts: ClusterAdminParts;
}

function world(change: Partial<ClusterAdminParts> = {}, meanwhile: () => void = () => {}): World {
  const nodes = [view('n1'), view('n2'), view('n3')];
  const configs: (ShardConfig | undefined)[] = [record({ epoch: 3, leader: m('n1') })];
  const states: [string, NodeState][] = [];
  const forgotten: string[] = [];
  const orders: [string, Order][] = [];
  const parts: ClusterAdminParts = {
    name: 'east',
    self: m('n1'),
    shards: 1,
    copies: 3,
    replaceAfterMs: 60_000,
    clock: hastyClock(meanwhile),
    nodes: () => nodes,
    config: (shard) => configs[shard],
    isHalted: () => false,
    setState: async (node, state) => {
      states.push([node, state]);
      return true;
    },
    forget: async ({ node }) => {
      forgotten.push(node);
      return true;
    },
    order: async ({ node }, order) => {
      orders.push([node, order]);
      return { t: 'taken' };
    },
    ...change,
  };
  return { nodes, configs, states, forgotten, orders, parts };
}

t.test('a node counts what its present incarnation leads and holds', async (t) => {
  const { parts, configs, nodes } = world({ shards: 3 });
  configs.push(record({ shard: 1, epoch: 1, leader: m('n2'), isr: [m('n2'), m('n3')] }));
  nodes[2] = view('n3', { inc: 'wiped', suspectedForMs: 7.4 });
  const admin = createClusterAdmin(parts, OPTIONS);
  const short = (await admin.nodes()).map((one) => [one.node, one.leads, one.copies, one.inSync, one.suspectedForMs]);
  t.same(short, [
    ['n1', 1, 2, 1, 0],
    ['n2', 1, 2, 2, 0],
    ['n3', 0, 0, 0, 7],
  ]);
  t.match((await admin.nodes())[0], { planner: true, self: true, inc: 'a', state: 'up', since: 5 });
  t.match((await admin.nodes())[1], { planner: false, self: false });
  t.same(await admin.shards('n3'), [
    { shard: 0, epoch: 3, leader: 'n1', isr: ['n1', 'n2', 'n3/a'], replicas: ['n1', 'n2', 'n3/a'], state: 'stalled' },
    { shard: 1, epoch: 1, leader: 'n2', isr: ['n2', 'n3/a'], replicas: ['n1', 'n2', 'n3/a'], state: 'stalled' },
  ]);
  t.equal((await admin.shards()).length, 3);
  t.same(await admin.status(), {
    name: 'east',
    nodes: { up: 2, draining: 0, left: 0, silent: 1 },
    shards: { stalled: 2, unplaced: 1 },
    leads: 1,
    copies: 2,
    inSync: 1,
    planner: 'n1',
  });
});

t.test('the state of a shard', async (t) => {
  const [a, b, c] = [m('n1'), m('n2'), m('n3')];
  const table: [state: string, config: Partial<ShardConfig>, silent: string[], copies?: number][] = [
    ['healthy', { leader: a }, []],
    ['short', { leader: a, isr: [a, b] }, []],
    ['short', { leader: a, isr: [a, b] }, ['n3']],
    ['stalled', { leader: a }, ['n3']],
    ['stalled', { leader: a, isr: [a] }, []],
    ['healthy', { leader: a, isr: [a], replicas: [a] }, [], 1],
    ['leaderless', { leader: a }, ['n1']],
    ['leaderless', { leader: undefined }, []],
    ['lost', { leader: a, isr: [a, b], replicas: [a, b, c] }, ['n1', 'n2']],
  ];
  for (const [state, config, silent, copies = 3] of table) {
    const { parts, nodes, configs } = world({ copies });
    configs[0] = record({ epoch: 1, ...config });
    for (const [at, { record: one }] of nodes.entries())
      if (silent.includes(one.node)) nodes[at] = view(one.node, { suspectedForMs: 1 });
    const [shard] = await createClusterAdmin(parts, OPTIONS).shards();
    t.equal(shard?.state, state, `${JSON.stringify(config)}, silent ${silent}`);
  }
  const halted = createClusterAdmin(world({ isHalted: () => true }).parts, OPTIONS);
  t.equal((await halted.shards())[0]?.state, 'halted');
});

t.test('a node that stopped in good order counts as not there', async (t) => {
  const { parts, nodes } = world();
  nodes[0] = view('n1', { state: 'left' });
  t.equal((await createClusterAdmin(parts, OPTIONS).shards())[0]?.state, 'leaderless');
});

t.test('a drain is written to the record of the node, and its progress read from the configurations', async (t) => {
  const { parts, states, configs, nodes } = world();
  const admin = createClusterAdmin(parts, OPTIONS);
  const note = '2 other nodes are up: shards go on with 2 copies instead of 3';
  t.same(await admin.drain('n1'), { node: 'n1', leads: 1, copies: 1, done: false, blocked: false, note });
  configs[0] = record({ leader: m('n2'), isr: [m('n2'), m('n3')], replicas: [m('n2'), m('n3')] });
  t.same(await admin.drainProgress('n1'), { node: 'n1', leads: 0, copies: 0, done: true, blocked: false, note });
  await admin.undrain('n1');
  t.same(states, [
    ['n1', 'draining'],
    ['n1', 'up'],
  ]);
  nodes.push(view('n4'));
  t.equal((await admin.drainProgress('n1')).note, undefined);
  nodes.splice(1, 3, view('n2'), view('n3', { suspectedForMs: 1 }));
  t.match(await admin.drainProgress('n2'), { blocked: true, note: 'a shard keeps 2 copies, and 1 other node is up' });
});

t.test('nodes that are not there, or have left, are refused by name', async (t) => {
  const { parts, nodes, states } = world();
  const admin = createClusterAdmin(parts, OPTIONS);
  const unknown = { name: 'AdminError', reason: 'unknown-node', message: 'there is no node x; there are n1, n2, n3' };
  await t.rejects(admin.shards('x'), unknown);
  await t.rejects(admin.drain('x'), unknown);
  await t.rejects(admin.drainProgress('x'), unknown);
  await t.rejects(admin.undrain('x'), unknown);
  await t.rejects(admin.transfer(0, 'x'), unknown);
  nodes[2] = view('n3', { state: 'left' });
  await t.rejects(admin.drain('n3'), { reason: 'refused', message: /^n3 has left already/ });
  await t.rejects(admin.undrain('n3'), { name: 'AdminError', reason: 'refused' });
  t.same(states, []);
  const gone = createClusterAdmin(world({ setState: async () => false }).parts, OPTIONS);
  await t.rejects(gone.drain('n1'), { name: 'AdminError', reason: 'unknown-node' });
  const storeless = createClusterAdmin(
    world({ setState: () => Promise.reject(new Error('no quorum')) }).parts,
    OPTIONS,
  );
  await t.rejects(storeless.drain('n1'), { reason: 'store-unavailable', message: /no quorum/ });
});

t.test('a transfer that cannot be is refused with the reason of the replica', async (t) => {
  const answering = (answer: OrderAnswer) => createClusterAdmin(world({ order: async () => answer }).parts, OPTIONS);
  const table: [OrderAnswer, RegExp][] = [
    [{ t: 'refused', reason: 'not-in-sync' }, /^shard 0: the node is not in sync with it/],
    [{ t: 'refused', reason: 'halted' }, /has halted after an alarm/],
    [{ t: 'refused', reason: 'busy' }, /another change of it is under way/],
    [{ t: 'taken' }, /nothing came of it in time/],
  ];
  for (const [answer, message] of table)
    await t.rejects(answering(answer).transfer(0, 'n2'), { name: 'AdminError', reason: 'refused', message });
  const { parts, configs, nodes } = world();
  const admin = createClusterAdmin(parts, OPTIONS);
  await t.rejects(admin.transfer(1, 'n2'), {
    reason: 'unknown-shard',
    message: 'there is no shard 1: they go from 0 to 0',
  });
  nodes.push(view('n4'));
  await t.rejects(admin.transfer(0, 'n4'), { message: 'shard 0: n4 has no copy of it; n1, n2, n3 have' });
  nodes[0] = view('n1', { suspectedForMs: 1 });
  await t.rejects(admin.transfer(0, 'n2'), { message: 'shard 0: nobody leads it now' });
  configs[0] = undefined;
  await t.rejects(admin.transfer(0, 'n2'), { message: /still being placed/ });
  const silent = world({ order: () => Promise.reject(new OrderUnansweredError('n1 did not answer')) });
  await t.rejects(createClusterAdmin(silent.parts, OPTIONS).transfer(0, 'n2'), {
    reason: 'unanswered',
    message: /n1 did not/,
  });
});

/** An admin node over replicas that really are: orders go to their steps. */
function overRig(rig: Rig) {
  const asked: string[] = [];
  const down = (node: string): boolean => !rig.of(node).up;
  const order = async (to: Member, one: Order): Promise<OrderAnswer> => {
    asked.push(`${one.t} ${to.node}`);
    const { state, env } = rig.of(to.node);
    const request: Parameters<typeof carryOut>[1]['request'] = (_, event) => void rig.event(to.node, event);
    return carryOut(one, { replica: () => state, refusal: (_, asked) => refusalOf(state, asked, env), request });
  };
  const { parts, nodes } = world({ config: () => rig.config.record, order }, () => rig.pass(50));
  const look = (): void => {
    for (const [at, { record: one }] of nodes.entries())
      nodes[at] = view(one.node, { suspectedForMs: down(one.node) ? 1 : 0 });
  };
  return { admin: createClusterAdmin(parts, OPTIONS), asked, look };
}

t.test('a node is forgotten once it has stopped and no shard names it', async (t) => {
  const { parts, nodes, configs, forgotten } = world();
  const admin = createClusterAdmin(parts, OPTIONS);
  await t.rejects(admin.forget('n4'), { name: 'AdminError', reason: 'unknown-node' });
  await t.rejects(admin.forget('n3'), { reason: 'refused', message: /^n3 runs: stop it first/ });
  nodes[2] = view('n3', { suspectedForMs: 90_000 });
  t.match(await admin.nodes(), [{ gone: false }, { gone: false }, { node: 'n3', gone: true }]);
  await t.rejects(admin.forget('n3'), {
    message: /^1 shards still name n3 .* missed for 60 s and another node has taken/,
  });
  configs[0] = record({ epoch: 3, leader: m('n1'), isr: [m('n1'), m('n2')], replicas: [m('n1'), m('n2')] });
  await admin.forget('n3');
  nodes[2] = view('n3', { state: 'left' });
  await admin.forget('n3');
  t.same(forgotten, ['n3', 'n3'], 'who has left in good order needs no silence');
  const changed = createClusterAdmin({ ...parts, forget: async () => false }, OPTIONS);
  await t.rejects(changed.forget('n3'), { reason: 'refused', message: /has just changed/ });
  const down = { ...parts, forget: () => Promise.reject(new Error('no leader')) };
  await t.rejects(createClusterAdmin(down, OPTIONS).forget('n3'), {
    reason: 'store-unavailable',
    message: /no leader/,
  });
});

t.test('a leadership is handed over by real replicas', async (t) => {
  const rig = new Rig(record({})).tellAll();
  rig.pass(200);
  const { admin, asked } = overRig(rig);
  const from = rig.config.record.leader?.node;
  const to = from === 'n2' ? 'n3' : 'n2';
  const { epoch } = rig.config.record;
  t.same(await admin.transfer(0, to), { shard: 0, leader: to, epoch: epoch + 1 });
  t.same(await admin.transfer(0, to), { shard: 0, leader: to, epoch: epoch + 1 }, 'done is done');
  t.equal(asked[0], `transfer ${from}`);
});

t.test('an unclean recovery takes the newest copy that is there, and only when no in-sync one is', async (t) => {
  const rig = new Rig(record({})).tellAll();
  rig.pass(200);
  const { admin, asked, look } = overRig(rig);
  await t.rejects(admin.recovery(0), {
    reason: 'refused',
    message: /^shard 0: it is not lost, nothing of it is missing on n1, n2, n3;/,
  });
  // n3 falls behind and out of the in-sync set; then the others go.
  rig.down('n3');
  rig.pass(500);
  const leader = rig.config.record.leader!.node;
  rig.event(leader, { t: 'propose', items: [new Uint8Array(1)] });
  rig.settle();
  rig.cutOff.add('n3');
  rig.of('n3').up = true;
  rig.suspect(m('n3'), false);
  t.notOk(rig.config.record.isr.some(({ node }) => node === 'n3'));
  rig.down('n1', 'n2');
  rig.cutOff.delete('n3');
  look();
  const { epoch } = rig.config.record;
  const plan = await admin.recovery(0);
  t.match(plan, { shard: 0, epoch, lost: ['n1', 'n2'], survivor: 'n3', reachable: ['n3'] });
  await t.rejects(admin.recoverUnclean(0, 'n2'), {
    message: /the newest copy that can be reached is that of n3 now, not of n2/,
  });
  t.notOk(
    asked.some((one) => one.startsWith('recoverUnclean')),
    'nothing was done yet',
  );
  t.same(await admin.recoverUnclean(0, 'n3'), { shard: 0, leader: 'n3', epoch: epoch + 1 });
  t.equal(rig.config.record.uncleanEpoch, epoch + 1);
});

t.test('of several copies the one of the newest epoch is taken, then the longest', async (t) => {
  const lasts: Record<string, OrderAnswer> = {
    n2: { t: 'copy', last: { idx: 90, epoch: 2 }, commitIdx: 0 },
    n3: { t: 'copy', last: { idx: 10, epoch: 3 }, commitIdx: 0 },
    n4: { t: 'copy', last: { idx: 12, epoch: 3 }, commitIdx: 0 },
    n5: { t: 'refused', reason: 'no-copy' },
  };
  const { parts, nodes, configs } = world({ order: async ({ node }) => lasts[node]! });
  nodes.splice(0, 3, view('n1', { suspectedForMs: 1 }), ...['n2', 'n3', 'n4', 'n5'].map((node) => view(node)));
  const replicas = ['n1', 'n2', 'n3', 'n4', 'n5'].map((node) => m(node));
  configs[0] = record({ epoch: 3, leader: m('n1'), isr: [m('n1')], replicas });
  const admin = createClusterAdmin(parts, OPTIONS);
  t.match(await admin.recovery(0), { survivor: 'n4', last: { idx: 12, epoch: 3 }, reachable: ['n4', 'n3', 'n2'] });
  for (const node of Object.keys(lasts)) lasts[node] = { t: 'refused', reason: 'no-copy' };
  await t.rejects(admin.recovery(0), { message: /no whole copy of it can be reached/ });
});

t.test("a drain reaches another node's record in the store, and is refused for one that is not in it", async (t) => {
  const hub = memoryConfigHub();
  const configs = hub.connect();
  const clock = new ManualClock();
  const detector = new FaultDetector(m('n1'), detectorDefaults, clock.monotonic());
  const nodes = new ClusterNodes(
    {
      record: nodeRecord('n1'),
      shards: 1,
      configs,
      detector,
      clock,
      newNonce: () => 'nonce',
      config: () => undefined,
      peersChanged: () => {},
      nodeGone: () => {},
      request: () => {},
      warn: (fault) => t.fail(fault),
      info: () => {},
    },
    { ...clusterNodesDefaults, planner: plannerDefaults, bootstrapNodes: 3, heartbeatMs: 250 },
  );
  t.teardown(() => nodes.close());
  await hub.connect().cas('node.n2', nodeRecord('n2'), 0);
  await nodes.start();
  const { parts } = world({ nodes: () => nodes.views(), setState: (node, state) => nodes.setState(node, state) });
  const admin = createClusterAdmin(parts, OPTIONS);
  await admin.drain('n2');
  t.match((await configs.get('node.n2'))?.value, { node: 'n2', inc: 'a', state: 'draining', since: clock.now() });
  t.equal(nodesById(nodes.views()).get('n2')?.record.state, 'draining');
  await admin.drain('n1');
  t.equal(nodes.self.state, 'draining');
  await admin.undrain('n2');
  t.match((await configs.get('node.n2'))?.value, { state: 'up' });
  await t.rejects(admin.drain('n3'), { name: 'AdminError', reason: 'unknown-node' });
  configs.faults.unavailable = true;
  await t.rejects(admin.drain('n2'), { name: 'AdminError', reason: 'store-unavailable' });
});
