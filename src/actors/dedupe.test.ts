import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { Dedupe, dedupeKey, goneKey, KEY_CHARS_MAX } from './dedupe.ts';

const LIMITS = { dedupeMs: 1000, dedupePerSenderMin: 3, dedupeMax: 10 };

const known = (dedupe: Dedupe, sender: string, count: number): string =>
  Array.from({ length: count }, (_, i) => `k${i + 1}`)
    .filter((key) => dedupe.has(sender, key))
    .join(' ');

t.test('what is remembered of one sender', async (t) => {
  const table: [what: string, stamps: number[], kept: string][] = [
    ['within the time all are', [0, 1, 2, 3, 4], 'k1 k2 k3 k4 k5'],
    ['older ones go but for the last few', [0, 1, 2, 3, 2000], 'k3 k4 k5'],
    ['the last few stay whatever their age', [0, 5000, 10_000], 'k1 k2 k3'],
    ['a step at the bound is too old', [0, 500, 600, 1000], 'k2 k3 k4'],
    ['… and one below it is not', [0, 500, 600, 999], 'k1 k2 k3 k4'],
    [
      'beyond the bound of the whole the oldest go',
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      'k3 k4 k5 k6 k7 k8 k9 k10 k11 k12',
    ],
  ];
  for (const [what, stamps, kept] of table) {
    const dedupe = new Dedupe(LIMITS);
    for (const [i, ts] of stamps.entries()) dedupe.add('a', `k${i + 1}`, ts);
    t.equal(known(dedupe, 'a', stamps.length), kept, what);
    t.equal(dedupe.size, kept.split(' ').length, what);
  }
});

t.test('one sender neither keeps nor drops the ids of another', async (t) => {
  const dedupe = new Dedupe(LIMITS);
  dedupe.add('rare', 'k1', 0);
  for (let i = 0; i < 100; i++) dedupe.add('busy', `x${i}`, i * 2000);
  t.equal(dedupe.has('rare', 'k1'), true);
  t.equal(dedupe.has('busy', 'k1'), false, 'ids belong to their sender');
  t.equal(dedupe.size, 1 + LIMITS.dedupePerSenderMin, 'an old head does not hold the others back');
});

t.test('an id is taken once, and keeps the time of its message', async (t) => {
  const dedupe = new Dedupe(LIMITS);
  t.same(
    [0, 900].map((ts) => dedupe.add('a', 'k1', ts)),
    [true, false],
  );
  for (const [i, ts] of [1000, 1001, 1002].entries()) dedupe.add('a', `k${i + 2}`, ts);
  t.equal(known(dedupe, 'a', 4), 'k2 k3 k4', 'a resend does not make it younger');
});

t.test('the bound of the whole holds with more senders than it has room for', async (t) => {
  const dedupe = new Dedupe(LIMITS);
  for (let i = 0; i < 50; i++) dedupe.add(`s${i}`, 'k1', i);
  t.equal(dedupe.size, LIMITS.dedupeMax);
  t.equal(dedupe.has('s49', 'k1'), true, 'the newest is remembered');
});

t.test('which sends are the same message', async (t) => {
  type Send = [oid: string | undefined, id: string | undefined, inner: string];
  const long = 'x'.repeat(10_000);
  const table: [what: string, a: Send, b: Send, same: boolean][] = [
    ['same origin-id', ['o1', 'x', 'A'], ['o1', 'y', 'B'], true],
    ['other origin-id', ['o1', 'x-long-id', 'A'], ['o2', 'x-long-id', 'A'], false],
    ['no origin-id: same id and content', [undefined, 'id-12345', 'A'], [undefined, 'id-12345', 'A'], true],
    ['no origin-id: same id, other content', [undefined, 'id-12345', 'A'], [undefined, 'id-12345', 'B'], false],
    ['no origin-id: an id that is a counter says nothing', [undefined, '42', 'A'], [undefined, '42', 'A'], false],
    ['neither', [undefined, undefined, 'A'], [undefined, undefined, 'A'], false],
    ['long origin-ids that differ at their ends', [`${long}1`, 'x', 'A'], [`${long}2`, 'x', 'A'], false],
    ['the same long origin-id', [`${long}1`, 'x', 'A'], [`${long}1`, 'y', 'B'], true],
    ['the same long id, other content', [undefined, long, 'A'], [undefined, long, 'B'], false],
    ['an origin-id is no id', ['id-12345', undefined, 'A'], [undefined, 'id-12345', 'A'], false],
  ];
  for (const [what, a, b, same] of table) {
    const key = dedupeKey(...a);
    t.equal(key !== undefined && key === dedupeKey(...b), same, what);
  }
});

t.test('what is remembered of a message is not its frame', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const dedupe = new Dedupe({ ...LIMITS, dedupeMs: 1e9, dedupeMax: 10_000 });
  const heap = (): number => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const before = heap();
  for (let i = 0; i < 2000; i++) {
    // As it comes from a socket: one string, and the id cut from it.
    const frame = Buffer.from(`<message id='an-id-of-a-client-${i}'>${'x'.repeat(10_000)}</message>`).toString();
    const id = frame.slice(13, frame.indexOf("'", 13));
    const key = i % 2 === 0 ? dedupeKey(id, undefined, '') : dedupeKey(undefined, id, frame.slice(-10_000));
    dedupe.add('a', key ?? '', i);
  }
  const kept = heap() - before;
  t.equal(dedupe.size, 2000);
  t.ok(kept < 2_000_000, `${kept} bytes for 2,000 ids of 20 MB`);
});

t.test('what is remembered of an id is short, whatever a client calls its messages', async (t) => {
  const long = 'x'.repeat(200_000);
  for (const key of [dedupeKey(long, undefined, 'A'), dedupeKey(undefined, long, 'A'), goneKey(long)])
    t.ok((key?.length ?? Infinity) <= KEY_CHARS_MAX);
  t.equal(dedupeKey('x'.repeat(KEY_CHARS_MAX - 1), undefined, 'A'), `o${'x'.repeat(KEY_CHARS_MAX - 1)}`);
});
