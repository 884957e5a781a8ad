import t from 'tap';
import { ManualClock, systemClock } from './clock.ts';

t.test('a manual clock fires timers in order of due time, then of setting', async (t) => {
  const clock = new ManualClock(1000);
  const fired: string[] = [];
  clock.setTimer(20, () => fired.push('b'));
  clock.setTimer(10, () => fired.push('a'));
  clock.setTimer(20, () => fired.push('c'));
  clock.advance(9);
  t.same(fired, []);
  clock.advance(11);
  t.same(fired, ['a', 'b', 'c']);
  t.equal(clock.now(), 1020);
  t.equal(clock.monotonic(), 20);
});

t.test('a timer set by a fired timer fires in the same advance, at its own time', async (t) => {
  const clock = new ManualClock(0);
  const at: number[] = [];
  clock.setTimer(5, () => {
    at.push(clock.now());
    clock.setTimer(5, () => at.push(clock.now()));
  });
  clock.advance(100);
  t.same(at, [5, 10]);
  t.equal(clock.now(), 100);
});

t.test('a cleared timer does not fire', async (t) => {
  const clock = new ManualClock();
  const timer = clock.setTimer(1, () => t.fail('fired'));
  clock.clear(timer);
  clock.clear(timer);
  clock.clear(undefined);
  clock.advance(10);
  t.equal(clock.pending, 0);
});

t.test('wall time may jump, monotonic time does not follow', async (t) => {
  const clock = new ManualClock(1000);
  clock.jumpWall(-500);
  t.equal(clock.now(), 500);
  t.equal(clock.monotonic(), 0);
});

t.test('the system clock runs timers and lets them be cleared', async (t) => {
  const keepAlive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(keepAlive));
  const cleared = systemClock.setTimer(0, () => t.fail('fired'));
  systemClock.clear(cleared);
  await new Promise<void>((resolve) => systemClock.setTimer(0, resolve));
  t.ok(systemClock.now() > 1.7e12);
  t.ok(systemClock.monotonic() > 0);
});
