import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { countedCall, replicatedStoreContract } from '../../test/contract/replicated-store.ts';
import { encodeOp } from './codec.ts';
import type { OpBody } from './log-store.ts';
import type { StoreOptions } from './options.ts';
import { openReplicatedStore, type RocksReplicatedStore } from './replicated-store-rocks.ts';
import { textIn } from './rocks-text.fixture.ts';

const never = 3_600_000;

const settings: { name: string; options: Partial<StoreOptions> }[] = [
  { name: 'folding only when told', options: { foldIntervalMs: never, freeBytesMin: 0 } },
  {
    name: 'folding all the time into tiny blocks, carrying over, tiny slices',
    options: {
      foldBytes: 1,
      foldIntervalMs: 1,
      foldSliceBytes: 1,
      blockRecordsMax: 3,
      blockBytesMax: 300,
      blockMergeBytesMax: 100,
      journalRecordsMax: 1,
      snapshotChunkBytes: 1000,
      freeBytesMin: 0,
      freeCheckMs: 5,
    },
  },
];

for (const { name, options } of settings) {
  t.test(`the contract, ${name}`, async (t) => {
    replicatedStoreContract(t, async (t) => {
      const dir = t.testdir({ life0: {} });
      let life = 0;
      const open = (): Promise<RocksReplicatedStore> =>
        openReplicatedStore({ folder: join(dir, `life${life}`), ...options }, {}, [countedCall]);
      return {
        open,
        crash: async (store) => {
          const dead = join(dir, `life${life}`);
          life += 1;
          await cp(dead, join(dir, `life${life}`), { recursive: true });
          await store.close();
          return open();
        },
        settle: (store) => (store as RocksReplicatedStore).fold(),
      };
    });
  });
}

t.test('what was replaced is in no value of the database, once that is applied, folded and acknowledged', async (t) => {
  const folder = t.testdir();
  const store = await openReplicatedStore({ folder, ...settings[0]!.options });
  const append = (seq: number, text: string) => ({ t: 'append', stream: 's', seq, record: text }) as const;
  const ops: readonly OpBody[] = [
    { writes: [append(1, 'said'), append(2, 'secret')], outbox: [{ to: 'session:a@x', body: 1 }] },
    { writes: [append(3, 'said'), { t: 'replace', stream: 's', seq: 2, record: 'tombstone' }], outbox: [] },
  ];
  for (const [i, op] of ops.entries()) {
    const at = { idx: i + 1, epoch: 1 };
    await store.write([{ t: 'append', shard: 1, entries: [{ ...at, bytes: encodeOp(op) }] }]);
    store.apply(1, at, op);
    await store.fold();
  }
  store.ackedUpTo(1, 2);
  await store.fold();
  await store.close();
  const text = await textIn(folder);
  t.match(text, 'tombstone');
  t.notMatch(text, 'secret');
});
