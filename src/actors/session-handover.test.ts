import t from 'tap';
import { SimNode } from '../../test/sim/crossing-node.ts';
import { move, TestCluster } from './crossing.fixture.ts';
import { chatKey, directChatId, sessionKey } from './keys.ts';
import { ack, acks, bodies, message, presence, REQUEST, TestNode } from './runtime.fixture.ts';

async function pair(ids = ['n1', 'n2', 'n3']): Promise<{ cluster: TestCluster; a: string; b: string }> {
  const cluster = await TestCluster.start(ids);
  t.teardown(() => cluster.nodes.forEach((node) => void node.kill()));
  return { cluster, a: await cluster.account('a', 'n1'), b: await cluster.account('b', 'n2') };
}

t.test('a session moves between nodes and its clients notice nothing, wherever their sockets are', async (t) => {
  for (const gateway of ['n1', 'n2', 'n3']) {
    const { cluster, a, b } = await pair();
    const alice = await cluster.bind('n1', a);
    const bob = await cluster.bind(gateway, b);
    await alice.send(message(b, 'before'));
    t.same(bodies(bob.conn.take()), ['before'], `socket at ${gateway}`);
    for (const to of ['n3', 'n1', 'n2']) {
      await move(cluster, b, to);
      t.equal(bob.conn.closed, undefined, `still connected, the session at ${to}`);
      await alice.send(message(b, `to ${to}`));
      t.same(bodies(bob.conn.take()), [`to ${to}`]);
      await bob.send(message(a, `from ${to}`));
      t.same(bodies(alice.conn.take()), [`from ${to}`]);
    }
    t.same(acks(await bob.send(REQUEST)), [4], 'counts go on');
    await bob.send(ack(5));
    t.equal(bob.conn.closed, undefined, 'those of the client too: its own presence and four messages');
    await cluster.pass(30_000);
    t.equal(bob.conn.closed, undefined, 'links are alive');
    t.same(cluster.crashes, []);
  }
});

t.test('what is on its way when a session moves arrives once, in order', async (t) => {
  const { cluster, a, b } = await pair();
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n3', b);
  await alice.send(message(b, '0'));
  bob.conn.take();
  const shard = cluster.shardOf(sessionKey(b));
  cluster.node('n2').runtime.pause(shard);
  for (let i = 1; i <= 3; i++) {
    bob.frame(message(a, `up ${i}`));
    alice.frame(message(b, `down ${i}`));
  }
  await cluster.settle();
  t.same(bodies(alice.conn.take()), ['down 1', 'down 2', 'down 3'].slice(3), 'paused: nothing of it is handled');
  bob.frame(message(a, 'up 4'));
  await cluster.give(shard, 'n1');
  bob.frame(message(a, 'up 5'));
  await cluster.settle();
  await cluster.pass(3000);
  t.equal(bob.conn.closed, undefined);
  t.same(bodies(alice.conn.take()), ['up 1', 'up 2', 'up 3', 'up 4', 'up 5']);
  t.same(bodies(bob.conn.take()), ['down 1', 'down 2', 'down 3']);
  t.same(acks(await bob.send(REQUEST)), [6]);
});

t.test('a detached stream moves too, and is resumed where its session is', async (t) => {
  const { cluster, a, b } = await pair();
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b);
  bob.gone();
  await cluster.settle();
  await alice.send(message(b, 'meanwhile'));
  await move(cluster, b, 'n3');
  t.match(await bob.resume('n1', 1), { ok: true });
  t.same(bodies(bob.conn.take()), ['meanwhile']);
});

t.test('what reached the inbox between two nodes is caught up with', async (t) => {
  const { cluster, a, b } = await pair();
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n1', b);
  await alice.send(message(b, '0'));
  bob.conn.take();
  const shard = cluster.shardOf(sessionKey(b));
  cluster.node('n2').runtime.pause(shard);
  await cluster.settle();
  // The next leader is at work before the session comes.
  await cluster.give(shard, 'n3', false);
  cluster.node('n1').view[shard] = 'n3';
  await alice.send(message(b, 'between'));
  t.same(bodies(bob.conn.take()), []);
  cluster.node('n2').view[shard] = 'n3';
  cluster.node('n2').runtime.moved(shard);
  await cluster.settle();
  t.equal(bob.conn.closed, undefined);
  t.same(bodies(bob.conn.take()), ['between']);
});

t.test('a move that does not come about leaves everything as it was', async (t) => {
  const { cluster, a, b } = await pair();
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n1', b);
  const shard = cluster.shardOf(sessionKey(b));
  const { runtime } = cluster.node('n2');
  runtime.pause(shard);
  bob.frame(message(a, 'x'));
  await alice.send(message(b, 'y'));
  t.same(bodies(bob.conn.take()), []);
  runtime.lead(shard);
  await cluster.settle();
  t.same([bodies(alice.conn.take()), bodies(bob.conn.take())], [['x'], ['y']]);
  runtime.pause(shard);
  await bob.send(message(a, 'z'));
  await cluster.pass(6000);
  t.same(bodies(alice.conn.take()), ['z'], 'nor does a pause that nothing follows');
});

t.test('a session that is lost on the way ends its sockets, and the clients come back', async (t) => {
  const { cluster, a, b } = await pair();
  const far = await cluster.bind('n1', b, 'far');
  const near = await cluster.bind('n2', b, 'near');
  const shard = cluster.shardOf(sessionKey(b));
  cluster.node('n2').runtime.pause(shard);
  await cluster.settle();
  cluster.net.loss = 1;
  await cluster.give(shard, 'n3');
  cluster.node('n2').runtime.moved(shard);
  await cluster.settle();
  cluster.net.loss = 0;
  await cluster.pass(35_000);
  t.match([far.conn.closed, near.conn.closed], [{ t: 'detached' }, { t: 'detached' }]);
  const back = await cluster.bind('n1', b);
  const alice = await cluster.bind('n2', a);
  await alice.send(message(b, 'x'));
  t.same(bodies(back.conn.take()), ['x']);
});

t.test('a session does not go on behind a leader that it missed', async (t) => {
  const { cluster, b } = await pair();
  const bob = await cluster.bind('n1', b);
  const shard = cluster.shardOf(sessionKey(b));
  cluster.node('n2').runtime.pause(shard);
  await cluster.settle();
  await cluster.give(shard, 'n3', false);
  await cluster.give(shard, 'n1');
  for (const { runtime } of cluster.nodes.values()) runtime.moved(shard);
  await cluster.pass(1000);
  t.match(bob.conn.closed, { t: 'detached' }, 'the user may have been at work at n3');
  t.equal(cluster.node('n1').runtime.stats().streams, 0);
  t.same(cluster.crashes, []);
});

t.test('a session with a turn on its way to the log does not move', async (t) => {
  const { cluster, b } = await pair();
  const bob = await cluster.bind('n2', b);
  const shard = cluster.shardOf(sessionKey(b));
  cluster
    .node('n2')
    .runtime.toSession(b, { t: 'account', ask: { t: 'setCredentials', row: { v: 2 } }, reply: () => {} });
  await new Promise((resolve) => setImmediate(resolve));
  cluster.node('n2').runtime.pause(shard);
  await cluster.give(shard, 'n3');
  t.match(bob.conn.closed, { t: 'detached' });
  t.equal(cluster.node('n2').runtime.stats().handedOver, 0);
});

t.test('on a node that is alone there is nothing to hand over', async (t) => {
  const node = await TestNode.start();
  node.runtime.pause(1);
  node.runtime.unlead(1, 'x');
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one', { priority: null });
  await alice.send(message(b, 'x'));
  t.same(bodies(await bob.send(presence())), ['x']);
});

t.test('a send that no chat has answered goes again from the next node, though its clock is behind', async (t) => {
  const { cluster, a, b } = await pair(['n1', 'n2']);
  cluster.nodes.set('n3', new SimNode(cluster, 'n3', { now: () => cluster.clock.now() - 60_000 }));
  await cluster.place(chatKey(directChatId(a, b)), 'n2');
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b);
  cluster.net.loss = 1;
  await alice.send(message(b, 'lost'));
  cluster.net.loss = 0;
  await move(cluster, a, 'n3');
  await cluster.pass(2000);
  t.same(bodies(bob.conn.take()), ['lost']);
  t.same(acks(await alice.send(REQUEST)), [2], 'and is answered');
});

/** What waits for a paused session of `b` at n2, put by a gateway at n3, when the shard goes to n3. */
async function leaveWith(cluster: TestCluster, b: string, planned: boolean): Promise<void> {
  const shard = cluster.shardOf(sessionKey(b));
  if (!planned) cluster.node('n2').runtime.unlead(shard, 'failed over');
  await cluster.give(shard, 'n3');
  for (const { runtime } of cluster.nodes.values()) runtime.moved(shard);
  await cluster.settle();
  await cluster.pass(3000);
}

t.test('a resumption that waits while the session leaves is put once, to where it went', async (t) => {
  const { cluster, b } = await pair();
  const bob = await cluster.bind('n1', b);
  bob.gone();
  await cluster.settle();
  cluster.node('n2').runtime.pause(cluster.shardOf(sessionKey(b)));
  t.equal(await bob.resume('n3', 1), undefined, 'held back');
  await leaveWith(cluster, b, true);
  t.equal(bob.conn.take().filter((xml) => xml.startsWith('<resumed')).length, 1);
  t.equal(bob.conn.closed, undefined);
  t.same(cluster.crashes, []);
});

t.test('a bind that waits while the shard fails over is put once: nobody is in its way', async (t) => {
  for (const planned of [true, false]) {
    const { cluster, b } = await pair();
    const bob = cluster.client('n3', b);
    cluster.node('n2').runtime.pause(cluster.shardOf(sessionKey(b)));
    t.equal(await bob.bind('one'), undefined, 'held back');
    await leaveWith(cluster, b, planned);
    t.equal(cluster.node('n3').runtime.stats().streams, 1);
    t.equal(bob.conn.closed, undefined, planned ? 'handed over' : 'failed over');
    t.same(cluster.crashes, []);
  }
});
