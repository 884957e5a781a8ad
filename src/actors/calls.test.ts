import t from 'tap';
import { openMemoryStore } from '../storage/log-store-memory.ts';
import { calls, chatNames, type InboxArgs, inboxCall, inboxWrite } from './calls.ts';

const base: InboxArgs = {
  user: 'a@x',
  chat: 'a@x/b@x',
  seq: 7,
  pointer: { c: 'a@x/b@x', q: 3, ts: 1000, n: 2 },
  resource: 'phone',
  row: { v: 1, cur: 3, n: 2, unread: 4, read: 1, last: 6, loud: 9 },
  seen: true,
};

const cases: readonly (readonly [string, InboxArgs])[] = [
  ['a message that the archive shows', base],
  ['one that it hides', { ...base, pointer: { c: 'a@x/b@x', q: 3, ts: 1000, s: 1, h: 1 } }],
  ['one after hidden ones', { ...base, pointer: { c: 'a@x/b@x', q: 3, ts: 1000, n: 2, s: 5 } }],
  ['one from a bare JID that nobody has seen', { ...base, resource: undefined, seen: false }],
  ['one of the user in a chat where nobody else has said anything', { ...base, row: { ...base.row, loud: 0 } }],
];

for (const [name, args] of cases) {
  t.test(`the inbox call writes what a delivery means: ${name}`, async (t) => {
    const store = await openMemoryStore();
    const write = inboxWrite(args, chatNames(args.user, args.chat));
    t.same(inboxCall.expand(write.args), write.writes, 'a journal read again gives what was written at once');
    await store.append([{ shard: 0, epoch: 1, idx: 1, writes: [write], outbox: [] }]);
    const range = { from: 1, to: 100, limit: 10 };
    t.same(store.read(0, 'i/a@x', range), [{ seq: 7, record: args.pointer }]);
    const { n } = args.pointer;
    const { loud } = args.row;
    const resource = args.resource !== undefined && { r: args.resource };
    const entry = { i: 7, q: 3, ts: 1000, ...resource, ...(loud !== 0 && { l: loud }) };
    t.same(store.read(0, 'x/a@x/a@x/b@x', range), n === undefined ? [] : [{ seq: n, record: entry }]);
    t.same(store.get(0, 'S/a@x/c/a@x/b@x'), args.row);
    t.equal(store.get(0, 'S/a@x/seen'), args.seen ? 7 : undefined);
    await store.close();
  });
}

t.test('a delivery of before there was an inbox is read as it was written', async (t) => {
  const old = calls.find(({ name }) => name === 'inbox1');
  const written = old?.expand(['a@x', 'a@x/b@x', 7, 3, 1000, 2, 0, 'phone', 2, 4, 1, true]);
  t.same(written, [
    { t: 'append', stream: 'i/a@x', seq: 7, record: base.pointer },
    { t: 'append', stream: 'x/a@x/a@x/b@x', seq: 2, record: { i: 7, q: 3, ts: 1000, r: 'phone' } },
    { t: 'put', key: 'S/a@x/c/a@x/b@x', value: { v: 1, cur: 3, n: 2, unread: 4, read: 1 } },
    { t: 'put', key: 'S/a@x/seen', value: 7 },
  ]);
});

t.test('every call there has been is listed, under a name of its own', async (t) => {
  t.equal(new Set(calls.map(({ name }) => name)).size, calls.length);
  t.ok(calls.includes(inboxCall));
});
