import t from 'tap';
import { ALICE, BOB, CAROL, items, ROOM, room, said, send, type TestRoom, turnOf } from './group.fixture.ts';
import type { PostItem, Send } from './messages.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;
const C1 = `${CAROL}/c`;
const IN = { [A1]: 'al', [B1]: 'bo' };
const MUC_USER = 'http://jabber.org/protocol/muc#user';
const body = '<body>x</body>';
const invites = (...users: string[]): string =>
  `<x xmlns='${MUC_USER}'>${users.map((user) => `<invite to='${user}'/>`).join('')}</x>`;

/** Names of the direct chats that a turn hands something to. */
function relayed(turn: ReturnType<typeof turnOf>): string[] {
  return turn.posts().flatMap(({ to, body }) => ((body as PostItem).t === 'relay' ? [to.slice('chat:'.length)] : []));
}

t.test('what is refused is refused with its error, and changes nothing', async (t) => {
  const normal = { type: 'normal' } as const;
  const to = (nick: string, more: Partial<Send> = {}): Partial<Send> => ({
    to: `${ROOM}/${nick}`,
    type: 'chat',
    ...more,
  });
  const visitor = { [A1]: 'al', [B1]: { v: 1, nick: 'bo', role: 'visitor' } } as const;
  const fifty = Array.from({ length: 51 }, (_, i) => `u${i}@x`);
  const subject = '<subject>s</subject>';
  const cases: readonly [string, TestRoom, Send, string][] = [
    ['from outside', {}, send(C1, body), 'not-acceptable'],
    ['without voice', { config: { moderated: true }, occupants: visitor }, send(B1, body), 'forbidden'],
    ['a subject', {}, send(B1, subject), 'forbidden'],
    ['private from outside', {}, send(C1, body, to('al')), 'not-acceptable'],
    ['private to nobody', {}, send(A1, body, to('x')), 'item-not-found'],
    ['groupchat to one', {}, send(A1, body, to('bo', { type: 'groupchat' })), 'bad-request'],
    ['private where nobody may', { config: { privateMessages: 'none' } }, send(B1, body, to('al')), 'forbidden'],
    [
      'private without voice',
      { config: { privateMessages: 'participants' }, occupants: visitor },
      send(B1, body, to('al')),
      'forbidden',
    ],
    [
      'private where moderators may',
      { config: { privateMessages: 'moderators' } },
      send(B1, body, to('al')),
      'forbidden',
    ],
    ['no groupchat', {}, send(A1, body, normal), 'bad-request'],
    ['invited from outside', {}, send(C1, invites(BOB), normal), 'not-acceptable'],
    ['too many', {}, send(A1, invites(...fifty), normal), 'policy-violation'],
    ['not for all to invite', { config: { invites: false } }, send(B1, invites(CAROL), normal), 'forbidden'],
    ['no address', {}, send(A1, invites('@'), normal), 'jid-malformed'],
    ['of another server', {}, send(A1, invites('x@elsewhere'), normal), 'remote-server-not-found'],
    [
      'banned',
      { affiliates: { [ALICE]: 'owner', [CAROL]: 'outcast' } },
      send(A1, invites(BOB, CAROL), normal),
      'not-allowed',
    ],
    [
      'declined to another server',
      {},
      send(A1, `<x xmlns='${MUC_USER}'><decline to='x@elsewhere'/></x>`, normal),
      'remote-server-not-found',
    ],
    ['declined to nobody', {}, send(A1, `<x xmlns='${MUC_USER}'><decline to='@'/></x>`, normal), 'jid-malformed'],
  ];
  for (const [name, what, one, want] of cases) {
    const group = room({ occupants: IN, ...what });
    const turn = turnOf(group, [one]);
    t.same(said(turn), [`${one.sender.split('@')[0]}: ${want}`], name);
    t.same([turn.rows.size, turn.streams.length, turn.posts().length, group.lastSeq], [0, 0, 0, 0], `${name}: nothing`);
  }
});

t.test('an error is never answered with one', async (t) => {
  for (const type of ['error', 'headline'] as const) {
    t.same(said(turnOf(room({ occupants: IN }), [send(A1, body, { type, store: false })])), ['alice: ok'], type);
    t.same(said(turnOf(room(), [send(C1, body, { type, store: false, to: `${ROOM}/al` })])), ['carol: ok'], type);
  }
});

t.test('members get it in the inbox, strangers who are in the room as it is said', async (t) => {
  const group = room({ affiliates: { [ALICE]: 'owner', [CAROL]: 'member' }, occupants: { ...IN, [`${BOB}/d`]: 'bo' } });
  const turn = turnOf(group, [send(B1, body)]);
  t.same(items(turn), ['alice 1!0', 'carol 1!0']);
  t.same(said(turn), ['bob: said 1', 'bob: ok'], 'a stranger has no inbox to wait for');
  t.same(said(turnOf(group, [send(A1, body)])), ['bob: said 2', 'alice: ok 2']);
});

t.test('what is not kept goes to all who are in the room, and to nobody else', async (t) => {
  const group = room({ affiliates: { [ALICE]: 'owner', [CAROL]: 'member' }, occupants: IN });
  const turn = turnOf(group, [send(B1, '<composing/>', { store: false })]);
  t.same(said(turn), ['alice: message to a', 'bob: message to b', 'bob: ok']);
  t.same([turn.posts(), group.lastSeq, turn.sealed], [[], 0, true]);
});

t.test('a private message is handed to the chat of the two in this room', async (t) => {
  const group = room({ occupants: IN });
  const turn = turnOf(group, [send(B1, body, { to: `${ROOM}/al`, type: 'chat', token: 5 })]);
  t.same(relayed(turn), [`${ALICE}/${BOB}/${ROOM}`], 'apart from what they say under their own names');
  t.match(turn.posts()[0]?.body, {
    send: { to: A1, sender: BOB, token: 0, order: undefined, via: { from: `${ROOM}/bo`, to: `${ROOM}/al` } },
  });
  t.same(said(turn), ['bob: ok']);
  const fleeting = turnOf(group, [send(B1, '<composing/>', { to: `${ROOM}/al`, type: 'chat', store: false })]);
  t.same([said(fleeting), relayed(fleeting)], [['alice: live', 'bob: ok'], []]);
});

t.test('an invitation into a members-only room makes a member', async (t) => {
  const group = room({ config: { membersOnly: true }, occupants: IN });
  const turn = turnOf(group, [send(A1, invites(CAROL, CAROL, ALICE), { type: 'normal' })]);
  t.same(said(turn), ['alice: ok']);
  t.match(group.affiliates.get(CAROL), { affiliation: 'member' });
  t.match(group.affiliates.get(ALICE), { affiliation: 'owner' });
  const open = room({ occupants: IN });
  t.same(relayed(turnOf(open, [send(B1, invites(CAROL), { type: 'normal' })])), [`${BOB}/${CAROL}`]);
  t.notOk(open.affiliates.has(CAROL), 'in an open one it does not');
});

t.test('a subject that is sent again is no news', async (t) => {
  const moderator = { v: 1, nick: 'al', role: 'moderator' } as const;
  const group = room({ occupants: { [A1]: moderator } });
  const first = send(A1, '<subject>one</subject>', { oid: 'o1' });
  turnOf(group, [first]);
  turnOf(group, [send(A1, '<subject>two</subject>', { oid: 'o2' })]);
  const again = turnOf(group, [{ ...first, token: 1000 }], { now: 2000 });
  t.same([said(again), items(again)], [['alice: ok 2'], []]);
  t.match(group.room?.subject, { text: 'two', ts: 1000 }, 'of a session that does not know that it was taken');
});

t.test('moderators change the subject, others where they may', async (t) => {
  const moderator = { v: 1, nick: 'al', role: 'moderator' } as const;
  const group = room({ occupants: { [A1]: moderator, [B1]: 'bo' } });
  t.same(items(turnOf(group, [send(A1, '<subject>one</subject>')])), ['alice 1!0']);
  t.match(group.room?.subject, { text: 'one', nick: 'al' });
  turnOf(group, [send(B1, `<subject>no</subject>${body}`)]);
  t.match(group.room?.subject, { text: 'one' }, 'with a body it is a message');
  const free = room({ config: { changeSubject: true }, occupants: IN });
  turnOf(free, [send(B1, '<subject>two</subject>')]);
  t.match(free.room?.subject, { text: 'two', nick: 'bo' });
});
