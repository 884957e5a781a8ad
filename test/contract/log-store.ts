import type { Test } from 'tap';
import { StorageClosedError } from '../../src/storage/errors.ts';
import type { LogStore, Op, Write } from '../../src/storage/log-store.ts';

/** One place where state outlives a store. Each test gets its own. */
export interface StoreHome {
  /** Opens the store; called again after `close` it must find everything. S is 1,024. */
  open(): Promise<LogStore>;
  /** Moves what is in memory to wherever it ends up, if the store has such a place. */
  settle(store: LogStore): Promise<void>;
}

export type MakeHome = (t: Test) => Promise<StoreHome>;

const all = { from: 1, to: Number.POSITIVE_INFINITY, limit: Number.POSITIVE_INFINITY };

function op(shard: number, idx: number, writes: Write[], outbox: Op['outbox'] = []): Op {
  return { shard, epoch: 1, idx, writes, outbox };
}

function appends(stream: string, from: number, to: number): Write[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    t: 'append',
    stream,
    seq: from + i,
    record: { body: `record ${from + i}` },
  }));
}

const seqs = (records: { seq: number }[]): number[] => records.map(({ seq }) => seq);

/** Where what was written may be when it is read: in memory, settled, or both. Every read must be the same. */
const places = ['fresh', 'settled', 'reopened'] as const;

async function moveTo(place: (typeof places)[number], home: StoreHome, store: LogStore): Promise<LogStore> {
  if (place === 'settled') await home.settle(store);
  if (place !== 'reopened') return store;
  await store.close();
  return home.open();
}

/** What every LogStore must do. Call it from the test file of an implementation. */
export function logStoreContract(t: Test, makeHome: MakeHome): void {
  const opened = async (t: Test): Promise<{ home: StoreHome; store: LogStore }> => {
    const home = await makeHome(t);
    return { home, store: await home.open() };
  };
  rows(t, opened);
  streams(t, opened);
  journal(t, opened);
}

type Opened = (t: Test) => Promise<{ home: StoreHome; store: LogStore }>;

function rows(t: Test, opened: Opened): void {
  for (const place of places) {
    t.test(`rows: the last put or del of a key counts (${place})`, async (t) => {
      const { home, store: first } = await opened(t);
      await first.append([
        op(1, 1, [
          { t: 'put', key: 'a', value: 1 },
          { t: 'put', key: 'b', value: null },
        ]),
      ]);
      await first.append([op(1, 2, [{ t: 'put', key: 'a', value: { deep: ['x', 2] } }]), op(2, 1, [])]);
      await home.settle(first);
      await first.append([
        op(1, 3, [
          { t: 'del', key: 'b' },
          { t: 'put', key: 'c', value: '' },
        ]),
      ]);
      const store = await moveTo(place, home, first);
      t.same(store.get(1, 'a'), { deep: ['x', 2] });
      t.equal(store.get(1, 'b'), undefined);
      t.equal(store.get(1, 'c'), '');
      t.equal(store.get(2, 'a'), undefined, 'shards do not see each other');
      t.same(store.scan(1, '', 9), [
        ['a', { deep: ['x', 2] }],
        ['c', ''],
      ]);
      await store.close();
    });

    t.test(`scan: rows of a prefix, in UTF-8 order, up to the limit (${place})`, async (t) => {
      const { home, store: first } = await opened(t);
      const keys = ['r:\u{1f600}', 'r:\uffee', 'r:', 'r:b', 'r:a', 'r', 's:a', 'q:z', 'r:é'];
      const puts = keys.map((key): Write => ({ t: 'put', key, value: key }));
      await first.append([op(7, 1, puts.slice(0, 4)), op(8, 1, [{ t: 'put', key: 'r:other', value: 0 }])]);
      await home.settle(first);
      await first.append([op(7, 2, [...puts.slice(4), { t: 'put', key: 'r:gone', value: 1 }])]);
      await first.append([op(7, 3, [{ t: 'del', key: 'r:gone' }])]);
      const store = await moveTo(place, home, first);
      const found = store.scan(7, 'r:', 99).map(([key]) => key);
      t.same(found, ['r:', 'r:a', 'r:b', 'r:é', 'r:\uffee', 'r:\u{1f600}']);
      t.same(
        store.scan(7, 'r:', 2).map(([key]) => key),
        ['r:', 'r:a'],
      );
      t.same(store.scan(7, 'r:', 0), []);
      await store.close();
    });
  }

  t.test('rows: null, numbers, long strings and bytes come back as they were', async (t) => {
    const { home, store: first } = await opened(t);
    const value = { n: null, big: 2 ** 52, neg: -1.5, long: 'ü'.repeat(70_000), list: [true, false, [{}]] };
    await first.append([
      op(0, 1, [
        { t: 'put', key: 'v', value },
        { t: 'put', key: 'bytes', value: Buffer.of(0, 255) },
      ]),
    ]);
    const store = await moveTo('reopened', home, first);
    t.same(store.get(0, 'v'), value);
    t.same(Buffer.from(store.get(0, 'bytes') as Uint8Array), Buffer.of(0, 255));
    await store.close();
  });
}

const ranges = [
  { range: all, want: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] },
  { range: { ...all, reverse: true }, want: [10, 9, 8, 7, 6, 5, 4, 3, 2, 1] },
  { range: { ...all, limit: 3 }, want: [1, 2, 3] },
  { range: { ...all, limit: 3, reverse: true }, want: [10, 9, 8] },
  { range: { from: 4, to: 6, limit: 9 }, want: [4, 5, 6] },
  { range: { from: 4, to: 6, limit: 2, reverse: true }, want: [6, 5] },
  { range: { from: 6, to: 4, limit: 9 }, want: [] },
  { range: { from: 10, to: 99, limit: 9 }, want: [10] },
  { range: { from: 11, to: 99, limit: 9, reverse: true }, want: [] },
  { range: { from: -5, to: 1, limit: 9 }, want: [1] },
  { range: { ...all, limit: 0 }, want: [] },
];

function streams(t: Test, opened: Opened): void {
  for (const place of places) {
    t.test(`streams: ranges are answered both ways (${place})`, async (t) => {
      const { home, store: first } = await opened(t);
      await first.append([op(5, 1, [...appends('log', 1, 4), ...appends('lo', 1, 2), ...appends('log:', 1, 3)])]);
      await home.settle(first);
      await first.append([op(5, 2, appends('log', 5, 6))]);
      await first.append([op(5, 3, appends('log', 7, 10))]);
      const store = await moveTo(place, home, first);
      for (const { range, want } of ranges) t.same(seqs(store.read(5, 'log', range)), want, JSON.stringify(range));
      t.same(store.read(5, 'log', { from: 4, to: 4, limit: 1 }), [{ seq: 4, record: { body: 'record 4' } }]);
      t.equal(store.last(5, 'log'), 10);
      t.equal(store.last(5, 'lo'), 2);
      t.equal(store.last(5, 'log:'), 3);
      t.equal(store.last(6, 'log'), 0);
      t.same(store.read(5, 'none', all), []);
      await store.close();
    });

    t.test(`streams: many records of many sizes page through whole (${place})`, async (t) => {
      const { home, store: first } = await opened(t);
      const bodies = Array.from({ length: 700 }, (_, i) => 'x'.repeat((i * 7919) % 1500) + i);
      let idx = 0;
      for (let at = 0; at < bodies.length; at += 70) {
        const writes = bodies
          .slice(at, at + 70)
          .map((record, i): Write => ({ t: 'append', stream: 's', seq: at + i + 1, record }));
        idx += 1;
        await first.append([op(9, idx, writes)]);
        if (idx % 3 === 0) await home.settle(first);
      }
      const store = await moveTo(place, home, first);
      const forth: unknown[] = [];
      for (let from = 1; ; ) {
        const page = store.read(9, 's', { from, to: Number.POSITIVE_INFINITY, limit: 50 });
        if (page.length === 0) break;
        forth.push(...page.map(({ record }) => record));
        from = page.at(-1)!.seq + 1;
      }
      t.same(forth, bodies);
      t.same(
        store.read(9, 's', { ...all, reverse: true }).map(({ record }) => record),
        bodies.toReversed(),
      );
      await store.close();
    });

    t.test(`streams: a replaced record is another one in its place (${place})`, async (t) => {
      const { home, store: first } = await opened(t);
      await first.append([op(3, 1, [...appends('s', 1, 150), ...appends('gone', 1, 3)])]);
      await home.settle(first);
      await first.append([op(3, 2, appends('s', 151, 153))]);
      const replace = (stream: string, seq: number): Write => ({ t: 'replace', stream, seq, record: `new ${seq}` });
      await first.append([
        op(3, 3, [
          ...[1, 17, 64, 150, 152, 999].map((seq) => replace('s', seq)),
          replace('none', 1),
          { t: 'drop', stream: 'gone' },
          replace('gone', 2),
        ]),
      ]);
      await first.append([
        op(3, 4, [...appends('s', 154, 155), replace('s', 154), { ...replace('s', 17), record: 17 } as Write]),
      ]);
      const store = await moveTo(place, home, first);
      const records = store.read(3, 's', all);
      t.same(
        seqs(records),
        Array.from({ length: 155 }, (_, i) => i + 1),
      );
      const replaced = records.filter(({ record }) => typeof record !== 'object');
      t.same(replaced, [
        { seq: 1, record: 'new 1' },
        { seq: 17, record: 17 },
        ...[64, 150, 152, 154].map((seq) => ({ seq, record: `new ${seq}` })),
      ]);
      t.same(store.read(3, 's', { ...all, reverse: true }), records.toReversed());
      t.same(store.read(3, 's', { from: 17, to: 17, limit: 1 }), [{ seq: 17, record: 17 }]);
      t.equal(store.last(3, 's'), 155, 'where nothing is, nothing is replaced');
      t.same([store.read(3, 'none', all), store.read(3, 'gone', all)], [[], []]);
      await store.close();
    });

    t.test(`streams: a dropped stream is empty and can begin again anywhere (${place})`, async (t) => {
      const { home, store: first } = await opened(t);
      await first.append([op(3, 1, [...appends('s', 1, 5), ...appends('kept', 1, 1), ...appends('gone', 1, 200)])]);
      await home.settle(first);
      await first.append([
        op(3, 2, [
          { t: 'drop', stream: 's' },
          { t: 'drop', stream: 'gone' },
        ]),
      ]);
      t.equal(first.last(3, 's'), 0);
      t.same(first.read(3, 's', all), []);
      await first.append([op(3, 3, appends('s', 3, 4))]);
      const store = await moveTo(place, home, first);
      t.same(seqs(store.read(3, 's', all)), [3, 4]);
      t.equal(store.last(3, 's'), 4);
      t.equal(store.last(3, 'gone'), 0);
      t.same(store.read(3, 'gone', all), []);
      t.equal(store.last(3, 'kept'), 1);
      await store.close();
    });
  }
}

function journal(t: Test, opened: Opened): void {
  t.test('append: nothing is visible before it resolves, everything after', async (t) => {
    const { store } = await opened(t);
    const done = store.append([op(1, 1, [{ t: 'put', key: 'k', value: 1 }])]);
    t.equal(store.get(1, 'k'), undefined);
    await done;
    t.equal(store.get(1, 'k'), 1);
    t.equal(store.stats().opsAppended, 1);
    await store.close();
  });

  t.test('append: overlapping calls are applied in call order', async (t) => {
    const { home, store } = await opened(t);
    const order: number[] = [];
    const calls = Array.from({ length: 50 }, (_, i) =>
      store
        .append([op(1, i + 1, [{ t: 'put', key: 'k', value: i }, ...appends('s', i + 1, i + 1)])])
        .then(() => order.push(i)),
    );
    await Promise.all(calls);
    t.same(order, [...calls.keys()]);
    t.equal(store.get(1, 'k'), 49);
    const again = await moveTo('reopened', home, store);
    t.equal(again.get(1, 'k'), 49);
    t.equal(again.last(1, 's'), 50);
    await again.close();
  });

  t.test('recovered: tails are the last idx and epoch of each shard', async (t) => {
    const { home, store: first } = await opened(t);
    t.same([...first.recovered.tails], []);
    await first.append([op(1, 1, []), op(1023, 1, []), { ...op(1, 2, []), epoch: 4 }]);
    await home.settle(first);
    await first.append([{ ...op(1, 3, []), epoch: 5 }]);
    const store = await moveTo('reopened', home, first);
    t.same(
      new Map(store.recovered.tails),
      new Map([
        [1, { idx: 3, epoch: 5 }],
        [1023, { idx: 1, epoch: 1 }],
      ]),
    );
    const again = await moveTo('reopened', home, store);
    t.same(new Map(again.recovered.tails), new Map(store.recovered.tails), 'a restart that writes nothing keeps them');
    await again.close();
  });

  t.test('recovered: ops whose outbox was not acknowledged come again, in order, until it is', async (t) => {
    const { home, store: first } = await opened(t);
    const out = (n: number): Op['outbox'] => [{ to: `session:u${n}@x`, body: { n } }];
    await first.append([op(2, 1, appends('s', 1, 1), out(1)), op(1, 1, [], out(2))]);
    await first.append([op(2, 2, [], []), op(2, 3, [], out(3))]);
    await home.settle(first);
    await first.append([op(1, 2, [], out(4))]);
    first.acked(2, 1);
    first.acked(2, 1);
    first.acked(500, 1);
    await home.settle(first);
    let store = await moveTo('reopened', home, first);
    const waiting = (from: LogStore): string[] => from.recovered.unacked.map(({ shard, idx }) => `${shard}/${idx}`);
    const mustCome = (from: LogStore, must: string[], may: string[]): void => {
      const came = waiting(from);
      t.same(
        came.filter((id) => must.includes(id)),
        must,
        'in order',
      );
      t.ok(
        came.every((id) => must.includes(id) || may.includes(id)),
        `only ops with an outbox: ${came.join(' ')}`,
      );
    };
    mustCome(store, ['1/1', '1/2', '2/3'], ['2/1']);
    t.same(store.recovered.unacked.find(({ shard, idx }) => shard === 2 && idx === 3)?.outbox, out(3));
    for (const { shard, idx } of store.recovered.unacked) store.acked(shard, idx);
    await home.settle(store);
    store = await moveTo('reopened', home, store);
    t.same(waiting(store), []);
    await store.close();
  });

  t.test('append: an op that breaks the contract is refused whole, and the store goes on', async (t) => {
    const { store } = await opened(t);
    const bad: Op[] = [
      op(1024, 1, []),
      op(-1, 1, []),
      op(0, 0, []),
      op(0, 1, [{ t: 'put', key: 'k'.repeat(5000), value: 1 }]),
      op(0, 1, [{ t: 'append', stream: 's', seq: 0, record: 1 }]),
      op(0, 1, [{ t: 'append', stream: 's', seq: 1.5, record: 1 }]),
      op(0, 1, [{ t: 'append', stream: 's', seq: 1, record: undefined }]),
      op(0, 1, [{ t: 'replace', stream: 's', seq: 0, record: 1 }]),
      op(0, 1, [{ t: 'replace', stream: 's', seq: 1, record: undefined }]),
    ];
    for (const op_ of bad)
      await t.rejects(store.append([op(0, 1, [{ t: 'put', key: 'good', value: 1 }]), op_]), RangeError);
    t.equal(store.get(0, 'good'), undefined);
    await store.append([op(0, 1, [{ t: 'put', key: 'good', value: 1 }])]);
    t.equal(store.get(0, 'good'), 1);
    await store.close();
  });

  t.test('close: is idempotent, and everything after it says that the store is closed', async (t) => {
    const { home, store } = await opened(t);
    const last = store.append([op(1, 1, [{ t: 'put', key: 'k', value: 1 }])]);
    await Promise.all([store.close(), store.close()]);
    await last;
    t.equal(store.writable, false);
    await t.rejects(store.append([]), StorageClosedError);
    t.throws(() => store.get(1, 'k'), StorageClosedError);
    t.throws(() => store.last(1, 's'), StorageClosedError);
    const again = await home.open();
    t.equal(again.get(1, 'k'), 1, 'what was in flight at close was written');
    await again.close();
  });
}
