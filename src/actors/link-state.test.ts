import t from 'tap';
import { LinkState } from './link-state.ts';

const OPTIONS = { checkMs: 100, idleCheckMs: 1000, timeoutMs: 500, reorderMs: 200, reorderMax: 2 };

function link(counts?: { sent: number; got: number }): LinkState {
  return new LinkState(OPTIONS, 0, counts);
}

t.test('frames are taken in order, and what follows a gap is not', async (t) => {
  const one = link();
  t.same(one.receive(1, ['a', 'b'], 0), { t: 'frames', frames: ['a', 'b'] });
  t.same(one.receive(3, ['c'], 0), { t: 'frames', frames: ['c'] });
  t.same(one.receive(2, ['b', 'c', 'd'], 0), { t: 'frames', frames: ['d'] }, 'what it had is left out');
  t.same(one.receive(6, ['f'], 0), { t: 'gap' });
  t.equal(one.got, 4);
  t.same(one.receive(6, [], 0), { t: 'gap' }, 'a message without frames shows the gap too');
});

t.test('frames that nobody confirms are asked about, then the other side counts as gone', async (t) => {
  const one = link();
  t.equal(one.send(2, 0), 1);
  t.equal(one.send(1, 0), 3);
  t.equal(one.sweep(99), 'quiet');
  t.equal(one.sweep(100), 'report');
  one.confirm(2, 300);
  t.equal(one.sweep(799), 'report', 'as long as it is heard of, it lives');
  t.equal(one.sweep(800), 'dead');
  const other = link();
  other.send(1, 0);
  other.confirm(1, 10);
  t.equal(other.sweep(900), 'quiet', 'everything is confirmed');
});

t.test('who got frames says so, and a silent link is asked about', async (t) => {
  const one = link();
  one.receive(1, ['a'], 0);
  t.equal(one.sweep(1), 'report');
  one.reported();
  t.equal(one.sweep(2), 'quiet');
  t.equal(one.sweep(999), 'quiet');
  t.equal(one.sweep(1000), 'report');
  t.equal(one.sweep(1499), 'report', 'the question is repeated');
  t.equal(one.sweep(1500), 'dead');
});

t.test('a report shows what was lost last', async (t) => {
  const one = link();
  one.receive(1, ['a'], 0);
  t.equal(one.compare([7, 1, 0, 0], 0), true);
  t.equal(one.compare([7, 2, 0, 0], 0), false);
});

t.test('after a move frames may come by two ways, for a while', async (t) => {
  const one = link({ sent: 5, got: 3 });
  one.moved(0);
  t.same(one.receive(6, ['f'], 10), { t: 'frames', frames: [] });
  t.equal(one.compare([7, 6, 5, 0], 10), true, 'what is missing may still come');
  t.same(one.receive(4, ['d'], 20), { t: 'frames', frames: ['d'] });
  t.same(one.receive(5, ['e'], 20), { t: 'frames', frames: ['e', 'f'] });
  t.same(one.receive(9, ['i'], 30), { t: 'frames', frames: [] });
  t.equal(one.sweep(200), 'report');
  t.equal(one.sweep(201), 'dead', 'it never came');
  const full = link();
  full.moved(0);
  full.receive(3, ['c'], 0);
  full.receive(5, ['e'], 0);
  t.same(full.receive(7, ['g'], 0), { t: 'gap' }, 'only so many wait');
  const late = link();
  late.moved(0);
  t.same(late.receive(2, ['b'], 201), { t: 'gap' });
});
