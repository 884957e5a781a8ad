import t from 'tap';
import { packedWords } from '../base/words.ts';
import { SPAN, SpanWords } from '../xmpp/fulltext-rows.ts';
import { chatHash } from '../xmpp/fulltext-scan.ts';
import { RecentWords } from './recent-words.ts';

const MANY = 2 ** 24;
const words = (seq: number): string =>
  packedWords(Array.from({ length: 10 }, (_, i) => `word${(seq * i) % 77}`).join(' '), 10);

function note(recent: RecentWords, of: object, from: number, to: number, user = 'romeo'): void {
  for (let seq = from; seq <= to; seq += 1)
    recent.note(user, of, seq, `chat${seq % 3}`, seq % 5 === 0 ? undefined : words(seq));
}

function asRead(span: number): SpanWords {
  const all = new SpanWords();
  for (let place = 0; place < SPAN; place += 1) {
    const seq = span * SPAN + place + 1;
    if (seq % 5 !== 0) all.add(place, words(seq), chatHash(`chat${seq % 3}`));
  }
  return all;
}

t.test('words of a span are those that its pointers have', async (t) => {
  const recent = new RecentWords(MANY);
  const of = {};
  note(recent, of, 1, 2 * SPAN + 9);
  t.ok(recent.bytes > 0);
  for (const span of [0, 1]) t.strictSame(recent.take('romeo', of, span)?.rows(), asRead(span).rows());
  t.equal(recent.take('romeo', of, 1), undefined, 'given once');
  t.equal(recent.take('romeo', of, 2), undefined, 'not all of it was said');
  note(recent, of, 2 * SPAN + 10, 3 * SPAN);
  t.strictSame(recent.take('romeo', of, 2)?.rows(), asRead(2).rows());
  t.equal(recent.bytes, 0);
});

t.test('what was not noted whole, or on another state, is not known', async (t) => {
  const of = {};
  const begun = new RecentWords(MANY);
  note(begun, of, 2, SPAN + 1);
  t.equal(begun.take('romeo', of, 0), undefined, 'its first is lacking');
  note(begun, of, SPAN + 2, 2 * SPAN);
  t.ok(begun.take('romeo', of, 1), 'the next one is whole');

  const gap = new RecentWords(MANY);
  note(gap, of, 1, 500);
  note(gap, of, 502, SPAN);
  t.equal(gap.take('romeo', of, 0), undefined, 'one was left out');

  const again = new RecentWords(MANY);
  note(again, of, 1, 510);
  note(again, {}, 506, SPAN);
  t.equal(again.take('romeo', of, 0), undefined, 'after a failure');
  note(again, of, SPAN + 1, 2 * SPAN);
  t.equal(again.take('romeo', {}, 1), undefined);
  t.ok(again.take('romeo', of, 1));

  const dropped = new RecentWords(MANY);
  note(dropped, of, 1, 500);
  dropped.drop('romeo');
  t.equal(dropped.bytes, 0);
  note(dropped, of, 501, SPAN);
  t.equal(dropped.take('romeo', of, 0), undefined, 'what was taken back may be among them');
  t.equal(dropped.take('nobody', of, 0), undefined);
});

t.test('memory is bounded: who comes late reads, until others are silent for long', async (t) => {
  const of = {};
  t.equal(new RecentWords(0).take('romeo', of, 0), undefined);
  const none = new RecentWords(0);
  note(none, of, 1, SPAN);
  t.equal(none.take('romeo', of, 0), undefined);

  const recent = new RecentWords(100_000);
  note(recent, of, 1, SPAN, 'first');
  note(recent, of, 1, SPAN, 'late');
  t.ok(recent.bytes <= 100_000);
  t.equal(recent.take('late', of, 0), undefined);
  t.ok(recent.take('first', of, 0));

  const silent = new RecentWords(100_000);
  note(silent, of, 1, SPAN - 1, 'silent');
  const bytes = silent.bytes;
  t.ok(bytes > 40_000);
  const busy = {};
  // Without words they take no room, but time goes by.
  for (let seq = 1; seq <= 2 ** 20; seq += 1) silent.note('quiet', busy, seq, 'chat', undefined);
  note(silent, of, 1, SPAN, 'late');
  t.ok(silent.take('late', of, 0), 'in the place of the silent one');
  t.equal(silent.bytes, 0);
});

t.test('who has too many spans at once, since none can be written, reads them', async (t) => {
  const recent = new RecentWords(MANY);
  const of = {};
  note(recent, of, 1, 3 * SPAN);
  t.ok(recent.bytes > 0);
  note(recent, of, 3 * SPAN + 1, 3 * SPAN + 1);
  t.equal(recent.bytes, 0);
  t.equal(recent.take('romeo', of, 0), undefined);
});
