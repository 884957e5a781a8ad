import type { Test } from 'tap';
import { SnapshotError, StorageClosedError, StorageVoidedError } from '../../src/storage/errors.ts';
import type { Write } from '../../src/storage/log-store.ts';
import { noHardState } from '../../src/storage/replicated-store.ts';

import {
  all,
  append,
  applyAll,
  box,
  chunksOf,
  countedCall,
  entry,
  type Opened,
  put,
  run,
} from './replicated-store-parts.ts';

/** What every ReplicatedLogStore must do when a shard is copied. */
export function snapshots(t: Test, opened: Opened): void {
  for (const folded of [false, true]) {
    t.test(`snapshot: has nothing of what was replaced (${folded ? '' : 'not '}folded since)`, async (t) => {
      const { home, store } = await opened(t);
      const texts = (of: string): Write[] =>
        Array.from({ length: 100 }, (_, i) => ({ t: 'append', stream: 'log', seq: i + 1, record: `${of} ${i + 1}` }));
      const said = entry(1, { writes: texts('secret'), outbox: [] });
      const takenBack = entry(2, {
        writes: [3, 64, 100].map((seq) => ({ t: 'replace', stream: 'log', seq, record: 'tombstone' })),
        outbox: [],
      });
      await store.write([append(1, [said])]);
      applyAll(store, 1, [said]);
      await home.settle(store);
      await store.write([append(1, [takenBack])]);
      applyAll(store, 1, [takenBack]);
      if (folded) await home.settle(store);
      const chunks = await chunksOf(await store.openSnapshot(1));
      const text = Buffer.concat(chunks).toString('latin1');
      t.notMatch(text, /secret (?:3|64|100)(?![0-9])/);
      t.match(text, /secret 4(?![0-9])/);
      await store.write([{ t: 'load', shard: 2 }]);
      const install = store.install(2);
      for (const chunk of chunks) await install.add(chunk);
      await install.finish({ idx: 2, epoch: 1 });
      t.equal(store.checksum(2), store.checksum(1));
      t.same(store.read(2, 'log', { ...all, from: 64, limit: 1 }), [{ seq: 64, record: 'tombstone' }]);
      await store.close();
    });
  }

  t.test('snapshot: has what was in memory when it was taken, though that is folded since, twice', async (t) => {
    const { home, store } = await opened(t);
    const texts = (of: string, from: number): Write[] =>
      Array.from({ length: 100 }, (_, i) => ({ t: 'append', stream: 'log', seq: from + i, record: `${of} ${i}` }));
    const apply = async (idx: number, of: string): Promise<void> => {
      const said = entry(idx, { writes: texts(of, 100 * (idx - 1) + 1), outbox: [] });
      await store.write([append(1, [said])]);
      applyAll(store, 1, [said]);
    };
    await apply(1, 'first');
    await home.settle(store);
    await apply(2, 'second');
    const want = store.checksum(1);
    const snapshot = await store.openSnapshot(1);
    await home.settle(store);
    await apply(3, 'third');
    await home.settle(store);
    await apply(4, 'fourth');
    const chunks = await chunksOf(snapshot);
    await store.write([{ t: 'load', shard: 2 }]);
    const install = store.install(2);
    for (const chunk of chunks) await install.add(chunk);
    await install.finish({ idx: 2, epoch: 1 });
    t.equal(store.checksum(2), want);
    await store.close();
  });

  t.test('snapshot: is the state at its place, whatever is applied meanwhile, and fills another copy', async (t) => {
    const { home, store } = await opened(t);
    await run(store, 1, 1, 300);
    await home.settle(store);
    const more: Write[] = [
      { t: 'drop', stream: 'gone' },
      { t: 'del', key: 'row' },
      { t: 'call', call: countedCall, args: ['counted', 1] },
    ];
    const early = entry(301, {
      writes: [
        ...([1, 2].map((seq) => ({ t: 'append', stream: 'gone', seq, record: seq })) as Write[]),
        { t: 'put', key: 'row', value: 1 },
      ],
      outbox: box(1),
    });
    await store.write([append(1, [early])]);
    applyAll(store, 1, [early]);
    await home.settle(store);
    const late = entry(302, { writes: more, outbox: box(2) });
    await store.write([append(1, [late])]);
    applyAll(store, 1, [late]);
    const snapshot = await store.openSnapshot(1);
    const want = store.checksum(1);
    t.same(snapshot.at, { idx: 302, epoch: 1 });
    const chunks: Uint8Array[] = [];
    let idx = 302;
    for await (const chunk of snapshot.chunks()) {
      chunks.push(chunk);
      idx += 1;
      const next = entry(idx, put('n', `later ${idx}`));
      await store.write([append(1, [next])]);
      applyAll(store, 1, [next]);
      await home.settle(store);
    }
    snapshot.close();
    t.ok(chunks.every(({ length }) => length <= 256 * 1024));
    await store.write([
      { t: 'load', shard: 2 },
      { t: 'hard', shard: 2, hard: { ...noHardState, epoch: 9 } },
    ]);
    const install = store.install(2);
    for (const chunk of chunks) await install.add(chunk);
    await install.finish({ idx: 302, epoch: 1 });
    t.equal(store.checksum(2), want);
    t.same(store.applied(2), { idx: 302, epoch: 1 });
    t.same(
      store.unacked(2, 0, 9).map(({ outbox }) => outbox),
      [box(1), box(2)],
    );
    t.same(
      store.read(2, 'log', { ...all, limit: 3, reverse: true }).map(({ seq }) => seq),
      [300, 299, 298],
    );
    let again = await home.crash(store);
    t.equal(again.checksum(2), want, 'and is on disk');
    t.same(again.recovered.get(2)?.base, { idx: 302, epoch: 1 });
    t.equal(again.recovered.get(2)?.commitIdx, 302);
    t.same(
      again.unacked(2, 0, 9).map(({ idx }) => idx),
      [301, 302],
    );
    const next = entry(303, put('n', 'goes on'), 3);
    await again.write([append(2, [next])]);
    applyAll(again, 2, [next]);
    await home.settle(again);
    await again.close();
    again = await home.open();
    t.equal(again.get(2, 'n'), 'goes on');
    t.same(
      again.unacked(2, 0, 9).map(({ idx }) => idx),
      [301, 302],
    );
    await again.close();
  });

  t.test('snapshot: bytes that were lost, doubled or spoilt are no copy', async (t) => {
    const { store } = await opened(t);
    await run(store, 1, 1, 200);
    const bytes = Buffer.concat(await chunksOf(await store.openSnapshot(1)));
    const spoilt = Buffer.from(bytes);
    spoilt[spoilt.length >> 1]! ^= 1;
    const cases: [what: string, bytes: Uint8Array][] = [
      ['nothing', Buffer.alloc(0)],
      ['no end', bytes.subarray(0, -1)],
      ['no beginning', bytes.subarray(20)],
      ['spoilt', spoilt],
      ['doubled', Buffer.concat([bytes, bytes])],
      ['noise', Buffer.alloc(100, 7)],
    ];
    await store.write([{ t: 'load', shard: 2 }]);
    for (const [what, given] of cases) {
      const install = store.install(2);
      const filled = (async () => {
        await install.add(given);
        await install.finish({ idx: 200, epoch: 1 });
      })();
      await t.rejects(filled, SnapshotError, what);
      await t.rejects(install.add(bytes), SnapshotError, 'an error is for good');
    }
    const other = store.install(2);
    await other.add(bytes);
    await t.rejects(other.finish({ idx: 199, epoch: 1 }), SnapshotError, 'another place');
    await store.write([{ t: 'load', shard: 2 }]);
    const install = store.install(2);
    for (let at = 0; at < bytes.length; at += 7) await install.add(bytes.subarray(at, at + 7));
    await install.finish({ idx: 200, epoch: 1 });
    t.equal(store.checksum(2), store.checksum(1), 'cut anywhere');
    await store.close();
  });

  t.test('snapshot: a copy that is voided meanwhile is neither read nor filled any more', async (t) => {
    const { store } = await opened(t);
    await run(store, 1, 1, 20);
    const chunks = await chunksOf(await store.openSnapshot(1));
    const snapshot = await store.openSnapshot(1);
    await store.write([{ t: 'load', shard: 2 }]);
    const install = store.install(2);
    await install.add(chunks[0]!.subarray(0, 100));
    const second = store.install(2);
    await t.rejects(install.add(chunks[0]!.subarray(100)), SnapshotError, 'another install began');
    await store.write([
      { t: 'wipe', shard: 1 },
      { t: 'load', shard: 2 },
    ]);
    await t.rejects(chunksOf(snapshot), StorageVoidedError);
    await t.rejects(second.add(chunks[0]!), StorageVoidedError);
    snapshot.close();
    snapshot.close();
    await t.rejects(chunksOf(snapshot), StorageClosedError);
    await t.rejects(store.openSnapshot(2), RangeError, 'a copy that is loading has no snapshot');
    await store.close();
  });
}
