import t from 'tap';
import { openMemoryStore } from '../storage/log-store-memory.ts';
import { loadRows } from './session-rows.ts';

t.test('every row of a user is loaded, and it is said when there are more than there can be', async (t) => {
  const store = await openMemoryStore();
  const put = (key: string) => ({ t: 'put', key, value: key }) as const;
  const rows = Array.from({ length: 9 }, (_, i) => `r/${i}`);
  const writes = [put('S/b@x/r/0'), put('S/a@x.example/r/0'), ...rows.map((key) => put(`S/a@x/${key}`))];
  await store.append([{ shard: 0, epoch: 1, idx: 1, writes, outbox: [] }]);
  const table: [rowsMax: number, told: number[]][] = [
    [100, []],
    [9, []],
    [8, [9]],
    [4, [9]],
    [1, [9]],
  ];
  for (const [rowsMax, want] of table) {
    const told: number[] = [];
    const loaded = loadRows({ store, rowsMax, tooManyRows: (_user, count) => told.push(count) }, 0, 'a@x');
    t.strictSame([...loaded.keys()], rows, `of ${rowsMax}`);
    t.strictSame(told, want);
  }
  await store.close();
});
