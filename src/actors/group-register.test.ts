import t from 'tap';
import { REGISTER_FORM } from '../xmpp/muc-requests.ts';
import {
  ALICE,
  BOB,
  CAROL,
  enter,
  LIMITS,
  leaving,
  ROOM,
  room,
  said,
  send,
  type TestRoom,
  told,
  turnOf,
} from './group.fixture.ts';
import { type GroupState, newGroup } from './group-state.ts';
import type { Send } from './messages.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;
const C1 = `${CAROL}/c`;
const owner = { v: 1, nick: 'al', role: 'moderator' } as const;

function house(more: TestRoom = {}): GroupState {
  const group = room({ occupants: { [A1]: owner, [B1]: 'bo', [C1]: 'ca' }, ...more });
  group.askedAt = 1000;
  return group;
}

const fields = (...all: [name: string, value: string][]): string => {
  const form = [['FORM_TYPE', REGISTER_FORM] as const, ...all];
  const inner = form.map(([name, value]) => `<field var='${name}'><value>${value}</value></field>`).join('');
  return `<x xmlns='jabber:x:data' type='submit'>${inner}</x>`;
};
const iq = (from: string, inner: string, type: 'get' | 'set' = 'set'): Send =>
  send(from, `<query xmlns='jabber:iq:register'>${inner}</query>`, { kind: 'iq', type });
const registers = (from: string, nick: string): Send => iq(from, fields(['muc#register_roomnick', nick]));
const approves = (from: string, user: string, nick: string, allow = '1'): Send =>
  send(from, fields(['muc#jid', user], ['muc#register_roomnick', nick], ['muc#register_allow', allow]), {
    type: 'normal',
  });
const xmlOf = (group: GroupState, one: Send): string =>
  told(turnOf(group, [one]))
    .flatMap(({ msg }) => (msg.t === 'answer' ? (msg.group?.xml ?? []) : []))
    .join('');

t.test('who registers where everybody may enter is a member at once, and the nick is kept', async (t) => {
  const group = house();
  const turn = turnOf(group, [registers(B1, 'third')]);
  t.match(group.affiliates.get(BOB), { affiliation: 'member', nick: 'third', registered: true });
  t.ok(said(turn).includes('carol: +bo to c'), 'all hear of the membership');
  t.same(
    turn.posts().map(({ body }) => (body as { t: string }).t),
    ['added'],
    'a bookmark, and no invitation to somebody who asked',
  );
  t.same(said(turnOf(group, [enter(`${CAROL}/2`, 'third')])), ['carol: conflict']);
  t.match(xmlOf(group, iq(B1, '', 'get')), /<registered\/><username>third<\/username>/);

  turnOf(group, [leaving(B1, 'bo'), enter(B1, 'other')]);
  t.equal(group.affiliates.get(BOB)?.nick, 'third', 'whatever it is called now');
  turnOf(group, [registers(B1, 'fourth')]);
  t.equal(group.affiliates.get(BOB)?.nick, 'fourth', 'until it chooses another');
});

t.test('who does not know what to fill in is given the form, with what it was called', async (t) => {
  const asks = iq(B1, '', 'get');
  t.match(xmlOf(house(), asks), /muc#register_roomnick/);
  t.match(xmlOf(house({ affiliates: { [ALICE]: 'owner', [BOB]: { nick: 'bob' } } }), asks), /<value>bob<\/value>/);
});

t.test('what is refused changes nothing', async (t) => {
  const full = { [ALICE]: 'owner', 'd@x': 'member', 'e@x': 'member', 'f@x': 'member', 'g@x': 'member' } as const;
  const nick = { [ALICE]: 'owner', [CAROL]: { nick: 'hag' } } as const;
  const without = { occupants: { [B1]: 'bo' } } as const;
  const table: [what: string, more: TestRoom, one: Send, condition: string][] = [
    ['of who is banned', { affiliates: { [ALICE]: 'owner', [BOB]: 'outcast' } }, registers(B1, 'x'), 'forbidden'],
    ['without a form', {}, iq(B1, ''), 'bad-request'],
    ['no nick', {}, registers(B1, ''), 'jid-malformed'],
    ['the nick of somebody who is here', {}, registers(B1, 'al'), 'conflict'],
    ['the nick of a member who is away', { affiliates: nick, ...without }, registers(B1, 'hag'), 'conflict'],
    ['one member too many', { affiliates: full }, registers(B1, 'x'), 'resource-constraint'],
    ['nobody to approve', { config: { membersOnly: true }, ...without }, registers(B1, 'x'), 'not-allowed'],
    ['voice by the back door', { config: { moderated: true }, ...without }, registers(B1, 'x'), 'not-allowed'],
    [
      'the archive without the password',
      { config: { password: 's' }, occupants: {} },
      registers(B1, 'x'),
      'not-allowed',
    ],
    ['leaving what one is not in', {}, iq(B1, '<remove/>'), 'registration-required'],
  ];
  for (const [what, more, one, condition] of table) {
    const group = house(more);
    const before = [...group.affiliates];
    t.same(said(turnOf(group, [one])), [`bob: ${condition}`], what);
    t.same([...group.affiliates], before, what);
  }
  const told = house({ config: { password: 's' } });
  t.same(said(turnOf(told, [registers(B1, 'x')])).at(-1), 'bob: ok', 'who is in the room has said it');
});

t.test('in a members-only room an administrator who is there approves', async (t) => {
  const group = house({ config: { membersOnly: true }, occupants: { [A1]: owner } });
  t.same(said(turnOf(group, [registers(B1, 'third')])), ['alice: message to a', 'bob: ok']);
  t.notOk(group.affiliates.has(BOB), 'nothing is kept of it');
  turnOf(group, [approves(A1, BOB, 'third', '0')]);
  t.notOk(group.affiliates.has(BOB));
  const turn = turnOf(group, [approves(A1, BOB, 'third')]);
  t.match(group.affiliates.get(BOB), { affiliation: 'member', nick: 'third', registered: true });
  t.same(
    turn.posts().map(({ body }) => (body as { t: string }).t),
    ['relay', 'added'],
  );
  t.same(said(turnOf(group, [approves(A1, CAROL, 'third')])), ['alice: conflict']);
  t.same(said(turnOf(group, [approves(A1, 'x@elsewhere', 'x')])), ['alice: not-acceptable']);
  t.same(said(turnOf(group, [approves(A1, BOB, '')])), ['alice: jid-malformed']);
  t.same(said(turnOf(group, [approves(B1, CAROL, 'x')])), ['bob: forbidden']);
  const banned = house({ affiliates: { [ALICE]: 'owner', [BOB]: 'outcast' } });
  t.same(said(turnOf(banned, [approves(A1, BOB, 'x')])), ['alice: not-allowed']);
});

t.test('who takes it back is no member, but an administrator stays one', async (t) => {
  const group = house({
    affiliates: {
      [ALICE]: { affiliation: 'owner', nick: 'al', registered: true },
      [BOB]: { nick: 'bo', registered: true },
    },
  });
  turnOf(group, [iq(B1, '<remove/>'), iq(A1, '<remove/>')]);
  t.equal(group.affiliates.has(BOB), false);
  t.match(group.affiliates.get(ALICE), { affiliation: 'owner', nick: 'al' });
  t.equal(group.affiliates.get(ALICE)?.registered, undefined);
});

t.test('a registered nick outlives promotion and a restart', async (t) => {
  const group = house();
  const turn = turnOf(group, [
    registers(B1, 'third'),
    send(A1, `<query xmlns='http://jabber.org/protocol/muc#admin'><item jid='${BOB}' affiliation='admin'/></query>`, {
      kind: 'iq',
      type: 'set',
    }),
  ]);
  const prefix = [...turn.rows.keys()].find((key) => key.endsWith(`a/${BOB}`)) ?? '';
  const again = newGroup(group, [[`a/${BOB}`, turn.rows.get(prefix)]]);
  t.match(again.affiliates.get(BOB), { affiliation: 'admin', nick: 'third', registered: true });
  t.equal(LIMITS.membersMax, 5, 'as the table above takes for granted');
  t.ok(prefix.includes(ROOM));
});
