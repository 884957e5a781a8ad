import t from 'tap';
import { entries } from './replica.fixture.ts';
import {
  agreement,
  appendTo,
  bytesBetween,
  entriesBetween,
  entriesFrom,
  epochAt,
  lastIdx,
  lastOf,
  openLog,
  trim,
  truncateTo,
} from './replica-log.ts';

t.test('an empty log ends where it begins', async (t) => {
  const log = openLog({ idx: 7, epoch: 3 }, []);
  t.equal(lastIdx(log), 7);
  t.same(lastOf(log), { idx: 7, epoch: 3 });
  t.equal(epochAt(log, 7), 3);
  t.equal(epochAt(log, 6), undefined);
  t.equal(epochAt(log, 8), undefined);
});

t.test('entries are taken densely, with epochs that never fall', async (t) => {
  const log = openLog({ idx: 2, epoch: 1 }, entries('1 2', 2));
  t.throws(() => appendTo(log, entries('2', 5)), 'a gap');
  t.throws(() => appendTo(log, entries('1', 4)), 'an older epoch');
  appendTo(log, entries('2 4', 4));
  t.same(
    [3, 4, 5, 6].map((idx) => epochAt(log, idx)),
    [1, 2, 2, 4],
  );
});

t.test('bytes between two places count entries, and nothing that is trimmed', async (t) => {
  const log = openLog({ idx: 0, epoch: 0 }, entries('1 1 1 1'));
  const one = bytesBetween(log, 0, 1);
  t.ok(one > 1);
  t.equal(bytesBetween(log, 0, 4), 4 * one);
  t.equal(bytesBetween(log, 3, 3), 0);
  t.equal(bytesBetween(log, 4, 2), 0);
  trim(log, 2, 2, 1_000);
  t.equal(log.base.idx, 2);
  t.equal(bytesBetween(log, 0, 4), 2 * one);
});

t.test('a batch has what fits, and one entry at least', async (t) => {
  const log = openLog({ idx: 0, epoch: 0 }, entries('1 1 1 1'));
  const one = bytesBetween(log, 0, 1);
  for (const [from, bytes, first, count] of [
    [1, 0, 1, 1],
    [1, one * 2, 1, 2],
    [2, one * 2 + 1, 2, 2],
    [4, 10_000, 4, 1],
  ] as const) {
    const batch = entriesFrom(log, from, bytes);
    t.same([batch[0]?.idx, batch.length], [first, count], `${bytes} bytes from ${from}`);
  }
  t.same(
    entriesBetween(log, 1, 3).map(({ idx }) => idx),
    [2, 3],
  );
});

t.test('trimming stops at what it must keep, and goes below the bound once it begins', async (t) => {
  const table: [upTo: number, entriesMax: number, base: number][] = [
    [10, 12, 0],
    [10, 8, 4],
    [3, 8, 3],
    [0, 8, 0],
  ];
  for (const [upTo, entriesMax, base] of table) {
    const log = openLog({ idx: 0, epoch: 0 }, entries('1 1 1 1 1 1 1 1 1 1'));
    trim(log, upTo, entriesMax, 1_000_000);
    t.equal(log.base.idx, base, `up to ${upTo} with ${entriesMax}`);
    t.equal(lastIdx(log), 10);
  }
});

t.test('truncation never reaches into what is trimmed', async (t) => {
  const log = openLog({ idx: 5, epoch: 2 }, entries('2 3 3', 5));
  truncateTo(log, 6);
  t.same(lastOf(log), { ...entries('2', 5)[0] });
  truncateTo(log, 20);
  t.equal(lastIdx(log), 6);
  t.throws(() => truncateTo(log, 4));
});

t.test('two logs agree at most where the own epoch is no newer than the hint', async (t) => {
  const table: [base: number, epochs: string, hint: [number, number], idx: number][] = [
    [0, '1 1 2 2', [2, 1], 2],
    [0, '1 1 2 2', [3, 1], 2],
    [0, '1 1 2 2', [9, 2], 4],
    [0, '1 1 2 2', [9, 1], 2],
    [0, '3 3', [9, 1], 0],
    [4, '2 2', [2, 2], 2],
    [4, '3 3', [6, 1], 4],
  ];
  for (const [base, epochs, [idx, epoch], want] of table) {
    const log = openLog({ idx: base, epoch: base === 0 ? 0 : 1 }, entries(epochs, base));
    t.equal(agreement(log, { idx, epoch }).idx, want, `${base}+[${epochs}] with ${idx}@${epoch}`);
  }
  t.ok(agreement(openLog({ idx: 4, epoch: 2 }, []), { idx: 6, epoch: 1 }).idx < 4, 'only a snapshot helps');
});
