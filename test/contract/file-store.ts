import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Test } from 'tap';
import { dayOf, type FileFacts, type FileStore, newFileId } from '../../src/http/file-store.ts';

export interface FileStoreOptions {
  readonly totalBytesMax: number;
}

/** Opens a store; each `test` has one place, which a second call opens again. */
export type OpenFileStore = (t: Test, options: FileStoreOptions) => Promise<FileStore>;

export const NOW = Date.UTC(2026, 0, 15);
const MIB = 1_048_576;

let last = 0;

/** An id that no other file of this process has. */
export function testId(nowMs = NOW): string {
  last += 1;
  return newFileId(
    nowMs,
    last
      .toString(4)
      .replace(/\d/g, (digit) => 'bcde'[Number(digit)]!)
      .padStart(26, 'a'),
  );
}

/** Bytes as the network brings them. */
export function streamOf(bytes: Buffer, chunkBytes = 65_536): Readable {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  return Readable.from(chunks, { objectMode: false });
}

export function factsOf(bytes: Buffer, more: Partial<FileFacts> = {}): FileFacts {
  return { name: 'photo.jpg', bytes: bytes.length, type: 'image/jpeg', ...more };
}

/** Bytes that come up to a point, and then nothing until the test goes on. */
function stalledAt(bytes: Buffer): Readable {
  let sent = false;
  return new Readable({
    read() {
      if (sent) return;
      sent = true;
      this.push(bytes);
    },
  });
}

const never = (): AbortSignal => new AbortController().signal;

async function keep(store: FileStore, bytes: Buffer, id = testId(), more: Partial<FileFacts> = {}): Promise<string> {
  const outcome = await store.put(id, factsOf(bytes, more), streamOf(bytes), never());
  if (outcome !== 'stored') throw new Error(outcome);
  return id;
}

async function readAll(store: FileStore, id: string, from = 0, to?: number): Promise<Buffer> {
  const file = await store.open(id);
  if (file === undefined) throw new Error(`no ${id}`);
  try {
    return await buffer(await file.read(from, to ?? file.facts.bytes - 1));
  } finally {
    await file.close();
  }
}

/** What every store of files has to do. */
export async function fileStoreContract(t: Test, open: OpenFileStore): Promise<void> {
  const opened = (t: Test, totalBytesMax = 100 * MIB): Promise<FileStore> => open(t, { totalBytesMax });

  await t.test('what was put is there, byte by byte, with its facts, and after opening again', async (t) => {
    const store = await opened(t);
    const bytes = randomBytes(3 * MIB + 17);
    const id = await keep(store, bytes, testId(), { name: 'très "cool".jpg', type: 'audio/ogg; codecs=opus' });
    for (const each of [store, await opened(t)]) {
      const file = await each.open(id);
      t.same(file?.facts, { name: 'très "cool".jpg', bytes: bytes.length, type: 'audio/ogg; codecs=opus' });
      await file?.close();
      const hash = (of: Buffer): string => createHash('sha256').update(of).digest('hex');
      t.equal(hash(await readAll(each, id)), hash(bytes));
    }
  });

  await t.test('any part of it can be read', async (t) => {
    const store = await opened(t);
    const bytes = randomBytes(200_000);
    const id = await keep(store, bytes);
    for (const [from, to] of [
      [0, 0],
      [199_999, 199_999],
      [0, 199_999],
      [65_535, 131_072],
    ] as const)
      t.ok((await readAll(store, id, from, to)).equals(bytes.subarray(from, to + 1)), `${from}-${to}`);
  });

  await t.test('an id is used once', async (t) => {
    const store = await opened(t);
    const id = await keep(store, Buffer.from('first'));
    const second = Buffer.from('other');
    t.equal(await store.put(id, factsOf(second), streamOf(second), never()), 'exists');
    t.equal(String(await readAll(store, id)), 'first');
    const both = testId();
    const race = [Buffer.from('one'), Buffer.from('two')].map((one) =>
      store.put(both, factsOf(one), streamOf(one), never()),
    );
    t.same((await Promise.all(race)).sort(), ['exists', 'stored']);
  });

  await t.test('a file is not there before it is whole, nor when it never becomes so', async (t) => {
    const store = await opened(t);
    const before = store.usage();
    const half = Buffer.from('half of it');
    for (const how of ['cut', 'given up'] as const) {
      const id = testId();
      const up = new AbortController();
      const bytes = stalledAt(half);
      const put = store.put(id, { ...factsOf(half), bytes: 1000 }, bytes, up.signal);
      t.equal(await store.open(id), undefined);
      if (how === 'cut') bytes.destroy(new Error('the client went away'));
      else up.abort();
      await t.rejects(put);
      t.equal(await store.open(id), undefined, how);
      t.equal(await (await opened(t)).open(id), undefined, `${how}, after opening again`);
      await keep(store, Buffer.from('another try'), id);
    }
    await store.sweep(0);
    t.same(store.usage()?.files, (before?.files ?? 0) + 2);
  });

  await t.test('bytes that are not as many as were said are refused', async (t) => {
    const store = await opened(t);
    const bytes = Buffer.from('ten bytes.');
    const id = testId();
    await t.rejects(store.put(id, { ...factsOf(bytes), bytes: 9 }, streamOf(bytes), never()));
    t.equal(await store.open(id), undefined);
  });

  await t.test('when it is full it says so, and keeps what it has', async (t) => {
    const store = await opened(t, 100_000);
    await store.sweep(0);
    const id = await keep(store, randomBytes(60_000));
    t.equal(store.hasRoom(50_000), false);
    t.equal(store.hasRoom(30_000), true);
    const more = randomBytes(50_000);
    const refused = testId();
    t.equal(await store.put(refused, factsOf(more), streamOf(more), never()), 'full');
    t.equal(await store.open(refused), undefined);
    t.equal((await readAll(store, id)).length, 60_000);
  });

  await t.test('a sweep removes what is of an earlier day, and what it makes room for is taken', async (t) => {
    const store = await opened(t, 100_000);
    await store.sweep(0);
    const old = await keep(store, randomBytes(60_000), testId(NOW - 2 * 86_400_000));
    const kept = await keep(store, randomBytes(10_000), testId(NOW - 86_400_000));
    t.equal(store.hasRoom(60_000), false);
    await store.sweep(dayOf(NOW) - 1);
    t.equal(await store.open(old), undefined);
    t.equal((await readAll(store, kept)).length, 10_000);
    t.equal(store.usage()?.files, 1);
    t.equal(store.hasRoom(60_000), true);
  });

  await t.test('what it holds is counted again when it is opened and swept', async (t) => {
    const store = await opened(t);
    await keep(store, randomBytes(60_000));
    await keep(store, randomBytes(70_000));
    const again = await opened(t);
    await again.sweep(0);
    const { files = 0, bytes = 0 } = again.usage() ?? {};
    t.equal(files, 2);
    t.ok(bytes >= 130_000 && bytes < 140_000, String(bytes));
  });
}
