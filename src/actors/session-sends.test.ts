import t from 'tap';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import type { SendOutcome } from './messages.ts';
import { keepSend } from './session-sends.ts';
import { onInboxHas, onSendAnswer } from './session-stanzas.ts';
import type { SessionState } from './session-state.ts';
import type { PendingSend, SessionEffect } from './session-types.ts';
import { newTurn } from './turn.ts';

const CHAT = 'room@y';

/** As much of a session as its sends need. */
function session() {
  const stream = { jid: 'bob@x/one', ended: false };
  const turn = newTurn<SessionEffect>(1);
  const row = { cur: 0 };
  const state = {
    turn,
    pendingSends: new Map<number, PendingSend>(),
    unanswered: new Map<string, number[]>(),
    untaken: new Map<string, number[]>(),
    reads: [],
    marks: new Map(),
    parts: { rules: ALL_DELIVERY_RULES },
    namesOf: () => ({ rowKey: 'c' }),
    get: () => row,
  } as unknown as SessionState;
  return {
    state,
    stream,
    row,
    pending: (token: number, upTo?: number) =>
      ({
        stream,
        n: token,
        chat: CHAT,
        send: { token, to: CHAT },
        since: 1,
        sentAt: 1,
        upTo,
      }) as unknown as PendingSend,
    keep(token: number) {
      keepSend(state, token, this.pending(token));
    },
    handled: () => turn.effects.flatMap((effect) => (effect.t === 'handled' ? [effect.n] : [])),
  };
}

t.test('what the chat answers to a repetition changes nothing while the inbox waits for the first', async (t) => {
  const answers: SendOutcome[] = [
    { ok: true },
    { ok: true, upTo: 1 },
    { ok: false, condition: 'not-acceptable', text: 'enter the room first' },
  ];
  for (const again of answers) {
    const one = session();
    one.keep(7);
    onSendAnswer(one.state, 7, { ok: true, upTo: 3 });
    onSendAnswer(one.state, 7, again);
    t.same(one.handled(), []);
    t.same(one.state.turn.effects, []);
    one.row.cur = 3;
    onInboxHas(one.state, CHAT);
    t.same(one.handled(), [7]);
  }
});
