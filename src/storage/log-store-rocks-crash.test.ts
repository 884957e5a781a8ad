import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, open, readdir, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { StorageFullError, StorageRefusedError } from './errors.ts';
import type { LogStore, Op, Write } from './log-store.ts';
import { openRocksStore } from './log-store-rocks.ts';
import { withTmpfs } from './tmpfs-for-tests.ts';

/** Every op of this idx replaces a record that is so much older. */
const replacing = { every: 5, before: 3 };

/** One op of a run whose n-th op is always the same: record n of a stream, a row that says n, an older record replaced. */
function nth(n: number, bytes = 200): Op {
  const idx = Math.floor(n / 4) + 1;
  const old = idx % replacing.every === 0 ? idx - replacing.before : undefined;
  return {
    shard: n % 4,
    epoch: 1,
    idx,
    writes: [
      { t: 'append', stream: 'log', seq: idx, record: { n, body: 'x'.repeat(bytes) } },
      { t: 'put', key: 'n', value: n },
      ...(old === undefined ? [] : [replaced(old, n % 4)]),
    ],
    outbox: n % 10 === 0 ? [{ to: 'session:a@x', body: n }] : [],
  };
}

function replaced(seq: number, shard: number): Write {
  return { t: 'replace', stream: 'log', seq, record: { n: (seq - 1) * 4 + shard } };
}

/** Ops 0 … n-1, where n is returned, are there whole, once and in order, and nothing else is. */
function opsIn(t: Test, store: LogStore): number {
  const found: number[] = [];
  for (let shard = 0; shard < 4; shard += 1) {
    const records = store.read(shard, 'log', {
      from: 1,
      to: Number.POSITIVE_INFINITY,
      limit: Number.POSITIVE_INFINITY,
    });
    records.forEach(({ seq, record }, i) => {
      const { n, body } = record as { n: number; body?: string };
      const by = seq + replacing.before;
      const gone = by % replacing.every === 0 && by <= records.length;
      if ((body === undefined) !== gone)
        t.fail(`shard ${shard}: record ${seq} of ${records.length} is ${gone ? 'not ' : ''}replaced`);
      if (seq !== i + 1 || n !== (seq - 1) * 4 + shard) t.fail(`shard ${shard} has ${n} as record ${seq} at ${i}`);
      found.push(n);
    });
    const last = records.at(-1)?.record as { n: number } | undefined;
    t.equal(store.get(shard, 'n'), last?.n, `the row of shard ${shard} is of its last op`);
    t.equal(store.recovered.tails.get(shard)?.idx, records.length || undefined, `the tail of shard ${shard}`);
  }
  found.sort((a, b) => a - b);
  t.ok(
    found.every((n, i) => n === i),
    'no op is missing before the last one',
  );
  return found.length;
}

if (process.env['ROOKERY_STORE_CHILD'] !== undefined) {
  await writeForever(process.env['ROOKERY_STORE_CHILD'], Number(process.env['ROOKERY_STORE_FROM']));
} else {
  runTests();
}

/** The child that is killed: appends ops one tick after another, several in flight, and prints what was answered. */
async function writeForever(folder: string, from: number): Promise<void> {
  const store = await openRocksStore({ folder, foldBytes: 20_000, freeBytesMin: 0, journalRecordsMax: 20 });
  const inFlight: Promise<void>[] = [];
  for (let n = from; ; n += 4) {
    const tick = [nth(n), nth(n + 1), nth(n + 2), nth(n + 3)];
    inFlight.push(store.append(tick).then(() => void process.stdout.write(`${n + 4}\n`)));
    if (inFlight.length >= 4) await inFlight.shift();
    for (const op of tick) if (op.idx % 3 !== 0) store.acked(op.shard, op.idx);
  }
}

function runTests(): void {
  t.test('kill -9 in the middle of appends and folds loses nothing that was answered', async (t) => {
    const folder = t.testdir();
    let written = 0;
    for (const answers of [3, 60, 400, 25, 150]) {
      const child = startChild(folder, written);
      let answered = written;
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout! })) {
        answered = Number(line);
        lines += 1;
        if (lines === 1)
          await t.rejects(openRocksStore({ folder }), StorageRefusedError, 'a second process is refused');
        if (lines === answers) child.kill('SIGKILL');
      }
      const store = await openRocksStore({ folder, freeBytesMin: 0 });
      written = opsIn(t, store);
      t.ok(written >= answered, `${written} ops are there, ${answered} were answered`);
      t.ok(written <= answered + 16, 'and no more than were in flight');
      await store.close();
    }
  });

  t.test('a torn or spoilt end of the log loses only what was not answered', async (t) => {
    const dir = t.testdir({ run: {} });
    const folder = join(dir, 'run');
    const store = await openRocksStore({ folder, foldIntervalMs: 3_600_000, freeBytesMin: 0 });
    const sizes: number[] = [];
    for (let n = 0; n < 12; n += 1) {
      await store.append([nth(n)]);
      if (n === 5) await store.fold();
      sizes.push((await stat(await logFile(folder))).size);
    }
    const cases = [3, 4, 6, 7, 11].flatMap((n) => [
      { n, what: 'torn in the record after', cut: sizes[n]! - 10, spoil: 0 },
      { n, what: 'torn in the header after', cut: sizes[n - 1]! + 3, spoil: 0 },
      { n, what: 'spoilt after', cut: sizes[n]!, spoil: sizes[n]! - 20 },
    ]);
    for (const [i, { n, what, cut, spoil }] of cases.entries()) {
      const copy = join(dir, `copy${i}`);
      await cp(folder, copy, { recursive: true });
      const file = await logFile(copy);
      await truncate(file, cut);
      if (spoil > 0) await overwrite(file, spoil, Buffer.from('spoilt'));
      const again = await openRocksStore({ folder: copy, freeBytesMin: 0 });
      t.equal(opsIn(t, again), n, `${what} op ${n - 1}`);
      await again.append([nth(n)]);
      await again.close();
    }
    await store.close();
  });

  t.test('a full disk refuses, shows nothing of it, and accepts again when there is room', (t) =>
    withTmpfs(t, 'size=24m', (folder) => fillDisk(t, folder)),
  );
}

async function fillDisk(t: Test, disk: string): Promise<void> {
  const ballast = join(disk, 'ballast');
  await writeFile(ballast, Buffer.alloc(12 * 1024 * 1024, 1));
  const folder = join(disk, 'store');
  const options = { folder, freeBytesMin: 0, freeCheckMs: 20, foldBytes: 2_000_000, foldIntervalMs: 50 };
  const events: string[] = [];
  let store = await openRocksStore(options, { onEvent: (event) => events.push(event.t) });
  let n = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      await store.append([nth(n, 60_000)]);
      n += 1;
    }
  };
  await t.rejects(fill(), StorageFullError);
  t.equal(store.writable, false);
  t.equal(store.get(n % 4, 'n'), n - 4, 'the refused op is not visible');
  await t.rejects(store.append([nth(n, 60_000)]), StorageFullError);
  await unlink(ballast);
  while (!store.writable) await new Promise((resolve) => setTimeout(resolve, 5));
  t.ok(events.includes('failed') && events.includes('reopened'), events.join(' '));
  t.equal(store.get(n % 4, 'n'), n - 4, 'nor after it was opened again');
  t.equal(store.read((n - 1) % 4, 'log', { from: 1, to: 9, limit: 1 }).length, 1);
  await store.append([nth(n, 60_000)]);
  n += 1;
  await store.close();
  store = await openRocksStore(options);
  t.equal(opsIn(t, store), n);
  await store.close();
}

function startChild(folder: string, from: number): ChildProcess {
  const child = spawn(process.execPath, ['--import=tsx', fileURLToPath(import.meta.url)], {
    env: { ...process.env, ROOKERY_STORE_CHILD: folder, ROOKERY_STORE_FROM: String(from) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  void once(child, 'exit');
  return child;
}

async function logFile(folder: string): Promise<string> {
  const logs = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
  return join(folder, logs.at(-1)!);
}

async function overwrite(file: string, at: number, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.write(bytes, 0, bytes.length, at);
  await handle.close();
}
