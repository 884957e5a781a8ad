import fc from 'fast-check';
import t from 'tap';
import { MORE } from '../base/words.ts';
import {
  bucketOf,
  buildRows,
  hasAll,
  hashesIn,
  mayHavePhrase,
  type Placed,
  placesOf,
  SPAN,
  spanOf,
  withoutPlace,
} from './fulltext-rows.ts';

const packed = (hashes: readonly number[]): string =>
  hashes.map((hash) => String.fromCharCode(...[0, 7, 14, 21].map((bits) => (hash >>> bits) & 127))).join('');

const MAX = 2 ** 28 - 1;

/** Few and adjacent ones, and the ends of the range. */
const hash = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(0x7ffffff, 0x8000000, MAX));
const span = fc
  .array(fc.record({ place: fc.integer({ min: 0, max: SPAN - 1 }), hashes: fc.array(hash) }))
  .map((messages) => messages.sort((a, b) => a.place - b.place));

/** Places by word, told plainly. */
function plainly(messages: readonly { place: number; hashes: readonly number[] }[]): Map<number, Set<number>> {
  const all = new Map<number, Set<number>>();
  for (const { place, hashes } of messages)
    for (const one of hashes) all.set(one, (all.get(one) ?? new Set()).add(place));
  return all;
}

const sorted = (places: Iterable<number>): number[] => [...places].sort((a, b) => a - b);

t.test('a row tells where each word of its bucket stands', async () => {
  fc.assert(
    fc.property(span, (messages) => {
      const rows = buildRows(messages.map(({ place, hashes }): Placed => ({ place, words: packed(hashes) })));
      const all = plainly(messages);
      for (const [one, places] of all) {
        const row = rows.get(bucketOf(one));
        t.same(row && placesOf(row, one), sorted(places));
      }
      for (const row of rows.values()) for (const other of [201, 1000, 0xffffffe]) t.same(placesOf(row, other), []);
      t.same(new Set(rows.keys()), new Set([...all.keys()].map(bucketOf)));
    }),
    { numRuns: 60 },
  );
});

t.test('a message is taken out of its rows and nothing else', async () => {
  fc.assert(
    fc.property(span, fc.integer({ min: 0, max: SPAN - 1 }), (messages, gone) => {
      const rows = buildRows(messages.map(({ place, hashes }): Placed => ({ place, words: packed(hashes) })));
      const left = plainly(messages.filter(({ place }) => place !== gone));
      for (const row of rows.values()) {
        const without = withoutPlace(row, gone);
        for (const one of plainly(messages).keys()) {
          if (placesOf(row, one).length === 0) continue;
          t.same(without === undefined ? [] : placesOf(without, one), sorted(left.get(one) ?? []));
        }
      }
    }),
    { numRuns: 60 },
  );
});

t.test('the chat stands among the words', async (t) => {
  const rows = buildRows([
    { place: 3, words: packed([1]), chat: 7 },
    { place: 5, words: packed([1]), chat: 8 },
  ]);
  t.same(placesOf(rows.get(7) as Uint8Array, 7), [3]);
  t.same(placesOf(rows.get(1) as Uint8Array, 1), [3, 5]);
});

t.test('packed words', async (t) => {
  const words = packed([5, MAX, 7]);
  t.same([...hashesIn(words)], [5, MAX, 7]);
  t.same([...hashesIn(packed([5, 5, MORE]))], [5]);
  t.same([...buildRows([{ place: 0, words: packed([5, MORE]) }]).keys()], [5], 'which is no word');
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
