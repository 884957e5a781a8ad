import t from 'tap';
import { ALICE, admin, BOB, CAROL, room, said, type TestRoom, told, turnOf } from './group.fixture.ts';
import type { OccupantRow } from './group-state.ts';
import type { Send } from './messages.ts';
import { DOMAIN } from './runtime.fixture.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;
const C1 = `${CAROL}/c`;
const as = (nick: string, role: OccupantRow['role']): OccupantRow => ({ v: 1, nick, role });
const IN = { [A1]: as('al', 'moderator'), [B1]: as('bo', 'participant'), [C1]: as('ca', 'participant') };
const RANKS = { [ALICE]: 'owner', [BOB]: 'admin', [CAROL]: 'member' } as const;

t.test('what is not allowed is refused, and changes nothing', async (t) => {
  const two = { ...RANKS, [CAROL]: 'admin' } as const;
  const moderators = { ...IN, [B1]: as('bo', 'moderator'), [C1]: as('ca', 'moderator') };
  const cases: readonly [string, TestRoom, Send, string][] = [
    ['nothing named', {}, admin(A1, `jid='${BOB}'`), 'bad-request'],
    ['no such affiliation', {}, admin(A1, `jid='${BOB}' affiliation='king'`), 'bad-request'],
    ['nobody has the nick', {}, admin(A1, `nick='x' role='none'`), 'item-not-found'],
    ['nobody has the nick to ban', {}, admin(A1, `nick='x' affiliation='outcast'`), 'item-not-found'],
    ['no address', {}, admin(A1, `jid='@' affiliation='member'`), 'jid-malformed'],
    ['of another server', {}, admin(A1, `jid='x@elsewhere' affiliation='member'`), 'not-acceptable'],
    ['a member bans', {}, admin(C1, `jid='${BOB}' affiliation='outcast'`), 'forbidden'],
    ['a member kicks', {}, admin(C1, `nick='bo' role='none'`), 'forbidden'],
    [
      'who is not here kicks',
      { occupants: { [B1]: as('bo', 'moderator') } },
      admin(A1, `nick='bo' role='none'`),
      'forbidden',
    ],
    ['an administrator bans the owner', {}, admin(B1, `jid='${ALICE}' affiliation='outcast'`), 'not-allowed'],
    ['an administrator makes one', {}, admin(B1, `jid='${CAROL}' affiliation='admin'`), 'not-allowed'],
    ['an owner bans himself', {}, admin(A1, `jid='${ALICE}' affiliation='outcast'`), 'conflict'],
    ['the last owner goes', {}, admin(A1, `jid='${ALICE}' affiliation='admin'`), 'conflict'],
    ['the last owner goes by nick', {}, admin(A1, `nick='al' affiliation='admin'`), 'conflict'],
    ['an administrator kicks the owner', { occupants: moderators }, admin(B1, `nick='al' role='none'`), 'not-allowed'],
    ['… another one', { affiliates: two, occupants: moderators }, admin(B1, `nick='ca' role='none'`), 'not-allowed'],
    ['a moderator makes one', { occupants: moderators }, admin(C1, `nick='ca' role='moderator'`), 'forbidden'],
    [
      'an administrator without voice',
      { config: { moderated: true }, occupants: moderators },
      admin(A1, `nick='bo' role='visitor'`),
      'not-allowed',
    ],
    ['bans are not for members to see', {}, admin(C1, `affiliation='outcast'`, 'get'), 'forbidden'],
    ['roles are not for participants to see', {}, admin(C1, `role='moderator'`, 'get'), 'forbidden'],
    ['nothing asked for', {}, admin(A1, `nick='bo'`, 'get'), 'bad-request'],
  ];
  for (const [name, what, one, want] of cases) {
    const group = room({ affiliates: RANKS, occupants: IN, ...what });
    const turn = turnOf(group, [one]);
    t.same(said(turn), [`${one.sender.split('@')[0]}: ${want}`], name);
    t.same([turn.rows.size, turn.posts().length], [0, 0], `${name}: nothing`);
  }
});

t.test('one bad item of several, and none is done', async (t) => {
  const group = room({ affiliates: RANKS, occupants: IN });
  const turn = turnOf(group, [admin(A1, `nick='ca' role='none'/><item nick='x' role='none'`)]);
  t.same([said(turn), turn.rows.size], [['alice: item-not-found'], 0]);
  const many = Array.from({ length: 501 }, (_, i) => `jid='u${i}@${DOMAIN}' affiliation='none'`).join('/><item ');
  t.same(said(turnOf(group, [admin(A1, many)])), ['alice: policy-violation']);
});

t.test('who is kicked or banned hears it with all of its devices, and so do the others', async (t) => {
  const occupants = { ...IN, [`${CAROL}/d`]: as('ca', 'participant') };
  const kicked = turnOf(room({ affiliates: RANKS, occupants }), [admin(A1, `nick='ca' role='none'`)]);
  const heard = ['alice: -ca to a', 'bob: -ca to b'];
  t.same(said(kicked), ['carol: -ca to c (left)', 'carol: -ca to d (left)', ...heard, 'alice: ok']);
  t.match(told(kicked)[0]?.msg, { xml: /code='110'.*code='307'/ });
  const group = room({ affiliates: RANKS, occupants });
  const banned = turnOf(group, [admin(A1, `nick='ca' affiliation='outcast'`)]);
  t.same(said(banned).slice(0, 2), ['carol: -ca to c (left)', 'carol: -ca to d (left)']);
  t.match(told(banned)[0]?.msg, { xml: /code='301'/ });
  t.match(group.affiliates.get(CAROL), { affiliation: 'outcast' });
});

t.test('who is a member no more leaves a members-only room, and only that', async (t) => {
  const out = admin(A1, `jid='${CAROL}' affiliation='none'`);
  const closed = turnOf(room({ config: { membersOnly: true }, affiliates: RANKS, occupants: IN }), [out]);
  t.same(said(closed)[0], 'carol: -ca to c (left)');
  t.match(told(closed)[0]?.msg, { xml: /code='321'/ });
  const open = room({ affiliates: RANKS, occupants: IN });
  t.same(said(turnOf(open, [out])), ['carol: +ca to c', 'alice: +ca to a', 'bob: +ca to b', 'alice: ok']);
  t.ok(open.occupants.has(C1));
});

t.test('a new rank brings its role along', async (t) => {
  const group = room({ config: { moderated: true }, affiliates: { [ALICE]: 'owner' }, occupants: IN });
  const rank = (affiliation: string): string | undefined => {
    turnOf(group, [admin(A1, `jid='${CAROL}' affiliation='${affiliation}'`)]);
    return group.occupants.get(C1)?.role;
  };
  t.same(['admin', 'member', 'none', 'owner'].map(rank), ['moderator', 'participant', 'visitor', 'moderator']);
});

t.test('a new member is invited by whoever made it one', async (t) => {
  const group = room({ config: { password: 'p<' }, affiliates: { [ALICE]: 'owner' }, occupants: IN });
  const turn = turnOf(group, [admin(A1, `jid='${CAROL}' affiliation='member'`)]);
  t.match(turn.posts(), [{ to: `chat:${ALICE}/${CAROL}`, body: { t: 'relay', send: { inner: /<password>p&lt;</ } } }]);
});

t.test('who is not in the room has another rank: those hear of it who may know who it is', async (t) => {
  const of = (config: TestRoom['config'], one: Send): string[] => {
    const group = room({
      ...(config && { config }),
      affiliates: { [ALICE]: 'owner' },
      occupants: { [A1]: IN[A1], [B1]: IN[B1] },
    });
    group.askedAt = 1000;
    return said(turnOf(group, [one]));
  };
  const member = admin(A1, `jid='${CAROL}' affiliation='member'`);
  t.same(of({}, member), ['alice: message to a', 'alice: ok'], 'moderators');
  t.same(of({ whois: 'anyone' }, member), ['alice: message to a', 'bob: message to b', 'alice: ok'], 'or all');
  const group = room({ affiliates: { ...RANKS, [BOB]: 'none' }, occupants: { [A1]: IN[A1] } });
  const [notice] = told(turnOf(group, [admin(A1, `jid='${CAROL}' affiliation='none'`)]));
  t.match(notice?.msg, {
    xml: new RegExp(`from="${group.id}"><x [^>]*><item affiliation='none' role='none' jid='${CAROL}'>`),
  });
});

t.test('a role that is not told of is gone for the others', async (t) => {
  const config = { presenceOf: ['moderator', 'participant'] } as const;
  const group = room({ config, affiliates: RANKS, occupants: { ...IN, [`${CAROL}/x`]: as('ca', 'participant') } });
  group.askedAt = 1000;
  const turn = turnOf(group, [admin(A1, `nick='ca' role='visitor'`)]);
  const heard = ['alice: -ca to a', 'bob: -ca to b'];
  t.same(
    said(turn).filter((one) => !one.startsWith('carol')),
    [...heard, ...heard, 'alice: ok'],
  );
  const shows = turnOf(group, [admin(A1, `nick='ca' role='participant'`)]);
  t.same(
    said(shows).filter((one) => one.startsWith('bob')),
    ['bob: +ca to b', 'bob: +ca to b'],
  );
});
