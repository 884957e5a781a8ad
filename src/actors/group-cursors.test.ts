import t from 'tap';
import { ALICE, BOB, CAROL, LIMITS, logOf, ROOM, room, send, told, turnOf } from './group.fixture.ts';
import { isWriteDue, movedBy } from './group-cursors.ts';
import type { GroupState } from './group-state.ts';
import { groupRows } from './keys.ts';
import type { ChatMessage } from './messages.ts';
import { DELETED } from './turn.ts';

const NS = 'urn:rookery:receipts:0';
const MEMBERS = { [ALICE]: 'owner', [BOB]: 'member', [CAROL]: 'member' } as const;
const HERE = { [`${ALICE}/a`]: { v: 1, nick: 'al', role: 'moderator', receipts: true }, [`${BOB}/b`]: 'bo' } as const;
const row = (user: string): string => `${groupRows(ROOM)}r/${user}`;

let n = 0;
function cursors(user: string, had: [number, number][], read = 0, shown = 0): ChatMessage {
  n += 1;
  return { t: 'cursors', user, had, shown, read, n };
}

/** A group in which Alice has said `count` things at time 1. */
function said(count: number): GroupState {
  const group = room({ affiliates: MEMBERS, occupants: HERE });
  for (let i = 0; i < count; i++)
    turnOf(group, [send(`${ALICE}/a`, `<body>${i}</body>`, { id: `m${i}`, oid: `m${i}` })], { now: 1 });
  return group;
}

/** Notices of a turn: `id delivered/read of total`. */
function notices(turn: ReturnType<typeof turnOf>): string[] {
  return told(turn).flatMap(({ to, msg }) => {
    if (msg.t !== 'room' || !msg.xml.includes(NS)) return [];
    const all = msg.xml.matchAll(/<message id=.(\d+). total=.(\d+). delivered=.(\d+). read=.(\d+)./g);
    return [...all].map(
      ([, id, total, had, read]) => `${to.slice(0, to.indexOf('@'))} ${id}: ${had}/${read} of ${total}`,
    );
  });
}

const noted = (turn: ReturnType<typeof turnOf>): string[] =>
  told(turn).flatMap(({ to, msg }) => (msg.t === 'noted' ? [`${to.slice(0, to.indexOf('@'))} ${msg.had}`] : []));

t.test('a cursor goes on over what follows it, never back, never beyond the last message', async (t) => {
  const at = (had: number, read: number, ranges: [number, number][], readTo = 0, shown = 0, last = 10) => {
    const now = movedBy({ had, read }, { had: ranges, read: readTo, shown }, last);
    return [now.had, now.read];
  };
  t.same(at(3, 1, [[4, 6]]), [6, 1]);
  t.same(at(3, 1, [[2, 6]]), [6, 1]);
  t.same(at(3, 1, [[5, 6]]), [3, 1], 'one is missing before it');
  t.same(
    at(3, 1, [
      [7, 8],
      [4, 6],
    ]),
    [8, 1],
    'in whatever order',
  );
  t.same(at(3, 1, [[5, 6]], 4, 4), [6, 4], 'what is displayed was had');
  t.same(at(3, 1, [[5, 6]], 6), [3, 3], 'who says something may not have had what is before it');
  t.same(at(6, 4, [[1, 2]], 2), [6, 4]);
  t.same(at(3, 1, [[4, 99]], 99, 99), [10, 10]);
});

t.test('all that comes within a second is one op, and told once', async (t) => {
  const group = said(3);
  const first = turnOf(group, [cursors(BOB, [[1, 2]])], { now: 5000 });
  t.same(first.rows.get(row(BOB)), { v: 1, had: 2, read: 0 });
  t.same(notices(first), ['alice 1: 1/0 of 2', 'alice 2: 1/0 of 2']);
  t.same(noted(first), ['bob 2']);

  // A burst: nothing is written, told or answered until the second is over.
  for (let i = 0; i < 50; i++) {
    const more = turnOf(group, [cursors(BOB, [[1, 3]], i % 4), cursors(CAROL, [[1, 1 + (i % 3)]])], { now: 5001 + i });
    t.ok(more.isEmpty, 'no op');
    t.same([...notices(more), ...noted(more)], []);
  }
  t.notOk(isWriteDue(group, 5999, LIMITS.receiptsMs));
  t.ok(isWriteDue(group, 6000, LIMITS.receiptsMs));
  const second = turnOf(group, [{ t: 'sweep', now: 6000 }], { now: 6000 });
  t.same(
    [...second.rows],
    [
      [row(BOB), { v: 1, had: 3, read: 3 }],
      [row(CAROL), { v: 1, had: 3, read: 0 }],
    ],
  );
  t.same(notices(second), ['alice 1: 2/1 of 2', 'alice 2: 2/1 of 2', 'alice 3: 2/1 of 2']);
  t.same(noted(second).sort(), ['bob 3', 'carol 3']);
  t.notOk(isWriteDue(group, 100_000, LIMITS.receiptsMs), 'and nothing is left');
});

t.test('a thousand who read at once are one op', async (t) => {
  const users = Array.from({ length: 1000 }, (_, i) => `u${i}@x`);
  const affiliates = Object.fromEntries([...users.map((user) => [user, 'member'] as const), [ALICE, 'owner'] as const]);
  const group = room({ affiliates, occupants: HERE, lastSeq: 1 });
  let ops = 0;
  for (const [i, user] of users.entries())
    if (!turnOf(group, [cursors(user, [[1, 1]], 1)], { now: 5000 + (i % 900) }).isEmpty) ops += 1;
  t.equal(ops, 1, 'the first of them');
  const rest = turnOf(group, [{ t: 'sweep', now: 6000 }], { now: 6000 });
  t.equal(rest.rows.size, 999);
  t.equal(rest.posts().length, 0);
});

t.test('what says nothing new is answered at once and writes nothing', async (t) => {
  const group = said(2);
  turnOf(group, [cursors(BOB, [[1, 2]])], { now: 5000 });
  const again = turnOf(group, [cursors(BOB, [[1, 2]])], { now: 9000 });
  t.ok(again.isEmpty);
  t.same(noted(again), ['bob 2']);
  const stranger = turnOf(group, [cursors('mallory@x', [[1, 2]], 2)], { now: 9000 });
  t.ok(stranger.isEmpty, 'who is no member has no cursor');
  t.same(noted(stranger), ['mallory 2'], 'and need not say it again');
});

t.test('only devices that asked hear, of their own messages, the ten newest', async (t) => {
  const group = said(12);
  turnOf(group, [send(`${BOB}/b`, '<body>hi</body>', { id: 'x', oid: 'x' })], { now: 2 });
  const turn = turnOf(group, [cursors(CAROL, [[1, 13]])], { now: 5000 });
  t.same(
    notices(turn).map((one) => one.split(':')[0]),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((seq) => `alice ${seq}`),
  );
  const own = turnOf(group, [cursors(ALICE, [[1, 13]])], { now: 9000 });
  t.same(notices(own), [], 'what she has of her own is no news to her');
});

t.test('the cursor of who is taken out goes, and who is in again begins anew', async (t) => {
  const group = said(2);
  turnOf(group, [cursors(BOB, [[1, 2]], 2)], { now: 5000 });
  turnOf(group, [cursors(BOB, [[1, 2]], 2), cursors(CAROL, [[1, 2]])], { now: 5001 });
  const set = (affiliation: string): ChatMessage => {
    const inner = `<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='${affiliation}' jid='${BOB}'/></query>`;
    return send(`${ALICE}/a`, inner, { kind: 'iq', type: 'set' });
  };
  const out = turnOf(group, [set('none')], { now: 5002 });
  t.equal(out.rows.get(row(BOB)), DELETED);
  turnOf(group, [set('member')], { now: 5003 });
  // Late words of the first time.
  const late = turnOf(group, [cursors(BOB, [[1, 2]], 2)], { now: 7000 });
  t.notOk(late.rows.has(row(BOB)));
  turnOf(group, [send(`${ALICE}/a`, '<body>new</body>', { id: 'n', oid: 'n' })], { now: 7001 });
  const next = turnOf(group, [cursors(BOB, [[3, 3]])], { now: 9000 });
  t.same(next.rows.get(row(BOB)), { v: 1, had: 3, read: 2 });
  t.same(notices(next), ['alice 3: 1/0 of 2']);
});

t.test('an answer is of what was written when it was asked for', async (t) => {
  const group = said(1);
  turnOf(group, [cursors(BOB, [[1, 1]])], { now: 5000 });
  turnOf(group, [cursors(CAROL, [[1, 1]])], { now: 5001 });
  const asks = send(`${ALICE}/a`, `<receipts xmlns='${NS}' id='1'/>`, { kind: 'iq', type: 'get' });
  const turn = turnOf(group, [asks], { now: 5002 });
  turnOf(group, [{ t: 'sweep', now: 6000 }], { now: 6000 });
  const [answer] = told(turn, logOf(1));
  t.match(answer?.msg, { group: { xml: [/total=.2. delivered=.1. read=.0./] } });
  const gone = told(turnOf(group, [{ ...asks, token: asks.token + 1 } as ChatMessage], { now: 6001 }));
  t.match(gone[0]?.msg, { group: { xml: [/item-not-found/] } }, 'of a message that is not there any more');
});
