import t from 'tap';
import { REQUEST_FORM } from '../xmpp/muc-requests.ts';
import { ALICE, BOB, CAROL, items, ROOM, room, said, send, told, turnOf } from './group.fixture.ts';
import type { GroupState } from './group-state.ts';
import type { Send } from './messages.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;
const B2 = `${BOB}/b2`;
const C1 = `${CAROL}/c`;
const visitor = { v: 1, nick: 'bo', role: 'visitor' } as const;

/** A moderated room: Alice moderates, Carol is a participant, Bob a visitor on two devices. */
function house(): GroupState {
  const moderator = { v: 1, nick: 'al', role: 'moderator' } as const;
  const group = room({
    config: { moderated: true },
    occupants: { [A1]: moderator, [B1]: visitor, [B2]: visitor, [C1]: 'ca' },
  });
  group.askedAt = 1000;
  return group;
}

const form = (from: string, ...fields: [name: string, value: string][]): Send => {
  const all = [['FORM_TYPE', REQUEST_FORM] as const, ...fields];
  const inner = all.map(([name, value]) => `<field var='${name}'><value>${value}</value></field>`).join('');
  return send(from, `<x xmlns='jabber:x:data' type='submit'>${inner}</x>`, { type: 'normal' });
};
const request = (from: string): Send => form(from, ['muc#role', 'participant']);
const decides = (from: string, allow: string, jid = B1): Send =>
  form(from, ['muc#roomnick', 'bo'], ['muc#jid', jid], ['muc#request_allow', allow]);
const roles = (group: GroupState): string[] => [B1, B2].map((jid) => String(group.occupants.get(jid)?.role));

t.test('moderators who are there hear of a request, and nobody else; it is not kept', async (t) => {
  const group = house();
  const turn = turnOf(group, [request(B1)]);
  t.same(said(turn), ['alice: message to a', 'bob: ok']);
  const [{ msg } = { msg: undefined }] = told(turn);
  t.match(msg, { t: 'room', xml: new RegExp(`from="${ROOM}".*<value>${B1}</value>.*<value>bo</value>`) });
  t.same([items(turn), turn.rows.size, turn.streams.length], [[], 0, 0]);
});

t.test('a moderator who approves gives voice to all devices of the nick', async (t) => {
  const group = house();
  t.same(said(turnOf(group, [decides(A1, 'false')])), ['alice: ok']);
  t.same(roles(group), ['visitor', 'visitor'], 'denied');
  const turn = turnOf(group, [decides(A1, 'true')]);
  t.same(roles(group), ['participant', 'participant']);
  t.ok(said(turn).includes('carol: +bo to c'), 'everybody sees it');
  t.same(said(turnOf(group, [decides(A1, 'true')])), ['alice: ok'], 'a second moderator changes nothing');
});

t.test('what is refused', async (t) => {
  const lonely = room({ occupants: { [B1]: visitor } });
  lonely.askedAt = 1000;
  const table: [what: string, group: GroupState, one: Send, condition: string][] = [
    ['from outside', house(), request(`${CAROL}/x`), 'carol: not-acceptable'],
    ['of who has voice', house(), request(C1), 'carol: unexpected-request'],
    ['with nobody to decide', lonely, request(B1), 'bob: recipient-unavailable'],
    ['for more than voice', house(), form(B1, ['muc#role', 'moderator']), 'bob: bad-request'],
    ['an approval of one’s own', house(), decides(B1, 'true'), 'bob: forbidden'],
    ['an approval of a participant', house(), decides(C1, 'true'), 'carol: forbidden'],
    ['of somebody who has left the nick to another', house(), decides(A1, 'true', `${BOB}/x`), 'alice: item-not-found'],
  ];
  for (const [what, group, one, condition] of table) {
    t.same(said(turnOf(group, [one])), [condition], what);
    t.not(group.occupants.get(B1)?.role, 'participant');
  }
});
