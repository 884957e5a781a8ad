import t from 'tap';
import { BlockBuilder, blockCount, blockRecord } from './blocks.ts';
import {
  decodeJournal,
  decodeOutboxes,
  decodeRow,
  encodeJournal,
  encodeRow,
  formatVersion,
  packValue,
} from './codec.ts';
import { StorageFailedError, StorageRefusedError } from './errors.ts';
import type { CallType, Op } from './log-store.ts';

const ops: Op[] = [
  { shard: 0, epoch: 1, idx: 1, writes: [], outbox: [] },
  {
    shard: 1023,
    epoch: 2 ** 40,
    idx: 2 ** 40 + 1,
    writes: [
      { t: 'put', key: 'k', value: { a: [1, null, 'ü', -2.5, true] } },
      { t: 'put', key: '', value: null },
      { t: 'del', key: 'gone' },
      { t: 'append', stream: 'log', seq: 7, record: 'text' },
      { t: 'drop', stream: 'old' },
    ],
    outbox: [
      { to: 'session:a@x', body: { n: 1 } },
      { to: 'chat:a|b', body: 'b' },
    ],
  },
];

t.test('journal: ops come back as they were', async (t) => {
  t.same(decodeJournal(encodeJournal(ops)), ops);
  t.same(decodeJournal(encodeJournal([])), []);
});

t.test('everything starts with the format version, and a newer one is refused', async (t) => {
  const builder = new BlockBuilder();
  builder.add(packValue(1));
  const written = { journal: encodeJournal(ops), row: encodeRow(1), block: builder.finish() };
  for (const bytes of Object.values(written)) {
    t.equal(bytes[0], formatVersion);
    bytes[0] = formatVersion + 1;
  }
  t.throws(() => decodeJournal(written.journal), StorageRefusedError);
  t.throws(() => decodeRow(written.row), StorageRefusedError);
  t.throws(() => blockCount(written.block), StorageRefusedError);
});

t.test('journal: a write of an unknown kind is an error, not skipped', async (t) => {
  const bytes = Buffer.concat([Buffer.of(formatVersion), packValue([0, 1, 1, [9, 'key'], []])]);
  t.throws(() => decodeJournal(bytes), StorageFailedError);
});

t.test('journal: a call comes back with its kind, and one nobody knows is refused', async (t) => {
  const call: CallType = { name: 'twice1', expand: ([key]) => [{ t: 'del', key: String(key) }] };
  const withCall: Op[] = [
    {
      shard: 1,
      epoch: 1,
      idx: 1,
      writes: [{ t: 'call', call, args: ['k', 2] }],
      outbox: [{ to: 'session:a@x', body: 1 }],
    },
  ];
  const bytes = encodeJournal(withCall);
  t.same(decodeJournal(bytes, [call]), withCall);
  t.throws(() => decodeJournal(bytes), StorageRefusedError);
  t.same(decodeOutboxes(bytes), [{ ...withCall[0], writes: [] }], 'outboxes are read without knowing calls');
});

t.test('blocks: each record is read alone, and the builder is empty after finish', async (t) => {
  const builder = new BlockBuilder();
  for (const records of [
    ['a'],
    ['', { deep: ['b'] }, 'c'.repeat(10_000), null, 5],
    Array.from({ length: 64 }, (_, i) => i),
  ]) {
    for (const record of records) builder.add(packValue(record));
    const size = builder.bytes;
    const block = builder.finish();
    t.equal(block.length, size);
    t.equal(builder.count, 0);
    t.equal(blockCount(block), records.length);
    t.same(
      records.map((_, i) => blockRecord(block, i)),
      records,
    );
  }
});
