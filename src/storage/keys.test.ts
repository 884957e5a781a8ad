import t from 'tap';
import {
  afterPrefix,
  blockKey,
  blockSeq,
  compareUtf8,
  journalKey,
  journalNumber,
  rowKey,
  rowTextPrefix,
  seqMax,
} from './keys.ts';

const words = [
  '',
  'a',
  'ab',
  'b',
  'é',
  'éa',
  '\ud7ff',
  '\ue000',
  '\uffff',
  '\u{10000}',
  '\u{1f600}',
  '\u{10ffff}',
  'a\u{1f600}',
  'a\uffff',
];

t.test('compareUtf8 orders strings as their bytes are ordered', async (t) => {
  for (const a of words) {
    for (const b of words) {
      const want = Buffer.compare(Buffer.from(a), Buffer.from(b));
      t.equal(Math.sign(compareUtf8(a, b)), want, JSON.stringify([a, b]));
    }
  }
});

t.test('keys of rows, blocks and records give back what is in them', async (t) => {
  for (const shard of [0, 1, 127, 128, 0xc2a9, 0xc2, 0xe282, 0xffff, 1023])
    for (const word of words) t.equal(rowKey(shard, word).toString().slice(rowTextPrefix(shard)), word);
  for (const seq of [0, 1, 255, 256, 2 ** 32, seqMax]) {
    t.equal(blockSeq(blockKey(0, 'log:é', seq)), seq);
    t.equal(journalNumber(journalKey(seq)), seq);
  }
});

t.test('keys: byte order is the order of shards, of kinds, and of numbers in a stream', async (t) => {
  const rising = [
    journalKey(1),
    journalKey(256),
    rowKey(0, ''),
    rowKey(0, 'z'),
    blockKey(0, 'a', 0),
    blockKey(0, 'a', 300),
    blockKey(0, 'a', seqMax),
    blockKey(0, 'b', 1),
    blockKey(0, 'aa', 1),
    rowKey(1, 'a'),
    rowKey(256, 'a'),
    rowKey(65_535, ''),
  ];
  t.same(rising.toSorted(Buffer.compare), rising);
});

t.test('afterPrefix is the first key behind all that start so', async (t) => {
  const table = [
    { prefix: [2, 0], after: [2, 1] },
    { prefix: [2, 0xff], after: [3] },
    { prefix: [2, 0xff, 0xff, 1], after: [2, 0xff, 0xff, 2] },
    { prefix: [2, 1, 0xff, 0xff], after: [2, 2] },
  ];
  for (const { prefix, after } of table) t.same([...afterPrefix(Buffer.from(prefix))], after);
});
