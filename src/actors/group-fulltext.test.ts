import t from 'tap';
import { shardOf } from '../base/hash.ts';
import { wordHash } from '../base/words.ts';
import type { Write } from '../storage/log-store.ts';
import { createMemoryDisk, openMemoryStore } from '../storage/log-store-memory.ts';
import { placesOf, ROWS_VERSION, SPAN } from '../xmpp/fulltext-rows.ts';
import { NS_MAM } from '../xmpp/mam-query.ts';
import { FULLTEXT_FIELD } from '../xmpp/xep0431-fulltext.ts';
import { type FulltextRow, fulltextRows } from './fulltext.ts';
import { GROUP_INDEX_KEY, GroupIndex } from './group-fulltext.ts';
import { chatKey, groupRows, messageStream } from './keys.ts';
import { bodies, GROUP_OPTIONS, SHARDS, type TestClient, TestNode } from './runtime.fixture.ts';
import { DELETED } from './turn.ts';

const ROOM = `room@${GROUP_OPTIONS.roomDomain}`;
const SHARD = shardOf(chatKey(ROOM), SHARDS);
const NS_MUC = 'http://jabber.org/protocol/muc';
const enter = `<presence xmlns='jabber:client' to='${ROOM}/al'><x xmlns='${NS_MUC}'><history maxstanzas='0'/></x></presence>`;
const owner = (inner: string): string =>
  `<iq xmlns='jabber:client' type='set' id='o' to='${ROOM}'><query xmlns='${NS_MUC}#owner'>${inner}</query></iq>`;
const submit = owner(`<x xmlns='jabber:x:data' type='submit'/>`);
const says = (body: string): string =>
  `<message xmlns='jabber:client' to='${ROOM}' type='groupchat' id='${body}'><body>${body}</body></message>`;

async function say(client: TestClient, from: number, upTo: number): Promise<void> {
  for (let i = from; i <= upTo; i += 100) {
    const count = Math.min(upTo, i + 99) - i + 1;
    await client.send(...Array.from({ length: count }, (_, at) => says(`number ${i + at}`)));
  }
}

/** Bodies of the newest page. */
async function search(client: TestClient, text: string): Promise<string[]> {
  const field = (name: string, value: string): string => `<field var='${name}'><value>${value}</value></field>`;
  const form = field('FORM_TYPE', NS_MAM) + field(FULLTEXT_FIELD, text);
  const xml = await client.send(
    `<iq xmlns='jabber:client' type='set' id='s' to='${ROOM}'><query xmlns='${NS_MAM}'>` +
      `<x xmlns='jabber:x:data' type='submit'>${form}</x>` +
      `<set xmlns='http://jabber.org/protocol/rsm'><before/><max>5</max></set></query></iq>`,
  );
  return bodies(xml).map((body) => body.replace('>', ''));
}

const rowOf = (node: TestNode): FulltextRow | undefined =>
  node.inner.get(SHARD, groupRows(ROOM) + GROUP_INDEX_KEY) as FulltextRow | undefined;

t.test('rows of spans in the op of a message; found before and after, and after a restart', async (t) => {
  const disk = createMemoryDisk();
  const options = {
    disk,
    session: { inflightMax: 5000, unackedStanzasMax: 10_000 },
    runtime: { groups: GROUP_OPTIONS },
  };
  const node = await TestNode.start(options);
  const [a = ''] = await node.account('a');
  const alice = await node.bind(a, 'one', { sm: false });
  await alice.send(enter, submit);
  await say(alice, 1, SPAN);
  t.equal(rowOf(node), undefined);
  t.same(await search(alice, 'NUMBER 7'), ['number 7']);
  disk.full = true;
  await say(alice, SPAN + 1, SPAN + 2);
  t.equal(rowOf(node), undefined, 'refused with the message');
  disk.full = false;
  await alice.send(says('later'));
  t.same(rowOf(node), { v: ROWS_VERSION, first: 1, spans: 1 });
  const prefix = fulltextRows(ROOM);
  const op = node.ops
    .filter(({ writes }) => writes.some((one) => one.t === 'put' && one.key.startsWith(prefix)))
    .at(-1);
  t.ok(op?.writes.some((one) => one.t === 'append' && one.stream === messageStream(ROOM)));
  t.same(await search(alice, 'number 7'), ['number 7']);
  t.same(
    await search(alice, 'number'),
    [1020, 1021, 1022, 1023, 1024].map((n) => `number ${n}`),
  );

  const again = await TestNode.start(options);
  const later = await again.bind(a, 'two', { sm: false });
  await later.send(enter);
  t.same(await search(later, 'number 7'), ['number 7']);
  t.same(await search(later, 'later'), ['later']);
  t.same(again.crashes, []);
});

t.test('what was said before there was an index is found, and gets rows with what is said then', async (t) => {
  const store = await openMemoryStore({ shards: SHARDS });
  const inner = (seq: number): string => (seq === 5 ? '<body>An old feud</body>' : '<active/>');
  const writes: Write[] = Array.from({ length: SPAN + 1 }, (_, i) => ({
    t: 'append',
    stream: messageStream(ROOM),
    seq: i + 1,
    record: { v: 1, from: `${ROOM}/x`, to: ROOM, type: 'groupchat', ts: i, inner: inner(i + 1) },
  }));
  await store.append([{ shard: SHARD, epoch: 1, idx: 1, writes, outbox: [] }]);
  const index = new GroupIndex(ROOM, SHARD, store, 100);
  t.equal(index.reader().read({ from: 5, to: 5, limit: 1 })[0]?.record.w?.length, 12);
  const rows = new Map<string, unknown>();
  index.grow(SPAN + 1, { isEmpty: true, rows, streams: [] });
  t.equal(rows.size, 0, 'nothing is written on its account alone');
  index.grow(SPAN + 1, { isEmpty: false, rows, streams: [] });
  t.equal(rows.size, 4, 'three words, and how far it goes');

  await store.append([
    { shard: SHARD, epoch: 1, idx: 2, writes: [...rows].map(([key, value]) => ({ t: 'put', key, value })), outbox: [] },
  ]);
  const later = new Map<string, unknown>();
  const gone = { v: 1, from: `${ROOM}/x`, to: ROOM, type: 'groupchat', ts: 5, inner: '<retracted/>' };
  const streams: Write[] = [{ t: 'replace', stream: messageStream(ROOM), seq: 5, record: gone }];
  index.grow(SPAN + 1, { isEmpty: false, rows: later, streams });
  t.same([...later.values()], [DELETED, DELETED, DELETED], 'what is taken back is in no row');
  t.ok([...later.keys()].every((key) => rows.has(key)));
});

t.test('a room that is destroyed leaves nothing of its index, and one of its name has its own', async (t) => {
  const session = { inflightMax: 5000, unackedStanzasMax: 10_000 };
  const node = await TestNode.start({ session, runtime: { groups: GROUP_OPTIONS } });
  const [a = ''] = await node.account('a');
  const alice = await node.bind(a, 'one', { sm: false });
  await alice.send(enter, submit);
  await say(alice, 1, SPAN);
  node.held = true;
  await alice.send(owner('<destroy/>'));
  await alice.send(enter, submit);
  await alice.send(says('the first'));
  await node.release();
  const rows = (): number => node.inner.scan(SHARD, fulltextRows(ROOM), 1000).length;
  t.equal(node.inner.last(SHARD, messageStream(ROOM)), SPAN + 1);
  t.equal(rows(), 0, 'nor are rows made of what is on its way out');
  await say(alice, 1, SPAN);
  await alice.send(says('number last'));
  t.same(await search(alice, 'number 7'), ['number 7']);
  t.same(rowOf(node), { v: ROWS_VERSION, first: 1, spans: 2 });
  t.ok(rows() > 0);
  await alice.send(owner('<destroy/>'));
  t.equal(rows(), 0);
  t.same(node.crashes, []);
});

t.test('what several turns take back leaves the rows, also while they are on their way', async (t) => {
  const store = await openMemoryStore({ shards: SHARDS });
  const stream = messageStream(ROOM);
  const said = (seq: number): Write => ({
    t: 'append',
    stream,
    seq,
    record: { v: 1, from: `${ROOM}/x`, to: ROOM, type: 'groupchat', ts: seq, inner: '<body>spam</body>' },
  });
  const gone = (seq: number): Write => ({ t: 'replace', stream, seq, record: { inner: '<retracted/>' } });
  let idx = 0;
  const commit = (writes: Write[]): Promise<void> =>
    store.append([{ shard: SHARD, epoch: 1, idx: ++idx, writes, outbox: [] }]);
  const index = new GroupIndex(ROOM, SHARD, store, 100);
  const turns: { isEmpty: false; rows: Map<string, unknown>; streams: Write[] }[] = [];
  const step = (last: number, ...streams: Write[]): void => {
    turns.push({ isEmpty: false, rows: new Map(), streams });
    index.grow(last, turns.at(-1) as (typeof turns)[number]);
  };
  const settle = async (): Promise<void> => {
    for (const turn of turns.splice(0)) {
      const rows = [...turn.rows].map(
        ([key, value]): Write => (value === DELETED ? { t: 'del', key } : { t: 'put', key, value }),
      );
      await commit([...turn.streams, ...rows]);
      index.committed(turn);
    }
  };
  const places = (): number[] =>
    store
      .scan(SHARD, fulltextRows(ROOM), 1000)
      .flatMap(([, row]) => placesOf(row as Uint8Array, wordHash('spam')).map((place) => place + 1));

  await commit(Array.from({ length: SPAN }, (_, i) => said(i + 1)));
  step(SPAN, gone(5));
  step(SPAN + 1, said(SPAN + 1));
  step(SPAN + 1, gone(6));
  step(SPAN + 1, gone(7), gone(8));
  await settle();
  t.same(places().slice(0, 6), [1, 2, 3, 4, 9, 10], 'as the rows are made');
  step(SPAN + 1, gone(1));
  step(SPAN + 1, gone(3));
  await settle();
  t.same(places().slice(0, 4), [2, 4, 9, 10], 'one behind the other');

  step(SPAN + 1, gone(10));
  index.reset();
  turns.length = 0;
  step(SPAN + 1, gone(2));
  await settle();
  t.same(places().slice(0, 4), [4, 9, 10, 11], 'what was refused has not been');
});
