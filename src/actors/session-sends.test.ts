import t from 'tap';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import type { Send, SendOutcome } from './messages.ts';
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
    keep(token: number, send: Partial<Send> = {}) {
      const pending = this.pending(token);
      keepSend(state, token, { ...pending, send: { ...pending.send, ...send } });
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

t.test('what a room says to a device waits for what it said to its presence before', async (t) => {
  const one = session();
  const room = { nick: 'bob' };
  const stream = one.stream as unknown as { rooms?: Map<string, unknown> };
  stream.rooms = new Map([[CHAT, room]]);
  one.keep(5, { kind: 'presence', type: 'unavailable', from: 'bob@x/one' });
  one.keep(6, { kind: 'iq', type: 'get', from: 'bob@x/one', id: 'ask' });
  one.keep(7, { type: 'groupchat', from: 'bob@x/one' });
  one.keep(8, { type: 'groupchat', from: 'bob@x/one' });
  const shown = (): string[] =>
    one.state.turn.effects.flatMap((effect) => (effect.t === 'stanza' ? [effect.xml.slice(0, 30)] : []));
  onSendAnswer(one.state, 6, { ok: true }, { xml: ['<iq>not here</iq>'] });
  onSendAnswer(one.state, 7, { ok: false, condition: 'not-acceptable' });
  onSendAnswer(one.state, 6, { ok: true }, { xml: [] });
  t.same([shown(), one.handled()], [[], []]);
  onSendAnswer(one.state, 8, { ok: true });
  t.same(one.handled(), [8], 'which says nothing');
  onSendAnswer(one.state, 5, { ok: true }, { xml: ['<presence>out</presence>'], left: true });
  t.same(shown(), ['<presence>out</presence>', '<iq>not here</iq>', '<message xmlns="jabber:client"']);
  t.same(one.handled(), [8, 5, 6, 7]);
  t.equal(one.state.unanswered.size, 0);
});

t.test('another device of the user does not wait for it, nor does what came before', async (t) => {
  const one = session();
  one.keep(4, { kind: 'iq', type: 'get', from: 'bob@x/one', id: 'first' });
  one.keep(5, { kind: 'presence', type: 'unavailable', from: 'bob@x/one' });
  const other = { ...one.pending(6), stream: { jid: 'bob@x/two', ended: false } } as PendingSend;
  keepSend(one.state, 6, { ...other, send: { ...other.send, kind: 'iq' } });
  onSendAnswer(one.state, 6, { ok: true }, { xml: [] });
  onSendAnswer(one.state, 4, { ok: true }, { xml: [] });
  t.same(one.handled(), [6, 4]);
});
