import t from 'tap';
import { NS_MUC } from '../xmpp/muc-words.ts';
import {
  ALICE,
  admin,
  BOB,
  CAROL,
  enter,
  items,
  LIMITS,
  room,
  said,
  send,
  type TestRoom,
  told,
  turnOf,
} from './group.fixture.ts';
import type { GroupState } from './group-state.ts';
import type { ChatMessage, Send } from './messages.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;
const C1 = `${CAROL}/c`;

/** A send of a session that numbers its sends, as between nodes. */
function numbered(one: Send, token: number, prev = 0, run = 'r1', era = 1): Send {
  return { ...one, token, order: { run, era, prev } };
}

/** Its occupants have been asked whether they are there; gives the name of the question. */
function asked(group: GroupState): string {
  for (const jid of group.occupants.keys()) group.asked.set(jid, 'q');
  return 'q';
}

const gone = (member: string, cur: number): ChatMessage => ({
  t: 'deliver',
  source: { shard: 0, idx: 7, pos: 0 },
  item: { t: 'memberGone', member, cur },
});

t.test('a message that comes again is answered again and said once', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  const one = numbered(send(A1, '<body>x</body>', { oid: 'o1' }), 1);
  t.same(items(turnOf(group, [one])), ['alice 1!0']);
  const again = turnOf(group, [one]);
  t.same(items(again), []);
  t.same(said(again), ['alice: ok 1'], 'with up to where the inbox has to be');
});

t.test('who was taken out and let in again meanwhile has to have what was said before', async (t) => {
  const group = room({ affiliates: { [ALICE]: 'owner', [BOB]: 'member' }, occupants: { [A1]: 'al', [B1]: 'bo' } });
  const one = numbered(send(B1, '<body>x</body>', { oid: 'o1' }), 1);
  turnOf(group, [one]);
  for (const affiliation of ['none', 'member']) {
    turnOf(group, [admin(A1, `jid='${BOB}' affiliation='${affiliation}'`)]);
    t.same(said(turnOf(group, [one])), ['bob: ok 1'], affiliation);
  }
});

t.test('a message that was decided in a turn that was lost is refused for now when it comes again', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  group.order.take(numbered(send(A1, ''), 1));
  t.same(said(turnOf(group, [numbered(send(A1, '<body>x</body>', { oid: 'o1' }), 1)])), ['alice: resource-constraint']);
});

t.test('a refused message that comes again is refused the same way, whatever changed since', async (t) => {
  const group = room({});
  const one = numbered(send(B1, '<body>x</body>'), 1);
  t.same(said(turnOf(group, [one])), ['bob: not-acceptable']);
  turnOf(group, [numbered(enter(B1, 'bo'), 2, 1)]);
  t.ok(said(turnOf(group, [one])).includes('bob: not-acceptable'));
  t.equal(group.lastSeq, 0);
});

t.test('presence that comes again is answered with all that the device may have missed', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  const one = numbered(enter(B1, 'bo'), 1);
  t.same(said(turnOf(group, [one])), ['alice: +bo to a', 'bob: joined']);
  t.same(said(turnOf(group, [one])), ['bob: joined'], 'and the others hear nothing');
});

t.test('a question that comes again is asked again, a change is not done twice', async (t) => {
  const group = room({ affiliates: { [ALICE]: 'owner', [BOB]: 'member' } });
  const asks = numbered(admin(A1, `affiliation='member'`, 'get'), 1);
  const takesOut = numbered(admin(A1, `jid='${BOB}' affiliation='none'`), 2, 1);
  turnOf(group, [asks, takesOut]);
  turnOf(group, [numbered(admin(A1, `jid='${BOB}' affiliation='member'`), 3, 2)]);
  const [list] = told(turnOf(group, [asks]));
  t.match(list?.msg, { t: 'answer', group: { xml: [new RegExp(BOB)] } }, 'as it is now');
  t.same(said(turnOf(group, [takesOut])), ['alice: ok']);
  t.equal(group.affiliates.get(BOB)?.affiliation, 'member');
});

t.test('what comes before one that was lost waits for it', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  const [one, two] = [numbered(send(A1, '<body>1</body>'), 1), numbered(send(A1, '<body>2</body>'), 2, 1)];
  const early = turnOf(group, [two]);
  t.match(early.immediate, [{ t: 'toSession', to: ALICE, msg: { t: 'again', chat: group.id, run: 'r1' } }]);
  t.same(turnOf(group, [two]).immediate, [], 'it is asked for once');
  t.same(items(turnOf(group, [one, two])), ['alice 1!0', 'alice 2']);
});

t.test('presence and iqs behind a message that was refused for now are refused as well', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  const first = numbered(send(A1, '<body>1</body>'), 1);
  group.order.take(first);
  group.order.refuse(first, { ok: false, condition: 'resource-constraint' });
  const behind = [
    numbered(send(A1, '<body>2</body>'), 2, 1),
    numbered(enter(A1, 'al'), 3, 2),
    numbered(admin(A1, `affiliation='member'`, 'get'), 4, 3),
  ];
  t.same(said(turnOf(group, behind)), Array(3).fill('alice: resource-constraint'));
});

t.test('an activation of a session that has been replaced is not heard', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  turnOf(group, [numbered(send(A1, '<body>1</body>'), 1, 0, 'new', 2)]);
  const late = turnOf(group, [numbered(send(A1, '<body>2</body>'), 1, 0, 'old', 1)]);
  t.same([items(late), said(late)], [[], []]);
});

t.test('a group that wakes asks who is still in it, and how often it does is bounded', async (t) => {
  const group = room({ occupants: { [A1]: 'al', [`${ALICE}/b`]: 'al', [B1]: 'bo' }, lastSeq: 4 });
  const start = 1_000_000;
  const first = turnOf(group, [{ t: 'sweep', now: start }], { now: start });
  t.same(said(first), ['alice: present? a,b', 'bob: present? b']);
  t.match(told(first)[0]?.msg, { upTo: 4 }, 'and says how far it is');
  t.same(said(turnOf(group, [{ t: 'sweep', now: start + 1 }], { now: start + 1 })), []);
  const due = start + LIMITS.askEveryMs;
  t.same(said(turnOf(group, [{ t: 'sweep', now: due }], { now: due })), ['alice: present? a,b', 'bob: present? b']);
});

t.test('who enters in place of a ghost is let in before it is asked', async (t) => {
  const group = room({ occupants: { [B1]: 'bo' } });
  t.same(said(turnOf(group, [enter(B1, 'bo')], { now: 1_000_000 })), ['bob: joined', 'bob: present? b']);
});

t.test('who is absent is out, and the others hear of it', async (t) => {
  const group = room({ occupants: { [A1]: 'al', [B1]: 'bo', [`${BOB}/c`]: 'bo' } });
  const absent = (...resources: string[]): ChatMessage => ({ t: 'absent', user: BOB, resources, ask: asked(group) });
  t.same(said(turnOf(group, [absent('b')])), ['bob: -bo to b (left)'], 'another device has that nick');
  const last = turnOf(group, [absent('b', 'c', 'never')]);
  t.same(said(last), ['bob: -bo to c (left)', 'alice: -bo to a'], 'it hears of it itself, in case it is there');
  t.match(told(last)[0]?.msg, { xml: /code='333'/ });
  t.same([...last.rows.keys()], [`G/${group.id}/o/${BOB}/c`]);
  t.same([...group.occupants.keys()], [A1]);
});

t.test('a room that is not to stay goes with the last ghost', async (t) => {
  const group = room({ config: { persistent: false }, occupants: { [B1]: 'bo' } });
  turnOf(group, [{ t: 'absent', user: BOB, resources: ['b'], ask: asked(group) }]);
  t.equal(group.room, undefined);
  t.equal(group.affiliates.size, 0);
});

t.test('a room that is not to stay goes with whoever is last, however that one leaves', async (t) => {
  const config = { persistent: false };
  const one = (occupants: TestRoom['occupants'], more: TestRoom = {}): GroupState =>
    room({ config, occupants: occupants ?? {}, affiliates: { [ALICE]: 'owner', [BOB]: { since: 3 } }, ...more });
  const submits = (name: string, value: string): Send => {
    const field = `<field var='muc#roomconfig_${name}'><value>${value}</value></field>`;
    const form = `<x xmlns='jabber:x:data' type='submit'>${field}</x>`;
    return send(A1, `<query xmlns='${NS_MUC}#owner'>${form}</query>`, { kind: 'iq', type: 'set' });
  };
  const cases: readonly [string, GroupState, ChatMessage, string[]][] = [
    ['banned', one({ [B1]: 'bo' }), admin(A1, `jid='${BOB}' affiliation='outcast'`), ['bob: -bo to b (left)']],
    ['gone', one({ [B1]: 'bo' }), gone(BOB, 4), ['bob: -bo to b (left)']],
    [
      'kicked by himself',
      one({ [A1]: { v: 1, nick: 'al', role: 'moderator' } }),
      admin(A1, `nick='al' role='none'`),
      ['alice: -al to a (left)'],
    ],
    ['no member', one({ [C1]: 'ca' }), submits('membersonly', '1'), ['carol: message to c']],
    ['not to stay any more', one({}, { config: {} }), submits('persistentroom', '0'), ['alice: ok']],
  ];
  for (const [name, group, message, want] of cases) {
    group.askedAt = 1000;
    t.same(said(turnOf(group, [message])).slice(0, 1), want, name);
    t.same([group.room, group.affiliates.size], [undefined, 0], `${name}: no room`);
  }
  const kept = one({ [B1]: 'bo' }, { config: {} });
  turnOf(kept, [admin(A1, `jid='${BOB}' affiliation='outcast'`)]);
  t.ok(kept.room, 'one that is to stay does');
});

t.test('an account that is gone is a member no more, whoever has its name since stays', async (t) => {
  const group = room({ affiliates: { [ALICE]: 'owner', [BOB]: { since: 3 } }, occupants: { [B1]: 'bo' }, lastSeq: 5 });
  t.same(turnOf(group, [gone(BOB, 3)]).effects.at(-1), { t: 'ackDelivery', source: { shard: 0, idx: 7, pos: 0 } });
  t.ok(group.affiliates.has(BOB), 'it joined at the place where the old one went');
  turnOf(group, [gone(BOB, 4)]);
  t.notOk(group.affiliates.has(BOB));
  t.equal(group.occupants.size, 0);
  t.same(turnOf(group, [gone(CAROL, 4)]).rows.size, 0);
});

t.test('iqs have their errors', async (t) => {
  const iq = (from: string, to: string, inner: string, type: 'get' | 'set' | 'result' = 'get'): Send =>
    send(from, inner, { kind: 'iq', type, to });
  const ping = `<ping xmlns='urn:xmpp:ping'/>`;
  const group = room({ occupants: { [A1]: 'al', [B1]: 'bo' } });
  const cases: readonly [string, Send, string][] = [
    ['without a payload', iq(A1, group.id, ''), 'bad-request'],
    ['a room is pinged by nobody', iq(A1, group.id, ping), 'service-unavailable'],
    ['its own nick', iq(A1, `${group.id}/al`, ping), 'ok'],
    ["nobody's nick", iq(A1, `${group.id}/x`, ping), 'item-not-found'],
    ['from outside', iq(C1, `${group.id}/al`, ping), 'not-acceptable'],
    ['unknown', iq(A1, group.id, `<query xmlns='urn:none'/>`), 'service-unavailable'],
    ['a result', iq(A1, group.id, '', 'result'), 'ok'],
  ];
  for (const [name, one, want] of cases)
    t.same(said(turnOf(group, [one])), [`${one.sender.split('@')[0]}: ${want}`], name);
});

t.test('a stranger does not read the subject of a room that is closed', async (t) => {
  const info = `<query xmlns='http://jabber.org/protocol/disco#info'/>`;
  const reads = (config: TestRoom['config'], from: string): boolean => {
    const group = room({ ...(config && { config }), affiliates: { [ALICE]: 'owner' }, occupants: { [C1]: 'ca' } });
    if (group.room !== undefined) group.room = { ...group.room, subject: { text: 'secret plan', nick: 'al', ts: 1 } };
    const [answer] = told(turnOf(group, [send(from, info, { kind: 'iq', type: 'get' })]));
    return JSON.stringify(answer?.msg).includes('secret plan');
  };
  t.same(
    [ALICE, BOB, CAROL].map((user) => reads({}, `${user}/x`)),
    [true, true, true],
  );
  t.same(
    [A1, B1].map((from) => reads({ membersOnly: true }, from)),
    [true, false],
  );
  t.same(
    [A1, B1, C1].map((from) => reads({ password: 'p' }, from)),
    [true, false, true],
  );
});

t.test('a room that is not there, or not yet, says so', async (t) => {
  const info = `<query xmlns='http://jabber.org/protocol/disco#info'/>`;
  const ask = (from: string, to: string): Send => send(from, info, { kind: 'iq', type: 'get', to });
  const locked = room({ locked: true });
  t.same(said(turnOf(locked, [ask(B1, locked.id), ask(A1, locked.id)])), ['bob: item-not-found', 'alice: ok']);
  const group = room({ config: { persistent: false }, occupants: { [A1]: 'al' } });
  turnOf(group, [{ t: 'absent', user: ALICE, resources: ['a'], ask: asked(group) }]);
  t.same(said(turnOf(group, [ask(A1, group.id), ask(A1, `${group.id}/al`), send(A1, '<body>x</body>')])), [
    'alice: item-not-found',
    'alice: not-acceptable',
    'alice: item-not-found',
  ]);
});
