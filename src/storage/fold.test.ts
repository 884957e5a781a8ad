import t from 'tap';
import { blockCount } from './blocks.ts';
import { foldEntries } from './fold.ts';
import { type FoldEntry, FoldSlice, foldEntriesOf } from './fold-slice.ts';
import { afterPrefix, blockKey } from './keys.ts';
import type { Write } from './log-store.ts';
import { storeDefaults } from './options.ts';
import { Overlay } from './overlay.ts';
import { openRocks, type Rocks } from './rocks.ts';
import { RocksBase } from './rocks-base.ts';
import { StateView } from './state-view.ts';

const limits = { blockRecordsMax: 4, blockBytesMax: 400, blockMergeBytesMax: 60 };
const all = { from: 1, to: 1000, limit: Number.POSITIVE_INFINITY };

async function write(rocks: Rocks, entries: Iterable<FoldEntry>): Promise<void> {
  const batch = rocks.batch();
  for (const entry of entries) {
    if (entry.t === 'put') batch.put(entry.key, entry.value);
    else if (entry.t === 'del') batch.del(entry.key);
    else {
      batch.write(false);
      await rocks.clear({ gte: entry.key, lt: entry.end });
    }
  }
  batch.write(false);
}

function attached(rocks: Rocks): RocksBase {
  const base = new RocksBase();
  base.attach(rocks);
  return base;
}

function overlayOf(...ops: Write[][]): Overlay {
  const overlay = new Overlay();
  for (const [i, writes] of ops.entries()) overlay.apply({ shard: 0, epoch: 1, idx: i + 1, writes, outbox: [] });
  return overlay;
}

const record = (seq: number, text = ''): string => `record ${seq} ${text}`;

function appends(from: number, to: number, text = ''): Write[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    t: 'append',
    stream: 's',
    seq: from + i,
    record: record(from + i, text),
  }));
}

async function withRocks(folder: string, body: (rocks: Rocks) => Promise<void>): Promise<void> {
  const rocks = await openRocks(folder, storeDefaults);
  await body(rocks);
  await rocks.close();
}

function blockSizes(rocks: Rocks): number[] {
  const first = blockKey(0, 's', 0);
  const range = { gte: first, lt: afterPrefix(first.subarray(0, -6)) };
  return rocks.query(range, Number.POSITIVE_INFINITY).map(([, block]) => blockCount(block));
}

/** As a store has them: blocks with room for what the overlay has packed (segment.ts). */
const large = { blockRecordsMax: 64, blockBytesMax: 32_768, blockMergeBytesMax: 4096 };
const instead = (seq: number): Write => ({ t: 'replace', stream: 's', seq, record: record(seq) });

const cuts = [
  { what: 'full at blockRecordsMax', folds: [appends(1, 9)], sizes: [4, 4, 1] },
  { what: 'a small last block grows', folds: [appends(1, 1), appends(2, 3), appends(4, 6)], sizes: [4, 2] },
  {
    what: 'a last block over blockMergeBytesMax stays',
    folds: [appends(1, 3, 'x'.repeat(30)), appends(4, 4)],
    sizes: [3, 1],
  },
  { what: 'full at blockBytesMax', folds: [appends(1, 4, 'x'.repeat(150))], sizes: [2, 2] },
  {
    what: 'a record over blockBytesMax is alone',
    folds: [[...appends(1, 1), ...appends(2, 2, 'x'.repeat(900)), ...appends(3, 3)]],
    sizes: [1, 1, 1],
  },
  { what: 'a missing seq begins a block', folds: [[...appends(1, 2), ...appends(5, 5)]], sizes: [2, 1] },
  { what: 'a gap between folds begins a block', folds: [appends(1, 1), appends(3, 3)], sizes: [1, 1] },
  { what: 'packed ones are too many for a block', folds: [appends(1, 35)], sizes: [4, 4, 4, 4, 4, 4, 4, 4, 3] },
  { what: 'packed ones as they are', folds: [appends(1, 150)], sizes: [64, 64, 22], limits: large },
  {
    what: 'packed ones behind a block that grows, which has no room for all of the last',
    folds: [appends(1, 5), appends(6, 70)],
    sizes: [53, 17],
    limits: large,
  },
  {
    what: 'packed ones that are too large for a block',
    folds: [appends(1, 20, 'x'.repeat(3000))],
    sizes: [8, 8, 4],
    limits: large,
  },
  {
    what: 'packed ones of which some are other ones since',
    folds: [[...appends(1, 40), instead(17), ...appends(3, 4)]],
    sizes: [40],
    limits: large,
  },
  {
    what: 'packed ones with a hole',
    folds: [[...appends(1, 10), ...appends(12, 60)]],
    sizes: [10, 49],
    limits: large,
  },
];

for (const { what, folds, sizes, limits: used = limits } of cuts) {
  t.test(`blocks: ${what}`, (t) =>
    withRocks(t.testdir(), async (rocks) => {
      const base = attached(rocks);
      for (const writes of folds) await write(rocks, foldEntries(overlayOf(writes).rotate(), base, used));
      t.same(blockSizes(rocks), sizes);
      const seqs = new Map(folds.flat().map((one) => ('record' in one ? [one.seq, one.record] : [0, undefined])));
      const want = [...seqs].map(([seq, record]) => ({ seq, record }));
      t.same(base.records(0, 's', all), want);
      t.same(base.records(0, 's', { ...all, reverse: true }), want.toReversed());
    }),
  );
}

t.test('what is replaced is not in the blocks any more, whose bounds stay', (t) =>
  withRocks(t.testdir(), async (rocks) => {
    const base = attached(rocks);
    await write(rocks, foldEntries(overlayOf(appends(1, 10, 'secret')).rotate(), base, limits));
    const sizes = blockSizes(rocks);
    const replacements = Array.from(
      { length: 10 },
      (_, i): Write => ({ t: 'replace', stream: 's', seq: i + 1, record: i }),
    );
    const values = () => rocks.query({ gte: Buffer.of(0), lt: Buffer.of(255) }, 99).map(([, value]) => value);
    const secrets = () => values().join('').split('secret').length - 1;
    t.equal(secrets(), 10);
    await write(rocks, foldEntries(overlayOf(replacements.slice(2, 7)).rotate(), base, limits));
    t.equal(secrets(), 5);
    t.same(blockSizes(rocks), sizes);
    // The last block grows at the same time.
    const overlay = overlayOf([...replacements.slice(7), ...replacements.slice(0, 2), ...appends(11, 12)]);
    await write(rocks, foldEntries(overlay.rotate(), base, limits));
    t.equal(secrets(), 0);
    t.same(base.records(0, 's', all), [
      ...Array.from({ length: 10 }, (_, i) => ({ seq: i + 1, record: i })),
      ...[11, 12].map((seq) => ({ seq, record: record(seq) })),
    ]);
    t.equal(base.last(0, 's'), 12);
  }),
);

for (const [k, used] of [
  [1, limits],
  [6, large],
] as const) {
  t.test(
    `a fold that was cut anywhere, read again after a restart and folded again, ends in the same state × ${k}`,
    async (t) => {
      const before = [...appends(1, 6 * k), { t: 'put', key: 'old', value: 1 } as const];
      const cutOps: Write[][] = [
        appends(6 * k + 1, 12 * k),
        [
          { t: 'put', key: 'row', value: 1 },
          { t: 'del', key: 'old' },
        ],
        [2, 5 * k, 8 * k].map((seq) => ({ t: 'replace', stream: 's', seq, record: `replaced ${seq}` })),
        [{ t: 'append', stream: 'other', seq: 1, record: 'o' }],
        [
          { t: 'drop', stream: 'other' },
          { t: 'append', stream: 'other', seq: 4, record: 'p' },
        ],
      ];
      const later: Write[][] = [
        appends(12 * k + 1, 15 * k),
        [{ t: 'replace', stream: 's', seq: 5 * k, record: 'again' }],
        [{ t: 'put', key: 'row', value: 2 }],
      ];
      const dir = t.testdir({ count: {} });
      let entries = 0;
      await withRocks(`${dir}/count`, async (rocks) => {
        const base = attached(rocks);
        await write(rocks, foldEntries(overlayOf(before).rotate(), base, used));
        entries = [...foldEntries(overlayOf(...cutOps).rotate(), base, used)].length;
      });
      t.ok(entries > 4);
      for (let cut = 0; cut <= entries; cut += 1) {
        await withRocks(`${dir}/cut${cut}`, async (rocks) => {
          const first = attached(rocks);
          await write(rocks, foldEntries(overlayOf(before).rotate(), first, used));
          await write(rocks, [...foldEntries(overlayOf(...cutOps).rotate(), first, used)].slice(0, cut));
          const recovered = overlayOf(...cutOps, ...later);
          const base = attached(rocks);
          const view = new StateView(recovered, base);
          const state = () => ({
            s: view.read(0, 's', all),
            back: view.read(0, 's', { ...all, reverse: true }),
            other: view.read(0, 'other', all),
            last: [view.last(0, 's'), view.last(0, 'other')],
            rows: view.scan(0, '', 99),
          });
          const other = new Map([
            [2, 'replaced 2'],
            [5 * k, 'again'],
            [8 * k, `replaced ${8 * k}`],
          ]);
          const want = Array.from({ length: 15 * k }, (_, i) => ({
            seq: i + 1,
            record: other.get(i + 1) ?? record(i + 1),
          }));
          const expected = {
            s: want,
            back: want.toReversed(),
            other: [{ seq: 4, record: 'p' }],
            last: [15 * k, 4],
            rows: [['row', 2]],
          };
          t.same(state(), expected, `cut at ${cut}: before it is folded again`);
          await write(rocks, foldEntries(recovered.rotate(), base, used));
          t.same(state(), expected, `cut at ${cut}: while both have it`);
          recovered.retire();
          t.same(state(), expected, `cut at ${cut}: from the base alone`);
        });
      }
    },
  );
}

t.test('slices: entries come out as they went in, whatever their size', async (t) => {
  const entries: FoldEntry[] = [
    { t: 'put', key: Buffer.from('k'), value: Buffer.alloc(0) },
    { t: 'del', key: Buffer.alloc(500, 7) },
    { t: 'clear', key: Buffer.of(1), end: Buffer.of(2) },
    { t: 'put', key: Buffer.of(0), value: Buffer.alloc(10_000, 3) },
  ];
  const slice = new FoldSlice(1);
  for (const entry of entries) slice.add(entry);
  t.same([...foldEntriesOf(slice.take())], entries);
});
