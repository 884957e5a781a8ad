import t from 'tap';
import type { MessageRecord } from '../xmpp/message-record.ts';
import type { ChatEffect } from './chat-log.ts';
import { type ChatRow, type ChatState, chatStep, newChat } from './chat-state.ts';
import type { ChatItem, ChatMessage, Send } from './messages.ts';
import { CHAT_LIMITS, NO_HISTORY } from './runtime.fixture.ts';
import { newTurn, type Turn } from './turn.ts';

const A = 'a@x';
const B = 'b@x';
const ID = `${A}/${B}`;
const HERE = [
  { jid: A, since: 0, here: true },
  { jid: B, since: 0, here: true },
];
const limits = { ...CHAT_LIMITS, waitingMax: 3 };

function chat(members = HERE, lastSeq = 0, tail: MessageRecord[] = []): ChatState {
  return newChat(ID, members.length === 0 ? undefined : { v: 1, members }, lastSeq, tail, limits, NO_HISTORY);
}

let tokens = 0;
function send(body: string, more: Partial<Send> = {}): Send {
  tokens += 1;
  const sender = more.sender ?? A;
  return {
    t: 'send',
    from: `${sender}/r`,
    sender,
    to: sender === A ? B : A,
    type: 'chat',
    id: undefined,
    oid: undefined,
    lang: undefined,
    inner: body,
    flags: undefined,
    store: true,
    token: tokens,
    ...more,
  };
}

function step(state: ChatState, now: number, ...messages: ChatMessage[]): Turn<ChatEffect> {
  const turn = newTurn<ChatEffect>(now);
  for (const message of messages) chatStep(state, message, turn, limits);
  return turn;
}

/** What was appended, as `seq body`. */
const appended = (turn: Turn<ChatEffect>): string[] =>
  turn.streams.flatMap((write) =>
    write.t === 'append' ? [`${write.seq} ${(write.record as MessageRecord).inner}`] : [],
  );

/** Effects as words: `ok`, a condition, `live body to member`. */
const said = (effects: readonly ChatEffect[]): string[] =>
  effects.map((effect) => {
    if (effect.t === 'ackDelivery') return `ack ${effect.source.idx}`;
    const { msg, to } = effect;
    if (msg.t === 'answer') return msg.outcome.ok ? 'ok' : msg.outcome.condition;
    if (msg.t === 'live') return `live ${msg.message.inner} to ${to}`;
    return `${msg.t} ${to}`;
  });

const gone = (member: string, cur: number, idx = 1): ChatMessage => ({
  t: 'deliver',
  source: { shard: 0, idx, pos: 0 },
  item: { t: 'memberGone', member, cur },
});

t.test('messages of all senders get one dense sequence, and go to every member', async (t) => {
  const state = chat(HERE, 4);
  const turn = step(state, 10, send('one'), send('two', { sender: B }), send('three'));
  t.same(appended(turn), ['5 one', '6 two', '7 three']);
  t.same(
    turn.posts().map(({ to, body }) => `${to} ${(body as ChatItem).seq}`),
    [5, 6, 7].flatMap((seq) => [`session:${A} ${seq}`, `session:${B} ${seq}`]),
  );
  t.same(said(turn.effects), ['ok', 'ok', 'ok'], 'the senders are answered after the commit');
  t.same(said(turn.immediate), []);
  t.same(said(turn.onFail), Array(3).fill('resource-constraint'));
});

t.test('time in a chat never goes back', async (t) => {
  const state = chat();
  const stamps = [100, 50, 120].map((now) => {
    const [write] = step(state, now, send('x')).streams;
    return write?.t === 'append' ? (write.record as MessageRecord).ts : undefined;
  });
  t.same(stamps, [100, 100, 120]);
});

t.test('the first message of a member says so, others do not', async (t) => {
  const state = chat(
    [
      { jid: A, since: 0, here: true },
      { jid: B, since: 7, here: true },
    ],
    7,
  );
  const firsts = (turn: Turn<ChatEffect>): boolean[] => turn.posts().map(({ body }) => (body as ChatItem).first);
  t.same(firsts(step(state, 0, send('x'))), [false, true]);
  t.same(firsts(step(state, 0, send('y'))), [false, false]);
});

t.test('a message sent twice is one message, and both are answered', async (t) => {
  const state = chat();
  const first = step(state, 0, send('x', { oid: 'o1' }));
  t.same(appended(first), ['1 x']);
  const again = step(state, 1, send('x', { oid: 'o1' }));
  t.equal(again.isEmpty, true);
  t.same(said(again.effects), ['ok']);
  t.same(
    appended(step(state, 2, send('x', { oid: 'o1', sender: B }))),
    ['2 x'],
    'the same origin-id of someone else is another',
  );
});

t.test('what a chat knew it knows again after a reload', async (t) => {
  const state = chat();
  const turn = step(state, 5, send('x', { oid: 'o1' }), send('y', { id: 'long-enough-id' }));
  const tail = turn.streams.flatMap((write) => (write.t === 'append' ? [write.record as MessageRecord] : []));
  const reloaded = chat(HERE, 2, tail);
  t.equal(step(reloaded, 6, send('x', { oid: 'o1' })).isEmpty, true);
  t.equal(step(reloaded, 6, send('y', { id: 'long-enough-id' })).isEmpty, true);
  t.same(appended(step(reloaded, 6, send('z', { id: 'long-enough-id' }))), ['3 z'], 'same id, other content');
});

t.test('only the two members of a direct chat can write to it', async (t) => {
  const turn = step(chat(), 0, send('x', { sender: 'eve@x' }));
  t.same(said(turn.effects), ['forbidden']);
  t.equal(turn.isEmpty, true);
});

t.test('a chat begins when the other side says that it exists', async (t) => {
  const state = chat([]);
  const asking = step(state, 1, send('one'), send('two'));
  t.same(said(asking.immediate), [`exists? ${B}`], 'asked once');
  t.equal(asking.isEmpty, true);
  const turn = step(state, 2, { t: 'exists', member: B, exists: true });
  t.same(appended(turn), ['1 one', '2 two']);
  t.same(
    state.members.map(({ jid, since, here }) => `${jid} ${since} ${here}`),
    [`${B} 0 true`, `${A} 0 true`],
  );
  t.same(said(turn.effects), ['ok', 'ok']);
  t.same(appended(step(state, 3, send('three'))), ['3 three'], 'from then on nobody is asked');
});

t.test('without the other side nothing is accepted', async (t) => {
  const table: [what: string, ChatMessage, now: number, answer: string[]][] = [
    ['it does not exist', { t: 'exists', member: B, exists: false }, 2, ['service-unavailable']],
    ['it does not answer in time', { t: 'sweep', now: 5001 }, 5001, ['remote-server-timeout']],
    ['there is time left', { t: 'sweep', now: 5000 }, 5000, []],
  ];
  for (const [what, message, now, answer] of table) {
    const state = chat([]);
    step(state, 1, send('x'));
    const turn = step(state, now, message);
    t.same(said(turn.effects), answer, what);
    t.equal(turn.isEmpty, true, what);
    t.equal(state.waiting.length, answer.length === 0 ? 1 : 0, what);
  }
  const state = chat([]);
  const full = step(state, 1, send('1'), send('2'), send('3'), send('4'));
  t.same(said(full.effects), ['resource-constraint'], 'and only so many may wait');
});

t.test('an error that cannot be delivered is not answered with an error', async (t) => {
  const state = chat([]);
  step(state, 1, send('x', { type: 'error' }));
  t.same(said(step(state, 2, { t: 'exists', member: B, exists: false }).effects), ['ok']);
});

t.test('a member whose account went gets nothing more, and is asked for again', async (t) => {
  const state = chat(HERE, 3);
  const turn = step(state, 0, gone(B, 3, 9));
  t.same(said(turn.effects), ['ack 9']);
  t.equal(turn.isEmpty, false);
  t.same(said(step(state, 0, send('x')).immediate), [`exists? ${B}`]);
  t.same(said(step(state, 0, { t: 'exists', member: B, exists: false }).effects), ['service-unavailable']);
});

t.test('the going of an account, told again after its name joined anew, changes nothing', async (t) => {
  const state = chat(HERE, 3);
  step(state, 0, gone(B, 3));
  step(state, 0, send('x'));
  step(state, 0, { t: 'exists', member: B, exists: true });
  const again = step(state, 0, gone(B, 3));
  t.equal(again.isEmpty, true);
  t.same(said(again.effects), ['ack 1']);
  t.same(state.members.map(({ jid, since }) => `${jid} ${since}`).sort(), [`${A} 0`, `${B} 3`]);
});

t.test('what passes by goes to live streams only, answered like the rest', async (t) => {
  const state = chat();
  const turn = step(state, 0, send('~', { store: false }));
  t.equal(turn.isEmpty, true);
  t.same(said(turn.effects), [`live ~ to ${A}`, `live ~ to ${B}`, 'ok']);
  t.equal(turn.sealed, true, 'no message that comes behind may join its turn and overtake it');
  t.equal(step(state, 0, send('x')).sealed, false);
});

t.test('a send that wants no answer gets none', async (t) => {
  t.same(said(step(chat(), 0, send('x', { token: 0 })).effects), []);
});

t.test('a late answer about one side does not let the other in', async (t) => {
  const state = chat([]);
  step(state, 1, send('from a'));
  step(state, 5001, { t: 'sweep', now: 5001 });
  t.same(said(step(state, 5002, send('from b', { sender: B })).immediate), [`exists? ${A}`]);
  const late = step(state, 5003, { t: 'exists', member: B, exists: true });
  t.equal(late.isEmpty, true);
  t.same(said(late.immediate), [`exists? ${A}`], 'it is asked again');
  const turn = step(state, 5004, { t: 'exists', member: A, exists: true });
  t.same(appended(turn), ['1 from b']);
  t.equal(turn.posts().length, 2, 'for both');
});

t.test('two who write to each other first both get in with one answer', async (t) => {
  const state = chat([]);
  t.same(said(step(state, 1, send('from a'), send('from b', { sender: B })).immediate), [`exists? ${B}`]);
  const turn = step(state, 2, { t: 'exists', member: B, exists: true });
  t.same(appended(turn), ['1 from a', '2 from b']);
  t.equal(turn.posts().length, 4);
});

t.test('a chat of more than two takes messages of its members, and goes to every one that is here', async (t) => {
  const room = 'room@x';
  const jids = Array.from({ length: 50 }, (_, i) => `u${i}@x`);
  const members = jids.map((jid, i) => ({ jid, since: i === 1 ? 7 : 0, here: i !== 2 }));
  const state = newChat(room, { v: 1, members }, 7, [], limits, NO_HISTORY);
  const turn = step(state, 1, send('x', { sender: 'u0@x', to: room }), send('y', { sender: 'u2@x', to: room }));
  t.same(appended(turn), ['8 x'], 'of who is not here any more nothing');
  t.same(said(turn.effects), ['ok', 'forbidden']);
  const posts = turn.posts().map(({ to, body }) => `${to} ${(body as ChatItem).first}`);
  t.same(
    posts,
    jids.filter((_, i) => i !== 2).map((jid) => `session:${jid} ${jid === 'u1@x'}`),
    'each hears if it is its first one',
  );
  t.same(said(step(state, 2, send('z', { sender: 'stranger@x', to: room })).effects), ['forbidden']);
  t.same(
    said(step(newChat('none@x', undefined, 0, [], limits, NO_HISTORY), 3, send('z', { sender: 'u0@x' })).effects),
    ['forbidden'],
  );
});

const refuses = (whom: 'all' | string[], ver: number, cur = 1, idx = 1): ChatMessage => ({
  t: 'deliver',
  source: { shard: 0, idx, pos: 0 },
  item: { t: 'refuses', member: B, cur, ver, whom },
});

t.test('a chat refuses for a member whom it blocks', async (t) => {
  const state = chat(HERE, 1);
  const told = step(state, 0, refuses('all', 3));
  t.match([...told.rows.values()], [{ members: [{ jid: A }, { jid: B, refuses: { ver: 3, whom: 'all' } }] }]);
  t.same(said(told.effects), ['ack 1'], 'acknowledged behind the commit');
  const sent: [what: string, message: Send, outcome: string[]][] = [
    ['a message', send('x'), ['service-unavailable']],
    ['one that is not kept', send('x', { store: false }), ['service-unavailable']],
    ['nobody answers an error', send('x', { store: false, type: 'error' }), ['ok']],
    ['the member itself may', send('x', { sender: B }), ['ok']],
  ];
  for (const [what, one, outcome] of sent) {
    const turn = step(state, 0, one);
    t.same(said(turn.effects), outcome, what);
    t.equal(turn.posts().length, one.sender === B ? 2 : 0, what);
  }
  t.same(
    appended(step(newChat(ID, [...told.rows.values()][0] as ChatRow, 1, [], limits, NO_HISTORY), 0, send('x'))),
    [],
    'reloaded',
  );
  step(state, 0, refuses([], 4));
  t.same(appended(step(state, 0, send('y'))), ['3 y']);
});

t.test('devices of the other one are told apart', async (t) => {
  const state = chat(HERE, 1);
  step(state, 0, refuses(['phone', 'old'], 1));
  t.same(said(step(state, 0, send('x', { from: `${A}/phone` })).effects), ['service-unavailable']);
  t.same(said(step(state, 0, send('x', { from: `${A}/laptop` })).effects), ['ok']);
});

t.test('what a member told comes late, twice and of another account', async (t) => {
  const state = chat(
    [
      { jid: A, since: 0, here: true },
      { jid: B, since: 5, here: true },
    ],
    9,
  );
  const table: [what: string, message: ChatMessage, whom: unknown][] = [
    ['of one that had the name before', refuses('all', 9, 5), undefined],
    ['its own', refuses('all', 2, 6), 'all'],
    ['again', refuses('all', 2, 6), 'all'],
    ['an older one', refuses([], 1, 6), 'all'],
    ['a newer one', refuses([], 3, 6), []],
  ];
  for (const [what, one, whom] of table) {
    t.same(said(step(state, 0, one).effects), ['ack 1'], what);
    t.same(state.members[1]?.refuses?.whom, whom, what);
  }
  step(state, 0, gone(B, 7));
  t.equal(step(state, 0, refuses('all', 4, 7)).isEmpty, true, 'of one that is gone');
});

/** What a group hands over, as its outbox sends it. */
const relayed = (body: string, idx: number, more: Partial<Send> = {}): ChatMessage => ({
  t: 'deliver',
  source: { shard: 3, idx, pos: 0 },
  item: { t: 'relay', send: send(body, { token: 0, via: { from: 'r@y/al', to: 'r@y/bo' }, ...more }) },
});

t.test('what a group hands over is acknowledged with its commit, however often it comes', async (t) => {
  const state = chat();
  const first = step(state, 10, relayed('psst', 7));
  t.same([appended(first), said(first.effects), said(first.immediate)], [['1 psst'], ['ack 7'], []]);
  const again = step(state, 11, relayed('psst', 7), relayed('psst', 8));
  t.same(appended(again), ['2 psst'], 'the same words handed over anew are another message');
  t.same(said(again.effects), ['ack 7', 'ack 8']);
  t.match(state.members.length, 2);
});

t.test('what a group hands over waits for whoever it is for to say that it exists, once', async (t) => {
  const state = chat([]);
  const waiting = step(state, 10, relayed('psst', 7), relayed('psst', 7));
  t.same([appended(waiting), said(waiting.effects), said(waiting.immediate)], [[], [], [`exists? ${B}`]]);
  const there = step(state, 20, { t: 'exists', member: B, exists: true });
  t.same([appended(there), said(there.effects)], [['1 psst'], ['ack 7']]);
  const nobody = chat([]);
  step(nobody, 10, relayed('psst', 7));
  const gone = step(nobody, 20, { t: 'exists', member: B, exists: false });
  t.same([appended(gone), said(gone.effects)], [[], ['ack 7']], 'it is decided: there is nobody to get it');
});

t.test('what a group hands over comes again when nobody says whether its receiver exists', async (t) => {
  const state = chat([]);
  step(state, 10, relayed('psst', 7));
  const late = step(state, 10 + limits.askTimeoutMs, { t: 'sweep', now: 10 + limits.askTimeoutMs });
  t.same(said(late.effects), [], 'it is not acknowledged');
  const again = step(state, 20_000, relayed('psst', 7));
  t.same(said(again.immediate), [`exists? ${B}`]);
});
