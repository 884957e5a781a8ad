import t from 'tap';
import { createMemoryDisk } from '../storage/log-store-memory.ts';
import { bodies, DOMAIN, message, presence, TestClient, TestNode } from './runtime.fixture.ts';
import { startActorSystem, type Wakers } from './spawn.ts';

t.test('idle entities sleep, those with streams or a question do not', async (t) => {
  const node = await TestNode.start();
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  await alice.send(message(b, 'x'));
  t.match(node.runtime.stats(), { sessions: 2, chats: 1 });
  await node.pass(59_000);
  t.match(node.runtime.stats(), { sessions: 2, chats: 1 });
  await node.pass(2000);
  t.match(node.runtime.stats(), { sessions: 1, chats: 0, actors: { actors: 1 } });
});

t.test('an entity that stays in memory without work rests, and goes on with the next message', async (t) => {
  let awake = 0;
  const wakers: Wakers = {
    add(_name, drain) {
      awake += 1;
      return { wake: () => void setImmediate(drain), stop: () => void awake-- };
    },
    stop() {},
  };
  const node = await TestNode.start({ runtime: { actors: startActorSystem(wakers) } });
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one', { sm: false });
  const bob = await node.bind(b, 'one', { sm: false });
  await alice.send(message(b, 'x'));
  bob.conn.take();
  await node.pass(4000);
  t.equal(awake, 3, 'two sessions and their chat');
  await node.pass(1000);
  t.match([awake, node.runtime.stats()], [0, { sessions: 2, chats: 1, streams: 2, actors: { actors: 3 } }]);
  await alice.send(message(b, 'y'));
  t.same(bodies(bob.conn.take()), ['y']);
  t.equal(awake, 2, 'the one that gets it does so as the tick begins');
  await node.pass(5000);
  t.equal(awake, 0);
});

t.test('above the bound entities sleep early', async (t) => {
  const node = await TestNode.start({ runtime: { entitiesMax: 2, sweepMs: 1000 } });
  await node.account('a', 'b', 'c', 'd');
  t.equal(node.runtime.stats().sessions, 4);
  await node.pass(1000);
  t.equal(node.runtime.stats().sessions, 0);
});

t.test('what was committed and not delivered is delivered after a restart, once', async (t) => {
  const disk = createMemoryDisk();
  const before = await TestNode.start({ disk });
  const [a = '', b = ''] = await before.account('a', 'b');
  const alice = await before.bind(a, 'one');
  await alice.send(message(b, 'known'));
  before.held = true;
  await alice.send(message(b, 'committed in the chat'));
  before.store.sync();
  await before.settle();
  before.store.crash(false);
  const after = await TestNode.start({ disk });
  await after.settle();
  const bob = await after.bind(b, 'one', { priority: null });
  t.same(bodies(await bob.send(presence())), ['known', 'committed in the chat']);
  t.equal(after.runtime.stats().outbox, 0);
  const again = await TestNode.start({ disk });
  await again.settle();
  t.equal(again.runtime.stats().outbox, 0, 'what was acknowledged is not sent again');
});

t.test('an item that a full mailbox refused comes again, in order', async (t) => {
  const node = await TestNode.start({ runtime: { mailboxMax: 4 } });
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, '0'));
  const all = Array.from({ length: 12 }, (_, i) => String(i + 1));
  node.held = true;
  for (const body of all) {
    alice.frame(message(b, body));
    if (Number(body) % 3 === 0) await node.settle();
  }
  await node.release();
  for (let i = 0; i < 20; i++) await node.pass(5000);
  t.same(bodies(bob.conn.take()), ['0', ...all]);
  t.equal(node.runtime.stats().outbox, 0);
});

t.test('a send that its chat has no room for is answered', async (t) => {
  const node = await TestNode.start({ runtime: { mailboxMax: 2 } });
  const [a = '', b = ''] = await node.account('a', 'b');
  const chat = { t: 'sweep', now: 0 } as const;
  const alice = await node.bind(a, 'one');
  await alice.send(message(b, 'x'));
  alice.frame(message(b, 'y'));
  for (let i = 0; i < 3; i++) node.runtime.toChat(`${a}/${b}`, chat);
  await node.settle();
  t.same(bodies(alice.conn.take()), ['!resource-constraint']);
});

t.test('an answer to a session that slept since is not taken for another', async (t) => {
  const node = await TestNode.start();
  const [a = '', b = ''] = await node.account('a', 'b');
  const first = await node.bind(a, 'one');
  await first.send(message(b, 'x'));
  first.gone(true);
  await node.settle();
  for (let i = 0; i < 3; i++) await node.pass(61_000);
  t.equal(node.runtime.stats().sessions, 0);
  const second = await node.bind(a, 'one');
  node.held = true;
  await second.send(message(b, 'y'));
  for (let token = 0; token < 20; token++) node.runtime.toSession(a, { t: 'answer', token, outcome: { ok: true } });
  const got = await second.send(`<r xmlns='urn:xmpp:sm:3'/>`);
  t.same(got, [], 'not acknowledged before it is on disk');
});

t.test('a crash of a session ends its streams and leaves the others alone', async (t) => {
  const node = await TestNode.start({
    onIq() {
      throw new Error('a fault of ours');
    },
  });
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  await alice.send(`<iq xmlns='jabber:client' type='get' id='q'><boom xmlns='urn:x'/></iq>`);
  t.match(alice.conn.closed, { t: 'error', condition: 'internal-server-error' });
  t.equal(node.crashes.length, 1);
  t.equal(bob.conn.closed, undefined);
  const again = await node.bind(a, 'one');
  await again.send(message(b, 'still here'));
  t.same(bodies(bob.conn.take()), ['still here']);
});

t.test('closing waits for what was accepted', async (t) => {
  const disk = createMemoryDisk();
  const node = await TestNode.start({ disk });
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  alice.frame(message(b, 'last'));
  const closed = node.runtime.close();
  await node.settle();
  await closed;
  const after = await TestNode.start({ disk });
  const bob = await after.bind(b, 'one', { priority: null });
  t.same(bodies(await bob.send(presence())), ['last']);
});

t.test('users of nobody bind nowhere, and leave nothing behind', async (t) => {
  const node = await TestNode.start();
  const client = new TestClient(node, `nobody@${DOMAIN}`);
  await node.tryBind(client, 'one');
  await node.pass(61_000);
  t.match(node.runtime.stats(), { sessions: 0, streams: 0 });
});
