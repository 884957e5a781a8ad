import t from 'tap';
import type { Op, Write } from './log-store.ts';
import { OutboxLedger } from './outbox-ledger.ts';
import { deleted, Overlay, recordAt, spanOf } from './overlay.ts';
import { Segment } from './segment.ts';
import { Tails } from './tails.ts';

function op(idx: number, writes: Write[], outbox: Op['outbox'] = []): Op {
  return { shard: 1, epoch: 1, idx, writes, outbox };
}

const append = (seq: number, record: unknown = `r${seq}`): Write => ({ t: 'append', stream: 's', seq, record });

t.test('overlay: the newer generation hides the one being folded, deletions and nulls too', async (t) => {
  const overlay = new Overlay();
  overlay.apply(
    op(1, [
      { t: 'put', key: 'a', value: 1 },
      { t: 'put', key: 'b', value: 2 },
      { t: 'put', key: 'c', value: 3 },
    ]),
  );
  overlay.rotate();
  overlay.apply(
    op(2, [
      { t: 'del', key: 'a' },
      { t: 'put', key: 'b', value: null },
      { t: 'put', key: 'd', value: undefined },
    ]),
  );
  t.equal(overlay.row(1, 'a'), deleted);
  t.equal(overlay.row(1, 'b'), null);
  t.equal(overlay.row(1, 'c'), 3);
  t.equal(overlay.row(1, 'd'), deleted, 'a row without a value is no row');
  t.equal(overlay.row(1, 'e'), undefined);
  t.equal(overlay.rows(1, '').size, 4);
  t.throws(() => overlay.rotate(), /already being folded/);
  overlay.retire();
  t.equal(overlay.row(1, 'c'), undefined, 'what was folded is the base’s to know');
});

t.test('overlay: appends again in any order of recovery end the same', async (t) => {
  const table = [
    { writes: [append(3), append(4), append(5)], seqs: [3, 4, 5] },
    { writes: [append(3), append(4), append(3), append(4), append(5)], seqs: [3, 4, 5] },
    { writes: [append(3), append(6)], seqs: [3, 6] },
    { writes: [append(6), append(3)], seqs: [3, 6] },
    { writes: [append(3), { t: 'drop', stream: 's' }, append(9)] as Write[], seqs: [9] },
    { writes: [append(3), { t: 'drop', stream: 's' }] as Write[], seqs: [] },
  ];
  for (const { writes, seqs } of table) {
    const overlay = new Overlay();
    overlay.apply(op(1, writes));
    const parts = overlay.stream(1, 's');
    const found = Array.from({ length: 12 }, (_, seq) => seq).filter((seq) => recordAt(parts, seq) !== undefined);
    t.same(found, seqs);
    t.same(spanOf(parts), seqs.length === 0 ? undefined : { low: seqs[0], high: seqs.at(-1) });
  }
});

t.test('overlay: neighbours are packed, and read, replaced and appended again like any', async (t) => {
  const overlay = new Overlay();
  const upTo = (from: number, to: number): Write[] => Array.from({ length: to - from + 1 }, (_, i) => append(from + i));
  overlay.apply(op(1, upTo(5, 50)));
  const read = (): unknown[] => Array.from({ length: 54 }, (_, i) => recordAt(overlay.stream(1, 's'), i + 1));
  const want: unknown[] = [...new Array(4).fill(undefined), ...upTo(5, 50).map((one) => 'record' in one && one.record)];
  want.push(...new Array(4).fill(undefined));
  t.same(read(), want);
  const [part] = overlay.stream(1, 's');
  t.equal(part?.records.filter((one) => one instanceof Segment).length, 32, 'two of sixteen');
  t.same(spanOf(overlay.stream(1, 's')), { low: 5, high: 50 });
  overlay.apply(op(2, [{ t: 'replace', stream: 's', seq: 10, record: 'other' }]));
  want[9] = 'other';
  t.same(read(), want);
  t.equal(part?.records.filter((one) => one instanceof Segment).length, 16, 'what was there is not kept beside it');
  overlay.apply(op(3, [append(25), append(26, 'anew'), append(3, 'earlier'), append(51), append(52)]));
  Object.assign(want, { 2: 'earlier', 25: 'anew', 50: 'r51', 51: 'r52' });
  t.same(read(), want);
});

t.test('overlay: a seq far from the others is a broken numbering', async (t) => {
  const overlay = new Overlay();
  overlay.apply(op(1, [append(2_000_000)]));
  t.throws(() => overlay.apply(op(2, [append(4_000_000)])), /numbering is broken/);
  t.throws(() => overlay.apply(op(2, [append(5)])), /numbering is broken/);
});

t.test('ledger: knows the oldest record somebody waits for', async (t) => {
  const ledger = new OutboxLedger();
  t.equal(ledger.oldest(), undefined);
  ledger.add(1, 1, 2);
  ledger.add(1, 1, 3);
  ledger.add(2, 1, 4);
  t.equal(ledger.oldest(), 1);
  ledger.acked(1, 2);
  ledger.acked(1, 2);
  ledger.acked(7, 7);
  t.equal(ledger.oldest(), 1);
  t.equal(ledger.size, 2);
  ledger.add(3, 1, 3);
  t.equal(ledger.oldest(), 2, 'one carried over waits in its new record');
  t.same(ledger.recordsUpTo(2), [2]);
  ledger.acked(1, 4);
  t.same(ledger.recordsUpTo(9), [3]);
  ledger.acked(1, 3);
  t.equal(ledger.oldest(), undefined);
  t.equal(ledger.size, 0);
});

t.test('ledger: entries that are committed out of the order of their records', async (t) => {
  const ledger = new OutboxLedger();
  ledger.add(9, 1, 1);
  ledger.add(5, 2, 7);
  ledger.add(7, 2, 8);
  ledger.add(5, 3, 1);
  t.equal(ledger.oldest(), 5);
  t.same(ledger.recordsUpTo(8), [5, 7]);
  t.same(ledger.idxs(2), [7, 8]);
  t.equal(ledger.lowest(2), 7);
  t.equal(ledger.recordOf(2, 8), 7);
  ledger.ackedUpTo(2, 7);
  t.equal(ledger.oldest(), 5, 'shard 3 waits there too');
  ledger.forget(3);
  t.equal(ledger.oldest(), 7);
  ledger.ackedUpTo(2, 100);
  t.equal(ledger.oldest(), 9);
  t.equal(ledger.lowest(2), undefined);
});

t.test('tails: only rise, and survive their form on disk', async (t) => {
  const tails = new Tails();
  for (const [shard, idx, epoch] of [
    [1, 5, 1],
    [1, 4, 1],
    [2, 1, 3],
    [1, 6, 2],
  ] as const)
    tails.saw({ shard, idx, epoch });
  const want = new Map([
    [1, { idx: 6, epoch: 2 }],
    [2, { idx: 1, epoch: 3 }],
  ]);
  t.same(tails.snapshot(), want);
  t.same(Tails.fromFlat(tails.flat()).snapshot(), want);
});
