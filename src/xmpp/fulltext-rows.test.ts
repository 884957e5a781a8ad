import fc from 'fast-check';
import t from 'tap';
import { MORE } from '../base/words.ts';
import {
  bucketOf,
  hasAll,
  hashesIn,
  isReadable,
  mayHavePhrase,
  placesOf,
  SPAN,
  SpanWords,
  spanOf,
  withoutPlace,
} from './fulltext-rows.ts';

const packed = (hashes: readonly number[]): string =>
  hashes.map((hash) => String.fromCharCode(...[0, 7, 14, 21].map((bits) => (hash >>> bits) & 127))).join('');

const MAX = 2 ** 28 - 1;

/** Bits of a hash that a row tells apart. */
const TOLD = 2 ** 18 - 1;

/** Few and adjacent ones, and the ends of the range. */
const hash = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(0x7ffffff, 0x8000000, 0x8040000, MAX));
const span = fc
  .array(fc.record({ place: fc.integer({ min: 0, max: SPAN - 1 }), hashes: fc.array(hash) }))
  .map((messages) => messages.sort((a, b) => a.place - b.place));

function built(
  messages: readonly { place: number; hashes: readonly number[]; chat?: number }[],
): Map<number, Uint8Array> {
  const words = new SpanWords();
  for (const { place, hashes, chat } of messages) words.add(place, packed(hashes), chat);
  return words.rows();
}

/** Places by what is told of a word, plainly. */
function plainly(messages: readonly { place: number; hashes: readonly number[] }[]): Map<number, Set<number>> {
  const all = new Map<number, Set<number>>();
  for (const { place, hashes } of messages)
    for (const one of hashes) all.set(one & TOLD, (all.get(one & TOLD) ?? new Set()).add(place));
  return all;
}

const sorted = (places: Iterable<number>): number[] => [...places].sort((a, b) => a - b);

t.test('a row tells where each word of its bucket stands', async () => {
  fc.assert(
    fc.property(span, (messages) => {
      const rows = built(messages);
      const all = plainly(messages);
      for (const [one, places] of all) {
        const row = rows.get(bucketOf(one));
        t.same(row && placesOf(row, one), sorted(places));
        const few = sorted([...places].filter((place) => place % 2 === 0).concat(SPAN));
        t.same(row && placesOf(row, one, few), few.slice(0, -1));
        t.same(
          row && placesOf(row, one, [0, 7, 500]),
          [0, 7, 500].filter((place) => places.has(place)),
        );
      }
      for (const other of [201, 1000, 0xffffffe]) {
        const row = rows.get(bucketOf(other));
        if (row !== undefined) t.same(placesOf(row, other), []);
      }
      t.same(new Set(rows.keys()), new Set([...all.keys()].map(bucketOf)));
    }),
    { numRuns: 60 },
  );
});

t.test('a message is taken out of its rows and nothing else', async () => {
  fc.assert(
    fc.property(span, fc.integer({ min: 0, max: SPAN - 1 }), (messages, gone) => {
      const rows = built(messages);
      const left = plainly(messages.filter(({ place }) => place !== gone));
      for (const [bucket, row] of rows) {
        const without = withoutPlace(row, gone);
        for (const one of plainly(messages).keys()) {
          if (bucketOf(one) !== bucket) continue;
          t.same(without === undefined ? [] : placesOf(without, one), sorted(left.get(one) ?? []));
        }
      }
    }),
    { numRuns: 60 },
  );
});

t.test('a row of more entries than two bytes can count', async (t) => {
  // All of one bucket, in slots far apart.
  const hashes = Array.from({ length: 100 }, (_, i) => (i << 6) | 9);
  const messages = Array.from({ length: SPAN }, (_, place) => ({ place, hashes }));
  const rows = built(messages);
  t.same([...rows.keys()], [9]);
  const row = rows.get(9) as Uint8Array;
  const all = Array.from({ length: SPAN }, (_, place) => place);
  for (const one of [hashes[0], hashes[50], hashes[99]] as number[]) t.same(placesOf(row, one), all);
  const without = withoutPlace(row, 700) as Uint8Array;
  t.same(placesOf(without, hashes[99] as number), all.toSpliced(700, 1));
});

t.test('a word twice in one message stands there once; rows of version 1 are told apart', async (t) => {
  const row = built([{ place: 1023, hashes: [5, 5 | (1 << 12), 5] }]).get(5) as Uint8Array;
  t.same(placesOf(row, 5), [1023]);
  t.ok(isReadable(row));
  t.ok(
    isReadable(
      withoutPlace(
        built([
          { place: 1, hashes: [5] },
          { place: 2, hashes: [5] },
        ]).get(5) as Uint8Array,
        1,
      )!,
    ),
  );
  const old = Uint8Array.from([1, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 3, 0]);
  t.notOk(isReadable(old));
  t.equal(placesOf(old, 5).length, SPAN, 'any message may have it');
  t.same(placesOf(old, 5, [3, 9]), [3, 9]);
});

t.test('the chat stands among the words', async (t) => {
  const rows = built([
    { place: 3, hashes: [1], chat: 7 },
    { place: 5, hashes: [1], chat: 8 },
  ]);
  t.same(placesOf(rows.get(7) as Uint8Array, 7), [3]);
  t.same(placesOf(rows.get(1) as Uint8Array, 1), [3, 5]);
});

t.test('packed words', async (t) => {
  const words = packed([5, MAX, 7]);
  t.same([...hashesIn(words)], [5, MAX, 7]);
  t.same([...hashesIn(packed([5, 5, MORE]))], [5]);
  t.same([...built([{ place: 0, hashes: [5, MORE] }]).keys()], [5], 'which is no word');
  t.ok(hasAll(words, [MAX, 5]));
  t.notOk(hasAll(words, [5, 6]));
  t.notOk(hasAll('', [5]));
  t.ok(mayHavePhrase(words, [MAX, 7]));
  t.ok(mayHavePhrase(words, [5, MAX, 7]));
  t.notOk(mayHavePhrase(words, [5, 7]));
  t.notOk(mayHavePhrase(words, [7, 5]));
  t.ok(mayHavePhrase(packed([5, 6, MORE]), [7, 8]), 'among those that were left out');
});

t.test('seqs begin at 1, spans at 0', async (t) => {
  t.same([1, SPAN, SPAN + 1].map(spanOf), [0, 0, 1]);
});
