import t from 'tap';
import { DOMAIN } from '../../test/sim/core-world.ts';
import { pair, TestCluster } from './crossing.fixture.ts';
import { chatKey, directChatId, sessionKey } from './keys.ts';
import { acks, bodies, composing, message, REQUEST } from './runtime.fixture.ts';

t.test('a message crosses nodes and is acknowledged, wherever sockets, sessions and the chat are', async (t) => {
  for (const chatAt of ['n1', 'n2', 'n3']) {
    for (const gateway of ['n1', 'n2', 'n3']) {
      const { cluster, a, b } = await pair(chatAt, ['n1', 'n2', 'n3']);
      const alice = await cluster.bind(gateway, a);
      const bob = await cluster.bind('n1', b);
      const got = await alice.send(message(b, 'x'));
      got.push(...(await alice.send(composing(b), message(b, 'y'), REQUEST)));
      t.same(acks(got), [4], `chat at ${chatAt}, socket at ${gateway}`);
      t.same(bodies(bob.conn.take()), ['x', '~', 'y'], 'a chat state keeps its place');
      t.equal(cluster.node('n1').runtime.stats().outbox + cluster.node(chatAt).runtime.stats().outbox, 0);
      t.same(cluster.crashes, []);
    }
  }
});

t.test('a frame that was lost ends the socket, and the stream is resumed at another gateway', async (t) => {
  const { cluster, a, b } = await pair('n2');
  const bob = await cluster.bind('n1', b);
  const alice = await cluster.bind('n1', a);
  await alice.send(message(b, 'before'));
  t.same(bodies(bob.conn.take()), ['before']);
  cluster.net.loss = 1;
  await bob.send(message(a, 'lost'));
  cluster.net.loss = 0;
  await bob.send(message(a, 'behind it'));
  t.match(bob.conn.closed, { t: 'detached' }, 'upwards: the session sees the gap');
  const again = await bob.resume('n2', 2);
  t.match(again, { ok: true });
  t.match(bob.conn.take()[0], / h='1'/, 'neither of the two is counted');
  t.same(bodies(alice.conn.take()), []);
});

t.test('a frame to the client that was lost is noticed although nothing follows it', async (t) => {
  const { cluster, a, b } = await pair('n2');
  const bob = await cluster.bind('n1', b);
  cluster.net.loss = 1;
  cluster.node('n2').runtime.toSession(b, {
    t: 'peer',
    msg: {
      t: 'presence',
      from: a,
      to: b,
      xml: `<presence xmlns='jabber:client' from='${a}'/>`,
      available: true,
      directed: true,
    },
  });
  await cluster.settle();
  cluster.net.loss = 0;
  t.same(bob.conn.take(), []);
  await cluster.pass(3000);
  t.match(bob.conn.closed, { t: 'detached' });
  t.match(await bob.resume('n1', 1), { ok: true });
  t.match(bob.conn.take().join(), /<presence/, 'the session still has it');
});

t.test('a gateway that dies detaches its streams, a clean end ends them', async (t) => {
  const { cluster, b } = await pair('n2');
  const bob = await cluster.bind('n1', b);
  const other = await cluster.bind('n1', b, 'two');
  const { runtime } = cluster.node('n2');
  other.gone(true);
  await cluster.settle();
  t.match(runtime.stats(), { streams: 1, crossing: { sessionLinks: 1 } });
  cluster.node('n1').kill();
  runtime.nodeGone('n1');
  await cluster.settle();
  t.match(runtime.stats(), { streams: 1, crossing: { sessionLinks: 0 } });
  t.match(await bob.resume('n2', 2), { ok: true });
});

t.test('links that nobody hears of any more are given up on both sides', async (t) => {
  const { cluster, b } = await pair('n2');
  const bob = await cluster.bind('n1', b);
  cluster.net.loss = 1;
  bob.gone();
  await cluster.settle();
  cluster.net.loss = 0;
  t.match(cluster.node('n2').runtime.stats().crossing, { sessionLinks: 1 });
  await cluster.pass(40_000);
  t.match(cluster.node('n2').runtime.stats().crossing, { sessionLinks: 0 }, 'the end was lost');
  const again = await cluster.bind('n1', b);
  cluster.net.loss = 1;
  await cluster.pass(25_000);
  t.match(again.conn.closed, { t: 'detached' }, 'the node of the session is silent');
});

t.test('a node that loses a shard lets go of its sockets, and the client binds anew at the next leader', async (t) => {
  const { cluster, a, b } = await pair('n2');
  const bob = await cluster.bind('n1', b);
  const alice = await cluster.bind('n1', a);
  await cluster.place(sessionKey(b), 'n1');
  await cluster.settle();
  t.match(bob.conn.closed, { t: 'detached' });
  t.same(await bob.resume('n2', 2), { ok: false, h: undefined });
  const back = await cluster.bind('n2', b);
  await alice.send(message(b, 'x'));
  t.same(bodies(back.conn.take()), ['x']);
});

t.test('a slow client elsewhere fills the queue of its socket, a fast one does not', async (t) => {
  const { cluster, a, b } = await pair('n2');
  const alice = await cluster.bind('n2', a);
  const [slow, fast] = [cluster.client('n1', b), cluster.client('n1', b)];
  await slow.bind('slow');
  await fast.bind('fast');
  for (const one of [slow, fast]) await one.send(`<presence xmlns='jabber:client'/>`);
  slow.conn.queuedBytes = 2_000_000;
  for (let i = 0; i < 30 && slow.conn.closed === undefined; i++) {
    await alice.send(message(b, 'x'.repeat(100_000), { id: `m${i}` }));
    await cluster.pass(1000);
  }
  t.match(slow.conn.closed, { t: 'detached', why: /too slowly/ });
  t.equal(fast.conn.closed, undefined);
});

t.test('a sender that knows an older leader reaches the new one', async (t) => {
  const { cluster, a, b } = await pair('n2', ['n1', 'n2', 'n3']);
  const alice = await cluster.bind('n1', a);
  await cluster.place(chatKey(directChatId(a, b)), 'n3', false);
  await alice.send(message(b, 'given back'));
  await cluster.pass(200);
  const view = cluster.node('n2').view;
  for (const [shard, leader] of cluster.log.leaders.entries()) view[shard] = leader;
  await alice.send(message(b, 'sent on'));
  await cluster.pass(5000);
  t.same(acks(await alice.send(REQUEST)), [3]);
});

t.test('a delivery that was lost is gone back to as soon as the next one shows it', async (t) => {
  const { cluster, a, b } = await pair('n1');
  const bob = await cluster.bind('n2', b);
  const alice = await cluster.bind('n1', a);
  await alice.send(message(b, 'before'));
  cluster.net.loss = 1;
  await alice.send(message(b, 'lost'));
  cluster.net.loss = 0;
  await alice.send(message(b, 'next'));
  t.same(bodies(bob.conn.take()), ['before', 'lost', 'next']);
  await cluster.settle();
  t.equal(cluster.node('n1').runtime.stats().outbox, 0);
});

t.test('what nobody acknowledged goes on from the next leader of the source', async (t) => {
  const { cluster, a, b } = await pair('n1');
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b);
  await alice.send(message(b, 'before'));
  cluster.net.loss = 1;
  await alice.send(message(b, 'x'));
  cluster.net.loss = 0;
  await cluster.place(chatKey(directChatId(a, b)), 'n2');
  await cluster.settle();
  t.same(bodies(bob.conn.take()), ['before', 'x']);
  t.equal(cluster.node('n1').runtime.stats().outbox + cluster.node('n2').runtime.stats().outbox, 0);
});

t.test('questions find their way: accounts, and what fails when nobody answers', async (t) => {
  const { cluster, a, b } = await pair('n2');
  t.match(await cluster.ask('n1', b, { t: 'lookup' }), { t: 'account' });
  t.same(await cluster.ask('n2', `nobody@${DOMAIN}`, { t: 'lookup' }), { t: 'none' });
  const list = cluster.node('n1').runtime.listAccounts(10);
  await cluster.settle();
  t.same(
    (await list).map(({ user }) => user),
    [a, b],
  );
  await cluster.place(sessionKey(b), undefined);
  const half = t.rejects(cluster.node('n1').runtime.listAccounts(10), /1 of \d+ shards have no leader just now/);
  await cluster.settle();
  await half;
  const client = cluster.client('n1', b);
  let bound: unknown;
  cluster.node('n1').runtime.toSession(b, { t: 'bind', conn: client.conn, resource: 'r', reply: (x) => (bound = x) });
  let resumed: unknown;
  const conn = cluster.client('n1', b).conn;
  cluster.node('n1').runtime.toSession(b, { t: 'resume', conn, smId: 'x', h: 0, reply: (x) => (resumed = x) });
  await cluster.pass(8000);
  t.same([bound, resumed], [undefined, undefined], 'there may be a leader soon');
  await cluster.pass(2000);
  t.same(bound, { ok: false, condition: 'remote-server-timeout' });
  t.same([resumed, conn.closed?.t], [{ ok: false, h: undefined }, 'detached'], 'the client is to come again');
  await cluster.place(sessionKey(b), 'n2');
  t.match(await cluster.client('n1', b).bind('r'), { ok: true });
});

t.test('a question to a node that dies is put to the next leader', async (t) => {
  const { cluster, a, b } = await pair('n2', ['n1', 'n2', 'n3']);
  const client = cluster.client('n1', b);
  let bound: { ok: boolean } | undefined;
  const { runtime } = cluster.node('n1');
  cluster.node('n2').kill();
  runtime.toSession(b, { t: 'bind', conn: client.conn, resource: 'r', reply: (answer) => (bound = answer) });
  await cluster.settle();
  t.equal(bound, undefined);
  runtime.nodeGone('n2');
  await cluster.place(sessionKey(b), 'n3');
  await cluster.settle();
  cluster.clock.advance(200);
  await cluster.settle();
  t.match(bound, { ok: true });
  t.ok(a);
});

t.test('a question to a node that is gone waits for the next leader, however late that takes over', async (t) => {
  const { cluster, b } = await pair('n2', ['n1', 'n2', 'n3']);
  const { runtime } = cluster.node('n1');
  cluster.node('n2').kill();
  runtime.nodeGone('n2');
  let bound: unknown;
  const { conn } = cluster.client('n1', b);
  runtime.toSession(b, { t: 'bind', conn, resource: 'r', reply: (answer) => (bound = answer) });
  await cluster.pass(2_000);
  t.equal(bound, undefined, 'the directory names the dead node still');
  await cluster.place(sessionKey(b), 'n3');
  await cluster.pass(200);
  t.match(bound, { ok: true });
});

t.test('a node that was taken for gone is asked again once it is heard, or after a while', async (t) => {
  for (const heard of [true, false]) {
    const { cluster, a, b } = await pair('n2');
    const alice = await cluster.bind('n2', a);
    const { runtime } = cluster.node('n1');
    runtime.nodeGone('n2');
    let bound: unknown;
    const { conn } = cluster.client('n1', b);
    runtime.toSession(b, { t: 'bind', conn, resource: 'r', reply: (answer) => (bound = answer) });
    await cluster.pass(1_000);
    t.equal(bound, undefined);
    // Alice's session is led by n1, her socket is at n2.
    if (heard) await alice.send("<iq xmlns='jabber:client' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
    await cluster.pass(heard ? 200 : 4_200);
    t.match(bound, { ok: true }, heard ? 'it was heard' : 'it was silent, but is still named');
  }
});

t.test('an iq request to a user whose shard nobody leads is answered', async (t) => {
  const { cluster, a, b } = await pair('n2');
  const alice = await cluster.bind('n1', a);
  await cluster.place(sessionKey(b), undefined);
  await alice.send(`<iq xmlns='jabber:client' type='get' id='q' to='${b}/r'><ping xmlns='urn:xmpp:ping'/></iq>`);
  await cluster.pass(4000);
  t.match(alice.conn.take().join(), /<iq .*type="error".*remote-server-timeout/);
});

t.test('who was online under a leader that is gone is told offline, unless they are back', async (t) => {
  const { cluster, a, b } = await pair('n1', ['n1', 'n2', 'n3']);
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b, 'phone');
  await cluster.bind('n2', b, 'desk');
  await bob.send(`<presence xmlns='jabber:client' type='subscribe' to='${a}'/>`);
  await alice.send(`<presence xmlns='jabber:client' type='subscribed' to='${b}'/>`);
  await alice.send(`<presence xmlns='jabber:client' type='subscribe' to='${b}'/>`);
  await bob.send(`<presence xmlns='jabber:client' type='subscribed' to='${a}'/>`);
  t.match(alice.conn.take().join(), /phone[\s\S]*desk/, 'she sees both');
  await cluster.place(sessionKey(b), 'n3');
  await cluster.settle();
  const back = await cluster.bind('n1', b, 'desk');
  alice.conn.take();
  await cluster.pass(20_000);
  const heard = alice.conn.take().filter((xml) => xml.includes('unavailable'));
  t.equal(heard.length, 1);
  t.match(heard[0], new RegExp(`from="${b}/phone"`));
  t.equal(back.conn.closed, undefined);
});

t.test('a first message that was lost is gone back to, though the account was dated by a clock ahead', async (t) => {
  const cluster = await TestCluster.start();
  t.teardown(() => cluster.nodes.forEach((node) => void node.kill()));
  const a = await cluster.account('a', 'n1');
  const b = `b@${DOMAIN}`;
  await cluster.place(sessionKey(b), 'n2');
  await cluster.ask('n2', b, { t: 'create', row: { v: 1, createdMs: cluster.clock.now() + 60_000 } });
  await cluster.place(chatKey(directChatId(a, b)), 'n1');
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b);
  const n1 = cluster.node('n1');
  alice.frame(message(b, 'first'));
  while (n1.pipeline.waiting === 0) {
    cluster.net.deliver();
    await new Promise((resolve) => setImmediate(resolve));
  }
  cluster.net.loss = 1;
  await n1.sync();
  await new Promise((resolve) => setImmediate(resolve));
  cluster.net.loss = 0;
  await alice.send(message(b, 'second'));
  await cluster.pass(1000);
  t.same(bodies(bob.conn.take()), ['first', 'second']);
  t.equal(n1.runtime.stats().outbox, 0);
});

t.test('a socket whose stream was replaced in a turn that its node could not commit is let go of', async (t) => {
  const { cluster, a, b } = await pair('n1');
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b);
  const n2 = cluster.node('n2');
  alice.frame(message(b, 'x'));
  await n2.sync();
  while (n2.pipeline.waiting === 0) {
    await cluster.node('n1').sync();
    cluster.net.deliver();
    await new Promise((resolve) => setImmediate(resolve));
  }
  n2.runtime.toSession(b, { t: 'bind', conn: cluster.client('n2', b).conn, resource: 'one', reply: () => {} });
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  t.equal(bob.conn.closed, undefined, 'its end waits for what came before it');
  await cluster.give(cluster.shardOf(sessionKey(b)), 'n1');
  t.match(bob.conn.closed, { t: 'detached' });
  await cluster.settle();
});
