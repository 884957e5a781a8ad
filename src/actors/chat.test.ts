import t from 'tap';
import { ack, bodies, message, TestNode } from './runtime.fixture.ts';

t.test('a resend is recognised after the chat was put to sleep and loaded again', async (t) => {
  const node = await TestNode.start();
  const [a, b] = await node.account('a', 'b');
  const client = await node.bind(a!, 'one');
  await client.send(message(b!, 'hello', { oid: 'o1' }));
  await node.pass(61_000);
  t.equal(node.runtime.stats().chats, 0, 'it sleeps');
  await client.send(message(b!, 'hello', { oid: 'o1' }));
  const other = await node.bind(b!, 'one', { priority: null });
  t.same(bodies(await other.send(`<presence xmlns='jabber:client'/>`)), ['hello']);
});

t.test('the last ids of a sender who writes rarely are loaded from behind those of one who writes much', async (t) => {
  const node = await TestNode.start({ chat: { dedupePerSenderMin: 2, dedupeMs: 10 } });
  const [a, b] = await node.account('a', 'b');
  const rare = await node.bind(a!, 'one');
  const busy = await node.bind(b!, 'one');
  await rare.send(message(b!, 'first', { oid: 'rare' }));
  node.now += 100;
  await busy.send(...Array.from({ length: 600 }, (_, i) => message(a!, `m${i}`)));
  await node.pass(61_000);
  t.equal(node.runtime.stats().chats, 0);
  busy.conn.take();
  await rare.send(message(b!, 'first', { oid: 'rare' }));
  t.same(bodies(busy.conn.take()), []);
});

t.test('sends that wait for the other side outlive a refused op', async (t) => {
  const node = await TestNode.start();
  const [a, b, c] = await node.account('a', 'b', 'c');
  const client = await node.bind(a!, 'one');
  // One turn fails while another chat's first message waits: the chats' memory is their own.
  await client.send(message(b!, 'known'));
  node.held = true;
  await client.send(message(c!, 'first of a chat'));
  node.store.full = true;
  await node.release();
  t.same(bodies(client.conn.take()), ['!resource-constraint']);
  node.store.full = false;
  const other = await node.bind(c!, 'one');
  await client.send(ack(2), message(c!, 'second'));
  t.same(bodies(other.conn.take()), ['second']);
});
