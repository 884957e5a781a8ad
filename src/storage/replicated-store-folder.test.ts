import { type ChildProcess, spawn } from 'node:child_process';
import { cp, readdir, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { decodeOp, encodeOp } from './codec.ts';
import { StorageFailedError, StorageFullError, StorageRefusedError } from './errors.ts';
import type { Op, OpBody } from './log-store.ts';
import { openRocksStore } from './log-store-rocks.ts';
import type { Entry, ReplicatedLogStore, WriteItem } from './replicated-store.ts';
import { openReplicatedStore } from './replicated-store-rocks.ts';
import { withTmpfs } from './tmpfs-for-tests.ts';

const shards = 4;
const all = { from: 1, to: Number.POSITIVE_INFINITY, limit: Number.POSITIVE_INFINITY };
const quiet = { foldIntervalMs: 3_600_000, freeBytesMin: 0 };

/** Every fifth op replaces the record of the op three before it. */
const isReplacedBy = (n: number): boolean => n % 5 === 0 && n > 3;

/** Op n of a log whose n-th op is always the same: record n of a stream, a row that says n, an older record replaced. */
function nth(n: number, bytes = 200): OpBody {
  return {
    writes: [
      { t: 'append', stream: 'log', seq: n, record: { n, body: 'x'.repeat(bytes) } },
      { t: 'put', key: 'n', value: n },
      ...(isReplacedBy(n) ? [{ t: 'replace', stream: 'log', seq: n - 3, record: { n: n - 3 } } as const] : []),
    ],
    outbox: n % 10 === 0 ? [{ to: 'session:a@x', body: n }] : [],
  };
}

function entry(n: number, epoch = 1, bytes = 200): Entry {
  return { idx: n, epoch, bytes: encodeOp(nth(n, bytes)) };
}

function applyUpTo(store: ReplicatedLogStore, shard: number, idx: number, bytes = 200): void {
  for (let n = store.applied(shard).idx + 1; n <= idx; n += 1) {
    store.apply(shard, { idx: n, epoch: 1 }, nth(n, bytes));
  }
}

/** Every shard's log is whole, its state is that of what is applied. @returns the last idx of each */
function logsIn(t: Test, store: ReplicatedLogStore): number[] {
  return Array.from({ length: shards }, (_, shard) => {
    const { base, commitIdx, entries } = store.recovered.get(shard) ?? { base: { idx: 0 }, commitIdx: 0, entries: [] };
    const wrong = entries.filter(({ idx, bytes }, i) => {
      return idx !== base.idx + 1 + i || !Buffer.from(bytes).equals(encodeOp(nth(idx)));
    });
    t.same(wrong, [], `entries of shard ${shard}`);
    const records = store.read(shard, 'log', all).map(({ seq, record }) => [seq, (record as { n: number }).n]);
    t.same(
      records,
      Array.from({ length: commitIdx }, (_, i) => [i + 1, i + 1]),
      `state of shard ${shard}`,
    );
    const replaced = store.read(shard, 'log', all).filter(({ record }) => !Object.hasOwn(record as object, 'body'));
    t.same(
      replaced.map(({ seq }) => seq + 3),
      Array.from({ length: commitIdx }, (_, i) => i + 1).filter(isReplacedBy),
      `what is replaced in shard ${shard}`,
    );
    t.equal(store.get(shard, 'n'), commitIdx || undefined);
    return base.idx + entries.length;
  });
}

if (process.env['ROOKERY_MEMBER_CHILD'] !== undefined) await writeForever(process.env['ROOKERY_MEMBER_CHILD']);
else runTests();

/** The child that is killed: writes, applies some of it, lets it be folded, and prints what is on disk. */
async function writeForever(folder: string): Promise<void> {
  const store = await openReplicatedStore({ folder, foldBytes: 20_000, freeBytesMin: 0, journalRecordsMax: 20 });
  for (let round = 0; ; round += 1) {
    const items: WriteItem[] = [];
    for (let shard = 0; shard < shards; shard += 1) {
      const { idx } = store.tail(shard);
      items.push({ t: 'append', shard, entries: [entry(idx + 1), entry(idx + 2)] });
    }
    await store.write(items);
    process.stdout.write(`${items.map(({ shard }) => store.tail(shard).idx).join(' ')}\n`);
    // Shard 3 commits nothing for a long time: its entries are carried over.
    for (let shard = 0; shard < shards; shard += 1) {
      if (shard < 3 || round % 100 === 99) applyUpTo(store, shard, store.tail(shard).idx - (round % 3));
    }
    store.ackedUpTo(0, store.applied(0).idx);
  }
}

function runTests(): void {
  t.test('kill -9 in the middle of writes and folds loses nothing that was on disk', async (t) => {
    const folder = t.testdir();
    for (const answers of [3, 60, 250]) {
      const child = startChild(folder);
      let onDisk: number[] = [];
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout! })) {
        onDisk = line.split(' ').map(Number);
        lines += 1;
        if (lines === answers) child.kill('SIGKILL');
      }
      const store = await openReplicatedStore({ folder, ...quiet });
      const found = logsIn(t, store);
      t.ok(
        found.every((idx, shard) => idx >= onDisk[shard]! && idx <= onDisk[shard]! + 2),
        `${found} are there, ${onDisk} were answered`,
      );
      // What the dead process had not said to be committed is; the next child goes on behind it.
      for (const [shard, idx] of found.entries()) applyUpTo(store, shard, idx);
      await store.close();
    }
  });

  t.test('a torn end of the log loses only what was not answered', async (t) => {
    const dir = t.testdir({ run: {} });
    const folder = join(dir, 'run');
    const store = await openReplicatedStore({ folder, ...quiet });
    const sizes: number[] = [];
    for (let n = 1; n <= 8; n += 1) {
      await store.write([{ t: 'append', shard: 0, entries: [entry(n)] }]);
      applyUpTo(store, 0, n - 1);
      if (n === 4) await store.fold();
      sizes.push((await stat(await logFile(folder))).size);
    }
    for (const n of [5, 6, 8]) {
      const copy = join(dir, `copy${n}`);
      await cp(folder, copy, { recursive: true });
      await truncate(await logFile(copy), sizes[n - 1]! - 10);
      const again = await openReplicatedStore({ folder: copy, ...quiet });
      t.equal(logsIn(t, again)[0], n - 1);
      t.equal(
        again.applied(0).idx,
        Math.max(3, n - 3),
        'the last fold, or what a write told of the progress before it',
      );
      await again.close();
    }
    await store.close();
  });

  t.test('a fold that is cut anywhere leaves the state of exactly the place that recovery tells', async (t) => {
    const dir = t.testdir({ run: {} });
    const folder = join(dir, 'run');
    const store = await openReplicatedStore({ folder, ...quiet, foldSliceBytes: 1 });
    const puts = Array.from({ length: 300 }, (_, i): OpBody => {
      return { writes: [{ t: 'put', key: `k${i + 1}`, value: i + 1 }], outbox: [] };
    });
    const entries = puts.map((op, i) => ({ idx: i + 1, epoch: 1, bytes: encodeOp(op) }));
    await store.write([{ t: 'append', shard: 0, entries }]);
    for (const [i, op] of puts.entries()) store.apply(0, { idx: i + 1, epoch: 1 }, op);
    let folding = true;
    const folded = store.fold().finally(() => {
      folding = false;
    });
    let copies = 0;
    for (; folding; copies += 1) await cp(folder, join(dir, `copy${copies}`), { recursive: true });
    await folded;
    await store.close();
    for (let i = 0; i < copies; i += 1) {
      const again = await openReplicatedStore({ folder: join(dir, `copy${i}`), ...quiet });
      const { commitIdx } = again.recovered.get(0)!;
      t.equal(again.scan(0, '', 999).length, commitIdx, `copy ${i} at ${commitIdx}`);
      await again.close();
    }
    t.ok(copies > 0);
  });

  t.test('the journal stays short while a shard commits nothing, and its entries are kept', async (t) => {
    const folder = t.testdir();
    const store = await openReplicatedStore({ folder, ...quiet, journalRecordsMax: 10 });
    await store.write([{ t: 'append', shard: 1, entries: [entry(1), entry(2)] }]);
    await store.write([{ t: 'append', shard: 1, entries: [entry(3)] }]);
    for (let n = 1; n <= 60; n += 1) {
      await store.write([{ t: 'append', shard: 0, entries: [entry(n)] }]);
      applyUpTo(store, 0, n);
      if (n % 5 === 0) await store.fold();
    }
    t.ok(store.stats().journalRecords < 30, `${store.stats().journalRecords} records`);
    await store.close();
    const again = await openReplicatedStore({ folder, ...quiet });
    t.same(logsIn(t, again), [60, 3, 0, 0]);
    t.equal(again.unacked(0, 0, 99).length, 6, 'outboxes were carried over too');
    applyUpTo(again, 1, 3);
    t.equal(again.get(1, 'n'), 3);
    await again.close();
  });

  t.test('a single node becomes a member, keeps its data, and there is no way back', async (t) => {
    const dir = t.testdir();
    const folder = join(dir, 'single');
    const single = await openRocksStore({ folder, ...quiet });
    const op = (idx: number, epoch: number): Op => ({ shard: 1, epoch, idx, ...nth(idx) });
    await single.append(Array.from({ length: 25 }, (_, i) => op(i + 1, 1)));
    await single.fold();
    await single.append([op(26, 4), { ...op(1, 2), shard: 2 }]);
    single.acked(1, 20);
    await single.close();
    const adopting = (): Promise<void> => Promise.reject(new Error('not this one'));
    await (await openReplicatedStore({ folder: join(dir, 'new'), ...quiet }, { adopting })).close();
    await t.rejects(openReplicatedStore({ folder, ...quiet }, { adopting }), { message: 'not this one' });
    await (await openRocksStore({ folder, ...quiet })).close();
    const store = await openReplicatedStore({ folder, ...quiet });
    t.same(store.applied(1), { idx: 26, epoch: 4 });
    t.same(store.recovered.get(1), {
      hard: { epoch: 4, leader: undefined, session: 0, revision: 0 },
      base: { idx: 26, epoch: 4 },
      commitIdx: 26,
      entries: [],
      wasLoading: false,
    });
    t.equal(store.get(1, 'n'), 26);
    t.equal(store.read(1, 'log', all).length, 26);
    t.ok(store.unacked(1, 0, 9).some(({ idx, outbox }) => idx === 10 && outbox[0]?.body === 10));
    await store.write([{ t: 'append', shard: 1, entries: [entry(27, 5)] }]);
    store.apply(1, { idx: 27, epoch: 5 }, decodeOp(entry(27).bytes));
    const { incarnation } = store;
    await store.close();
    await t.rejects(openRocksStore({ folder }), StorageRefusedError);
    const again = await openReplicatedStore({ folder, ...quiet });
    t.equal(again.incarnation, incarnation);
    t.equal(again.get(1, 'n'), 27);
    t.ok(again.unacked(1, 0, 9).some(({ idx }) => idx === 10));
    await again.close();
    await rm(folder, { recursive: true });
    const wiped = await openReplicatedStore({ folder, ...quiet });
    t.not(wiped.incarnation, incarnation, 'a wiped folder is another incarnation');
    t.same(wiped.shardsPresent(), []);
    await wiped.close();
  });

  t.test('below half of freeBytesMin a write is refused whole, and the same one is accepted with room', async (t) => {
    let free = 1000;
    let looks = 0;
    const options = { folder: t.testdir(), freeBytesMin: 500, freeCheckMs: 5 };
    const freeBytesOf = async (): Promise<number> => {
      looks += 1;
      return free;
    };
    const store = await openReplicatedStore(options, { freeBytesOf });
    const looked = async (): Promise<void> => {
      const until = looks + 2;
      while (looks < until) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    free = 250;
    await until(() => !store.writable);
    await store.write([{ t: 'append', shard: 0, entries: [entry(1)] }]);
    free = 249;
    await looked();
    const items: WriteItem[] = [{ t: 'append', shard: 0, entries: [entry(2)] }];
    await t.rejects(store.write(items), StorageFullError);
    t.equal(store.tail(0).idx, 1);
    free = 1000;
    await until(() => store.writable);
    await store.write(items);
    t.equal(store.tail(0).idx, 2);
    await store.close();
  });

  t.test('a full disk fails what is in flight; the store opens itself again and tells what the disk has', (t) =>
    withTmpfs(t, 'size=24m', (folder) => fillDisk(t, folder)),
  );
}

async function fillDisk(t: Test, disk: string): Promise<void> {
  const ballast = join(disk, 'ballast');
  await writeFile(ballast, Buffer.alloc(12 * 1024 * 1024, 1));
  const options = { folder: join(disk, 'store'), freeBytesMin: 0, freeCheckMs: 20, foldBytes: 2_000_000 };
  const events: string[] = [];
  const store = await openReplicatedStore(options, { onEvent: (event) => events.push(event.t) });
  let onDisk = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      await store.write([{ t: 'append', shard: 0, entries: [entry(onDisk + 1, 1, 60_000)] }]);
      onDisk += 1;
      applyUpTo(store, 0, onDisk - 1, 60_000);
    }
  };
  await t.rejects(fill(), StorageFailedError);
  t.equal(store.writable, false);
  t.throws(() => store.apply(0, { idx: onDisk, epoch: 1 }, nth(onDisk)), StorageFailedError);
  await unlink(ballast);
  await until(() => events.includes('reopened'));
  const { commitIdx, base, entries } = store.recovered.get(0)!;
  const last = base.idx + entries.length;
  t.ok(last === onDisk || last === onDisk + 1, 'all that was answered, and perhaps what was in flight');
  t.ok(commitIdx < onDisk && commitIdx > 0);
  t.same(store.tail(0).idx, last);
  t.equal(store.get(0, 'n'), commitIdx);
  applyUpTo(store, 0, last, 60_000);
  await store.write([{ t: 'append', shard: 0, entries: [entry(last + 1)] }]);
  await store.close();
  const again = await openReplicatedStore(options);
  t.equal(again.tail(0).idx, last + 1);
  t.equal(again.get(0, 'n'), last);
  await again.close();
}

/** Resolves when `condition` holds; it is looked at again and again between turns of the event loop. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function startChild(folder: string): ChildProcess {
  return spawn(process.execPath, ['--import=tsx', fileURLToPath(import.meta.url)], {
    env: { ...process.env, ROOKERY_MEMBER_CHILD: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function logFile(folder: string): Promise<string> {
  const logs = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
  return join(folder, logs.at(-1)!);
}
