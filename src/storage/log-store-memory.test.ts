import t from 'tap';
import { logStoreContract } from '../../test/contract/log-store.ts';
import { StorageFullError } from './errors.ts';
import { createMemoryDisk, openMemoryStore } from './log-store-memory.ts';

t.test('the contract', async (t) => {
  logStoreContract(t, async () => {
    const disk = createMemoryDisk();
    return { open: () => openMemoryStore({ disk }), settle: async () => {} };
  });
});

t.test('a disk marked full refuses appends until it has room', async (t) => {
  const disk = createMemoryDisk();
  const store = await openMemoryStore({ disk });
  disk.full = true;
  t.equal(store.writable, false);
  const op = { shard: 0, epoch: 1, idx: 1, writes: [{ t: 'put', key: 'k', value: 1 } as const], outbox: [] };
  await t.rejects(store.append([op]), StorageFullError);
  t.equal(store.get(0, 'k'), undefined);
  disk.full = false;
  await store.append([op]);
  t.equal(store.get(0, 'k'), 1);
  await store.close();
});
