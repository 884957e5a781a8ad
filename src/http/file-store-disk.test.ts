import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { factsOf, fileStoreContract, streamOf, testId } from '../../test/contract/file-store.ts';
import { openDiskStore } from './file-store-disk.ts';

const never = (): AbortSignal => new AbortController().signal;
const folders = new Map<Test, string>();

/** One folder for each test, made at the first question. */
function folderOf(t: Test): string {
  const known = folders.get(t) ?? join(t.testdir({}), 'uploads');
  folders.set(t, known);
  return known;
}

const options = { totalBytesMax: 1_000_000, freeBytesMin: 0 };

t.test('the contract', async (t) => {
  await fileStoreContract(t, (t, { totalBytesMax }) =>
    openDiskStore({ folder: folderOf(t), totalBytesMax, freeBytesMin: 0 }),
  );
});

t.test('what a crash left half is gone after the next start, and only that', async (t) => {
  const folder = folderOf(t);
  const store = await openDiskStore({ folder, ...options });
  const id = testId();
  const bytes = Buffer.from('whole');
  t.equal(await store.put(id, factsOf(bytes), streamOf(bytes), never()), 'stored');
  const half = testId();
  writeFileSync(join(folder, 'tmp', half), 'RKF1 half');
  const again = await openDiskStore({ folder, ...options });
  t.same(readdirSync(join(folder, 'tmp')), []);
  t.equal(await again.open(half), undefined);
  t.ok(await again.open(id).then((file) => file?.close().then(() => true)));
});

t.test('a sweep takes away what is left in the folder of running uploads, but no running one', async (t) => {
  const folder = folderOf(t);
  const store = await openDiskStore({ folder, ...options });
  let more = () => {};
  const slow = new Readable({ read() {} });
  more = () => slow.push('12345');
  const id = testId();
  const put = store.put(id, { name: 'a', bytes: 10, type: '' }, slow, never());
  more();
  while (!readdirSync(join(folder, 'tmp')).includes(id)) await new Promise((resolve) => setImmediate(resolve));
  writeFileSync(join(folder, 'tmp', 'left'), 'x');
  await store.sweep(0);
  t.same(readdirSync(join(folder, 'tmp')), [id]);
  more();
  slow.push(null);
  t.equal(await put, 'stored');
});

t.test('the disk keeps room for messages', async (t) => {
  let free = 1_000_000;
  const freeBytesOf = async (): Promise<number> => free;
  const store = await openDiskStore({ folder: folderOf(t), totalBytesMax: 1e9, freeBytesMin: 500_000, freeBytesOf });
  t.equal(store.hasRoom(500_000), true);
  t.equal(store.hasRoom(500_001), false);
  free = 500_100;
  const bytes = Buffer.alloc(1000);
  t.equal(await store.put(testId(), factsOf(bytes), streamOf(bytes), never()), 'full');
  t.equal(store.hasRoom(101), false);
  free = 1_000_000;
  t.equal(await store.put(testId(), factsOf(bytes), streamOf(bytes), never()), 'stored');
});

t.test('a disk that is full in the middle is full, and nothing stays', async (t) => {
  const folder = folderOf(t);
  const store = await openDiskStore({ folder, ...options });
  const failing = new Readable({
    read() {
      this.destroy(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
    },
  });
  t.equal(await store.put(testId(), { name: 'a', bytes: 10, type: '' }, failing, never()), 'full');
  t.same(readdirSync(join(folder, 'tmp')), []);
  t.equal(store.usage()?.files, 0);
});

t.test('files are for the system user of the node alone', async (t) => {
  const folder = folderOf(t);
  const store = await openDiskStore({ folder, ...options });
  const id = testId();
  const bytes = Buffer.from('private');
  await store.put(id, factsOf(bytes), streamOf(bytes), never());
  t.equal(statSync(join(folder, id.slice(0, 5), id)).mode & 0o777, 0o600);
  t.equal(statSync(join(folder, id.slice(0, 5))).mode & 0o077, 0);
});

t.test('a file that is none of ours is a fault, and not served', async (t) => {
  const folder = folderOf(t);
  const store = await openDiskStore({ folder, ...options });
  const id = testId();
  mkdirSync(join(folder, id.slice(0, 5)));
  for (const content of ['', 'root:x:0:0', 'RKF1\xff\xff\xff\xff{}', `RKF1\0\0\0\x02`]) {
    writeFileSync(join(folder, id.slice(0, 5), id), content, 'latin1');
    await t.rejects(store.open(id), /is none/, JSON.stringify(content));
  }
});

t.test('a folder that cannot be used stops the start with one line', async (t) => {
  const file = join(t.testdir({ taken: 'x' }), 'taken');
  await t.rejects(openDiskStore({ folder: file, ...options }), {
    name: 'ExitError',
    exitCode: 3,
    message: /taken cannot be used for uploads: .*; allow this user to, or set upload\.dir$/,
  });
});
