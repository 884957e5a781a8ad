import t from 'tap';
import { Segment, type Slab, Slabs } from './segment.ts';

const records = (name: string): unknown[] => Array.from({ length: 16 }, (_, i) => ({ name: `${name}${i}` }));

t.test('slabs of a fold that is done are used again by a later one', async (t) => {
  const free: Slab[] = [];
  const first = new Slabs(free);
  const segment = Segment.of(1, records('a'), first);
  const other = Segment.of(17, records('b'), first);
  t.equal(other.bytes.buffer, segment.bytes.buffer, 'many segments in one');
  t.same(other.record(18), { name: 'b1' });
  first.giveBack();
  t.equal(free.length, 1);
  const { buffer } = free[0] as Slab;
  const later = Segment.of(33, records('c'), new Slabs(free));
  t.equal(later.bytes.buffer, buffer.buffer);
  t.same([free.length, later.record(33)], [0, { name: 'c0' }]);
  t.throws(() => segment.bytes, /given away/);
  t.throws(() => segment.record(1), /given away/, 'not what another one has there now');
  t.same(other.record(18), { name: 'b1' }, 'what was read before stays');
});

t.test('what is binary in a record outlives the slab', async (t) => {
  const free: Slab[] = [];
  const first = new Slabs(free);
  const segment = Segment.of(
    1,
    [Uint8Array.of(1, 2, 3), { words: Uint8Array.of(4) }].map((value) => ({ value })),
    first,
  );
  const read = segment.record(1) as { value: Uint8Array };
  first.giveBack();
  const again = Segment.of(
    1,
    Array.from({ length: 16 }, () => ({ value: Uint8Array.of(9, 9, 9) })),
    new Slabs(free),
  );
  t.same([...read.value], [1, 2, 3]);
  t.equal(again.count, 16);
});

t.test(
  'a segment that is larger than a slab has one of its own, and that is not kept; nor are very many',
  async (t) => {
    const free: Slab[] = [];
    const slabs = new Slabs(free);
    const large = Segment.of(1, [{ text: 'x'.repeat(300_000) }], slabs);
    t.same(large.record(1), { text: 'x'.repeat(300_000) });
    slabs.giveBack();
    t.equal(free.length, 0);
    for (let i = 0; i < 200; i++) Segment.of(i + 1, [{ text: 'x'.repeat(200_000) }], slabs);
    slabs.giveBack();
    t.equal(free.length, 128);
    slabs.giveBack();
    t.equal(free.length, 0, 'those of the last fold, which had none');
  },
);

t.test('a copy outlives the slab', async (t) => {
  const slabs = new Slabs([]);
  const copy = Segment.of(5, records('a'), slabs).copy();
  slabs.giveBack();
  t.same([copy.first, copy.count, copy.record(7)], [5, 16, { name: 'a2' }]);
});
