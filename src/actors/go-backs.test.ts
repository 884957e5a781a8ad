import t from 'tap';
import { ManualClock } from '../base/clock.ts';
import { GoBacks } from './go-backs.ts';

function goBacks(left = 1): { backs: GoBacks; clock: ManualClock; again: string[]; items: { left: number } } {
  const clock = new ManualClock();
  const again: string[] = [];
  const items = { left };
  const backs = new GoBacks(
    {
      delayMs: 20,
      delayMsMax: 100,
      now: () => clock.now(),
      later: (delayMs, run) => void clock.setTimer(delayMs, run),
    },
    (shard, to) => {
      again.push(`${clock.monotonic()} ${shard} ${to}`);
      return items.left;
    },
  );
  return { backs, clock, again, items };
}

t.test('the first go-back may be at once, and a burst of refusals is one', async (t) => {
  const { backs, clock, again } = goBacks();
  for (let i = 0; i < 5; i++) backs.refused(3, 'x', true);
  backs.refused(4, 'x', true);
  backs.refused(3, 'y', false);
  t.same(again, ['0 3 x', '0 4 x']);
  clock.advance(20);
  t.same(again.slice(2).sort(), ['20 3 x', '20 3 y']);
});

t.test('without progress it waits longer and longer, up to a bound', async (t) => {
  const { backs, clock, again } = goBacks();
  backs.refused(3, 'x', true);
  for (let ms = 0; ms < 500; ms++) {
    clock.advance(1);
    backs.refused(3, 'x', true);
  }
  t.same(
    again.map((text) => Number(text.split(' ')[0])),
    [0, 20, 60, 140, 240, 340, 440],
  );
  backs.progress(3, 'x');
  const before = again.length;
  clock.advance(100);
  backs.refused(3, 'x', true);
  clock.advance(20);
  backs.refused(3, 'x', true);
  clock.advance(20);
  t.equal(again.length - before >= 3, true, 'and starts again once something was taken');
});

t.test('nothing is kept when nothing is left to send, or the shard is led elsewhere', async (t) => {
  const { backs, clock, again, items } = goBacks();
  backs.refused(3, 'x', false);
  items.left = 0;
  clock.advance(20);
  t.equal(backs.size, 0);
  backs.refused(4, 'x', false);
  backs.drop(4);
  clock.advance(1000);
  t.equal(again.length, 1);
  t.equal(backs.size, 0);
});
