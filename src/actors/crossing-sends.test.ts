import t from 'tap';
import { pair } from './crossing.fixture.ts';
import { chatKey, directChatId } from './keys.ts';
import { acks, bodies, message, REQUEST } from './runtime.fixture.ts';

t.test('a send that is lost comes again, in its place, and is stored once', async (t) => {
  const { cluster, a, b } = await pair('n2');
  const bob = await cluster.bind('n2', b);
  const alice = await cluster.bind('n1', a);
  cluster.net.loss = 1;
  await alice.send(message(b, 'one', { id: '1' }));
  cluster.net.loss = 0;
  await alice.send(message(b, 'two', { id: '2' }));
  t.same(bodies(bob.conn.take()), ['one', 'two'], 'the chat asks for what is missing at once');
  t.same(acks(await alice.send(REQUEST)), [3]);
  // The answer is lost.
  alice.frame(message(b, 'three', { id: '3' }));
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  cluster.net.deliver();
  await new Promise((resolve) => setImmediate(resolve));
  cluster.net.loss = 1;
  await cluster.settle();
  cluster.net.loss = 0;
  t.same(acks(await alice.send(REQUEST)), []);
  await cluster.pass(2000);
  t.same(
    acks(alice.conn.take()),
    [],
    'an answer that is lost is asked for by the retry, the own inbox lacks the message',
  );
  await cluster.pass(6000);
  t.same(acks(alice.conn.take()), [4], 'its item comes again');
  t.same(bodies(bob.conn.take()), ['three']);
});

t.test('a retry is recognised by the next leader of the chat, without any id of the client', async (t) => {
  const { cluster, a, b } = await pair('n2', ['n1', 'n2', 'n3']);
  const bob = await cluster.bind('n2', b);
  const alice = await cluster.bind('n1', a);
  await alice.send(message(b, 'first', { id: '1' }));
  alice.frame(message(b, 'ok', { id: '2' }));
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  cluster.net.deliver();
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  // On its way to the log of n2: committed by the next leader.
  await cluster.place(chatKey(directChatId(a, b)), 'n3');
  await cluster.settle();
  await cluster.pass(3000);
  t.same(bodies(bob.conn.take()), ['first', 'ok']);
  t.same(acks(await alice.send(REQUEST)), [3]);
});

t.test('a send that nobody answers fails with an error, and counts as handled', async (t) => {
  const { cluster, a, b } = await pair('n2');
  const alice = await cluster.bind('n1', a);
  await cluster.place(chatKey(directChatId(a, b)), undefined);
  await alice.send(message(b, 'x'));
  await cluster.pass(14_000);
  t.same(
    alice.conn.take().filter((xml) => xml.startsWith('<message')),
    [],
  );
  await cluster.pass(2000);
  t.same(bodies(alice.conn.take()), ['!remote-server-timeout']);
  t.same(acks(await alice.send(REQUEST)), [2]);
});

t.test('with a send that nobody answered those behind it fail', async (t) => {
  const { cluster, a, b } = await pair('n2');
  const alice = await cluster.bind('n1', a);
  const bob = await cluster.bind('n2', b);
  const chat = chatKey(directChatId(a, b));
  await cluster.place(chat, undefined);
  await alice.send(message(b, '1'));
  await cluster.pass(10_000);
  await alice.send(message(b, '2'));
  alice.conn.take();
  await cluster.pass(6000);
  t.same(bodies(alice.conn.take()), ['!remote-server-timeout', '!remote-server-timeout']);
  await cluster.place(chat, 'n2');
  await cluster.pass(3000);
  t.same(bodies(bob.conn.take()), ['1', '2'], 'what waited on the way is taken late, in order');
  t.same(acks(await alice.send(REQUEST)), [3]);
});
