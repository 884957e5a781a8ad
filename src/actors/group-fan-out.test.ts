import t from 'tap';
import { ALICE, admin, BOB, CAROL, items, LIMITS, ROOM, room, send, turnOf } from './group.fixture.ts';
import { isPostDue } from './group-fan-out.ts';
import type { GroupLimits } from './group-state.ts';
import { groupRows } from './keys.ts';
import type { ChatItem, ChatMessage } from './messages.ts';
import { DELETED } from './turn.ts';

const A1 = `${ALICE}/a`;
const B1 = `${BOB}/b`;
const LARGE: GroupLimits = { ...LIMITS, pointersFrom: 2, pointerMs: 1000 };
const THREE = {
  affiliates: { [ALICE]: 'owner', [BOB]: { affiliation: 'member', since: 2 }, [CAROL]: 'member' },
  occupants: { [A1]: 'al', [B1]: 'bo' },
  lastSeq: 3,
} as const;
const SWEEP: ChatMessage = { t: 'sweep', now: 0 };
const says = (from: string, body: string) => send(from, `<body>${body}</body>`, { oid: body });

/** Messages and sweeps, each in a turn of its own at a time. @returns who gets which chatSeq, and the row, in each turn */
function course(...events: readonly (readonly [now: number, message: ChatMessage])[]) {
  const group = room(THREE, LARGE);
  const turns = events.map(([now, message]) => turnOf(group, [message], { now, limits: LARGE }));
  return { group, turns, posts: turns.map(items), rows: turns.map((turn) => turn.rows.get(`${groupRows(ROOM)}p`)) };
}

t.test('a large group tells all members once in a while, and who says something at once', async (t) => {
  const { posts, rows, turns } = course(
    [5000, says(A1, 'a')],
    [5400, says(B1, 'b')],
    [5900, says(A1, 'c')],
    [5999, SWEEP],
    [6000, SWEEP],
    [9000, SWEEP],
  );
  t.same(posts, [['alice 4', 'bob 4', 'carol 4'], ['bob 5'], ['alice 6'], [], ['alice 6', 'bob 6', 'carol 6'], []]);
  t.same(rows, [4, undefined, undefined, undefined, 6, undefined], 'the log knows what all were told');
  t.same(
    turns[0]?.posts().map(({ body }) => (body as ChatItem).since),
    [0, 2, 0],
    'where their memberships begin',
  );
});

t.test('what is owed when a group is loaded is told at once', async (t) => {
  const group = room({ ...THREE, posted: 2 }, LARGE);
  t.ok(isPostDue(group, 1000, LARGE));
  t.same(items(turnOf(group, [SWEEP], { limits: LARGE })), ['alice 3', 'bob 3', 'carol 3']);
  t.notOk(isPostDue(group, 9000, LARGE));
  t.notOk(isPostDue(room(THREE, LARGE), 1000, LARGE), 'without a row nobody lacks anything');
});

t.test('who is taken out is told of all before, who comes in of nothing before', async (t) => {
  const { group, posts } = course(
    [5000, says(A1, 'a')],
    [5100, says(A1, 'b')],
    [5200, admin(A1, `jid='${CAROL}' affiliation='none'`)],
    [5300, admin(A1, `jid='${CAROL}' affiliation='member'`)],
    [6000, SWEEP],
  );
  t.same(posts.slice(1), [['alice 5'], ['carol 5'], [], ['alice 5', 'bob 5']]);
  t.match(group.affiliates.get(CAROL), { since: 5, before: 5 });
});

t.test('a group that is large no more goes back to an item each, and forgets the row', async (t) => {
  const { posts, rows } = course(
    [5000, says(A1, 'a')],
    [5100, says(A1, 'b')],
    [5200, admin(A1, `jid='${CAROL}' affiliation='none'`)],
    [5300, says(A1, 'c')],
    [6000, says(A1, 'd')],
    [6100, says(A1, 'e')],
  );
  t.same(posts.slice(3), [['alice 6'], ['alice 7', 'bob 7'], ['alice 8', 'bob 8']]);
  t.same(rows.slice(3), [undefined, DELETED, undefined]);
});

t.test('one that becomes large again says in the log what it owes', async (t) => {
  const { posts, rows } = course(
    [5000, says(A1, 'a')],
    [5100, says(A1, 'b')],
    [5200, admin(A1, `jid='${CAROL}' affiliation='none'`)],
    [6000, says(A1, 'c')],
    [6200, admin(A1, `jid='${CAROL}' affiliation='member'`)],
    [6300, says(A1, 'd')],
    [6400, says(A1, 'e')],
  );
  t.same(posts.slice(3), [['alice 6', 'bob 6'], [], ['alice 7'], ['alice 8']]);
  t.same(rows.slice(3), [DELETED, undefined, 6, undefined], 'who leads it next would take all of it for told');
});

t.test('a room that is destroyed owes nothing', async (t) => {
  const destroy = send(A1, `<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>`, {
    kind: 'iq',
    type: 'set',
  });
  const { group, rows } = course([5000, says(A1, 'a')], [5100, says(A1, 'b')], [5200, destroy]);
  t.equal(rows[2], DELETED);
  t.notOk(isPostDue(group, 99_000, LARGE));
});
