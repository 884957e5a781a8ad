import t from 'tap';
import { backoffCeilingMs, backoffMs } from './backoff.ts';

const options = { baseMs: 100, maxMs: 5000 };

t.test('the ceiling doubles with each failure up to the maximum', async (t) => {
  const table: [failures: number, ceilingMs: number][] = [
    [-1, 0],
    [0, 0],
    [1, 100],
    [2, 200],
    [3, 400],
    [6, 3200],
    [7, 5000],
    [1e9, 5000],
  ];
  for (const [failures, ceilingMs] of table) t.equal(backoffCeilingMs(failures, options), ceilingMs, `${failures}`);
});

t.test('full jitter: the wait is a share of the ceiling, from none to all', async (t) => {
  t.equal(backoffMs(3, options, 0), 0);
  t.equal(backoffMs(3, options, 0.5), 200);
  t.equal(backoffMs(3, options, 0.999999), 400);
  t.equal(backoffMs(0, options, 0.9), 0);
});
