import t from 'tap';
import { ManualClock } from '../base/clock.ts';
import { Parking } from './parking.ts';

function parking(parkedMax = 10): {
  lot: Parking<string>;
  clock: ManualClock;
  open: Set<number>;
  left: string[];
  expired: string[];
} {
  const clock = new ManualClock();
  const open = new Set<number>();
  const left: string[] = [];
  const expired: string[] = [];
  const lot = new Parking<string>({
    parkedMax,
    parkMs: 100,
    pollMs: 10,
    now: () => clock.now(),
    later: (delayMs, run) => void clock.setTimer(delayMs, run),
    open: (shard) => open.has(shard),
    leave: (_shard, message) => left.push(message),
    expired: (_shard, message) => expired.push(message),
  });
  return { lot, clock, open, left, expired };
}

t.test('messages wait in order until their shard has a leader', async (t) => {
  const { lot, clock, open, left } = parking();
  lot.park(1, 'a');
  lot.park(2, 'x');
  lot.park(1, 'b');
  t.same([lot.holds(1), lot.holds(3), lot.size], [true, false, 3]);
  clock.advance(50);
  t.same(left, []);
  open.add(1);
  clock.advance(10);
  t.same(left, ['a', 'b']);
  t.equal(lot.holds(1), false);
  open.add(2);
  lot.release();
  t.same(left, ['a', 'b', 'x'], 'at once when told');
  clock.advance(1000);
  t.equal(clock.pending, 0, 'nobody looks when nothing waits');
});

t.test('what waits too long, or does not fit, is given back', async (t) => {
  const { lot, clock, expired } = parking(2);
  lot.park(1, 'a');
  clock.advance(60);
  lot.park(1, 'b');
  lot.park(1, 'c');
  t.same(expired, ['c']);
  clock.advance(50);
  t.same(expired, ['c', 'a']);
  clock.advance(60);
  t.same(expired, ['c', 'a', 'b']);
  t.equal(lot.size, 0);
});
