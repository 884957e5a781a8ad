import t from 'tap';
import { DOMAIN as CLUSTER_DOMAIN } from '../../test/sim/core-world.ts';
import { shardOf } from '../base/hash.ts';
import { newBlocklist } from '../xmpp/blocklist.ts';
import { buildProtocol, withoutArchive } from '../xmpp/index.ts';
import { dispatchIq } from '../xmpp/iq-table.ts';
import type { InboxPointer } from '../xmpp/mam-view.ts';
import type { IqRequest, SessionPort } from '../xmpp/module.ts';
import type { ChatRow } from './chat-state.ts';
import { TestCluster } from './crossing.fixture.ts';
import { chatKey, chatRow, directChatId, inboxStream, indexStream, sessionKey, userRows } from './keys.ts';
import { POSTS_PER_OP_MAX, type PostItem } from './messages.ts';
import { decideRegistration } from './registration.ts';
import {
  ack,
  acks,
  bodies,
  composing,
  message,
  presence,
  REQUEST,
  SHARDS,
  type TestClient,
  TestNode,
} from './runtime.fixture.ts';
import { tellChats } from './session-blocking.ts';
import type { SessionState } from './session-state.ts';

const unused = (): never => {
  throw new Error('no items are asked for here');
};
const { iqTable } = buildProtocol({
  software: { name: 'Rookery', version: '0' },
  startedAtMs: 0,
  archive: withoutArchive('no archive is asked here'),
  items: { index: unused, put: unused, del: unused, forget: unused, load: unused },
});
const onIq = (session: SessionPort, request: IqRequest): boolean => dispatchIq(iqTable, session, request) === 'handled';

const command = (name: 'block' | 'unblock', ...jids: string[]): string =>
  `<iq xmlns='jabber:client' type='set' id='b'><${name} xmlns='urn:xmpp:blocking'>${jids
    .map((jid) => `<item jid='${jid}'/>`)
    .join('')}</${name}></iq>`;
const done = (stanzas: readonly string[]): boolean => stanzas.some((xml) => /<iq [^>]*type="result"/.test(xml));

async function two(): Promise<{ node: TestNode; a: string; b: string; alice: TestClient; chat: string }> {
  const node = await TestNode.start({ onIq });
  const [a = '', b = ''] = await node.account('a', 'b');
  return { node, a, b, alice: await node.bind(a, 'one'), chat: directChatId(a, b) };
}

const read = <T>({ inner }: TestNode, key: string, stream: string): T[] =>
  inner.read(shardOf(key, SHARDS), stream, { from: 1, to: 1000, limit: 1000 }).map(({ record }) => record as T);
const inbox = (node: TestNode, user: string): string[] =>
  read<InboxPointer>(node, sessionKey(user), inboxStream(user)).map(({ q, n, h, b }) =>
    b === 1 && h === 1 ? `${q} blocked` : `${q} ${n}`,
  );
const archived = (node: TestNode, user: string, chat: string): number =>
  node.inner.last(shardOf(sessionKey(user), SHARDS), indexStream(user, chat));
const refusals = (node: TestNode, chat: string) =>
  (node.inner.get(shardOf(chatKey(chat), SHARDS), chatRow(chat)) as ChatRow).members.map(
    ({ refuses }) => refuses?.whom,
  );

t.test('the list and what the chats are told are one op', async (t) => {
  const { node, a, b, alice, chat } = await two();
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, 'hi'));
  node.ops.length = 0;
  t.ok(done(await bob.send(command('block', a, 'stranger@x'))));
  const [op] = node.ops;
  t.same(
    op?.outbox.map(({ to, body }) => `${to} ${(body as PostItem).t}`),
    [`${chatKey(chat)} refuses`],
    'no chat with the stranger, none to tell',
  );
  const keys = op?.writes.map((write) => (write.t === 'put' ? write.key : write.t));
  t.same(keys?.sort(), [`${userRows(b)}b/${a}`, `${userRows(b)}b/stranger@x`, `${userRows(b)}bl`].sort());
  t.same(refusals(node, chat).filter(Boolean), ['all']);
  t.equal(node.runtime.stats().outbox, 0);
});

t.test('a message that the chat took before it knew is a hidden entry, and its sender is told', async (t) => {
  const { node, a, b, alice, chat } = await two();
  const [bob, phone] = [await node.bind(b, 'one'), await node.bind(b, 'phone')];
  await alice.send(message(b, 'before'), message(b, 'and'));
  for (const one of [bob, phone]) one.conn.take();
  node.held = true;
  bob.frame(command('block', a));
  await node.settle();
  t.notOk(done(bob.conn.take()), 'not on disk yet');
  await alice.send(message(b, 'crossing'), composing(b));
  node.held = false;
  await node.settle();
  t.ok(done(bob.conn.take()));
  t.same(bodies(alice.conn.take()), ['!service-unavailable', '!service-unavailable']);
  t.same([bob.conn.take(), phone.conn.take()].map(bodies), [[], []]);
  t.same(inbox(node, b), ['1 1', '2 2', '3 blocked'], 'the inbox has no gap');
  t.equal(archived(node, b, chat), 2);
  const row = node.inner.get(shardOf(sessionKey(b), SHARDS), `${userRows(b)}c/${chat}`);
  t.match(row, { cur: 3, n: 2, unread: 2 });

  t.same(bodies(await alice.send(message(b, 'later'), message(b, 'more'))), [
    '!service-unavailable',
    '!service-unavailable',
  ]);
  t.same(inbox(node, b).length, 3, 'now the chat knows');
  t.same(inbox(node, a), ['1 1', '2 2', '3 3'], 'and the sender has but what was taken');
  await bob.send(command('unblock'));
  await alice.send(message(b, 'after'));
  t.same(
    [bob, phone].map(({ conn }) => bodies(conn.take())),
    [['after'], ['after']],
  );
  t.same(inbox(node, b), ['1 1', '2 2', '3 blocked', '4 3']);
  t.equal(node.runtime.stats().outbox, 0);
});

t.test('it is shown to no device that comes later, unblocked or not', async (t) => {
  for (const [sm, acked] of [
    [true, 6],
    [true, 0],
    [false, 0],
  ] as const) {
    const { node, a, b, alice } = await two();
    await alice.send(message(b, 'first'));
    const bob = await node.bind(b, 'silent', { priority: -1, sm });
    node.held = true;
    bob.frame(command('block', a));
    await alice.send(message(b, 'blocked'));
    await node.release();
    await bob.send(command('unblock', a));
    await alice.send(message(b, 'second'));
    t.same(bodies(await bob.send(presence(0))), ['first', 'second'], 'what waited');
    if (sm) await bob.send(ack(acked));
    bob.gone(true);
    await node.settle();
    const later = await node.bind(b, 'later', { priority: null, sm });
    t.same(bodies(await later.send(presence(0))), sm && acked === 0 ? ['first', 'second'] : []);
  }
});

t.test('list, hidden entries and what the chat knows are there after a crash', async (t) => {
  const { node, a, b, alice, chat } = await two();
  const bob = await node.bind(b, 'one', { priority: -1 });
  await alice.send(message(b, 'first'));
  node.held = true;
  bob.frame(command('block', a));
  await alice.send(message(b, 'crossing'));
  await node.release();
  const next = await TestNode.start({ disk: node.disk, onIq });
  t.same(inbox(next, b), ['1 1', '2 blocked']);
  t.same(refusals(next, chat).filter(Boolean), ['all']);
  const again = await next.bind(b, 'one', { priority: null });
  t.same(bodies(await again.send(presence(0))), ['first']);
  t.same(bodies(await again.send(message(a, 'no'))), ['!not-acceptable']);
  t.same(bodies(await (await next.bind(a, 'one')).send(message(b, 'no'))), ['!service-unavailable']);
});

t.test('a refusal is handled, and what was taken before the block may be sent again', async (t) => {
  const { node, a, b, alice } = await two();
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, 'hi', { oid: 'first' }));
  await bob.send(command('block', a));
  t.same(bodies(await alice.send(message(b, 'hi', { oid: 'first' }))), [], 'it is in the chat, and answered so');
  const out = await alice.send(message(b, 'no'), REQUEST);
  t.same(bodies(out), ['!service-unavailable']);
  t.same(acks(out), [4], 'presence and three messages');
});

t.test('a chat that does not exist yet asks, and does not come to be', async (t) => {
  const { node, a, b, alice, chat } = await two();
  const bob = await node.bind(b, 'one');
  await bob.send(command('block', a));
  t.same(bodies(await alice.send(message(b, 'hi'))), ['!service-unavailable']);
  t.equal(node.inner.get(shardOf(chatKey(chat), SHARDS), chatRow(chat)), undefined);
  await bob.send(command('unblock', a));
  await alice.send(message(b, 'hello'));
  t.same(bodies(bob.conn.take()), ['hello']);
});

t.test('the first message of a blocked device makes the chat know', async (t) => {
  const { node, a, b, alice, chat } = await two();
  const [bob, laptop] = [await node.bind(b, 'one'), await node.bind(a, 'laptop')];
  await bob.send(command('block', `${a}/one`));
  t.same(bodies(await alice.send(message(b, 'from one'))), ['!service-unavailable']);
  t.same(refusals(node, chat).filter(Boolean), [['one']]);
  t.same(bodies(await alice.send(message(b, 'again'))), ['!service-unavailable']);
  await laptop.send(message(b, 'from the laptop'));
  t.same(bodies(bob.conn.take()), ['from the laptop']);
  t.same(inbox(node, b), ['1 blocked', '2 1']);
});

t.test('a list that the disk refused does not hold', async (t) => {
  const { node, a, b, alice } = await two();
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, 'hi'));
  bob.conn.take();
  node.store.full = true;
  t.notOk(done(await bob.send(command('block', a))));
  node.store.full = false;
  await alice.send(message(b, 'there'));
  t.same(bodies(bob.conn.take()), ['there']);
});

t.test('so many chats that they do not fit into one op are told nothing', async (t) => {
  const [user, domain] = ['b@x', 'x'];
  const rowsOf = (count: number) =>
    Array.from({ length: count }, (_, i) => [`c/${directChatId(user, `u${i}@x`)}`, { cur: 1 }]);
  const list = newBlocklist(1, [domain]);
  const table: [posted: number, chats: number, fits: boolean][] = [
    [0, POSTS_PER_OP_MAX / 2, true],
    [0, POSTS_PER_OP_MAX / 2 + 1, false],
    [POSTS_PER_OP_MAX / 2, 1, false],
    [POSTS_PER_OP_MAX, 0, true],
  ];
  for (const [posted, chats, fits] of table) {
    const told: PostItem[] = [];
    const session = {
      user,
      domain,
      entries: () => rowsOf(chats),
      turn: { outbox: { length: posted } },
      postItem: (_to: string, item: PostItem) => told.push(item),
    } as unknown as SessionState;
    t.equal(tellChats(session, newBlocklist(0, []), list), fits, `${posted} and ${chats}`);
    t.equal(told.length, fits ? chats : 0);
  }
});

t.test('between nodes: the block moves with the session, and with the chat', async (t) => {
  let names = 0;
  const cluster = await TestCluster.start(['n1', 'n2', 'n3'], {
    sessionParts: {
      domain: CLUSTER_DOMAIN,
      newId: () => `name${++names}`,
      dispatchIq: onIq,
      registration: decideRegistration,
      setPassword: async () => 'busy',
    },
  });
  t.teardown(() => cluster.nodes.forEach((node) => void node.kill()));
  const [a, b] = [await cluster.account('a', 'n1'), await cluster.account('b', 'n2')];
  const chat = directChatId(a, b);
  await cluster.place(chatKey(chat), 'n3');
  const [alice, bob] = [await cluster.bind('n1', a), await cluster.bind('n3', b)];
  await alice.send(message(b, 'hi'));
  bob.conn.take();
  const list = `<iq xmlns='jabber:client' type='get' id='l'><blocklist xmlns='urn:xmpp:blocking'/></iq>`;
  await bob.send(list, command('block', a));
  t.same(bodies(await alice.send(message(b, '1'))), ['!service-unavailable']);

  const shard = cluster.shardOf(sessionKey(b));
  cluster.node('n2').runtime.pause(shard);
  await cluster.settle();
  await cluster.give(shard, 'n1');
  for (const { runtime } of cluster.nodes.values()) runtime.moved(shard);
  await cluster.settle();
  t.equal(bob.conn.closed, undefined, 'handed over');
  t.same(bodies(await bob.send(message(a, 'no'))), ['!not-acceptable']);
  await cluster.place(chatKey(chat), 'n2');
  t.same(bodies(await alice.send(message(b, '2'))), ['!service-unavailable'], 'the next leader of the chat knows');
  const pushed = await bob.send(command('unblock', a));
  t.ok(
    pushed.some((xml) => xml.includes('<unblock ')),
    'the device is still one that asked for the list',
  );
  await alice.send(message(b, 'welcome'));
  t.same(bodies(bob.conn.take()), ['welcome']);
  t.same(cluster.crashes, []);
});
