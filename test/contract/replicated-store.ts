import type { Test } from 'tap';
import { decodeOp } from '../../src/storage/codec.ts';
import { StorageClosedError } from '../../src/storage/errors.ts';
import type { Write } from '../../src/storage/log-store.ts';
import {
  type Entry,
  noHardState,
  type Position,
  type ReplicatedLogStore,
  type WriteItem,
} from '../../src/storage/replicated-store.ts';

import {
  all,
  append,
  applyAll,
  box,
  chunksOf,
  entry,
  fill,
  leader,
  type MakeMemberHome,
  nth,
  type Opened,
  put,
  run,
} from './replicated-store-parts.ts';
import { snapshots } from './replicated-store-snapshots.ts';

export { countedCall, type MakeMemberHome, type MemberHome } from './replicated-store-parts.ts';

/** What every ReplicatedLogStore must do. Call it from the test file of an implementation. */
export function replicatedStoreContract(t: Test, makeHome: MakeMemberHome): void {
  const opened: Opened = async (t) => {
    const home = await makeHome(t);
    return { home, store: await home.open() };
  };
  writing(t, opened);
  applying(t, opened);
  recovering(t, opened);
  outboxes(t, opened);
  snapshots(t, opened);
}

function writing(t: Test, opened: Opened): void {
  t.test('write: what is on disk is not visible before it is applied', async (t) => {
    const { store } = await opened(t);
    const entries = [entry(1, put('k', 1)), entry(2, put('k', 2))];
    await store.write([append(1, entries), append(2, [entry(1, put('k', 9))])]);
    t.equal(store.get(1, 'k'), undefined);
    t.same(store.tail(1), { idx: 2, epoch: 1 });
    t.same(store.applied(1), { idx: 0, epoch: 0 });
    applyAll(store, 1, entries.slice(0, 1));
    t.equal(store.get(1, 'k'), 1);
    applyAll(store, 1, entries.slice(1));
    t.equal(store.get(1, 'k'), 2);
    t.equal(store.get(2, 'k'), undefined);
    t.same(store.shardsPresent(), [1, 2]);
    await store.close();
  });

  t.test('write: what does not fit is refused whole, and the store goes on', async (t) => {
    const { store } = await opened(t);
    await run(store, 1, 1, 3);
    await store.write([append(1, [entry(4, nth(4))])]);
    const bad: WriteItem[] = [
      append(1024, []),
      append(1, [entry(6, nth(6))]),
      append(1, [entry(4, nth(4))]),
      append(1, [], 2),
      append(1, [entry(5, nth(5)), entry(7, nth(7))]),
      append(1, [{ ...entry(5, nth(5)), epoch: 0 }]),
      append(2, [entry(2, nth(2))]),
    ];
    for (const item of bad) await t.rejects(store.write([append(3, [entry(1, nth(1))]), item]), RangeError);
    t.same(store.shardsPresent(), [1]);
    await t.rejects(store.write([{ t: 'load', shard: 5 }, append(5, [entry(1, nth(1))])]), RangeError, 'a void copy');
    await store.write([append(1, [entry(4, nth(4), 2)], 3), append(1, [entry(5, nth(5), 2)])]);
    t.same(store.tail(1), { idx: 5, epoch: 2 });
    await store.close();
  });

  t.test('write: overlapping calls keep their order', async (t) => {
    const { home, store } = await opened(t);
    const order: number[] = [];
    const calls = Array.from({ length: 30 }, (_, i) =>
      store
        .write([append(1, [entry(i + 1, nth(i + 1))]), { t: 'hard', shard: 1, hard: { ...noHardState, epoch: i } }])
        .then(() => order.push(i)),
    );
    await Promise.all(calls);
    t.same(order, [...calls.keys()]);
    const again = await home.crash(store);
    t.equal(again.recovered.get(1)?.entries.length, 30);
    t.equal(again.recovered.get(1)?.hard.epoch, 29);
    await again.close();
  });

  t.test('close: is idempotent, and everything after it says that the store is closed', async (t) => {
    const { home, store } = await opened(t);
    const last = store.write([append(1, [entry(1, nth(1))])]);
    await Promise.all([store.close(), store.close()]);
    await last;
    t.equal(store.writable, false);
    await t.rejects(store.write([]), StorageClosedError);
    t.throws(() => store.get(1, 'n'), StorageClosedError);
    t.throws(() => store.apply(1, { idx: 1, epoch: 1 }, nth(1)), StorageClosedError);
    const again = await home.open();
    t.same(again.tail(1), { idx: 1, epoch: 1 }, 'what was in flight at close was written');
    t.equal(again.incarnation, store.incarnation);
    await again.close();
  });
}

function applying(t: Test, opened: Opened): void {
  t.test('apply: only the next entry, under its epoch, and when it is on disk', async (t) => {
    const { store } = await opened(t);
    const written = store.write([append(1, [entry(1, nth(1)), entry(2, nth(2))])]);
    t.throws(() => store.apply(1, { idx: 1, epoch: 1 }, nth(1)), RangeError, 'not on disk');
    await written;
    const wrong: Position[] = [
      { idx: 2, epoch: 1 },
      { idx: 1, epoch: 2 },
      { idx: 3, epoch: 1 },
    ];
    for (const at of wrong) t.throws(() => store.apply(1, at, nth(at.idx)), RangeError);
    t.throws(() => store.apply(7, { idx: 1, epoch: 1 }, nth(1)), RangeError);
    store.apply(1, { idx: 1, epoch: 1 }, nth(1));
    t.throws(() => store.apply(1, { idx: 1, epoch: 1 }, nth(1)), RangeError, 'twice');
    t.equal(store.get(1, 'n'), 1);
    await store.close();
  });

  t.test('apply: the op that does nothing moves the shard on', async (t) => {
    const { home, store } = await opened(t);
    const entries: Entry[] = [{ idx: 1, epoch: 3, bytes: new Uint8Array(0) }, entry(2, nth(1), 3)];
    await store.write([append(4, entries)]);
    applyAll(store, 4, entries);
    t.same(store.applied(4), { idx: 2, epoch: 3 });
    await home.settle(store);
    await store.close();
    const again = await home.open();
    t.same(again.applied(4), { idx: 2, epoch: 3 });
    t.equal(again.get(4, 'n'), 1);
    await again.close();
  });

  t.test('checksum: the same wherever the state lies, another when anything differs', async (t) => {
    const { home, store } = await opened(t);
    const sums = new Set([store.checksum(1)]);
    await run(store, 1, 1, 150);
    const sum = store.checksum(1);
    t.notOk(sums.has(sum));
    await home.settle(store);
    t.equal(store.checksum(1), sum, 'settled');
    for (const from of [1, 51, 101]) {
      await run(store, 2, from, from + 49);
      if (from === 51) await home.settle(store);
    }
    t.equal(store.checksum(2), sum, 'the same ops in another shard, settled differently');
    const writes: Write[][] = [
      [{ t: 'put', key: 'n', value: 151 }],
      [{ t: 'put', key: 'm', value: 151 }],
      [{ t: 'append', stream: 'log', seq: 151, record: 1 }],
      [{ t: 'append', stream: 'lo', seq: 151, record: 1 }],
      [{ t: 'drop', stream: 'log' }],
      [{ t: 'del', key: 'n' }],
    ];
    const before = new Set([sum]);
    for (const [i, some] of writes.entries()) {
      const one = entry(151 + i, { writes: some, outbox: [] });
      await store.write([append(1, [one])]);
      applyAll(store, 1, [one]);
      const now = store.checksum(1);
      t.notOk(before.has(now), JSON.stringify(some));
      before.add(now);
    }
    await store.close();
    const again = await home.open();
    t.ok(before.has(again.checksum(1)));
    t.equal(again.checksum(2), sum, 'reopened');
    await again.close();
  });
}

function recovering(t: Test, opened: Opened): void {
  t.test('recovered: what was written and not applied comes back as entries', async (t) => {
    const { home, store } = await opened(t);
    const hard = { epoch: 2, leader, session: 3, revision: 17 };
    await store.write([{ t: 'hard', shard: 1, hard }]);
    const applied = await run(store, 1, 1, 4, 2);
    await store.write([append(1, [entry(5, nth(5), 2), entry(6, nth(6), 2)])]);
    const again = await home.crash(store);
    const found = again.recovered.get(1);
    t.same(found?.hard, hard);
    t.equal(found?.commitIdx, 4, 'the progress went along with the second write');
    t.same(again.applied(1), { idx: 4, epoch: 2 });
    t.equal(again.get(1, 'n'), 4);
    const behind = found?.entries.filter(({ idx }) => idx > 4);
    t.same(
      behind?.map(({ idx, epoch, bytes }) => [idx, epoch, decodeOp(bytes).writes]),
      [5, 6].map((idx) => [idx, 2, nth(idx).writes]),
    );
    t.equal((found?.entries[0]?.idx ?? 0) - 1, found?.base.idx);
    t.equal(applied.length, 4);
    applyAll(again, 1, behind ?? []);
    t.equal(again.get(1, 'n'), 6);
    t.same(again.read(1, 'log', all).length, 6);
    await again.close();
  });

  t.test('recovered: after a truncation the newer entries stand, however often it happened', async (t) => {
    const { home, store } = await opened(t);
    await run(store, 1, 1, 2);
    await store.write([append(1, [entry(3, nth(3)), entry(4, nth(4)), entry(5, nth(5))])]);
    await store.write([append(1, [entry(4, put('n', 'other'), 2)], 3)]);
    await home.settle(store);
    await store.write([append(1, [], 3), append(1, [entry(4, put('n', 'last'), 5)])]);
    const again = await home.crash(store);
    const { entries, commitIdx } = again.recovered.get(1)!;
    t.same(
      entries.filter(({ idx }) => idx > commitIdx).map(({ idx, epoch }) => [idx, epoch]),
      [
        [3, 1],
        [4, 5],
      ].filter(([idx]) => (idx as number) > commitIdx),
    );
    applyAll(again, 1, entries.slice(-2));
    t.equal(again.get(1, 'n'), 'last');
    await again.close();
  });

  t.test('recovered: a wiped copy is gone, its hard state stays, and its log begins anew', async (t) => {
    const { home, store } = await opened(t);
    const hard = { epoch: 4, leader, session: 1, revision: 2 };
    for (const shard of [1, 2]) await run(store, shard, 1, 80);
    await home.settle(store);
    await run(store, 1, 81, 85);
    await store.write([
      { t: 'hard', shard: 1, hard },
      { t: 'wipe', shard: 1 },
    ]);
    t.equal(store.get(1, 'n'), undefined);
    t.same(store.read(1, 'log', all), []);
    t.equal(store.get(2, 'n'), 80, 'the neighbour is untouched');
    t.same(store.tail(1), { idx: 0, epoch: 0 });
    await run(store, 1, 1, 3, 4);
    let again = await home.crash(store);
    t.same(again.recovered.get(1)?.hard, hard);
    t.same(again.tail(1), { idx: 3, epoch: 4 });
    applyAll(again, 1, again.recovered.get(1)!.entries.slice(again.applied(1).idx));
    t.equal(again.read(1, 'log', all).length, 3);
    t.equal(again.get(2, 'n'), 80);
    await again.close();
    again = await home.open();
    t.equal(again.read(1, 'log', all).length, 3);
    await again.close();
  });

  t.test('recovered: a copy that was being loaded comes back void, and can be filled in any way', async (t) => {
    const { home, store } = await opened(t);
    await run(store, 1, 1, 50);
    const chunks = await chunksOf(await store.openSnapshot(1));
    for (const shard of [2, 3]) await store.write([{ t: 'load', shard }]);
    await fill(store, 2, chunks.slice(0, -1));
    let again = await home.crash(store);
    t.equal(again.recovered.get(2)?.wasLoading, true);
    t.same(again.recovered.get(2)?.base, { idx: 0, epoch: 0 });
    t.same(again.tail(2), { idx: 0, epoch: 0 });
    t.same(again.scan(2, '', 9), []);
    t.throws(() => again.install(2), RangeError, 'the mark is gone with the void');
    await run(again, 2, 1, 2);
    await again.write([{ t: 'load', shard: 3 }]);
    again = await home.crash(again);
    t.equal(again.tail(2).idx, 2, 'what was appended since is kept');
    t.equal(again.recovered.get(2)?.wasLoading, false);
    await again.close();
  });
}

function outboxes(t: Test, opened: Opened): void {
  const waiting = (store: ReplicatedLogStore, shard: number): number[] =>
    store.unacked(shard, 0, 99).map(({ idx }) => idx);

  t.test('outboxes: of applied ops, until they are acknowledged; pages; the leader tells how far', async (t) => {
    const { home, store } = await opened(t);
    const entries = [1, 2, 3, 4, 5].map((n) => entry(n, nth(n, n === 2 ? [] : box(n))));
    await store.write([append(1, entries), append(2, [entry(1, nth(1, box(7)))])]);
    t.same(waiting(store, 1), [], 'nothing is applied');
    applyAll(store, 1, entries);
    t.same(waiting(store, 1), [1, 3, 4, 5]);
    t.same(
      store.unacked(1, 1, 2),
      [3, 4].map((n) => ({ shard: 1, epoch: 1, idx: n, writes: [], outbox: box(n) })),
    );
    t.equal(store.ackedWatermark(1), 0);
    for (const idx of [1, 4, 4, 99]) store.acked(1, idx);
    t.equal(store.ackedWatermark(1), 2);
    await home.settle(store);
    t.same(waiting(store, 1), [3, 5]);
    const again = await home.crash(store);
    t.ok([3, 5].every((idx) => waiting(again, 1).includes(idx)));
    for (const idx of waiting(again, 1)) again.acked(1, idx);
    t.equal(again.ackedWatermark(1), 5);
    await home.settle(again);
    await again.close();
    const last = await home.open();
    t.same(waiting(last, 1), []);
    applyAll(last, 2, last.recovered.get(2)!.entries);
    t.same(waiting(last, 2), [1]);
    await last.close();
  });

  t.test('outboxes: a follower forgets what its leader says is acknowledged, before or after it applies', async (t) => {
    const { home, store } = await opened(t);
    const entries = [1, 2, 3, 4].map((n) => entry(n, nth(n, box(n))));
    await store.write([append(1, entries)]);
    applyAll(store, 1, entries.slice(0, 2));
    store.ackedUpTo(1, 3);
    store.ackedUpTo(1, 1);
    t.same(waiting(store, 1), []);
    applyAll(store, 1, entries.slice(2));
    t.same(waiting(store, 1), [4]);
    await home.settle(store);
    const again = await home.crash(store);
    t.same(waiting(again, 1), [4]);
    await again.close();
  });
}
