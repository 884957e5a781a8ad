import t from 'tap';
import { type MessageRecord, renderMessage } from '../xmpp/message-record.ts';
import { type ChatEffect, committed } from './chat-log.ts';
import type { History } from './chat-retract.ts';
import { type ChatState, chatStep, newChat } from './chat-state.ts';
import type { ChatMessage, Send } from './messages.ts';
import { CHAT_LIMITS } from './runtime.fixture.ts';
import { newTurn, type Turn } from './turn.ts';

const A = 'a@x';
const B = 'b@x';
const ID = `${A}/${B}`;
const MEMBERS = [A, B].map((jid) => ({ jid, since: 0, here: true }));
const takesBack = (id: string): string => `<retract xmlns='urn:xmpp:message-retract:1' id='${id}'/>`;

/** A chat whose committed messages are `log`, oldest first. */
function chat(log: MessageRecord[] = [], tail: MessageRecord[] = []): ChatState {
  const history: History = {
    read({ from, to, limit, reverse }) {
      const found = log.map((record, i) => ({ seq: i + 1, record })).filter(({ seq }) => seq >= from && seq <= to);
      return (reverse ? found.toReversed() : found).slice(0, limit);
    },
  };
  return newChat(ID, { v: 1, members: MEMBERS }, log.length, tail, CHAT_LIMITS, history);
}

function record(id: string, more: Partial<MessageRecord> = {}): MessageRecord {
  const inner = `<body>secret ${id}</body>`;
  return { v: 1, from: `${A}/r`, to: B, type: 'chat', id, oid: undefined, ts: 1, inner, ...more };
}

let tokens = 0;
function send(inner: string, more: Partial<Send> = {}): Send {
  tokens += 1;
  const sender = more.sender ?? A;
  const to = sender === A ? B : A;
  const way = { from: `${sender}/r`, sender, to, type: 'chat' } as const;
  const rest = { oid: undefined, lang: undefined, inner, flags: undefined, store: true, token: tokens };
  return { t: 'send', ...way, id: `retraction-${tokens}`, ...rest, ...more };
}

function step(state: ChatState, messages: readonly ChatMessage[], now = 1000): Turn<ChatEffect> {
  const turn = newTurn<ChatEffect>(now);
  for (const message of messages) chatStep(state, message, turn, CHAT_LIMITS);
  return turn;
}

/** Chat seqs of tombstones, `+` for what is appended. */
const written = (turn: Turn<ChatEffect>): string[] =>
  turn.streams.map((write) => {
    if (write.t === 'append') return `+${write.seq}`;
    if (write.t !== 'replace') return write.t;
    return `${write.seq}${(write.record as MessageRecord).inner.includes('secret') ? ' with its body' : ''}`;
  });

const answers = (turn: Turn<ChatEffect>): string[] =>
  turn.effects.flatMap((effect) =>
    effect.t === 'toSession' && effect.msg.t === 'answer'
      ? [effect.msg.outcome.ok ? 'ok' : effect.msg.outcome.condition]
      : [],
  );

t.test('the newest message of its sender by that id is replaced in the op of the retraction', async (t) => {
  const old = record('message-1');
  const cases: readonly [what: string, log: MessageRecord[], sent: Send, expected: string[]][] = [
    ['by id', [old, record('message-2')], send(takesBack('message-1')), ['+3', '1']],
    ['by origin-id', [record('x', { oid: 'o1' })], send(takesBack('o1')), ['+2', '1']],
    ['the newest of several', [old, old, record('x')], send(takesBack('message-1')), ['+4', '2']],
    ['nothing of another person', [old], send(takesBack('message-1'), { sender: B }), ['+2']],
    ['nothing that is not there', [old], send(takesBack('message-9')), ['+2']],
    ['no retraction', [record('message-1', { inner: takesBack('y') })], send(takesBack('message-1')), ['+2']],
    ['not twice', [record('message-1', { gone: true })], send(takesBack('message-1')), ['+2']],
  ];
  for (const [what, log, sent, expected] of cases) {
    const turn = step(chat(log), [sent]);
    t.strictSame(written(turn), expected, what);
    t.strictSame(answers(turn), ['ok'], what);
  }
});

t.test('the record says what it took back, to the log and to the members', async (t) => {
  const log = [record('message-1'), record('message-2', { ts: 7 })];
  for (const [sent, back] of [
    [send(takesBack('message-2'), { words: 'abcd' }), { q: 2, ts: 7 }],
    [send(takesBack('message-2')), { q: 2, ts: 7 }],
    [send(takesBack('message-2'), { via: { from: 'room@x/a', to: 'room@x/b' } }), { q: 2, ts: 7 }],
    [send(takesBack('message-2'), { sender: B }), undefined],
    [send('<body>no retraction</body>', { words: 'abcd' }), undefined],
  ] as const) {
    const turn = step(chat(log), [sent]);
    const [appended] = turn.streams as { record: MessageRecord }[];
    t.same(appended?.record.back, back);
    t.same(
      turn.live.map((live) => (live as MessageRecord).back),
      [back, back],
    );
    t.equal((turn.live[0] as MessageRecord).w, sent.words);
    t.notMatch(renderMessage(appended?.record as MessageRecord), 'back', 'clients do not see it');
  }
});

t.test('what is on its way to the log is found too', async (t) => {
  const state = chat([record('message-1')]);
  const first = step(state, [
    send('<body>secret</body>', { id: 'message-2' }),
    send(takesBack('message-2')),
    send(takesBack('message-1')),
  ]);
  t.strictSame(written(first), ['+2', '+3', '2', '+4', '1']);
  t.strictSame(written(step(state, [send(takesBack('message-2')), send(takesBack('message-1'))])), ['+5', '+6']);
  committed(state, first);
  t.strictSame([...state.fresh.keys()], [5, 6], 'what is committed is not kept at hand');
});

t.test('a retraction that is sent again joins the first', async (t) => {
  const state = chat([record('message-1')]);
  const again = send(takesBack('message-1'), { oid: 'r1' });
  t.strictSame(written(step(state, [again, again])), ['+2', '1']);
});

t.test('a message that is sent again after it was taken back, to another leader, is known by its id', async (t) => {
  const gone = record('message-1', { inner: '<retracted/>', gone: true });
  const state = chat([gone], [gone]);
  const turn = step(state, [send('<body>secret message-1</body>', { id: 'message-1' })]);
  t.strictSame(written(turn), []);
  t.strictSame(answers(turn), ['ok']);
  t.strictSame(written(step(state, [send('<body>x</body>', { id: 'message-1', sender: B })])), ['+2']);
});

t.test('it looks back so far, and so far in a while', async (t) => {
  const log = [record('message-1'), ...Array.from({ length: 300 }, (_, i) => record(`later-${i}`))];
  const state = chat(log);
  t.strictSame(written(step(state, [send(takesBack('message-1'))])), ['+302'], 'beyond retractLookBackMax it stays');
  t.strictSame(answers(step(state, [send(takesBack('later-299'))])), ['resource-constraint']);
  t.strictSame(answers(step(state, [send('<body>x</body>', { sender: B })])), ['ok'], 'others are not held up');
  const later = step(state, [send(takesBack('later-299'))], 12_000);
  t.strictSame(written(later), ['+304', '301']);
});

t.test('who has a name anew takes back nothing of who had it before', async (t) => {
  for (const [since, writes] of [
    [1, ['+3', '2']],
    [2, ['+3']],
  ] as const) {
    const state = chat([record('message-1'), record('message-2')]);
    state.members = [
      { jid: A, since, here: true },
      { jid: B, since: 0, here: true },
    ];
    t.strictSame(written(step(state, [send(takesBack('message-2'))])), writes, `${since}`);
  }
});

t.test('pages have no seams', async (t) => {
  const log = Array.from({ length: 600 }, (_, i) => record(`message-${i + 1}`));
  const limits = { ...CHAT_LIMITS, retractLookBackMax: 1000 };
  for (const seq of [1, 88, 89, 90, 344, 345, 346, 600]) {
    const turn = newTurn<ChatEffect>(1000);
    chatStep(chat(log), send(takesBack(`message-${seq}`)), turn, limits);
    t.strictSame(written(turn), ['+601', `${seq}`]);
  }
});
