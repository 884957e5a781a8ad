import t from 'tap';
import { logStoreContract } from '../../test/contract/log-store.ts';
import { openRocksStore, type RocksLogStore } from './log-store-rocks.ts';

t.test('the contract, folding only when told', async (t) => {
  logStoreContract(t, async (t) => {
    const folder = t.testdir();
    return {
      open: () => openRocksStore({ folder, foldIntervalMs: 3_600_000, freeBytesMin: 0 }),
      settle: (store) => (store as RocksLogStore).fold(),
    };
  });
});
