import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import t from 'tap';
import { lowerBackgroundThreads } from './background-threads.ts';
import { storeDefaults } from './options.ts';
import { openRocks } from './rocks.ts';

/** Niceness of this process's threads by name; RocksDB's, and the others. */
function priorities(): { rocks: number[]; others: number[] } {
  const found = { rocks: [] as number[], others: [] as number[] };
  for (const id of readdirSync('/proc/self/task')) {
    const name = readFileSync(`/proc/self/task/${id}/comm`, 'utf8');
    (name.startsWith('rocksdb:') ? found.rocks : found.others).push(getPriority(Number(id)));
  }
  return found;
}

t.test(
  'RocksDB’s threads step back, Node’s do not',
  { skip: process.platform !== 'linux' && 'threads have a niceness of their own on Linux only' },
  async (t) => {
    const own = getPriority();
    const rocks = await openRocks(`${t.testdir()}/plain`, { ...storeDefaults, backgroundNiceness: 0 });
    const plain = priorities();
    t.ok(plain.rocks.length >= storeDefaults.parallelism);
    t.ok(plain.rocks.every((niceness) => niceness === own));
    await rocks.close();
    const later = await openRocks(`${t.testdir()}/later`, { ...storeDefaults, backgroundNiceness: 19 });
    const { rocks: lowered, others } = priorities();
    t.ok(lowered.length >= storeDefaults.parallelism);
    t.ok(lowered.every((niceness) => niceness === 19));
    t.ok(others.every((niceness) => niceness === own));
    await later.close();
    t.equal(lowerBackgroundThreads(0), 0);
  },
);
