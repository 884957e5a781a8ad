import t from 'tap';
import { CHARGE_BYTES_MIN, chargeQuota, type QuotaRow } from './upload-quota.ts';

const HOUR_MS = 3_600_000;
const NOW = 480_000 * HOUR_MS;
const LIMITS = { quotaBytes: 1_000_000, windowMs: 24 * HOUR_MS };

function given(row: QuotaRow | undefined, bytes: number, now: number): QuotaRow {
  const decision = chargeQuota(row, bytes, now, LIMITS);
  if (decision.t !== 'given') throw new Error(`over until ${decision.retryMs}`);
  return decision.row;
}

t.test('slots of an hour share a bucket, and a small file counts as a larger one', async (t) => {
  const first = given(undefined, 100_000, NOW);
  t.same(first.b, [[480_000, 100_000]]);
  const second = given(first, 1, NOW + HOUR_MS - 1);
  t.same(second.b, [[480_000, 100_000 + CHARGE_BYTES_MIN]]);
  t.same(given(second, 200_000, NOW + HOUR_MS).b.at(-1), [480_001, 200_000]);
});

t.test('what is over the quota is told when enough of it is free again', async (t) => {
  let row = given(undefined, 300_000, NOW);
  row = given(row, 300_000, NOW + 2 * HOUR_MS);
  row = given(row, 400_000, NOW + 3 * HOUR_MS);
  const later = NOW + 5 * HOUR_MS;
  const table: [bytes: number, retryHours: number][] = [
    [1, 24],
    [300_000, 24],
    [300_001, 26],
    [600_001, 27],
    [1_000_000, 27],
  ];
  for (const [bytes, hours] of table)
    t.same(chargeQuota(row, bytes, later, LIMITS), { t: 'over', retryMs: NOW + hours * HOUR_MS }, String(bytes));
  t.equal(chargeQuota(row, 300_000, NOW + 24 * HOUR_MS - 1, LIMITS).t, 'over', 'a moment before');
  t.same(given(row, 300_000, NOW + 24 * HOUR_MS).b.length, 3, 'at that moment; the oldest bucket is gone');
});

t.test('the row stays small however long and often a user uploads', async (t) => {
  let row: QuotaRow | undefined;
  let most = 0;
  for (let hour = 0; hour < 1000; hour += 0.25) {
    const decision = chargeQuota(row, 1, NOW + hour * HOUR_MS, { ...LIMITS, quotaBytes: 1e12 });
    if (decision.t === 'given') row = decision.row;
    most = Math.max(most, row?.b.length ?? 0);
  }
  t.equal(most, 24);
});

t.test('a clock that was set back does not lock a user out', async (t) => {
  const row = given(undefined, 1_000_000, NOW + 1000 * HOUR_MS);
  t.same(given(row, 5, NOW).b, [[480_000, CHARGE_BYTES_MIN]]);
});
