import t from 'tap';
import { ManualClock } from '../base/clock.ts';
import { Asks } from './asks.ts';

function asks(asksMax = 10): { open: Asks<string>; clock: ManualClock; put: number[]; done: (string | undefined)[] } {
  const clock = new ManualClock();
  const open = new Asks<string>({ asksMax, timeoutMs: 1000, repeatMs: 300, clock }, 7);
  return { open, clock, put: [], done: [] };
}

t.test('a question ends once, with its answer or when its time is up', async (t) => {
  const { open, clock, put, done } = asks();
  const ask = (): unknown =>
    open.ask(
      (id) => put.push(id),
      (answer) => done.push(answer),
      false,
    );
  t.equal(ask(), 7);
  t.equal(ask(), 8);
  t.equal(open.answer(7, 'yes'), true);
  t.equal(open.answer(7, 'again'), false, 'the second answer comes late');
  clock.advance(999);
  t.same(done, ['yes']);
  clock.advance(1);
  t.same(done, ['yes', undefined]);
  t.equal(open.answer(8, 'late'), false);
  t.same(put, [7, 8], 'put once each');
  t.match({ size: open.size, timeouts: open.timeouts, timers: clock.pending }, { size: 0, timeouts: 1, timers: 0 });
});

t.test('a question that may be put twice is, until it is answered or its time is up', async (t) => {
  const { open, clock, put, done } = asks();
  open.ask(
    (id) => put.push(id),
    (answer) => done.push(answer),
    true,
  );
  clock.advance(650);
  t.same(put, [7, 7, 7]);
  open.retry(7);
  t.equal(put.length, 4, 'and at once when it met nobody');
  clock.advance(350);
  t.same(done, [undefined], 'in all no longer than a question that is put once');
  clock.advance(5000);
  t.equal(clock.pending, 0);
  open.retry(7);
  t.equal(put.length, 5, 'what is over is not put again');
});

t.test('a question that nobody will answer fails at once', async (t) => {
  const { open, clock, put, done } = asks();
  open.ask(
    (id) => put.push(id),
    (answer) => done.push(answer),
    true,
  );
  open.fail(7);
  open.fail(7);
  t.same([done, clock.pending, open.timeouts], [[undefined], 0, 0]);
});

t.test('more questions than may be open are refused', async (t) => {
  const { open, put } = asks(1);
  const ask = (): unknown =>
    open.ask(
      (id) => put.push(id),
      () => {},
      false,
    );
  t.equal(ask(), 7);
  t.equal(ask(), undefined);
  open.answer(7, '');
  t.equal(ask(), 8);
});
