import t from 'tap';
import { ALICE, BOB, CAROL, enter, LIMITS, leaving, ROOM, room, said, send, told, turnOf } from './group.fixture.ts';
import type { GroupLimits, GroupState } from './group-state.ts';
import type { ChatMessage, Send } from './messages.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;
const B2 = `${BOB}/b2`;
const C1 = `${CAROL}/c`;
const VERSION = `<query xmlns='jabber:iq:version'/>`;
const VCARD = `<vCard xmlns='vcard-temp'/>`;

let ids = 0;
const limits: GroupLimits = { ...LIMITS, iqsMax: 2, iqTimeoutMs: 1000, newId: () => `id${++ids}` };
const asks = (inner: string, to = 'bo', more: Partial<Send> = {}): Send =>
  send(A1, inner, { kind: 'iq', type: 'get', to: `${ROOM}/${to}`, ...more });
const answers = (from: string, id: string, inner = '<x/>', type: 'result' | 'error' = 'result'): Send =>
  send(from, inner, { kind: 'iq', type, to: `${ROOM}/al`, id });
const sweep = (now: number): ChatMessage => ({ t: 'sweep', now });

/** Alice and Bob, who has two devices; questions whether they are there are over. */
function house(): GroupState {
  const group = room({ occupants: { [A1]: 'al', [B1]: 'bo', [B2]: 'bo', [C1]: 'ca' } });
  group.askedAt = 1000;
  return group;
}

/** What sessions are told, but for the room's word that it took something. */
function out(group: GroupState, messages: readonly ChatMessage[], now = 1000): string[] {
  return told(turnOf(group, messages, { now, limits })).flatMap(({ to, msg }) => {
    if (msg.t === 'room') return [`${to}/${msg.resources.join()} ${msg.xml}`];
    return msg.t === 'peer' && msg.msg.t === 'iq' ? [`${msg.msg.to} ${msg.msg.xml}`] : [];
  });
}

const nextId = (): string => `id${ids + 1}`;

t.test('a device is asked under an id of the room, and neither side learns the other address', (t) => {
  const group = house();
  const id = nextId();
  t.same(out(group, [asks(VERSION, 'bo', { id: 'v1', lang: 'de' })]), [
    `${B1} <iq xmlns="jabber:client" from="${ROOM}/al" to="${B1}" id="${id}" type="get" xml:lang="de">${VERSION}</iq>`,
  ]);
  t.same(out(group, [answers(B1, id, '<query>1</query>')]), [
    `${ALICE}/a <iq xmlns="jabber:client" from="${ROOM}/bo" id="v1" type="result"><query>1</query></iq>`,
  ]);
  t.same(out(group, [answers(B1, id)]), [], 'once');
  t.equal(group.passed.size, 0);
  t.end();
});

t.test('what an account keeps is asked of the account, and only read', (t) => {
  const pubsub = `<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:avatar:data'/></pubsub>`;
  for (const inner of [VCARD, pubsub]) {
    const group = house();
    const id = nextId();
    t.match(out(group, [asks(inner)]), [new RegExp(`^${BOB} <iq`)]);
    t.same(out(group, [answers(B1, id)]), [], 'a device does not answer for it');
    t.match(out(group, [answers(BOB, id)]), [/type="result"/]);
    t.same(said(turnOf(group, [asks(inner, 'bo', { type: 'set' })], { limits })), ['alice: not-allowed']);
  }
  t.end();
});

t.test('errors go back as well; answers of others, and of who has left, do not', (t) => {
  const group = house();
  const id = nextId();
  out(group, [asks(VERSION)]);
  t.same(out(group, [answers(B2, id), answers(C1, id)]), []);
  t.match(out(group, [answers(B1, id, '<error/>', 'error')]), [/type="error".*<error\/>/]);

  const second = nextId();
  out(group, [asks(VERSION)]);
  turnOf(group, [leaving(B1, 'bo')], { limits });
  t.same(out(group, [answers(B1, second)]), []);
  t.match(out(group, [sweep(1000)]), [/recipient-unavailable/]);
  t.equal(group.passed.size, 0);
  t.end();
});

t.test('who asked and left hears nothing', (t) => {
  const group = house();
  const id = nextId();
  out(group, [asks(VERSION)]);
  turnOf(group, [leaving(A1, 'al')], { limits });
  t.same(out(group, [answers(B1, id)]), []);
  t.end();
});

t.test('requests without an answer are bounded, and end', (t) => {
  const group = house();
  out(group, [asks(VERSION, 'bo', { id: '1' })]);
  out(group, [asks(VERSION, 'ca', { id: '2' })], 1500);
  t.same(said(turnOf(group, [asks(VERSION)], { limits })), ['alice: resource-constraint']);
  t.same(out(group, [sweep(1999)], 1999), []);
  t.match(out(group, [sweep(2000)], 2000), [/from="room@[^"]*\/bo" id="1" type="error".*remote-server-timeout/]);
  t.match(out(group, [sweep(2500)], 2500), [/\/ca" id="2"/]);
  t.same(said(turnOf(group, [asks(VERSION)], { limits })), ['bob: peer', 'alice: ok']);
  t.end();
});

t.test('a request that comes again while it waits is not passed on twice', (t) => {
  const group = house();
  const one: Send = { ...asks(VERSION), token: 1, order: { run: 'r', era: 1, prev: 0 } };
  t.equal(out(group, [one]).length, 1);
  t.same(out(group, [one]), []);
  t.equal(group.passed.size, 1);
  t.end();
});

t.test('who may ask, and whom', (t) => {
  const table: [what: string, request: Send, outcome: string][] = [
    ['nobody of that nick', asks(VERSION, 'nobody'), 'alice: item-not-found'],
    ['a stranger', { ...asks(VERSION), from: `${CAROL}/x`, sender: CAROL }, 'carol: not-acceptable'],
    ['oneself, but for a ping', asks(VERSION, 'al'), 'alice: peer,alice: ok'],
    ['a ping of one’s own nick', asks(`<ping xmlns='urn:xmpp:ping'/>`, 'al'), 'alice: ok'],
  ];
  for (const [what, request, outcome] of table)
    t.equal(said(turnOf(house(), [request], { limits })).join(), outcome, what);
  const silent = room({ config: { privateMessages: 'none', moderated: true }, occupants: { [B1]: 'bo' } });
  silent.askedAt = 1000;
  turnOf(silent, [enter(C1, 'ca')], { limits });
  const visitor = { ...asks(VCARD), from: C1, sender: CAROL };
  t.same(said(turnOf(silent, [visitor], { limits })), ['bob: peer', 'carol: ok'], 'they are no private messages');
  t.end();
});
