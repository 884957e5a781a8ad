import t from 'tap';
import { shardOf } from '../base/hash.ts';
import { wordHash } from '../base/words.ts';
import type { Op, PlainWrite } from '../storage/log-store.ts';
import { hashesIn, placesOf, SPAN } from '../xmpp/fulltext-rows.ts';
import type { InboxPointer } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { fulltextRows } from './fulltext.ts';
import { enter, NS_MUC, ROOM, SUBMIT, says } from './house.fixture.ts';
import { directChatId, inboxStream, sessionKey, userRows } from './keys.ts';
import { GROUP_OPTIONS, message, SHARDS, type TestClient, TestNode, type TestNodeOptions } from './runtime.fixture.ts';
import { TAKEN_ROW, type TakenBack } from './session-types.ts';

/** What a chat took back leaves nothing of its words with those who got it. */

const OPTIONS: TestNodeOptions = {
  session: { inflightMax: 5000, unackedStanzasMax: 10_000 },
  runtime: { groups: GROUP_OPTIONS },
};
const SECRET = 'secret';
const NS_RETRACT = 'urn:xmpp:message-retract:1';
const retract = (to: string, id: string, type = 'chat'): string =>
  `<message xmlns='jabber:client' to='${to}' type='${type}' id='back-${id}'><retract xmlns='${NS_RETRACT}' id='${id}'/></message>`;

const shardFor = (user: string): number => shardOf(sessionKey(user), SHARDS);
const EVERYTHING = { from: 1, to: 1_000_000, limit: 1_000_000 };

function inbox({ inner }: TestNode, user: string): { seq: number; record: InboxPointer }[] {
  return inner.read(shardFor(user), inboxStream(user), EVERYTHING) as { seq: number; record: InboxPointer }[];
}

const has = ({ record }: { record: InboxPointer }, word: string): boolean =>
  record.w !== undefined && hashesIn(record.w).has(wordHash(word));

/** inboxSeqs of pointers that have the word, and in how many places its rows have it. */
function found(node: TestNode, user: string, word = SECRET): { pointers: number[]; places: number } {
  const pointers = inbox(node, user).flatMap((one) => (has(one, word) ? [one.seq] : []));
  let places = 0;
  for (const [, row] of node.inner.scan(shardFor(user), fulltextRows(user), 100_000))
    places += placesOf(row as Uint8Array, wordHash(word)).length;
  return { pointers, places };
}

const NOTHING = { pointers: [], places: 0 };

const taken = (node: TestNode, user: string): TakenBack[] | undefined =>
  node.inner.get(shardFor(user), userRows(user) + TAKEN_ROW) as TakenBack[] | undefined;

function plain(op: Op): PlainWrite[] {
  return op.writes.flatMap((write) => (write.t === 'call' ? write.call.expand(write.args) : [write]));
}

interface Two {
  readonly node: TestNode;
  readonly a: string;
  readonly b: string;
  readonly alice: TestClient;
}

async function two(options = OPTIONS): Promise<Two> {
  const node = await TestNode.start(options);
  const [a = '', b = ''] = await node.account('a', 'b');
  return { node, a, b, alice: await node.bind(a, 'one', { sm: false }) };
}

/** Says as many messages that fill a span, the 10th with the secret. */
async function sayMany({ alice, b }: Pick<Two, 'alice' | 'b'>, count: number): Promise<void> {
  for (let from = 1; from <= count; from += 100) {
    const few = Array.from({ length: Math.min(100, count - from + 1) }, (_, i) =>
      message(b, from + i === 10 ? `${SECRET} number` : 'a number', { id: `m${from + i}` }),
    );
    await alice.send(...few);
  }
}

t.test('in a chat of two: in the op that has the retraction, and nothing else changes', async (t) => {
  const { node, a, b, alice } = await two();
  await alice.send(message(b, `the ${SECRET} word`, { id: 'm1' }), message(b, `another ${SECRET}`, { id: 'm2' }));
  const before = inbox(node, b);
  t.same(found(node, b).pointers, [1, 2]);
  node.ops.length = 0;
  await alice.send(retract(b, 'm1'));
  for (const user of [a, b]) {
    t.same(found(node, user).pointers, [2], user);
    const [op, ...more] = node.ops.filter((one) =>
      plain(one).some((w) => 'stream' in w && w.stream === inboxStream(user)),
    );
    t.same(more, [], 'one op');
    const writes = plain(op as Op).filter((one) => 'stream' in one && one.stream === inboxStream(user));
    t.match(writes, [
      { t: 'append', seq: 3 },
      { t: 'replace', seq: 1 },
    ]);
    t.equal(taken(node, user), undefined);
  }
  const { w: _, ...rest } = (before[0] as { record: InboxPointer }).record;
  t.strictSame(inbox(node, b)[0]?.record, rest, 'the pointer stays');
  t.same(inbox(node, b)[1], before[1]);
  t.same(node.crashes, []);
});

t.test('when both come in one tick, it follows by itself', async (t) => {
  const { node, a, b, alice } = await two();
  node.held = true;
  await alice.send(message(b, SECRET, { id: 'm1' }), retract(b, 'm1'), message(b, `no ${SECRET}`));
  await node.release();
  for (const user of [a, b]) {
    t.same(found(node, user).pointers, [3], user);
    t.equal(taken(node, user), undefined, 'and is not noted any more');
  }
  t.same(node.crashes, []);
});

t.test('rows of a span forget it, and tell the others as before', async (t) => {
  const all = await two();
  const { node, a, b, alice } = all;
  await sayMany(all, SPAN);
  await all.alice.send(message(all.b, 'the next'));
  const numbers = found(node, b, 'number').places;
  t.same([found(node, b).places, numbers], [1, SPAN]);
  await alice.send(retract(b, 'm10'));
  t.equal(found(node, b).places, 1, 'it is too far back for the chat');

  const near = await two({ ...OPTIONS, chat: { retractLookBackMax: 10_000 } });
  await sayMany(near, SPAN);
  await near.alice.send(message(b, 'the next'));
  await near.alice.send(retract(near.b, 'm10'));
  for (const user of [a, b]) {
    t.same(found(near.node, user), NOTHING);
    t.equal(found(near.node, user, 'number').places, SPAN - 1);
  }
  t.same(near.node.crashes, []);
});

t.test('a session that ends between the retraction and that goes on with it', async (t) => {
  for (const how of ['writes', 'sleeps'] as const) {
    const { node, b, alice } = await two();
    node.held = true;
    await alice.send(message(b, SECRET, { id: 'm1' }), retract(b, 'm1'));
    for (let ops = 0; taken(node, b) === undefined && ops < 20; ops += 1) {
      node.store.sync();
      await node.settle();
    }
    t.match(taken(node, b), [{ c: directChatId(alice.user, b), q: 1, i: 2 }]);
    t.same(found(node, b).pointers, [1]);

    const later = await TestNode.start({ ...OPTIONS, disk: node.disk });
    t.same(found(later, b).pointers, [1]);
    if (how === 'writes') {
      const again = await later.bind(alice.user, 'two', { sm: false });
      await again.send(message(b, 'hello'));
    } else {
      later.runtime.toSession(b, { t: 'exists?', chat: 'none' });
      await later.settle();
      t.same(found(later, b).pointers, [1], 'nothing was to be written');
      await later.pass(100_000);
    }
    t.same(found(later, b), NOTHING, how);
    t.equal(taken(later, b), undefined);
    t.same(later.crashes, []);
  }
});

t.test('what the disk does not take is made up for', async (t) => {
  const { node, b, alice } = await two();
  await alice.send(message(b, SECRET, { id: 'm1' }));
  node.held = true;
  await alice.send(message(b, SECRET, { id: 'm2' }), retract(b, 'm1'), retract(b, 'm2'));
  while (taken(node, b) === undefined && node.store.waiting > 0) {
    node.store.sync();
    await node.settle();
  }
  t.same(found(node, b).pointers, [2], 'one of both was committed');
  node.disk.full = true;
  await node.release();
  t.same(found(node, b).pointers, [2]);
  t.match(taken(node, b), [{ q: 2 }]);
  node.disk.full = false;
  await node.pass(100_000);
  await alice.send(message(b, 'hello'));
  t.same(found(node, b), NOTHING);
  t.equal(taken(node, b), undefined);
});

/** Gives the session messages of a chat, as the chat would, in a turn of their own. */
async function give(
  node: TestNode,
  user: string,
  records: readonly Partial<MessageRecord>[],
  from: number,
  chat = directChatId('a@test.example', user),
): Promise<void> {
  for (const [i, more] of records.entries()) {
    const record = { v: 1, from: 'a@test.example/x', to: user, type: 'chat', ts: node.now, inner: '', ...more };
    node.runtime.toSession(user, {
      t: 'deliver',
      source: { shard: 0, idx: 1_000_000 + from + i, pos: 0 },
      item: { t: 'msg', chat, seq: from + i, first: false },
      record: record as MessageRecord,
    });
  }
  await node.settle();
}

t.test('an account that is removed in between leaves nothing to whoever has the name next', async (t) => {
  const { node, b, alice } = await two();
  await alice.send(message(b, 'hello'));
  const given = give(node, b, [{ inner: `<body>${SECRET}</body>` }, { back: { q: 2, ts: node.now } }], 2);
  t.same(await node.ask(b, { t: 'remove' }), { t: 'done' }, 'in one turn');
  await given;
  t.equal(taken(node, b), undefined);
  await node.account('b');
  t.equal(taken(node, b), undefined);
  await alice.send(message(b, SECRET));
  t.same(found(node, b).pointers, [1]);
  t.same(node.crashes, []);
});

t.test('rows that are on their way to the log forget it too', async (t) => {
  const all = await two();
  const { node, b } = all;
  const back = { back: { q: 10, ts: node.now }, x: { quiet: true } } as const;
  await sayMany(all, SPAN);
  node.held = true;
  await give(node, b, [{}], SPAN + 1);
  t.equal(node.store.waiting, 1, 'the op with the rows');
  await give(node, b, [back], SPAN + 2);
  await node.release();
  t.same(found(node, b), NOTHING);
  t.equal(found(node, b, 'number').places, SPAN - 1);

  // The other way round: the span is complete while its words are on their way out.
  const other = await two();
  await sayMany(other, SPAN - 1);
  other.node.held = true;
  await give(other.node, other.b, [{}], SPAN);
  await give(other.node, other.b, [back], SPAN + 1);
  other.node.store.sync();
  await other.node.settle();
  t.equal(inbox(other.node, other.b).length, SPAN, 'the retraction is not committed');
  await give(other.node, other.b, [{}], SPAN + 2);
  await other.node.release();
  t.same(found(other.node, other.b), NOTHING);
  await give(other.node, other.b, [{}], SPAN + 3);
  t.equal(found(other.node, other.b, 'number').places, SPAN - 2, 'and gets its rows then');
  t.same([node.crashes, other.node.crashes], [[], []]);
});

t.test('one retraction behind the other does not bring back what the first one took', async (t) => {
  const all = await two();
  const { node, b } = all;
  const back = (q: number) => ({ back: { q, ts: node.now }, x: { quiet: true } }) as const;
  await sayMany(all, SPAN);
  await all.alice.send(message(all.b, 'the next'));
  node.held = true;
  await give(node, b, [back(10)], SPAN + 2);
  await give(node, b, [back(11), back(12)], SPAN + 3);
  await node.release();
  t.same(found(node, b), NOTHING);
  t.equal(found(node, b, 'number').places, SPAN - 3);
  t.equal(taken(node, b), undefined);
});

t.test('so many are noted at most: the oldest keep their words', async (t) => {
  const { node, b, alice } = await two();
  await alice.send(message(b, 'hello'));
  const records = Array.from({ length: 300 }, (_, i) => ({ inner: `<body>${SECRET}</body>`, id: String(i) }));
  const backs = records.map((_, i) => ({ back: { q: i + 2, ts: node.now }, x: { quiet: true } }) as const);
  node.held = true;
  await give(node, b, [...records, ...backs], 2);
  await node.release();
  t.same(
    found(node, b).pointers,
    Array.from({ length: 300 - 256 }, (_, i) => i + 2),
  );
  t.equal(taken(node, b), undefined);
});

t.test("a group's that came long after it was said keeps its words", async (t) => {
  for (const [between, left] of [
    [4000, 0],
    [4300, 1],
  ] as const) {
    const { node, b, alice } = await two();
    await alice.send(message(b, 'hello'));
    const shard = shardFor(b);
    const ts = node.now;
    const pointers = Array.from({ length: between }, (_, i) => ({ c: 'x/y', q: i + 1, ts, h: 1, s: i + 1 }));
    const last = { c: ROOM, q: 1, ts, h: 1, s: between + 1, w: inbox(node, b)[0]?.record.w };
    const writes = [...pointers, last].map(
      (record, i) => ({ t: 'append', stream: inboxStream(b), seq: i + 2, record }) as const,
    );
    const idx = Math.max(...node.ops.filter((op) => op.shard === shard).map((op) => op.idx)) + 1;
    writes.push({
      t: 'put',
      key: `${userRows(b)}c/${ROOM}`,
      value: { v: 1, cur: 1, n: 0, unread: 0, read: 0 },
    } as never);
    await node.inner.append([{ shard, epoch: 1, idx, writes, outbox: [] }]);
    const later = await TestNode.start({ ...OPTIONS, disk: node.disk });
    t.same(found(later, b, 'hello').pointers, [1, between + 2]);
    await give(later, b, [{ type: 'groupchat', to: ROOM, back: { q: 1, ts } }], 2, ROOM);
    t.equal(inbox(later, b).length, between + 3);
    t.equal(found(later, b, 'hello').pointers.length, 1 + left, `${between} between`);
    t.equal(taken(later, b), undefined);
    t.same(later.crashes, []);
  }
});

// --- Groups ----------------------------------------------------------------------------------------------------------

const affiliate = (user: string): string =>
  `<iq xmlns='jabber:client' type='set' id='${user}' to='${ROOM}'><query xmlns='${NS_MUC}#admin'>` +
  `<item jid='${user}' affiliation='member'/></query></iq>`;
const moderate = (id: string): string =>
  `<iq xmlns='jabber:client' type='set' id='mod' to='${ROOM}'><moderate xmlns='urn:xmpp:message-moderate:1' id='${id}'>` +
  `<retract xmlns='${NS_RETRACT}'/></moderate></iq>`;
const NO_PAST = `<history maxstanzas='0'/>`;

/** Alice's room, Bob and Carol are members; nobody but her is in it. */
async function room(pointersFrom: number) {
  const node = await TestNode.start({ ...OPTIONS, runtime: { groups: { ...GROUP_OPTIONS, pointersFrom } } });
  const [a = '', b = '', c = ''] = await node.account('a', 'b', 'c');
  const alice = await node.bind(a, 'one', { sm: false });
  await alice.send(enter('al', NO_PAST), SUBMIT, affiliate(b), affiliate(c));
  return { node, alice, users: [a, b, c] };
}

t.test('in a group: by its sender and by a moderator, among what came from elsewhere', async (t) => {
  const { node, alice, users } = await room(5);
  const [, b = '', c = ''] = users;
  await alice.send(
    message(b, 'one'),
    says(SECRET),
    message(c, 'two'),
    says(`${SECRET} other`),
    says(`${SECRET} stays`),
  );
  for (const user of users) t.equal(found(node, user).pointers.length, 3);
  await alice.send(retract(ROOM, '1', 'groupchat'), moderate('2'));
  for (const user of users) {
    const left = inbox(node, user).filter((one) => has(one, SECRET));
    t.match(left, [{ record: { c: ROOM, q: 3 } }], user);
    t.equal(taken(node, user), undefined);
  }
  await alice.send(says(`${SECRET} last`), moderate('6'));
  for (const user of users) t.equal(found(node, user).pointers.length, 1);
  t.same(node.crashes, []);
});

t.test('in a large group: what was fetched tells it too, though it was taken back itself', async (t) => {
  const { node, alice, users } = await room(2);
  const [, ...others] = users;
  await alice.send(says(`${SECRET} 1`));
  await alice.send(...Array.from({ length: 30 }, (_, i) => says(`word ${i + 2}`)), says(`${SECRET} 32`));
  for (const user of others) t.equal(found(node, user).pointers.length, 1, 'the rest comes by pointer');
  await alice.send(retract(ROOM, '1', 'groupchat'), moderate('33'));
  for (const user of others) t.equal(found(node, user).pointers.length, 1);
  await alice.send(...Array.from({ length: 5 }, (_, i) => says(`later ${i}`)));
  await node.pass(GROUP_OPTIONS.pointerMs);
  for (const user of others) {
    t.equal(inbox(node, user).filter(({ record }) => record.c === ROOM).length, 39, user);
    t.match(
      inbox(node, user).filter((one) => has(one, SECRET)),
      [{ record: { q: 32 } }],
    );
    t.equal(taken(node, user), undefined);
  }
  t.same(node.crashes, []);
});
