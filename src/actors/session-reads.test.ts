import t from 'tap';
import { afterOwnWrites, releaseReads, type WaitingRead } from './session-reads.ts';
import type { SessionState } from './session-state.ts';
import type { SessionEffect } from './session-types.ts';
import { newTurn } from './turn.ts';

/** As much of a session as reads need: sends by token, and a turn. */
function session(inflightMax = 10) {
  const turn = newTurn<SessionEffect>(1);
  const pendingSends = new Map<number, unknown>();
  const reads: WaitingRead[] = [];
  const state = {
    user: 'romeo@localhost',
    turn,
    pendingSends,
    reads,
    nextToken: 1,
    marks: new Set<number>(),
    nextMark: 1,
    parts: { limits: { inflightMax } },
  };
  return {
    state: state as unknown as SessionState,
    send: () => pendingSends.set(state.nextToken++, {}),
    decide(token: number) {
      pendingSends.delete(token);
      releaseReads(state as unknown as SessionState);
    },
    mark: () => state.marks.add(state.nextMark++),
    found(mark: number) {
      state.marks.delete(mark);
      releaseReads(state as unknown as SessionState);
    },
    /** questions put so far: one effect each, whether the turn is committed or refused */
    put: () => [turn.effects.length, turn.onFail.length],
  };
}

t.test('a question is put in an effect, behind what this turn and those before it write', async (t) => {
  const one = session();
  let asked = 0;
  t.equal(
    afterOwnWrites(one.state, () => {
      asked += 1;
    }),
    true,
  );
  t.equal(asked, 0, 'not within the step');
  t.match(one.state.turn.effects, [{ t: 'toSession', to: 'romeo@localhost', msg: { t: 'run' } }]);
  t.strictSame(one.put(), [1, 1]);
});

t.test(
  'a question waits for the sends before it, whatever order they are decided in, and for no later one',
  async (t) => {
    const one = session();
    one.send();
    one.send();
    afterOwnWrites(one.state, () => undefined);
    one.send();
    afterOwnWrites(one.state, () => undefined);
    const steps = [2, 1, 3].map((token) => {
      one.decide(token);
      return one.put()[0];
    });
    t.strictSame(steps, [0, 1, 2]);
    t.strictSame(one.state.reads, []);
  },
);

t.test('and for the markers before it, and for no later one', async (t) => {
  const one = session();
  one.send();
  one.mark();
  afterOwnWrites(one.state, () => undefined);
  one.mark();
  afterOwnWrites(one.state, () => undefined);
  const puts = [];
  one.decide(1);
  puts.push(one.put()[0]);
  for (const mark of [1, 2]) {
    one.found(mark);
    puts.push(one.put()[0]);
  }
  t.strictSame(puts, [0, 1, 2]);
  one.mark();
  afterOwnWrites(one.state, () => undefined);
  t.equal(one.put()[0], 2, 'no send, but a marker');
});

t.test('more questions than may wait are refused', async (t) => {
  const one = session(2);
  one.send();
  t.strictSame(
    [1, 2, 3].map(() => afterOwnWrites(one.state, () => undefined)),
    [true, true, false],
  );
});
