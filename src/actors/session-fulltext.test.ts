import t from 'tap';
import { hash32, shardOf } from '../base/hash.ts';
import type { Op, PlainWrite } from '../storage/log-store.ts';
import { createMemoryDisk } from '../storage/log-store-memory.ts';
import { ROWS_VERSION, SPAN } from '../xmpp/fulltext-rows.ts';
import type { InboxPointer } from '../xmpp/mam-view.ts';
import { FULLTEXT_KEY, type FulltextRow, fulltextRows } from './fulltext.ts';
import { sessionKey, userRows } from './keys.ts';
import { message, SHARDS, type TestClient, TestNode } from './runtime.fixture.ts';

const LIMITS = { inflightMax: 5000, unackedStanzasMax: 10_000 };

function plain(op: Op): PlainWrite[] {
  return op.writes.flatMap((write) => (write.t === 'call' ? write.call.expand(write.args) : [write]));
}

function rowOf(node: TestNode, user: string): FulltextRow | undefined {
  const key = userRows(user) + FULLTEXT_KEY;
  return node.inner.get(shardOf(sessionKey(user), SHARDS), key) as FulltextRow | undefined;
}

function rowsOf(node: TestNode, user: string): number {
  return node.inner.scan(shardOf(sessionKey(user), SHARDS), fulltextRows(user), 100_000).length;
}

function pointer(node: TestNode, user: string, seq: number): InboxPointer {
  const range = { from: seq, to: seq, limit: 1 };
  return node.inner.read(shardOf(sessionKey(user), SHARDS), `i/${user}`, range)[0]?.record as InboxPointer;
}

async function say(client: TestClient, to: string, from: number, upTo: number): Promise<void> {
  for (let i = from; i <= upTo; i += 100) {
    const last = Math.min(upTo, i + 99);
    const few = Array.from({ length: last - i + 1 }, (_, at) => message(to, `number ${i + at}`));
    await client.send(...few);
  }
}

async function two(node: TestNode): Promise<{ a: string; b: string; alice: TestClient }> {
  const [a = '', b = ''] = await node.account('a', 'b');
  return { a, b, alice: await node.bind(a, 'one', { sm: false }) };
}

t.test('words ride with the pointer, of what the archive shows', async (t) => {
  const node = await TestNode.start();
  const { a, b, alice } = await two(node);
  await alice.send(message(b, 'One ône two'));
  t.equal(pointer(node, a, 1).w?.length, 12);
  t.same(pointer(node, b, 1).w, pointer(node, a, 1).w);
  const secret = `<encrypted xmlns='urn:xmpp:omemo:2'/>`;
  await alice.send(message(b, 'I sent you an encrypted message', { extra: secret }));
  await alice.send(message(b, 'not kept', { extra: `<no-permanent-store xmlns='urn:xmpp:hints'/>` }));
  await alice.send(`<message xmlns='jabber:client' to='${b}' type='chat'><store xmlns='urn:xmpp:hints'/></message>`);
  for (const seq of [2, 3, 4]) t.equal(pointer(node, b, seq).w, undefined);
});

t.test('rows are the same whether words were remembered or are read back', async (t) => {
  const rowsWith = async (indexWordsBytesMax: number): Promise<unknown[]> => {
    const node = await TestNode.start({ session: { ...LIMITS, indexWordsBytesMax } });
    const { b, alice } = await two(node);
    const reads: number[] = [];
    const { read } = node.inner;
    node.inner.read = (shard, stream, range) => {
      if (stream === `i/${b}`) reads.push(range.limit);
      return read.call(node.inner, shard, stream, range);
    };
    await say(alice, b, 1, SPAN);
    await say(alice, b, SPAN + 1, SPAN + 1);
    t.equal(reads.includes(SPAN), indexWordsBytesMax === 0, 'read only without memory for them');
    const shard = shardOf(sessionKey(b), SHARDS);
    return node.inner.scan(shard, fulltextRows(b), 100_000);
  };
  const read = await rowsWith(0);
  t.ok(read.length > 10);
  t.strictSame(await rowsWith(1_048_576), read);
});

t.test('users who get the same messages get their rows at different ones', async (t) => {
  const indexLagMax = 32;
  const node = await TestNode.start({ session: { ...LIMITS, indexLagMax } });
  const { a, b, alice } = await two(node);
  const due = [a, b].map((user) => SPAN + 1 + (hash32(user) % indexLagMax)) as [number, number];
  t.not(due[0], due[1]);
  const seen: [number?, number?] = [];
  await say(alice, b, 1, SPAN);
  for (let said = SPAN + 1; said <= SPAN + indexLagMax; said += 1) {
    await say(alice, b, said, said);
    for (const [i, user] of [a, b].entries()) if (rowOf(node, user)?.spans === 1) seen[i] ??= said;
  }
  t.same(seen, due);
});

t.test('the rows of a span are in the op of a message, and go on after a restart', async (t) => {
  const node = await TestNode.start({ session: LIMITS });
  const { b, alice } = await two(node);
  await say(alice, b, 1, SPAN);
  t.same(rowOf(node, b), { v: ROWS_VERSION, first: 1, spans: 0 });
  node.ops.length = 0;
  await say(alice, b, SPAN + 1, SPAN + 1);
  t.same(rowOf(node, b), { v: ROWS_VERSION, first: 1, spans: 1 });
  const withRows = node.ops.filter((op) =>
    plain(op).some((one) => one.t === 'put' && one.key.startsWith(fulltextRows(b))),
  );
  t.equal(withRows.length, 1);
  t.match(
    plain(withRows[0] as Op).filter(({ t }) => t === 'append'),
    [{ stream: `i/${b}`, seq: SPAN + 1 }, {}],
  );
  t.ok(rowsOf(node, b) > 0);

  const later = await TestNode.start({ disk: node.disk, session: LIMITS });
  const again = await later.bind(alice.user, 'two', { sm: false });
  await say(again, b, SPAN + 2, 2 * SPAN);
  await say(again, b, 2 * SPAN + 1, 2 * SPAN + 1);
  t.same(rowOf(later, b), { v: ROWS_VERSION, first: 1, spans: 2 });
  t.same(later.crashes, []);
});

t.test('a refused op leaves no trace, and the next one makes up for it', async (t) => {
  const disk = createMemoryDisk();
  const node = await TestNode.start({ disk, session: LIMITS });
  const { b, alice } = await two(node);
  await say(alice, b, 1, SPAN);
  disk.full = true;
  await say(alice, b, SPAN + 1, SPAN + 3);
  t.same(rowOf(node, b), { v: ROWS_VERSION, first: 1, spans: 0 });
  t.equal(rowsOf(node, b), 0);
  disk.full = false;
  await node.pass(10_000);
  await say(alice, b, SPAN + 4, SPAN + 4);
  await node.pass(10_000);
  t.same(rowOf(node, b), { v: ROWS_VERSION, first: 1, spans: 1 });
  t.ok(rowsOf(node, b) > 0);
});

t.test('an inbox that was there before the index: it begins behind it', async (t) => {
  const node = await TestNode.start({ session: LIMITS });
  const { b, alice } = await two(node);
  await say(alice, b, 1, 3);
  const shard = shardOf(sessionKey(b), SHARDS);
  const idx = Math.max(0, ...node.ops.filter((op) => op.shard === shard).map((op) => op.idx));
  const writes = [{ t: 'del', key: userRows(b) + FULLTEXT_KEY }] as const;
  await node.inner.append([{ shard, epoch: 1, idx: idx + 1, writes, outbox: [] }]);
  const later = await TestNode.start({ disk: node.disk, session: LIMITS });
  const again = await later.bind(alice.user, 'two', { sm: false });
  await say(again, b, 4, 4);
  t.same(rowOf(later, b), { v: ROWS_VERSION, first: 4, spans: 0 });
});

t.test('an account that is removed leaves nothing of its index', async (t) => {
  const node = await TestNode.start({ session: LIMITS });
  const { b, alice } = await two(node);
  await say(alice, b, 1, SPAN);
  await say(alice, b, SPAN + 1, SPAN + 1);
  t.ok(rowsOf(node, b) > 0);
  await node.ask(b, { t: 'remove' });
  t.equal(rowsOf(node, b), 0);
  t.equal(rowOf(node, b), undefined);
});
