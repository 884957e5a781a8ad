import t from 'tap';
import { shardOf } from '../base/hash.ts';
import { accountIndexRow, directChatId, inboxStream, indexStream, sessionKey, userRows } from './keys.ts';
import { bodies, ids, message, SHARDS, TestNode } from './runtime.fixture.ts';

t.test('an account is made once, and asked for by its row', async (t) => {
  const node = await TestNode.start();
  const user = 'a@test.example';
  t.same(await node.ask(user, { t: 'lookup' }), { t: 'none' });
  t.same(await node.ask(user, { t: 'setCredentials', row: { v: 2 } }), { t: 'none' });
  t.same(await node.ask(user, { t: 'remove' }), { t: 'none' });
  t.same(await node.ask(user, { t: 'create', row: { v: 1 } }), { t: 'done' });
  t.same(await node.ask(user, { t: 'create', row: { v: 9 } }), { t: 'conflict' });
  t.same(await node.ask(user, { t: 'setCredentials', row: { v: 2 } }), { t: 'done' });
  t.same(await node.ask(user, { t: 'lookup' }), { t: 'account', row: { v: 2 } });
});

t.test('a lookup is answered from the log, behind what was decided before it', async (t) => {
  const node = await TestNode.start();
  const [user = ''] = await node.account('a');
  const row = { v: 1, createdMs: 5, credentials: { key: 'first' } };
  await node.ask(user, { t: 'setCredentials', row });
  node.held = true;
  const changed = node.ask(user, { t: 'setCredentials', row: { ...row, credentials: { key: 'second' } } });
  const lookup = node.ask(user, { t: 'lookup' });
  await node.release();
  t.same(await changed, { t: 'done' });
  t.match(await lookup, { t: 'account', row: { createdMs: 5, credentials: { key: 'second' } } });
  node.held = true;
  const removed = node.ask(user, { t: 'remove' });
  const after = node.ask(user, { t: 'lookup' });
  await node.release();
  t.same([await removed, await after], [{ t: 'done' }, { t: 'none' }]);
});

t.test('an account that the disk refused is not there', async (t) => {
  const node = await TestNode.start();
  node.store.full = true;
  const user = 'a@test.example';
  t.same(await node.ask(user, { t: 'create', row: { v: 1 } }), { t: 'failed', condition: 'resource-constraint' });
  node.store.full = false;
  t.same(await node.ask(user, { t: 'lookup' }), { t: 'none' });
});

t.test('a removed account takes everything of it along', async (t) => {
  const node = await TestNode.start();
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, '1'), message(b, '2'));
  t.same(await node.ask(b, { t: 'remove' }), { t: 'done' });
  const shard = shardOf(sessionKey(b), SHARDS);
  t.same(node.inner.scan(shard, userRows(b), 10), []);
  t.equal(node.inner.get(shard, accountIndexRow(b)), undefined);
  t.equal(node.inner.last(shard, inboxStream(b)), 0);
  t.equal(node.inner.last(shard, indexStream(b, directChatId(a, b))), 0);
  t.match(bob.conn.closed, { t: 'error', condition: 'not-authorized' });
  t.match(await bob.resume(1), { ok: false });
  t.same(bodies(await alice.send(message(b, '3'))), ['!service-unavailable']);
  t.equal(node.runtime.stats().outbox, 0, 'the chat has acknowledged that the member is gone');
});

t.test('who registers the name next starts afresh', async (t) => {
  const node = await TestNode.start();
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  await node.bind(b, 'one');
  await alice.send(message(b, 'for the first'));
  await node.ask(b, { t: 'remove' });
  await node.account('b');
  const next = await node.bind(b, 'one');
  t.same(bodies(next.conn.take()), []);
  t.same(bodies(await alice.send(message(b, 'for the second'))), []);
  const got = next.conn.take();
  t.same(bodies(got), ['for the second']);
  t.same(ids(got), [1], 'with an archive of its own');
  await next.send(message(a, 'hello'));
  t.same(bodies(alice.conn.take()), ['hello']);
});

t.test('an account that went before its first message came is not taken for its successor', async (t) => {
  const node = await TestNode.start();
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  node.held = true;
  await alice.send(message(b, 'too late'));
  const removed = node.ask(b, { t: 'remove' });
  await node.release();
  await removed;
  await node.account('b');
  const next = await node.bind(b, 'one');
  await alice.send(message(b, 'in time'));
  await node.pass(10_000);
  t.same(bodies(next.conn.take()), ['in time']);
  t.equal(node.runtime.stats().outbox, 0);
});
