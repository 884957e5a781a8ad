import t from 'tap';
import { fullBucket, takeToken } from './token-bucket.ts';

t.test('as many at once as the burst, then as many as come with time', async (t) => {
  const bucket = fullBucket();
  /** how many of ten are given at that time */
  const given = (now: number): number => {
    let count = 0;
    for (let i = 0; i < 10; i++) if (takeToken(bucket, 2, 4, now)) count += 1;
    return count;
  };
  t.strictSame(
    [1000, 1000, 1499, 1500, 2500, 60_000].map((now) => given(now)),
    [4, 0, 0, 1, 2, 4],
  );
  t.strictSame([given(30_000), given(30_500)], [0, 1], 'a clock that goes back');
});

t.test('0 a second is no limit', async (t) => {
  const bucket = fullBucket();
  for (let i = 0; i < 100; i++) t.ok(takeToken(bucket, 0, 1, 1000));
});
