import t from 'tap';
import { hash32, shardOf } from './hash.ts';

t.test('published XXH32 vectors with seed 0 hold', async (t) => {
  const vectors: [input: string, hash: number][] = [
    ['', 0x02cc5d05],
    ['a', 0x550d7456],
    ['abc', 0x32d153ff],
    ['Nobody inspects the spammish repetition', 0xe2293b2f],
  ];
  for (const [input, hash] of vectors) t.equal(hash32(input), hash, JSON.stringify(input));
});

t.test('the shard of a key never changes: it is part of the disk format', async (t) => {
  t.equal(shardOf('session:alice@localhost', 1024), 512);
  t.equal(shardOf('chat:alice@localhost|bob@localhost', 1024), 842);
  t.equal(shardOf('session:čapek@localhost', 1024), 140);
});

t.test('keys spread evenly over the shards', async (t) => {
  const counts = new Array<number>(64).fill(0);
  for (let i = 0; i < 64_000; i++) counts[shardOf(`session:user${i}@example.org`, 64)]!++;
  t.ok(Math.max(...counts) < 1150 && Math.min(...counts) > 850, `${Math.min(...counts)} to ${Math.max(...counts)}`);
});
