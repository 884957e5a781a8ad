/** What docs/operating.md tells an operator to do, done to one running cluster with the built command, step by step. */
import t, { type Test } from 'tap';
import { until } from '../clients/until.ts';
import { WireClient } from '../clients/wire-client.ts';
import { natsServerFor } from '../harness/nats.ts';
import {
  Chat,
  type Desk,
  figure,
  isHealthy,
  type NodeRow,
  PATIENCE_MS,
  ready,
  SHARDS,
  type Shard,
  started,
} from './desk.ts';
import { parsePrometheus } from './prometheus.ts';
import { PROMISED, PROMISED_OF_CLUSTER } from './promised.ts';
import { fetched, rookery } from './rookery.ts';

async function look(t: Test, desk: Desk): Promise<void> {
  await desk.allShards('all copies', 1, isHealthy);
  for (const at of [1, 2, 3]) {
    const { node, cluster } = await desk.json<{ node: string; cluster: Record<string, unknown> }>(at, 'status');
    t.equal(node, `node-${at}`);
    t.match(cluster, {
      name: 'local',
      nodes: { up: 3, draining: 0, left: 0, silent: 0 },
      shards: { healthy: SHARDS },
      copies: SHARDS,
      inSync: SHARDS,
      planner: 'node-1',
    });
  }
  const nodes = await desk.json<NodeRow[]>(2, 'nodes');
  t.same(
    nodes.map(({ node, state, copies }) => [node, state, copies]),
    ['node-1', 'node-2', 'node-3'].map((node) => [node, 'up', SHARDS]),
  );
  t.equal(
    nodes.reduce((sum, { leads }) => sum + leads, 0),
    SHARDS,
  );
  const table = (await desk.run(3, 'nodes')).out.split('\n');
  t.match(table[0], /^NODE +ZONE +VERSION +STATE +FOR +LEADS +COPIES +IN SYNC +REMARKS +INCARNATION$/);
  t.match(table[1], /^node-1 +zone-1 +\S+ +up .* planner /);
  t.match(table[3], /^node-3 .* asked /);
  const shards = await desk.shards(1);
  t.same(
    shards.map(({ shard }) => shard),
    Array.from({ length: SHARDS }, (_, shard) => shard),
  );
  t.same(await desk.shards(1, '--of', 'node-2'), shards);
  t.same(await desk.shards(1, '--state', 'lost'), []);
  t.match((await desk.run(2, 'shards')).out, /^SHARD +EPOCH +STATE +LEADER +IN SYNC +BEHIND\n0 +\d+ +healthy +node-/);
  t.match((await desk.run(2, 'status')).out, /\nshards +24 healthy\n/);
  t.match(await desk.run(1, 'shards', '--of', 'node-9'), {
    code: 6,
    err: /there is no node node-9; there are node-1, node-2, node-3/,
  });
}

async function figures(t: Test, desk: Desk): Promise<void> {
  const families = parsePrometheus((await fetched(`${desk.node(1).httpUrl}/metrics`)).body);
  for (const [name, type] of Object.entries({ ...PROMISED, ...PROMISED_OF_CLUSTER }))
    t.equal(families.get(name)?.type, type, name);
  t.same(
    [...families.keys()].filter(
      (name) => name.startsWith('rookery_') && PROMISED[name] === undefined && PROMISED_OF_CLUSTER[name] === undefined,
    ),
    [],
    'no family that nobody explains',
  );
  const led = await Promise.all([1, 2, 3].map((at) => figure(desk.node(at), 'rookery_shards_led')));
  t.equal(
    led.reduce((sum, one) => sum + one, 0),
    SHARDS,
  );
  for (const [sample, value] of [
    ['rookery_shard_copies', SHARDS],
    ['rookery_shard_copies_in_sync', SHARDS],
    ['rookery_cluster_shards{state="healthy"}', SHARDS],
    ['rookery_cluster_shards{state="lost"}', 0],
    ['rookery_cluster_nodes{state="up"}', 3],
    ['rookery_cluster_nodes{state="silent"}', 0],
    ['rookery_nats_connected{connection="traffic"}', 1],
    ['rookery_nats_reconnects_total{connection="bulk"}', 0],
    ['rookery_shard_alarms_total{part="shards"}', 0],
  ] as const)
    t.equal(await figure(desk.node(2), sample), value, sample);
  for (const sample of ['rookery_bus_envelopes_total{direction="sent"}', 'rookery_config_writes_total{result="won"}'])
    t.ok((await figure(desk.node(3), sample)) > 0, sample);
}

async function accounts(t: Test, desk: Desk): Promise<void> {
  const names = Array.from({ length: 9 }, (_, i) => `user${i}`);
  for (const [i, name] of names.entries()) {
    const at = (i % 3) + 1;
    t.match(await desk.run(at, 'user', 'add', name, '--password', `of ${name}`), { code: 0 });
  }
  for (const at of [1, 2, 3]) {
    // A leadership may be on its way: then it says so instead of leaving its accounts out.
    let told = await desk.run(at, 'user', 'list', '--json');
    await until('every shard to have a leader', async () => {
      if (told.code === 6) told = await desk.run(at, 'user', 'list', '--json');
      return told.code === 0;
    });
    const users = JSON.parse(told.out) as { user: string }[];
    t.same(
      users.map(({ user }) => user),
      names.map((name) => `${name}@localhost`),
      `node-${at} lists the accounts of all nodes`,
    );
  }
  t.match(await desk.run(2, 'user', 'add', 'user0', '--password', 'x'), { code: 6, err: /user0@localhost exists/ });
  t.match(await desk.run(3, 'user', 'passwd', 'user1', '--password', 'another'), { code: 0 });
  const account = { user: 'user1', password: 'another' };
  (await WireClient.login(desk.node(2).webSocketUrl, account, 'desk')).cut();
  t.match(await desk.run(1, 'user', 'remove', 'user8', '--yes'), { code: 0 });
  t.equal((await desk.json<unknown[]>(2, 'user', 'list')).length, names.length - 1);
}

async function transfer(t: Test, desk: Desk): Promise<void> {
  const [{ shard, epoch, leader }] = (await desk.shards(1)) as [Shard];
  const to = leader === 'node-2' ? 'node-3' : 'node-2';
  const done = await desk.json<{ leader: string; epoch: number }>(1, 'transfer', String(shard), to);
  t.match(done, { shard, leader: to });
  t.ok(done.epoch > epoch);
  const [after] = (await desk.shards(3)) as [Shard];
  t.ok(after.epoch >= done.epoch, 'another node has seen it too');
  for (const [args, code, message] of [
    [[String(SHARDS), 'node-1'], 6, /there is no shard 24: they go from 0 to 23/],
    [['0', 'node-9'], 6, /there is no node node-9/],
    [['x', 'node-1'], 2, /x is no number of a shard/],
  ] as const)
    t.match(await desk.run(1, 'transfer', ...args), { code, err: message });
}

async function addFourth(t: Test, desk: Desk, chat: Chat): Promise<void> {
  const before = desk.cluster.nodes.map(({ pid }) => pid);
  await desk.cluster.addNode();
  t.match(await ready(desk.node(4)), { status: 200 }, 'it serves clients before it leads anything');
  const account = { user: 'user4', password: 'of user4' };
  (await WireClient.login(desk.node(4).webSocketUrl, account, 'desk')).cut();
  await chat.say();
  const share = Math.floor(SHARDS / 4);
  await until(
    'its share of copies and leaderships',
    async () => {
      const { leads = 0, inSync = 0 } = (await desk.row(2, 'node-4')) ?? {};
      return leads >= share - 1 && inSync >= 3 * (share - 1);
    },
    PATIENCE_MS,
  );
  await desk.allShards('three copies of all', 4, isHealthy);
  await chat.say();
  t.same(
    desk.cluster.nodes.slice(0, 3).map(({ pid }) => pid),
    before,
    'nobody else was started again',
  );
  t.ok((await figure(desk.node(1), 'rookery_leader_changes_total{part="cluster"}')) > 0, 'leaderships have moved');
  t.ok((await figure(desk.node(4), 'rookery_shards_led')) > 0, 'and it counts so');
  const [elsewhere] = (await desk.shards(1)).filter(({ replicas }) => !replicas.includes('node-4'));
  t.match(await desk.run(1, 'transfer', String(elsewhere?.shard), 'node-4'), {
    code: 6,
    err: /node-4 has no copy of it/,
  });
}

async function removeFourth(t: Test, desk: Desk, chat: Chat): Promise<void> {
  t.match(await desk.run(1, 'forget', 'node-4'), { code: 6, err: /node-4 runs: stop it first/ });
  const drained = desk.run(2, 'drain', 'node-4', '--json');
  let fewest = 3;
  let over = false;
  void drained.then(() => {
    over = true;
  });
  while (!over) for (const { isr } of await desk.shards(1)) fewest = Math.min(fewest, isr.length);
  const { code, out } = await drained;
  t.equal(code, 0);
  t.match(JSON.parse(out), { node: 'node-4', done: true, leads: 0, copies: 0 });
  t.ok(fewest >= 2, `never fewer than two in sync (${fewest})`);
  t.same(await desk.shards(3, '--of', 'node-4'), []);
  t.match(await desk.row(1, 'node-4'), { state: 'draining', leads: 0, copies: 0 });
  t.match(await ready(desk.node(4)), { status: 503, body: /this node is being drained/ });
  t.match(await desk.run(4, 'status'), { code: 1, err: /not ready: this node is being drained/ });
  await chat.say();
  t.equal(await desk.stop(4), 0);
  t.match(await desk.row(1, 'node-4'), { state: 'left' });
  await until('it to be gone for good', async () => (await desk.row(3, 'node-4'))?.gone === true, PATIENCE_MS);
  t.match((await desk.run(3, 'nodes')).out, /\nnode-4 +zone-1 +\S+ +gone /);
  t.match(await desk.run(3, 'forget', 'node-4'), { code: 0, err: 'node-4 is forgotten\n' });
  await until('it to be off every list', async () => (await desk.row(1, 'node-4')) === undefined);
  await desk.allShards('three copies of all', 1, isHealthy);
  await chat.say();
}

async function stopAndStart(t: Test, desk: Desk, chat: Chat): Promise<void> {
  t.equal(await desk.stop(3), 0);
  t.match(await desk.row(1, 'node-3'), { state: 'left', leads: 0, inSync: 0 });
  await desk.allShards('two copies to do', 1, ({ state, isr }) => state === 'short' && isr.length === 2);
  await chat.say();
  t.match(await desk.run(3, 'user', 'list'), { code: 5, err: /accounts of the cluster local lie on all of its nodes/ });
  t.match(await rookery(['user', 'list', '--data-dir', desk.node(3).folder, '--json'], { ROOKERY_NODE_SHARDS: '24' }), {
    code: 3,
    err: /belongs to a member of a cluster/,
  });
  t.match(await desk.run(3, 'nodes'), { code: 5, err: /no node runs on / });
  t.match(await desk.run(1, 'forget', 'node-3'), { code: 6, err: /24 shards still name node-3/ });
  const blocked = await desk.run(1, 'drain', 'node-2');
  t.match(blocked, { code: 6, err: /node-2 cannot become empty: a shard keeps 2 copies, and 1 other node is up/ });
  t.match(await desk.run(1, 'drain', 'node-2', '--undo'), { code: 0 });
  t.match(await desk.row(2, 'node-2'), { state: 'up', copies: SHARDS });
  await chat.say();
  desk.node(3).start();
  await desk.node(3).ready(PATIENCE_MS);
  await desk.allShards('three copies of all', 3, isHealthy);
}

/** node-1 falls behind, then the two that went on without it go. */
async function recover(t: Test, desk: Desk): Promise<void> {
  t.match(await desk.run(2, 'recover', '0', '--unclean', '--yes'), { code: 6, err: /shard 0: it is not lost/ });
  await desk.node(1).kill();
  await desk.allShards('the others to go on', 2, ({ isr, state }) => !isr.includes('node-1') && state === 'short');
  t.match(await desk.run(2, 'recover', '0'), { code: 6, err: /it is not lost/ });
  await desk.node(2).kill();
  await until('writes to stand still', async () =>
    (await desk.shards(3)).every(({ state }) => state === 'stalled' || state === 'leaderless'),
  );
  t.match(await desk.run(3, 'recover', '0', '--unclean', '--yes'), { code: 6, err: /at most its writes wait/ });
  await desk.node(3).kill();
  desk.node(1).start();
  await until('node-1 to see what is lost', async () => {
    const { code, out } = await desk.run(1, 'shards', '--state', 'lost', '--json');
    return code === 0 && (JSON.parse(out) as Shard[]).length === SHARDS;
  });
  t.match(await ready(desk.node(1)), { status: 503 });
  t.match(await desk.run(1, 'user', 'list'), { code: 6, err: /not every account can be listed now/ });
  const plan = await desk.run(1, 'recover', '0');
  t.match(plan, { code: 2, err: /nothing was done; --unclean does it/ });
  t.match(plan.out, /becomes the truth +the copy of node-1, which ends at index \d+ of epoch \d+/);
  t.match(plan.out, /in sync, all gone +node-[23] node-[23]\n/);
  const done = await desk.json<{ leader: string }>(1, 'recover', '0', '--unclean', '--yes');
  t.match(done, { shard: 0, leader: 'node-1' });
  t.equal((await desk.shards(1, '--state', 'lost')).length, SHARDS - 1, 'one shard, and no other');
  for (const number of [2, 3]) desk.node(number).start();
  for (const number of [1, 2, 3]) await desk.node(number).ready(PATIENCE_MS);
  await desk.allShards('three copies of all', 1, isHealthy);
}

t.test('an operator at a running cluster', { timeout: 280_000 }, async (t) => {
  if ((await natsServerFor(t)) === undefined) return;
  const desk = await started(t);
  await t.test('every node tells of the whole cluster', (t) => look(t, desk));
  await t.test('every node counts its share, and the cluster as it sees it', (t) => figures(t, desk));
  await t.test('accounts are those of all nodes, whichever is asked', (t) => accounts(t, desk));
  await t.test('a leadership goes where it is sent', (t) => transfer(t, desk));
  const chat = await Chat.start(desk.node(1).webSocketUrl);
  await t.test('a fourth node is started and takes its share', (t) => addFourth(t, desk, chat));
  await t.test('it is drained, stopped and forgotten', (t) => removeFourth(t, desk, chat));
  await t.test('a node is stopped and started; two are too few to give one up', (t) => stopAndStart(t, desk, chat));
  t.same(
    await chat.archived(desk.node(2).webSocketUrl),
    chat.sent,
    'each acknowledged message is there, once, in order',
  );
  await t.test('an unclean recovery is for what is lost, and for nothing else', (t) => recover(t, desk));
});
