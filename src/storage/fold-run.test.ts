import t from 'tap';
import { runFold } from './fold-run.ts';
import { storeDefaults } from './options.ts';
import { Overlay } from './overlay.ts';
import { RocksBase } from './rocks-base.ts';
import type { WriterClient } from './writer-client.ts';

/** Slices of one fold, each with the number of timers that ran before it. The writer is done with a slice at once. */
async function slicesOf(hurry: () => boolean): Promise<readonly number[]> {
  const overlay = new Overlay();
  const writes = Array.from(
    { length: 100 },
    (_, i) => ({ t: 'put', key: `row ${i}`, value: 'x'.repeat(100) }) as const,
  );
  overlay.apply({ shard: 0, epoch: 1, idx: 1, writes, outbox: [] });
  let ran = 0;
  const slices: number[] = [];
  const fold = async (): Promise<void> => {
    slices.push(ran);
    setTimeout(() => (ran += 1), 0);
  };
  const job = { begin: () => undefined, carryOver: async () => undefined, end: () => [], done: () => undefined };
  const options = { ...storeDefaults, folder: '', foldSliceBytes: 1000, foldSliceMs: 1000 };
  const writer = { fold } as unknown as WriterClient;
  await runFold({ writer, base: new RocksBase(), overlay, options, hurry, startJob: () => job }, false);
  return slices;
}

t.test('a fold lets other work run between its slices', async (t) => {
  const slices = await slicesOf(() => false);
  t.ok(slices.length > 5);
  // The last one ends the fold, without a rest before it.
  t.ok(
    slices.slice(1, -1).every((ran, i) => ran > slices[i]!),
    slices.join(),
  );
});

t.test('not while somebody waits for it, from whenever that is', async (t) => {
  t.same(new Set(await slicesOf(() => true)), new Set([0]));
  let asked = 0;
  const slices = await slicesOf(() => ++asked > 2);
  t.ok(slices[2]! > 0);
  t.same(new Set(slices.slice(2)), new Set([slices[2]]));
});
