import t from 'tap';
import {
  ALICE,
  BOB,
  CAROL,
  enter,
  LIMITS,
  leaving,
  logOf,
  ROOM,
  room,
  said,
  send,
  type TestRoom,
  told,
  turnOf,
} from './group.fixture.ts';
import { historyOf } from './group-join.ts';
import type { Send } from './messages.ts';

const A1 = `${ALICE}/a`;
const A2 = `${ALICE}/b`;
const B1 = `${BOB}/b`;
const C1 = `${CAROL}/c`;

t.test('who may not enter hears why', async (t) => {
  const wrong = '<password>no</password>';
  const right = '<password>secret</password>';
  const many = Object.fromEntries(Array.from({ length: LIMITS.occupantsMax }, (_, i) => [`${CAROL}/${i}`, `c${i}`]));
  const cases: readonly [string, TestRoom, Send, string][] = [
    ['no nick', {}, enter(B1, '', '', { to: ROOM }), 'jid-malformed'],
    ['a nick that nobody sees', {}, enter(B1, '  '), 'jid-malformed'],
    ['not configured yet', { locked: true }, enter(B1, 'bo'), 'item-not-found'],
    ['banned', { affiliates: { [ALICE]: 'owner', [BOB]: 'outcast' } }, enter(B1, 'bo'), 'forbidden'],
    ['members only', { config: { membersOnly: true } }, enter(B1, 'bo'), 'registration-required'],
    ['no password', { config: { password: 'secret' } }, enter(B1, 'bo'), 'not-authorized'],
    ['another password', { config: { password: 'secret' } }, enter(B1, 'bo', wrong), 'not-authorized'],
    ['a nick that is held', { occupants: { [A1]: 'al' } }, enter(B1, 'al'), 'conflict'],
    [
      'a nick that is kept',
      { affiliates: { [ALICE]: { affiliation: 'owner', nick: 'al' } } },
      enter(B1, 'al'),
      'conflict',
    ],
    [
      'as many as the room takes',
      { config: { maxUsers: 1 }, occupants: { [A1]: 'al' } },
      enter(B1, 'bo'),
      'service-unavailable',
    ],
    ['as many as there may be', { occupants: many }, enter(A1, 'al'), 'service-unavailable'],
  ];
  for (const [name, what, one, want] of cases) {
    const group = room(what);
    const before = group.occupants.size;
    const turn = turnOf(group, [one]);
    t.same(said(turn), [`${one.sender.split('@')[0]}: ${want}`], name);
    t.same([group.occupants.size, turn.rows.size], [before, 0], `${name}: nothing changes`);
  }
  const open = room({ config: { password: 'secret', maxUsers: 1 }, occupants: { [C1]: 'ca' } });
  t.same(said(turnOf(open, [enter(B1, 'bo', right)])), ['bob: service-unavailable']);
  t.same(said(turnOf(open, [enter(A1, 'al')])), ['carol: +al to c', 'alice: joined'], 'its owner needs neither');
});

t.test('who makes a room hears so until it is configured', async (t) => {
  const group = room({ locked: true, occupants: { [A1]: 'al' } });
  const again = told(turnOf(group, [enter(A1, 'al')]))[0]?.msg;
  t.match(again, { group: { xml: [/code='110'.*code='170'.*code='201'/] } }, 'the answer before may have been lost');
});

t.test('a room that is full is so for now', async (t) => {
  const full = room({ config: { maxUsers: 1 }, occupants: { [A1]: 'al' } });
  t.match(told(turnOf(full, [enter(B1, 'bo')]))[0]?.msg, {
    group: { xml: [/<error type="wait"><service-unavailable/] },
  });
});

t.test('who goes may say why, and the others hear it', async (t) => {
  const group = room({ occupants: { [A1]: 'al', [B1]: 'bo' } });
  group.askedAt = 1000;
  const bye = {
    ...leaving(B1, 'bo'),
    inner: `<status>bye &amp; out</status><x xmlns='http://jabber.org/protocol/muc#user'/>`,
  };
  const [others, own] = told(turnOf(group, [bye]));
  t.match(others?.msg, { xml: /type="unavailable"><status[^>]*>bye &amp; out<\/status><occupant-id/ });
  t.match(own?.msg, { group: { xml: [/<status[^>]*>bye &amp; out<\/status>/] } });
  const long = { ...leaving(A1, 'al'), inner: `<status>${'x'.repeat(5000)}</status>` };
  t.notMatch(told(turnOf(group, [long]))[0]?.msg, { group: { xml: [/xxx/] } });
});

t.test('devices under one nick have one role', async (t) => {
  const group = room({ occupants: { [B1]: { v: 1, nick: 'bo', role: 'visitor' } } });
  turnOf(group, [enter(`${BOB}/c`, 'bo'), enter(`${BOB}/d`, 'other')]);
  t.equal(group.occupants.get(`${BOB}/c`)?.role, 'visitor', 'who was silenced is so with all devices of the nick');
  t.equal(group.occupants.get(`${BOB}/d`)?.role, 'participant');
});

t.test('who asks to enter under another nick gets all that one does who enters', async (t) => {
  const group = room({ occupants: { [A1]: 'al', [B1]: 'bo' }, lastSeq: 2 });
  group.askedAt = 1000;
  const turn = turnOf(group, [enter(B1, 'bob')]);
  t.same(said(turn), ['alice: -bo to a', 'alice: +bob to a', 'bob: joined']);
  const xml = told(turn, logOf(2)).flatMap(({ msg }) => (msg.t === 'answer' ? (msg.group?.xml ?? []) : []));
  t.match(xml, [/\/bo".*code='303'/, /\/al"/, /\/bob".*code='110'/, / id='1'/, / id='2'/, /<subject/]);
});

t.test('rooms are made by whoever comes first, where that is allowed', async (t) => {
  const gone = (): ReturnType<typeof room> => {
    const group = room({ config: { persistent: false }, occupants: { [B1]: 'bo' }, lastSeq: 7 });
    turnOf(group, [leaving(B1, 'bo')]);
    return group;
  };
  const limits = { ...LIMITS, mayCreate: false };
  t.same(said(turnOf(gone(), [enter(C1, 'ca')], { limits })), ['carol: not-allowed']);
  const group = gone();
  const [answer] = told(turnOf(group, [enter(C1, 'ca')]));
  t.match(answer?.msg, { group: { xml: [/code='110'.*code='170'.*code='201'/], joined: { nick: 'ca', had: 7 } } });
  t.match(group.affiliates.get(CAROL), { affiliation: 'owner', since: 7, before: 0 });
  t.match(group.room, { locked: true, first: 7 }, 'what was said before is not of this room');
});

t.test('a device that takes itself for an occupant and is none is told', async (t) => {
  const turn = turnOf(room(), [enter(B1, 'bo', '', { inner: '<show>away</show>' })]);
  t.same(said(turn), ['bob: left']);
  t.match(told(turn)[0]?.msg, { group: { xml: [/type=.unavailable.*code='333'/] } });
  t.same(said(turnOf(room(), [leaving(B1, 'bo')])), ['bob: left'], 'leaving is done, and no news');
});

t.test('two devices of a user under one nick come and go without the others hearing', async (t) => {
  const group = room({ occupants: { [A1]: 'al', [B1]: 'bo' } });
  t.same(said(turnOf(group, [enter(A2, 'al')])), ['alice: +al to a', 'bob: +al to b', 'alice: joined']);
  t.same(said(turnOf(group, [leaving(A1, 'al')])), ['alice: left']);
  t.same(said(turnOf(group, [leaving(A2, 'al')])), ['bob: -al to b', 'alice: left']);
});

t.test('a nick is changed, unless somebody else has it', async (t) => {
  const group = room({
    affiliates: { [ALICE]: 'owner', [CAROL]: { nick: 'kept' } },
    occupants: { [A1]: 'al', [B1]: 'bo' },
  });
  const to = (nick: string): Send => enter(A1, nick, '', { inner: '' });
  t.same(said(turnOf(group, [to('bo')])), ['alice: conflict']);
  t.same(said(turnOf(group, [to('kept')])), ['alice: conflict']);
  const turn = turnOf(group, [to('ali')]);
  t.same(said(turn), ['bob: -al to b', 'bob: +ali to b', 'alice: joined']);
  t.equal(group.affiliates.get(ALICE)?.nick, 'ali', 'it is kept for a member');
  t.same(said(turnOf(group, [enter(C1, 'ali')])), ['carol: conflict']);
});

t.test('in a large room nobody hears of the others', async (t) => {
  const group = room();
  const crowd = Array.from({ length: LIMITS.presenceMax }, (_, i) => enter(`${CAROL}/${i}`, `c${i}`));
  turnOf(group, crowd);
  const one = turnOf(group, [enter(B1, 'bo')]);
  t.same(said(one), ['bob: joined']);
  const xml = told(one).flatMap(({ msg }) => (msg.t === 'answer' ? (msg.group?.xml ?? []) : []));
  t.same(
    xml.map((each) => / from="([^"]*)"|from='([^']*)'/.exec(each)?.slice(1).find(Boolean)),
    [`${ROOM}/bo`, ROOM],
    'it hears of itself, and the subject',
  );
  t.same(said(turnOf(group, [leaving(B1, 'bo')])), ['bob: left']);
  const small = turnOf(group, [leaving(`${CAROL}/0`, 'c0')]);
  t.same(said(small), ['carol: -c0 to 1,2,3', 'carol: left'], 'in a small one again they do');
});

t.test('history is what all bounds of the request allow, the newest', async (t) => {
  const log = logOf(9, (seq) => 'x'.repeat(seq));
  const past = { from: 1, to: 9, now: 10_000, max: 5, usual: 3 };
  const cases: readonly [string, Parameters<typeof historyOf>[2], readonly number[]][] = [
    ['nothing said', {}, [7, 8, 9]],
    ['none', { maxStanzas: 0 }, []],
    ['two', { maxStanzas: 2 }, [8, 9]],
    ['more than there may be', { maxStanzas: 100 }, [5, 6, 7, 8, 9]],
    ['since', { since: 8000 }, [8, 9]],
    ['seconds', { seconds: 3 }, [7, 8, 9]],
    ['since and seconds', { since: 8000, seconds: 5 }, [8, 9]],
    ['characters', { maxChars: 17 }, [8, 9]],
    ['too few characters', { maxChars: 8 }, []],
    ['characters are no bound of the number', { maxChars: 1000 }, [7, 8, 9]],
    ['the future', { since: 99_000 }, []],
  ];
  for (const [name, wanted, want] of cases)
    t.same(
      historyOf(log, past, wanted).map(({ seq }) => seq),
      want,
      name,
    );
  t.same(
    historyOf(log, { ...past, from: 9 }, { maxStanzas: 5 }).map(({ seq }) => seq),
    [9],
  );
  t.same(historyOf(log, { ...past, from: 10 }, {}), []);
  t.same(historyOf(log, { ...past, from: Number.POSITIVE_INFINITY }, {}), []);
});

t.test('a member reads what was said since it is one, a stranger what is open to all', async (t) => {
  const past = (what: TestRoom, one: Send): (string | undefined)[] => {
    const answers = told(turnOf(room({ lastSeq: 5, ...what }), [one]), logOf(5));
    const xml = answers.flatMap(({ msg }) => (msg.t === 'answer' ? (msg.group?.xml ?? []) : []));
    return xml.flatMap((each) => / id='(\d+)'/.exec(each)?.[1] ?? []);
  };
  const all = (nick: string, from: string): Send => enter(from, nick, `<history maxstanzas='9'/>`);
  const closed = { membersOnly: true };
  const affiliates = { [ALICE]: 'owner' as const, [BOB]: { since: 3 } };
  t.same(past({}, all('ca', C1)), ['1', '2', '3', '4', '5']);
  t.same(past({ config: closed, affiliates }, all('bo', B1)), ['4', '5']);
  t.same(past({ config: { ...closed, pastForNew: true }, affiliates }, all('bo', B1)), ['1', '2', '3', '4', '5']);
});

t.test('presence says no more than it may, and not what only the room says', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  const x = `<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner'/></x>`;
  const long = `<status>${'x'.repeat(5000)}</status>`;
  turnOf(group, [send(A1, `${x}${long}<show>away</show>`, { kind: 'presence', type: 'available', to: `${ROOM}/al` })]);
  t.match(group.occupants.get(A1)?.inner, /^<show[^>]*>away<\/show>$/);
});
