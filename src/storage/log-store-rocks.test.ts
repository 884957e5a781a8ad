import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { logStoreContract } from '../../test/contract/log-store.ts';
import { StorageFullError } from './errors.ts';
import type { Op } from './log-store.ts';
import { openRocksStore, type RocksLogStore } from './log-store-rocks.ts';
import type { StoreOptions } from './options.ts';
import { textIn } from './rocks-text.fixture.ts';

const never = 3_600_000;

const settings: { name: string; options: Partial<StoreOptions> }[] = [
  { name: 'folding only when told', options: { foldIntervalMs: never, freeBytesMin: 0 } },
  {
    name: 'folding all the time into tiny blocks, carrying outboxes over',
    options: {
      foldBytes: 1,
      foldIntervalMs: 1,
      blockRecordsMax: 3,
      blockBytesMax: 300,
      blockMergeBytesMax: 100,
      journalRecordsMax: 1,
      freeBytesMin: 0,
      freeCheckMs: 5,
    },
  },
];

for (const { name, options } of settings) {
  t.test(`the contract, ${name}`, async (t) => {
    logStoreContract(t, async (t) => {
      const folder = t.testdir();
      return {
        open: () => openRocksStore({ folder, ...options }),
        settle: (store) => (store as RocksLogStore).fold(),
      };
    });
  });
}

function put(idx: number, value: unknown, outbox: Op['outbox'] = []): Op {
  return { shard: 0, epoch: 1, idx, writes: [{ t: 'put', key: `k${idx}`, value }], outbox };
}

/** Resolves when `condition` holds; it is looked at again and again between turns of the event loop. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

t.test('below freeBytesMin nothing is accepted, and it is again when there is room', async (t) => {
  let free = 1000;
  const events: string[] = [];
  const store = await openRocksStore(
    { folder: t.testdir(), freeBytesMin: 500, freeCheckMs: 5 },
    { freeBytesOf: async () => free, onEvent: (event) => events.push(event.t) },
  );
  await store.append([put(1, 'before')]);
  free = 499;
  await until(() => !store.writable);
  await t.rejects(store.append([put(2, 'refused')]), StorageFullError);
  t.equal(store.get(0, 'k2'), undefined);
  t.equal(store.get(0, 'k1'), 'before');
  free = 500;
  await until(() => store.writable);
  await store.append([put(2, 'after')]);
  t.equal(store.get(0, 'k2'), 'after');
  t.same(events, ['disk-low', 'disk-ok']);
  await store.close();
});

t.test('above memoryBytesMax appends are refused until a fold has caught up', async (t) => {
  const store = await openRocksStore({
    folder: t.testdir(),
    foldBytes: 10_000,
    memoryBytesMax: 20_000,
    foldIntervalMs: never,
    freeBytesMin: 0,
  });
  const calls = Array.from({ length: 10 }, (_, i) => store.append([put(i + 1, 'x'.repeat(5000))]));
  const results = await Promise.allSettled(calls);
  const refused = results.filter((result) => result.status === 'rejected');
  t.ok(refused.length > 0);
  t.ok(refused.every(({ reason }) => reason instanceof StorageFullError));
  await until(() => store.stats().overlayBytes === 0);
  await store.append([put(20, 'room')]);
  t.equal(store.get(0, 'k20'), 'room');
  await store.close();
});

t.test('the journal stays short while one outbox is never acknowledged', async (t) => {
  const options = { folder: t.testdir(), foldIntervalMs: never, freeBytesMin: 0, journalRecordsMax: 10 };
  let store = await openRocksStore(options);
  const outbox = [{ to: 'session:slow@x', body: { n: 1 } }];
  await store.append([put(1, 'a', outbox), put(2, 'b', outbox)]);
  for (let idx = 3; idx <= 100; idx += 1) {
    await store.append([put(idx, 'c', outbox)]);
    store.acked(0, idx);
    if (idx % 20 === 0) await store.fold();
  }
  t.ok(store.stats().journalRecords <= 40, `${store.stats().journalRecords} records`);
  await store.close();
  store = await openRocksStore(options);
  t.same(
    store.recovered.unacked.map(({ idx }) => idx),
    [1, 2],
  );
  t.same(store.recovered.unacked[0]?.outbox, outbox);
  t.equal(store.get(0, 'k1'), 'a', 'a carried-over op does not write again');
  t.equal(store.recovered.tails.get(0)?.idx, 100);
  await store.close();
});

t.test('what was replaced is in no value of the database, once that is folded and acknowledged', async (t) => {
  const folder = t.testdir();
  const store = await openRocksStore({ folder, ...settings[0]!.options });
  const append = (seq: number, text: string): Op['writes'][number] => ({
    t: 'append',
    stream: 's',
    seq,
    record: { text: `${text} ${seq}` },
  });
  const replace: Op['writes'] = [{ t: 'replace', stream: 's', seq: 2, record: { text: 'tombstone' } }];
  const op = (idx: number, writes: Op['writes'], outbox: Op['outbox'] = []): Op => ({
    shard: 0,
    epoch: 1,
    idx,
    writes,
    outbox,
  });
  await store.append([op(1, [append(1, 'said'), append(2, 'secret')], [{ to: 'session:a@x', body: 1 }])]);
  await store.fold();
  await store.append([op(2, [append(3, 'said'), ...replace])]);
  store.acked(0, 1);
  await store.fold();
  await store.close();
  const text = await textIn(folder);
  for (const kept of ['said 1', 'tombstone', 'said 3']) t.match(text, kept);
  t.notMatch(text, 'secret');
});

t.test('stats: figures of the journal and of RocksDB', async (t) => {
  const store = await openRocksStore({ folder: t.testdir(), foldIntervalMs: never });
  await store.append([put(1, 'a'), put(2, 'b')]);
  const before = store.stats();
  t.match(before, { journalRecords: 1, opsAppended: 2, batches: 1, folds: 0 });
  t.ok(before.overlayBytes > 0 && before.bytesAppended > 0 && before.freeBytes > 0);
  await store.fold();
  t.match(store.stats(), { journalRecords: 0, overlayBytes: 0, folds: 1 });
  t.ok(store.stats().engine['memtableBytes']! > 0);
  await store.close();
});

t.test('options that do not fit together are all named at once', async (t) => {
  const folder = join(t.testdir(), 'never');
  await t.rejects(openRocksStore({ folder, shards: 0, foldBytes: 100, memoryBytesMax: 150 }), {
    name: 'RangeError',
    message: /storage\.shards .* 0; storage\.memoryBytesMax/,
  });
  await writeFile(folder, ''); // it did not create it
});

t.test('a scan without a bound worth the name sees what is folded and what is newer', async (t) => {
  const store = await openRocksStore({ folder: t.testdir(), ...settings[0]!.options });
  await store.append([put(1, 'folded'), put(2, 'folded')]);
  await store.fold();
  await store.append([put(3, 'newer')]);
  for (const limit of [9, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY])
    t.same(
      store.scan(0, 'k', limit).map(([key]) => key),
      ['k1', 'k2', 'k3'],
      String(limit),
    );
  await store.close();
});
