import t from 'tap';
import { encodeJournal, encodeOp, memberVersion, packValue } from './codec.ts';
import { StorageFailedError, StorageRefusedError } from './errors.ts';
import {
  copyKey,
  copyKeys,
  decodeCopyRow,
  decodeItems,
  encodeCopyRow,
  encodeItems,
  isMemberRecord,
  type JournalItem,
} from './member-journal.ts';
import { entriesIn, outboxesIn } from './member-records.ts';

const bytes = (n: number): Uint8Array => new Uint8Array(n).fill(n);
const hard = { epoch: 2 ** 40, leader: { node: 'a', inc: 'b' }, session: 3, revision: 2 ** 41, later: 'kept' };
const op = Buffer.from(encodeOp({ writes: [], outbox: [{ to: 'session:a@x', body: 1 }] }));

const items: JournalItem[] = [
  {
    t: 'append',
    shard: 1023,
    commitIdx: 7,
    truncateTo: 8,
    entries: [
      { idx: 9, epoch: 2, bytes: bytes(3) },
      { idx: 10, epoch: 2 ** 40, bytes: bytes(0) },
    ],
  },
  { t: 'append', shard: 0, commitIdx: 0, truncateTo: undefined, entries: [] },
  { t: 'append', shard: 0, commitIdx: 0, truncateTo: 0, entries: [] },
  { t: 'again', shard: 2, entries: [{ idx: 2 ** 40, epoch: 1, bytes: bytes(300) }] },
  { t: 'progress', shard: 3, commitIdx: 5 },
  { t: 'hard', shard: 4, hard },
  { t: 'hard', shard: 4, hard: { ...hard, leader: undefined } },
  { t: 'load', shard: 5 },
  { t: 'wipe', shard: 6 },
  { t: 'install', shard: 7, at: { idx: 8, epoch: 9 }, ackedUpTo: 4 },
  { t: 'outbox', shard: 8, idx: 3, epoch: 1, bytes: op },
];

/** Buffers and other bytes alike as text. */
function plain(some: readonly JournalItem[]): unknown {
  const hex = (given: Uint8Array): string => Buffer.from(given).toString('hex');
  return some.map((item) => {
    if ('entries' in item) return { ...item, entries: item.entries.map((one) => ({ ...one, bytes: hex(one.bytes) })) };
    return 'bytes' in item ? { ...item, bytes: hex(item.bytes) } : item;
  });
}

t.test('a record: items come back in order, with the bytes of their entries', async (t) => {
  const record = encodeItems(items);
  t.ok(isMemberRecord(record));
  t.same(plain(decodeItems(record)), plain(items));
  t.same(decodeItems(encodeItems([])), []);
});

t.test('a record: what another format or nobody wrote is refused', async (t) => {
  const record = encodeItems(items);
  record[0] = memberVersion + 1;
  t.throws(() => decodeItems(record), StorageRefusedError);
  t.notOk(isMemberRecord(encodeJournal([])));
  const head = packValue([99, 1]);
  const unknown = Buffer.concat([Buffer.of(memberVersion, head.length, 0, 0, 0), head]);
  t.throws(() => decodeItems(unknown), StorageFailedError);
});

t.test('a record: its entries and outboxes, of a single node too', async (t) => {
  t.same(
    entriesIn(encodeItems(items)).map(({ shard, entries }) => [shard, entries.length]),
    [
      [1023, 2],
      [0, 0],
      [0, 0],
      [2, 1],
    ],
  );
  const withOutbox = { t: 'append', commitIdx: 0, truncateTo: undefined } as const;
  const record = encodeItems([
    { ...withOutbox, shard: 1, entries: [{ idx: 1, epoch: 1, bytes: op }] },
    { ...withOutbox, shard: 2, entries: [{ idx: 5, epoch: 1, bytes: op }] },
    { ...withOutbox, shard: 1, truncateTo: 0, entries: [{ idx: 1, epoch: 2, bytes: op }] },
  ]);
  const places = (some: ReturnType<typeof outboxesIn>): unknown =>
    some.map(({ shard, idx, epoch }) => [shard, idx, epoch]);
  t.same(places(outboxesIn(record)), [
    [1, 1, 2],
    [2, 5, 1],
  ]);
  t.same(places(outboxesIn(record, 2)), [[2, 5, 1]]);
  const outbox = [{ to: 'session:a@x', body: 1 }];
  const single = encodeJournal([
    { shard: 3, epoch: 1, idx: 4, writes: [], outbox },
    { shard: 4, epoch: 1, idx: 4, writes: [], outbox: [] },
  ]);
  t.same(places(outboxesIn(single)), [[3, 4, 1]]);
});

t.test('a CopyRow: comes back, and its key is in the range of all of them', async (t) => {
  const row = { hard, base: { idx: 5, epoch: 6 }, loading: true, ackedUpTo: 7 };
  t.same(decodeCopyRow(encodeCopyRow(65_535, row)), { shard: 65_535, ...row });
  const keys = [0, 9, 10, 65_535].map(copyKey);
  t.same([...keys].sort(Buffer.compare), keys);
  for (const key of keys) t.ok(Buffer.compare(copyKeys.gte, key) <= 0 && Buffer.compare(key, copyKeys.lt) < 0);
});
