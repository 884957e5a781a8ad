import t from 'tap';
import { ALICE, admin, BOB, CAROL, items, LIMITS, room, said, send, turnOf } from './group.fixture.ts';
import { fits, setAffiliation } from './group-members.ts';
import type { GroupEffect, GroupState } from './group-state.ts';
import type { Send } from './messages.ts';
import { DOMAIN } from './runtime.fixture.ts';
import { newTurn } from './turn.ts';

const A1 = `${ALICE}/a`;
const body = (): Send => send(A1, '<body>x</body>');
const makes = (user: string, affiliation: string): Send => admin(A1, `jid='${user}' affiliation='${affiliation}'`);

function set(group: GroupState, user: string, affiliation: Parameters<typeof setAffiliation>[2]): boolean {
  const step = { group, turn: newTurn<GroupEffect>(0), limits: LIMITS };
  if (!fits(step, new Map([[user, affiliation]]))) return false;
  setAffiliation(step, user, affiliation);
  return true;
}

t.test('who is made a member gets what comes from then on, who is taken out nothing any more', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  const turn = turnOf(group, [body(), makes(BOB, 'member'), body(), body(), makes(BOB, 'none'), body()]);
  t.same(items(turn), ['alice 1!0', 'alice 2', 'bob 2!0', 'alice 3', 'bob 3', 'alice 4']);
});

t.test('who is a member again gets the first message behind the last of the membership before', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  turnOf(group, [makes(BOB, 'member'), body(), body(), makes(BOB, 'none'), body()]);
  const again = turnOf(group, [makes(BOB, 'member'), body(), body()]);
  t.same(items(again), ['alice 4', 'bob 4!2', 'alice 5', 'bob 5']);
});

t.test('a membership in which nothing was said leaves the one before it as it was', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  turnOf(group, [makes(BOB, 'member'), body(), makes(BOB, 'none'), body()]);
  turnOf(group, [makes(BOB, 'member'), makes(BOB, 'outcast'), body(), makes(BOB, 'none')]);
  t.same(items(turnOf(group, [makes(BOB, 'member'), body()])), ['alice 4', 'bob 4!1']);
});

t.test('a change from one rank of members to another is no new membership', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  turnOf(group, [makes(BOB, 'member'), body(), makes(BOB, 'admin')]);
  t.match(group.affiliates.get(BOB), { affiliation: 'admin', since: 0, before: 0 });
  t.same(items(turnOf(group, [body()])), ['alice 2', 'bob 2']);
});

t.test('what is known of a stranger who was never told anything is nothing', async (t) => {
  const group = room();
  turnOf(group, [makes(BOB, 'member'), makes(BOB, 'none')]);
  t.notOk(group.affiliates.has(BOB));
});

t.test('there are as many members as there may be', async (t) => {
  const group = room();
  for (let i = 1; i < LIMITS.membersMax; i++) t.ok(set(group, `m${i}@x`, 'member'));
  t.notOk(set(group, 'more@x', 'member'));
  t.ok(set(group, 'm1@x', 'admin'), 'who is one changes rank');
  t.ok(set(group, 'm1@x', 'outcast'));
  t.ok(set(group, 'more@x', 'member'), 'a ban makes room for another member');
  const smaller = { group, turn: newTurn<GroupEffect>(0), limits: { ...LIMITS, membersMax: 1 } };
  t.ok(fits(smaller, new Map([['more@x', 'none']])), 'fewer always fit, though there are too many still');
  t.notOk(fits(smaller, new Map([['other@x', 'member']])));
});

t.test('there are as many bans as members, and former members are forgotten for others', async (t) => {
  const group = room({ lastSeq: 3 });
  const rows = (): number => group.affiliates.size;
  for (let i = 0; i < 3 * LIMITS.membersMax; i++) {
    t.ok(set(group, `former${i}@x`, 'member'));
    group.lastSeq += 1;
    t.ok(set(group, `former${i}@x`, 'none'));
  }
  t.equal(rows(), 1 + LIMITS.membersMax, 'the latest of them are known');
  for (let i = 0; i < LIMITS.membersMax; i++) {
    t.ok(set(group, `b${i}@x`, 'member'));
    t.ok(set(group, `b${i}@x`, 'outcast'));
  }
  t.equal(rows(), 1 + LIMITS.membersMax);
  t.notOk([...group.affiliates.keys()].some((user) => user.startsWith('former')));
  t.notOk(set(group, 'more@x', 'outcast'));
  t.ok(set(group, 'gone@x', 'member'));
  group.lastSeq += 1;
  t.ok(set(group, 'gone@x', 'none'), 'whoever else is banned');
  t.equal(rows(), 1 + LIMITS.membersMax);
  t.ok(set(group, 'b1@x', 'none'));
  t.ok(set(group, 'more@x', 'outcast'));
});

t.test('members and bans beyond what fits are refused, with all that was asked together', async (t) => {
  const group = room({ occupants: { [A1]: 'al' } });
  for (let i = 2; i < LIMITS.membersMax; i++) set(group, `m${i}@${DOMAIN}`, 'member');
  const item = (user: string): string => `jid='${user}' affiliation='member'`;
  const both = turnOf(group, [admin(A1, `${item(BOB)}/><item ${item(CAROL)}`)]);
  t.same([said(both), both.rows.size, both.posts()], [['alice: resource-constraint'], 0, []]);
  t.same(said(turnOf(group, [makes(BOB, 'member')])), ['alice: ok']);
  const swap = `${item(CAROL)}/><item jid='${BOB}' affiliation='none'`;
  t.same(said(turnOf(group, [admin(A1, swap)])), ['alice: ok'], 'one comes as another goes');
});

t.test('an invitation into a group that is full is refused for now', async (t) => {
  const group = room(
    {
      config: { membersOnly: true },
      affiliates: { [ALICE]: 'owner', [BOB]: 'member' },
      occupants: { [A1]: 'al' },
    },
    LIMITS,
  );
  const limits = { ...LIMITS, membersMax: 2 };
  const x = `<x xmlns='http://jabber.org/protocol/muc#user'><invite to='${CAROL}'/></x>`;
  const turn = turnOf(group, [send(A1, x, { type: 'normal' })], { limits });
  t.same(said(turn), ['alice: resource-constraint']);
  t.same(turn.posts(), []);
});
