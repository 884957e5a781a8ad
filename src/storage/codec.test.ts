import { Packr } from 'msgpackr';
import t from 'tap';
import { BlockBuilder, BlockReader, blockCount, blockRecords, segmentRecordsMax } from './blocks.ts';
import {
  decodeJournal,
  decodeOp,
  decodeOpOutbox,
  decodeOutboxes,
  decodeRow,
  encodeJournal,
  encodeOp,
  encodeRow,
  formatVersion,
  packRecords,
  packValue,
  unpackRecords,
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
      { t: 'replace', stream: 'log', seq: 3, record: { text: 'other' } },
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

t.test('op: comes back as it was, alone; no bytes are the op that does nothing', async (t) => {
  for (const { writes, outbox } of ops) {
    const bytes = encodeOp({ writes, outbox });
    t.equal(bytes[0], formatVersion);
    t.same(decodeOp(bytes), { writes, outbox });
    t.same(decodeOpOutbox(bytes), outbox);
  }
  t.same(decodeOp(new Uint8Array(0)), { writes: [], outbox: [] });
  t.same(decodeOpOutbox(new Uint8Array(0)), []);
  const newer = encodeOp({ writes: [], outbox: [] });
  newer[0] = formatVersion + 1;
  t.throws(() => decodeOp(newer), StorageRefusedError);
  const calling = encodeOp({ writes: [{ t: 'call', call: { name: 'c', expand: () => [] }, args: [1] }], outbox: [] });
  t.throws(() => decodeOp(calling), StorageRefusedError, 'a call nobody knows');
  t.same(decodeOpOutbox(calling), []);
  t.throws(() => encodeOp({ writes: [{ t: 'put', key: 'k'.repeat(5000), value: 1 }], outbox: [] }), RangeError);
});

t.test('everything starts with the format version, and a newer one is refused', async (t) => {
  const builder = new BlockBuilder();
  builder.add(packRecords([1]), 1);
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
  for (const bytes of [version(1, [0, 1, 1, [9, 'key'], []]), version(2, [[], 0, 1, 1, 1, 9, 'key', 0])]) {
    t.throws(() => decodeJournal(bytes), StorageFailedError);
  }
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

t.test('blocks: each record is read in any order, and the builder is empty after finish', async (t) => {
  const builder = new BlockBuilder();
  for (const records of [
    ['a'],
    ['', { deep: ['b'] }, 'c'.repeat(10_000), null, 5],
    Array.from({ length: 3 * segmentRecordsMax + 1 }, (_, i) => ({
      i,
      odd: i % 2 === 1,
      ...(i % 3 === 0 && { x: i }),
    })),
  ]) {
    for (let i = 0; i < records.length; i += segmentRecordsMax) {
      const segment = records.slice(i, i + segmentRecordsMax);
      builder.add(packRecords(segment), segment.length);
    }
    const size = builder.bytes;
    const block = builder.finish();
    t.equal(block.length, size);
    t.equal(builder.count, 0);
    t.equal(blockCount(block), records.length);
    t.same(blockRecords(block), records);
    const reader = new BlockReader(block);
    const back = records.map((_, i) => reader.record(records.length - 1 - i));
    t.same(back.toReversed(), records);
  }
});

t.test('blocks: one grows by what another has', async (t) => {
  const builder = new BlockBuilder();
  builder.add(packRecords(['a', 'b']), 2);
  builder.add(packRecords([{ c: 3 }]), 1);
  const block = builder.finish();
  builder.addBlock(block);
  builder.add(packRecords(['d']), 1);
  t.same(blockRecords(builder.finish()), ['a', 'b', { c: 3 }, 'd']);
});

t.test('shapes: whatever a record is, it comes back as it was', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => ({ [`key${i}`]: i }));
  const odd = JSON.parse('{"__proto__": 1}') as object;
  const cases: unknown[][] = [
    [{}, [], null, undefined, '', 0, -1, { a: undefined }, { a: { b: { c: [] } } }, new Uint8Array([1])],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }, { a: 1, b: 2, c: 3 }, { a: 1, b: 2 }],
    many,
    [...many, ...many],
  ];
  const packr = new Packr({ useRecords: false });
  for (const records of cases) {
    const plain = records.map((record) => packr.unpack(packr.pack(record)) as unknown);
    t.same(unpackRecords(Buffer.from(packRecords(records))), plain);
  }
  t.doesNotThrow(() => unpackRecords(Buffer.from(packRecords([odd]))));
});

function version(number: number, value: unknown): Buffer {
  return Buffer.concat([Buffer.of(number), packValue(value)]);
}

t.test('version 1 is still read: journal, and blocks that grow into version 2', async (t) => {
  const call: CallType = { name: 'twice1', expand: () => [] };
  const writes = [0, 'k', { a: 1 }, 1, 'gone', 2, 'log', 7, 'text', 3, 'old', 4, 'twice1', ['k', 2]];
  const journal = version(1, [3, 4, 5, writes, ['session:a@x', { n: 1 }], 3, 4, 6, [], []]);
  t.same(decodeJournal(journal, [call]), [
    {
      shard: 3,
      epoch: 4,
      idx: 5,
      writes: [
        { t: 'put', key: 'k', value: { a: 1 } },
        { t: 'del', key: 'gone' },
        { t: 'append', stream: 'log', seq: 7, record: 'text' },
        { t: 'drop', stream: 'old' },
        { t: 'call', call, args: ['k', 2] },
      ],
      outbox: [{ to: 'session:a@x', body: { n: 1 } }],
    },
    { shard: 3, epoch: 4, idx: 6, writes: [], outbox: [] },
  ]);
  t.same(decodeOutboxes(journal)[0]?.outbox, [{ to: 'session:a@x', body: { n: 1 } }]);
  const records = [{ v: 1, text: 'ä' }, 'b'].map((record) => Buffer.from(packValue(record)));
  const header = Buffer.alloc(3 + 4 * records.length);
  header[0] = 1;
  header.writeUInt16LE(records.length, 1);
  header.writeUInt32LE(records[0]!.length, 3);
  header.writeUInt32LE(records[0]!.length + records[1]!.length, 7);
  const block = Buffer.concat([header, ...records]);
  t.same(blockRecords(block), [{ v: 1, text: 'ä' }, 'b']);
  const builder = new BlockBuilder();
  builder.addBlock(block);
  builder.add(packRecords(['c']), 1);
  t.same(blockRecords(builder.finish()), [{ v: 1, text: 'ä' }, 'b', 'c']);
});
