import { join } from 'node:path';
import t from 'tap';
import { formatVersion } from './codec.ts';
import { StorageRefusedError } from './errors.ts';
import { metaKey } from './keys.ts';
import { openRocksStore } from './log-store-rocks.ts';
import { storeDefaults } from './options.ts';
import { openRocks } from './rocks.ts';
import { withTmpfs } from './tmpfs-for-tests.ts';

async function refusal(folder: string, shards = 1024): Promise<string> {
  try {
    const store = await openRocksStore({ folder, shards });
    await store.close();
  } catch (error) {
    if (!(error instanceof StorageRefusedError)) throw error;
    return error.message;
  }
  return 'not refused';
}

async function writeRow(folder: string, key: Buffer, value: string): Promise<void> {
  const rocks = await openRocks(folder, storeDefaults);
  const batch = rocks.batch();
  batch.put(key, Buffer.from(value));
  batch.write(true);
  await rocks.close();
}

t.test('a folder that is missing is created, deep ones too', async (t) => {
  const folder = join(t.testdir(), 'a', 'b');
  t.equal(await refusal(folder), 'not refused');
  t.equal(await refusal(folder), 'not refused', 'and opens again');
});

t.test('each refusal is one line that names the folder and what to do', async (t) => {
  const dir = t.testdir({ file: 'x', locked: {}, shards: {}, newer: {}, foreign: {} });
  const at = (name: string): string => join(dir, name);

  t.equal(await refusal(at('file')), `${at('file')} is not a folder: give the store a folder of its own`);
  t.equal(await refusal(at('file/below')), `${at('file/below')} is not a folder: give the store a folder of its own`);

  const holder = await openRocksStore({ folder: at('locked') });
  t.match(await refusal(at('locked')), /locked is in use by another process: stop that one/);
  await holder.close();
  t.equal(await refusal(at('locked')), 'not refused');

  t.equal(await refusal(at('shards'), 64), 'not refused');
  t.match(await refusal(at('shards'), 128), /created with 64 shards and 128 are configured: set shards to 64/);
  t.equal(await refusal(at('shards'), 64), 'not refused', 'a refusal changes nothing');

  await writeRow(at('newer'), metaKey('store'), JSON.stringify({ formatVersion: 99, shards: 1024 }));
  t.match(await refusal(at('newer')), /newer has format 99, this Rookery reads up to 3: start a newer Rookery/);

  await writeRow(at('foreign'), Buffer.from('somebody'), 'else');
  t.match(await refusal(at('foreign')), /foreign holds another program's data/);
});

t.test(
  'a folder of an older format is taken over under the current one, so that an older Rookery refuses it',
  async (t) => {
    const folder = join(t.testdir(), 'older');
    const older = { formatVersion: 1, shards: 1024, created: '2026-01-01T00:00:00.000Z', storeId: 'the-same' };
    await writeRow(folder, metaKey('store'), JSON.stringify(older));
    t.equal(await refusal(folder), 'not refused');
    const rocks = await openRocks(folder, storeDefaults);
    t.same(JSON.parse(String(rocks.get(metaKey('store')))), { ...older, formatVersion });
    await rocks.close();
  },
);

t.test('a folder that cannot be written is refused', (t) =>
  withTmpfs(t, 'ro,size=1m', async (folder) => {
    t.match(await refusal(folder), /is not writable .*: allow this user to write there/);
    t.match(await refusal(join(folder, 'below')), /cannot be created .*: create it, or allow this user to/);
  }),
);
