import t from 'tap';
import { DELETED, newTurn } from './turn.ts';

t.test('a turn that asked for no list is empty and costs no op', async (t) => {
  const turn = newTurn<string>(7);
  t.equal(turn.now, 7);
  t.equal(turn.isEmpty, true);
  t.same(turn.writes(), []);
  t.same(turn.posts(), []);
  turn.effects.push('a');
  turn.immediate.push('b');
  t.equal(turn.isEmpty, true, 'effects alone change nothing durable');
});

t.test('rows, streams and posts each make an op', async (t) => {
  const fill: [string, (turn: ReturnType<typeof newTurn>) => void][] = [
    ['row', (turn) => turn.rows.set('k', 1)],
    ['stream', (turn) => turn.streams.push({ t: 'append', stream: 's', seq: 1, record: 1 })],
    ['post', (turn) => turn.outbox.push({ to: 'session:a', body: 1 })],
  ];
  for (const [what, put] of fill) {
    const turn = newTurn(0);
    put(turn);
    t.equal(turn.isEmpty, false, what);
  }
});

t.test('a row written several times in a turn is one write, the last one; streams come before rows', async (t) => {
  const turn = newTurn(0);
  turn.rows.set('a', 1);
  turn.rows.set('b', 1);
  turn.rows.set('a', 2);
  turn.rows.set('b', DELETED);
  turn.rows.set('c', 3);
  turn.forget('c');
  turn.streams.push({ t: 'append', stream: 's', seq: 1, record: 'x' });
  t.same(turn.writes(), [
    { t: 'append', stream: 's', seq: 1, record: 'x' },
    { t: 'put', key: 'a', value: 2 },
    { t: 'del', key: 'b' },
  ]);
});

t.test('what holds always runs with the effects and when the op is refused, in its place', async (t) => {
  const turn = newTurn<string>(0);
  turn.effects.push('pushed');
  turn.always('refusal');
  turn.onFail.push('sorry');
  const ran: string[] = [];
  const runner = { run: (effect: string) => void ran.push(effect) };
  turn.runEffects(runner);
  t.same(ran.splice(0), ['pushed', 'refusal']);
  turn.runOnFail(runner);
  t.same(ran, ['refusal', 'sorry']);
});
