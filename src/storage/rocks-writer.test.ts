import t from 'tap';
import { FoldSlice } from './fold-slice.ts';
import { openRocks } from './rocks.ts';
import { WriterClient } from './writer-client.ts';

const key = Buffer.from('k');
const end = Buffer.from('l');

function slice(entry: Parameters<FoldSlice['add']>[0]): Buffer {
  const one = new FoldSlice(64);
  one.add(entry);
  return one.take();
}

t.test('what is written keeps the order it was posted in, though a slice waits between two appends', async (t) => {
  const rocks = await openRocks(t.testdir(), {
    cacheBytes: 0,
    memtableBytes: 1024 * 1024,
    parallelism: 1,
  });
  let synced = (): void => undefined;
  const writer = await WriterClient.start(rocks.handle, {
    onSynced: (upTo) => {
      if (upTo % 2 === 0) synced();
    },
    onFailed: (_, message) => t.fail(message),
  });
  for (let round = 0; round < 100; round += 1) {
    const done = new Promise<void>((resolve) => {
      synced = resolve;
    });
    // While the first one clears, the others gather; the append finds the slice behind it and puts it back.
    void writer.fold(slice({ t: 'clear', key: Buffer.from('a'), end: Buffer.from('b') }), false);
    writer.append(2 * round + 1, Buffer.from('entry'));
    const put = writer.fold(slice({ t: 'put', key, value: Buffer.from('of a copy') }), false);
    writer.append(2 * round + 2, Buffer.from('it is voided'), slice({ t: 'clear', key, end }));
    await Promise.all([put, done]);
    if (rocks.get(key) !== undefined) t.fail(`round ${round}: the slice came behind what clears it`);
  }
  await writer.stop();
  await rocks.close();
});
