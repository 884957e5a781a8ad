import t from 'tap';
import { openMemoryStore } from '../storage/log-store-memory.ts';
import { listRows, pageOfRows } from './account-list.ts';
import { accountIndexRow } from './keys.ts';

async function storeWith(accounts: readonly (readonly [shard: number, user: string])[]) {
  const store = await openMemoryStore({ shards: 4 });
  for (const [i, [shard, user]] of accounts.entries()) {
    const writes = [{ t: 'put' as const, key: accountIndexRow(user), value: i }];
    await store.append([{ shard, epoch: 1, idx: i + 1, writes, outbox: [] }]);
  }
  return store;
}

t.test('pages of any size list each account once', async (t) => {
  const store = await storeWith([
    [0, 'b@x'],
    [0, 'a@x'],
    [2, 'c@x'],
    [2, 'a2@x'],
    [3, 'elsewhere@x'],
  ]);
  for (const size of [1, 2, 3, 10]) {
    const ask = async (_node: string, asked: Parameters<typeof pageOfRows>[2]) =>
      pageOfRows(store, [2, 0], { ...asked, limit: Math.min(size, asked.limit) });
    const found = await listRows('accounts', ['n1'], 2, 100, ask);
    t.same(
      found.map(({ jid }) => jid),
      ['a2@x', 'a@x', 'b@x', 'c@x'],
      `pages of ${size}`,
    );
  }
});

t.test('the list is bounded, and not told when a node is missing', async (t) => {
  const store = await storeWith([
    [0, 'a@x'],
    [1, 'b@x'],
  ]);
  const ask = async (node: string, asked: Parameters<typeof pageOfRows>[2]) =>
    node === 'dead' ? undefined : pageOfRows(store, [node === 'n1' ? 0 : 1], asked);
  t.equal((await listRows('accounts', ['n1', 'n2'], 2, 1, ask)).length, 1);
  t.equal((await listRows('accounts', ['n1', 'n2'], 2, 9, ask)).length, 2);
  t.equal(
    (await listRows('accounts', ['n1', 'n2', 'n2'], 2, 9, ask)).length,
    2,
    'a shard told of by two leaders is listed once',
  );
  await t.rejects(listRows('accounts', ['n1', 'dead'], 2, 9, ask), /node dead did not list/);
  await t.rejects(listRows('accounts', ['n1', 'n2'], 3, 9, ask), /1 of 3 shards have no leader just now/);
});
