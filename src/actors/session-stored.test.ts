import t from 'tap';
import { shardOf } from '../base/hash.ts';
import type { IqRequest, SessionPort } from '../xmpp/module.ts';
import { readXml, storeXml } from '../xmpp/stored-xml.ts';
import { sessionKey, storedRow, userRows } from './keys.ts';
import { message, SHARDS, type TestClient, TestNode } from './runtime.fixture.ts';

/** `<set xmlns='urn:x'>text</set>` stores, `<get xmlns='urn:x'/>` answers with what is stored. */
function onIq(session: SessionPort, { payload, ...request }: IqRequest): boolean {
  if (payload.getName() === 'set') {
    storeXml(session, 'x', `<text>${payload.getText()}</text>`);
    request.reply();
  } else readXml(session, 'x', (xml) => request.reply(xml ?? '<none/>'));
  return true;
}

async function one(): Promise<{ node: TestNode; user: string; client: TestClient; shard: number }> {
  const node = await TestNode.start({ onIq });
  const [user = ''] = await node.account('a');
  return { node, user, client: await node.bind(user, 'one'), shard: shardOf(sessionKey(user), SHARDS) };
}

const set = (text: string): string =>
  `<iq xmlns='jabber:client' type='set' id='s'><set xmlns='urn:x'>${text}</set></iq>`;
const get = (id = 'g'): string => `<iq xmlns='jabber:client' type='get' id='${id}'><get xmlns='urn:x'/></iq>`;

/** Answers in order: what is in them, `done` for an empty one, `!condition` for an error. */
const answers = (stanzas: readonly string[]): string[] =>
  stanzas
    .filter((xml) => xml.startsWith('<iq'))
    .map((xml) => {
      const condition = /<error[^>]*><([a-z-]+)/.exec(xml)?.[1];
      return condition === undefined ? (/<text>(.*)<\/text>|<none\/>/.exec(xml)?.[0] ?? 'done') : `!${condition}`;
    });

t.test('what is stored before the question is found', async (t) => {
  const { client } = await one();
  t.same(answers(await client.send(get())), ['<none/>']);
  const out = await client.send(set('1'), get(), set('2'), get());
  t.same(answers(out).filter((text) => text === 'done').length, 2);
  t.same(answers(out).at(-1), '<text>2</text>');
  t.same(answers(await client.send(get())), ['<text>2</text>']);
});

t.test('a question waits for the disk, as the write before it does', async (t) => {
  const { node, client } = await one();
  node.held = true;
  client.frame(set('1'));
  await node.settle();
  client.frame(get());
  await node.settle();
  t.same(client.conn.take(), []);
  await node.release();
  t.same(answers(client.conn.take()), ['done', '<text>1</text>']);
});

t.test('what the disk refused is not there', async (t) => {
  const { node, client } = await one();
  node.store.full = true;
  t.same(answers(await client.send(set('1'))), ['!resource-constraint']);
  node.store.full = false;
  t.same(answers(await client.send(get())), ['<none/>']);
});

t.test('it is on the shard of the user, and not among the rows that a session loads', async (t) => {
  const { node, user, client, shard } = await one();
  await client.send(set('x'.repeat(1000)));
  t.match(node.inner.get(shard, storedRow(user, 'x')), { v: 1 });
  const loaded = node.inner.scan(shard, userRows(user), 100);
  t.notOk(JSON.stringify(loaded).includes('xxxx'));
  t.match(new Map(loaded).get(`${userRows(user)}d/x`), { bytes: 1013 });
  const [op] = node.ops.slice(-1);
  t.equal(op?.writes.length, 2, 'both in one op');
});

t.test('it goes with the account', async (t) => {
  const { node, user, client, shard } = await one();
  await client.send(set('1'), message(user, 'note'));
  t.same(await node.ask(user, { t: 'remove' }), { t: 'done' });
  t.equal(node.inner.get(shard, storedRow(user, 'x')), undefined);
  await node.account('a');
  const next = await node.bind(user, 'one');
  t.same(answers(await next.send(get())), ['<none/>']);
});

t.test('the question of a stream that ended meanwhile harms nobody', async (t) => {
  const { node, user, client } = await one();
  await client.send(set('1'));
  node.held = true;
  client.frame(set('2'));
  client.frame(get());
  client.gone(true);
  await node.release();
  t.same(node.crashes, []);
  t.same(answers(await (await node.bind(user, 'two')).send(get())), ['<text>2</text>']);
});
