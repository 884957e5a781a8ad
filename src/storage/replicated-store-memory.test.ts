import t from 'tap';
import { countedCall, replicatedStoreContract } from '../../test/contract/replicated-store.ts';
import { encodeOp } from './codec.ts';
import { StorageFullError } from './errors.ts';
import {
  createMemoryMemberDisk,
  type MemoryReplicatedStore,
  openMemoryReplicatedStore,
} from './replicated-store-memory.ts';

t.test('the contract', async (t) => {
  replicatedStoreContract(t, async () => {
    const disk = createMemoryMemberDisk('inc-1');
    const open = (): Promise<MemoryReplicatedStore> => openMemoryReplicatedStore({ disk, calls: [countedCall] });
    return { open, crash: open, settle: (store) => (store as MemoryReplicatedStore).fold() };
  });
});

t.test('a disk marked full refuses writes until it has room', async (t) => {
  const disk = createMemoryMemberDisk('inc-1');
  const store = await openMemoryReplicatedStore({ disk });
  disk.full = true;
  t.equal(store.writable, false);
  const bytes = encodeOp({ writes: [{ t: 'put', key: 'k', value: 1 }], outbox: [] });
  const write = [{ t: 'append', shard: 0, entries: [{ idx: 1, epoch: 1, bytes }] } as const];
  await t.rejects(store.write(write), StorageFullError);
  t.equal(store.tail(0).idx, 0);
  disk.full = false;
  await store.write(write);
  t.equal(store.tail(0).idx, 1);
  await store.close();
});
