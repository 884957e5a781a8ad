import t from 'tap';
import { AckQueue } from '../xmpp/xep0198-stream-management.ts';
import { askForPage, nextPage, pageDone } from './session-pages.ts';
import type { SessionState } from './session-state.ts';
import type { SessionEffect, Stream } from './session-types.ts';
import { newTurn } from './turn.ts';

/** As much of a session and its stream as pages need. */
function asker(limits = { inflightMax: 3, unackedStanzasMax: 20, unackedBytesMax: 1000 }) {
  const turn = newTurn<SessionEffect>(1);
  const out = new AckQueue({ stanzasMax: limits.unackedStanzasMax, bytesMax: limits.unackedBytesMax });
  const sm = { on: true, out, askedAt: 0, sinceAsk: 0 };
  const state = { user: 'romeo@localhost', turn, now: 1, parts: { limits } } as unknown as SessionState;
  const stream = { sm, conn: {}, ended: false, pages: undefined } as unknown as Stream;
  const asked: string[] = [];
  let ran = 0;
  return {
    state,
    stream,
    out,
    asked,
    ask: (name: string, chars = 1) => askForPage(state, stream, chars, () => void asked.push(name)),
    /** runs what this turn's effects bring back */
    settle() {
      for (; ran < turn.effects.length; ran++) {
        const effect = turn.effects[ran];
        if (effect?.t === 'toSession' && effect.msg.t === 'run') effect.msg.run();
      }
    },
    nonzas: () => turn.effects.filter((effect) => effect.t === 'nonza').length,
  };
}

t.test('one page at a time, the next one behind its answer', async (t) => {
  const one = asker();
  one.ask('a');
  one.ask('b');
  t.strictSame(one.asked, ['a']);
  pageDone(one.state, one.stream);
  t.strictSame(one.asked, ['a'], 'not in front of what is still to be written');
  one.settle();
  t.strictSame(one.asked, ['a', 'b']);
});

t.test(
  'not before there is room: the client is asked for an ack, once, and what it acknowledges lets it go on',
  async (t) => {
    const one = asker();
    for (let i = 0; i < 5; i++) one.out.push('<message/>');
    one.ask('a');
    one.ask('b');
    t.strictSame([one.asked, one.nonzas()], [[], 1]);
    nextPage(one.state, one.stream);
    t.equal(one.nonzas(), 1);
    one.out.ack(1);
    nextPage(one.state, one.stream);
    t.strictSame(one.asked, ['a']);
  },
);

t.test('what is too much for the whole queue is asked for when that is empty', async (t) => {
  const one = asker({ inflightMax: 3, unackedStanzasMax: 1, unackedBytesMax: 1000 });
  one.ask('a');
  t.strictSame(one.asked, ['a']);
});

t.test('so many wait, and so much; without stream management none does', async (t) => {
  const one = asker();
  t.strictSame(
    ['a', 'b', 'c', 'd', 'e'].map((name) => one.ask(name)),
    [true, true, true, true, false],
  );
  const large = asker();
  t.strictSame([large.ask('a', 600), large.ask('b', 600), large.ask('c', 600)], [true, true, false]);
  const plain = asker();
  plain.stream.sm = undefined;
  for (const name of ['a', 'b', 'c', 'd', 'e']) t.equal(plain.ask(name), true);
  pageDone(plain.state, plain.stream);
  t.strictSame(plain.asked, ['a', 'b', 'c', 'd', 'e']);
});
