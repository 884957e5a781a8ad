import t from 'tap';
import { shardOf } from '../base/hash.ts';
import type { InboxPointer } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { enter, NS_MUC, owner, ROOM, SUBMIT, says } from './house.fixture.ts';
import { chatKey, inboxStream, sessionKey } from './keys.ts';
import { acks, bodies, GROUP_OPTIONS, REQUEST, SHARDS, type TestClient, TestNode } from './runtime.fixture.ts';

const NO_PAST = `<history maxstanzas='0'/>`;
const affiliate = (user: string, affiliation: string): string =>
  `<iq xmlns='jabber:client' type='set' id='${user}' to='${ROOM}'><query xmlns='${NS_MUC}#admin'>` +
  `<item jid='${user}' affiliation='${affiliation}'/></query></iq>`;
const said = (n: number): string => says(String(n));
const upTo = (n: number, from = 1): number[] => Array.from({ length: n - from + 1 }, (_, i) => from + i);

/** A room of three for which two members are many: Alice and Bob are in it, Carol is away. */
async function crowd(): Promise<{
  node: TestNode;
  a: string;
  b: string;
  c: string;
  alice: TestClient;
  bob: TestClient;
}> {
  const node = await TestNode.start({ runtime: { groups: { ...GROUP_OPTIONS, pointersFrom: 2 } } });
  const [a = '', b = '', c = ''] = await node.account('a', 'b', 'c');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  await alice.send(enter('al', NO_PAST), SUBMIT);
  for (const user of [b, c]) await alice.send(affiliate(user, 'member'));
  await bob.send(enter('bo', NO_PAST));
  alice.conn.take();
  bob.conn.take();
  return { node, a, b, c, alice, bob };
}

/** chatSeqs of the room in a user's inbox, in order. */
function inbox(node: TestNode, user: string): number[] {
  const found = node.inner.read(shardOf(sessionKey(user), SHARDS), inboxStream(user), {
    from: 1,
    to: 1000,
    limit: 1000,
  });
  return (found as { record: InboxPointer }[]).flatMap(({ record }) => (record.c === ROOM ? [record.q] : []));
}

const heard = (client: TestClient): number[] =>
  bodies(client.conn.take().filter((xml) => xml.includes('<body>'))).map(Number);

t.test('what is said fast comes to all inboxes and devices, in order, a little later', async (t) => {
  const { node, a, b, c, alice, bob } = await crowd();
  const out = await alice.send(...upTo(25).map(said), REQUEST);
  t.same(inbox(node, a), upTo(25), 'who says it has it');
  t.equal(acks(out).length, 1, 'so it is acknowledged');
  t.same([inbox(node, b), inbox(node, c), heard(bob)], [[1], [1], [1]]);
  await node.pass(GROUP_OPTIONS.pointerMs);
  t.same([inbox(node, b), inbox(node, c), heard(bob)], [upTo(25), upTo(25), upTo(25, 2)]);
  t.equal(node.runtime.stats().outbox, 0, 'and all is acknowledged');
});

t.test('what the disk does not take comes again', async (t) => {
  const { node, b, c, alice, bob } = await crowd();
  await alice.send(...upTo(15).map(said));
  bob.conn.take();
  node.held = true;
  await node.pass(GROUP_OPTIONS.pointerMs);
  node.store.sync();
  await node.settle();
  node.disk.full = true;
  await node.release();
  t.same([inbox(node, b), inbox(node, c)], [[1], [1]]);
  node.disk.full = false;
  await node.pass(120_000);
  t.same([inbox(node, b), inbox(node, c)], [upTo(15), upTo(15)]);
  t.same([...new Set(heard(bob))], upTo(15, 2));
  t.equal(node.runtime.stats().outbox, 0);
});

t.test('the first pointer of a new membership ends the stay of before, whatever is lost between', async (t) => {
  const { node, b, alice, bob } = await crowd();
  await alice.send(said(1), said(2), said(3));
  await node.pass(GROUP_OPTIONS.pointerMs);
  t.same(heard(bob), upTo(3));
  // Taken out, which he did not hear of, and in again when six had been said.
  const item = { t: 'msg', chat: ROOM, seq: 9, first: false, since: 6, before: 3, beforeMs: node.now } as const;
  const record = { v: 1, from: 'a@x/one', to: ROOM, type: 'groupchat', ts: node.now, inner: '<body>9</body>' } as const;
  const source = { shard: shardOf(chatKey(ROOM), SHARDS), idx: 900, pos: 0 };
  node.runtime.toSession(b, { t: 'deliver', source, item, record: record as MessageRecord });
  await node.settle();
  const out = bob.conn.take();
  t.match(out, [/^<presence .*type="unavailable".*code='110'.*code='333'/s]);
  t.equal(out.length, 1, 'and is shown nothing');
});

t.test('who is taken out has what was said before, and nothing after', async (t) => {
  const { node, b, alice } = await crowd();
  await alice.send(...upTo(5).map(said), affiliate(b, 'none'), said(6));
  await node.pass(GROUP_OPTIONS.pointerMs);
  t.same(inbox(node, b), upTo(5));
  await alice.send(affiliate(b, 'member'), said(7), said(8));
  await node.pass(GROUP_OPTIONS.pointerMs);
  t.same(inbox(node, b), [...upTo(5), 7, 8]);
});

t.test('what a room had not told when it was destroyed is owed to nobody', async (t) => {
  const { node, b, alice } = await crowd();
  await alice.send(said(1));
  node.held = true;
  await alice.send(...upTo(5, 2).map(said));
  node.store.sync();
  await node.settle();
  node.disk.full = true;
  await node.release();
  node.disk.full = false;
  await alice.send(owner('<destroy/>'));
  await node.pass(120_000);
  t.same([node.runtime.stats().outbox, node.crashes, inbox(node, b)], [0, [], [1]]);
});

t.test('whose account is made anew has nothing of the one before', async (t) => {
  const { node, b, alice } = await crowd();
  await alice.send(...upTo(4).map(said));
  await node.ask(b, { t: 'remove' });
  await node.account('b');
  await node.pass(GROUP_OPTIONS.pointerMs);
  await alice.send(said(5));
  await node.pass(GROUP_OPTIONS.pointerMs);
  t.same(inbox(node, b), []);
  t.equal(node.runtime.stats().outbox, 0);
});
