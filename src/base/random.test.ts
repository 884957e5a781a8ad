import t from 'tap';
import { randomBytes, randomView, seededRandom, systemRandom } from './random.ts';

t.test('the same seed gives the same run, another seed another', async (t) => {
  const draw = (seed: number) => {
    const random = seededRandom(seed);
    return Array.from({ length: 20 }, () => random.int(1000));
  };
  t.same(draw(7), draw(7));
  t.notSame(draw(7), draw(8));
});

t.test('floats stay in [0, 1) and ints below their bound, evenly spread', async (t) => {
  for (const random of [seededRandom(1), systemRandom]) {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4000; i++) {
      const float = random.float();
      if (float < 0 || float >= 1) t.fail(`${float}`);
      counts[random.int(4)]!++;
    }
    t.ok(
      counts.every((count) => count > 800 && count < 1200),
      counts.join(' '),
    );
  }
});

t.test('strong bytes differ between calls and the pool refills', async (t) => {
  const seen = new Set<string>();
  for (let i = 0; i < 2000; i++) seen.add(randomView(16).toString('hex'));
  t.equal(seen.size, 2000);
  t.equal(randomBytes(32).length, 32);
  t.throws(() => randomView(10_000), RangeError);
});
