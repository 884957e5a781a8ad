import t from 'tap';
import { shardOf } from '../base/hash.ts';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import { chatKey, groupRows } from './keys.ts';
import { ack, DOMAIN, GROUP_OPTIONS, SHARDS, type TestClient, TestNode } from './runtime.fixture.ts';
import { hasUntold, onNoted, probe, sweepCursors, touch, withRange } from './session-cursors.ts';
import type { SessionState } from './session-state.ts';
import type { SessionEffect, Stream } from './session-types.ts';
import { newTurn } from './turn.ts';

const NS = 'urn:rookery:receipts:0';
const NS_MUC = 'http://jabber.org/protocol/muc';
const ROOM = `room@${GROUP_OPTIONS.roomDomain}`;
const ROWS = `${groupRows(ROOM)}r/`;
const iq = (payload: string): string => `<iq xmlns='jabber:client' type='set' id='s' to='${ROOM}'>${payload}</iq>`;
const enter = (nick: string, more = ''): string =>
  `<presence xmlns='jabber:client' to='${ROOM}/${nick}'><x xmlns='${NS_MUC}'><history maxstanzas='0'/></x>${more}</presence>`;
const says = (body: string): string =>
  `<message xmlns='jabber:client' to='${ROOM}' type='groupchat' id='${body}'><body>${body}</body></message>`;

/** Time for a session to look, to tell, and for its group to write: one second each. */
async function seconds(node: TestNode): Promise<void> {
  for (let i = 0; i < 3; i++) await node.pass(1000);
}

interface House {
  readonly node: TestNode;
  readonly alice: TestClient;
  readonly bob: TestClient;
  readonly b: string;
}

/** A group of Alice, who wants to hear, and Bob, both in the room. */
async function house(sm = true): Promise<House> {
  const node = await TestNode.start({ runtime: { groups: GROUP_OPTIONS } });
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one', { sm: false });
  const bob = await node.bind(b, 'one', { sm });
  await alice.send(
    enter('al', `<receipts xmlns='${NS}'/>`),
    iq(`<query xmlns='${NS_MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>`),
  );
  await alice.send(iq(`<query xmlns='${NS_MUC}#admin'><item affiliation='member' jid='${b}'/></query>`));
  await bob.send(enter('bo'));
  await seconds(node);
  alice.conn.take();
  bob.conn.take();
  return { node, alice, bob, b };
}

function rowOf(node: TestNode, user: string): unknown {
  return node.inner.get(shardOf(chatKey(ROOM), SHARDS), ROWS + user);
}

/** Ops so far that move cursors. */
function cursorOps(node: TestNode): number {
  return node.ops.filter(({ writes }) => writes.some((one) => 'key' in one && one.key.startsWith(ROWS))).length;
}

const notices = (xml: readonly string[]): string[] =>
  xml.filter((one) => one.includes(NS) && one.startsWith('<message'));
const count = (xml: readonly string[]): number => xml.filter((one) => /^<(message|presence|iq)/.test(one)).length;

t.test('a device has had what it acknowledged; its group hears within a sweep', async (t) => {
  const { node, alice, bob, b } = await house();
  await alice.send(says('one'));
  const got = count(bob.conn.take());
  t.equal(got, 1);
  await seconds(node);
  t.equal(rowOf(node, b), undefined, 'written is not had');
  t.same(notices(alice.conn.take()), []);
  // What came before this message was handled too: the stanza at which he stands is the last that was sent.
  const sent = 1 + Number(await sentTo(bob));
  await bob.send(ack(sent));
  await seconds(node);
  t.same(rowOf(node, b), { v: 1, had: 1, read: 0 });
  t.match(notices(alice.conn.take()), [/type=.headline.*id=.1. total=.1. delivered=.1. read=.0./]);
});

/** Stanzas that were counted before the last one: found by acknowledging too many, which says how many were sent. */
async function sentTo(client: TestClient): Promise<string> {
  const answer = await client.resume(0);
  if (!answer.ok) throw new Error('not resumed');
  const again = client.conn.take().filter((one) => /^<(message|presence|iq)/.test(one)).length;
  return String(again - 1);
}

t.test('without stream management what is written counts', async (t) => {
  const { node, alice, b } = await house(false);
  await alice.send(says('one'), says('two'));
  await seconds(node);
  t.same(rowOf(node, b), { v: 1, had: 2, read: 0 });
});

t.test('a burst makes one op of cursors and one notice a second', async (t) => {
  const { node, alice, bob } = await house(false);
  const before = cursorOps(node);
  let heard = 0;
  for (let second = 0; second < 5; second++) {
    for (let i = 0; i < 20; i++) {
      await alice.send(says(`${second}.${i}`));
      await bob.send(
        `<message xmlns='jabber:client' to='${ROOM}' type='groupchat'><displayed xmlns='urn:xmpp:chat-markers:0' id='${1 + second * 40 + i * 2}'/></message>`,
      );
    }
    heard += notices(alice.conn.take()).length;
    await node.pass(1000);
    heard += notices(alice.conn.take()).length;
  }
  t.ok(heard >= 3 && heard <= 5, `${heard} notices in five seconds`);
  const ops = cursorOps(node) - before;
  t.ok(ops >= 3 && ops <= 5, `${ops} ops`);
});

t.test('cursors outlive the process, and go on from where they were', async (t) => {
  const { node, alice, b } = await house(false);
  await alice.send(says('one'));
  await seconds(node);
  const next = await TestNode.start({ disk: node.disk, runtime: { groups: GROUP_OPTIONS } });
  next.now = node.now;
  const [two, other] = [await next.bind(b, 'one', { sm: false }), await next.bind(`a@${DOMAIN}`, 'one', { sm: false })];
  await two.send(enter('bo'));
  await other.send(enter('al'), says('two'));
  await seconds(next);
  t.same(rowOf(next, b), { v: 1, had: 2, read: 0 });
});

// --- by itself ------------------------------------------------------------------------------------------------------

/** As much of a session as cursors need. */
function alone() {
  const stream = { ended: false, broken: false, conn: {}, sm: undefined, probes: undefined, rooms: new Map() };
  const turn = newTurn<SessionEffect>(1);
  const state = {
    user: 'bob@x',
    now: 10_000,
    turn,
    parts: { rules: ALL_DELIVERY_RULES },
    nextToken: 1,
    untold: new Map(),
    streams: () => [stream],
    namesOf: () => ({ rowKey: 'c' }),
    get: () => ({ v: 1, cur: 9, n: 0, unread: 0, read: 2 }),
  };
  return {
    session: state as unknown as SessionState,
    stream: stream as unknown as Stream,
    /** what was told since the last call, everything before being committed */
    told: (now: number) => {
      state.now = now;
      const from = turn.effects.length;
      for (const effect of turn.effects) if (effect.t === 'reply') effect.run();
      sweepCursors(state as unknown as SessionState);
      return turn.effects
        .slice(from)
        .flatMap((one) => (one.t === 'toChat' && one.msg.t === 'cursors' ? [one.msg] : []));
    },
  };
}

t.test('what is told is told again until it is written', async (t) => {
  const { session, stream, told } = alone();
  probe(session, stream, ROOM, 3, 4);
  const [first] = told(10_000);
  t.match(first, { user: 'bob@x', had: [[3, 4]], read: 2 });
  t.same(told(11_000), []);
  t.same(told(14_999), []);
  t.ok(hasUntold(session));
  const [again] = told(15_000);
  t.match(again, { had: [[3, 4]], read: 2 });
  onNoted(session, { t: 'noted', chat: ROOM, n: first?.n ?? 0, had: 2 });
  t.ok(hasUntold(session), 'the answer to an earlier one');
  onNoted(session, { t: 'noted', chat: ROOM, n: again?.n ?? 0, had: 4 });
  t.notOk(hasUntold(session));
  t.equal(session.untold.size, 0, 'nothing is kept');
});

t.test('what lies behind a gap is kept until the gap is filled', async (t) => {
  const { session, stream, told } = alone();
  probe(session, stream, ROOM, 7, 9);
  const [first] = told(10_000);
  onNoted(session, { t: 'noted', chat: ROOM, n: first?.n ?? 0, had: 2 });
  t.notOk(hasUntold(session), 'and not told all the time');
  t.equal(session.untold.size, 1);
  probe(session, stream, ROOM, 3, 6);
  const [next] = told(11_000);
  t.match(next, { had: [[3, 9]] });
  touch(session, ROOM);
  t.match(told(12_000), [{ had: [[3, 9]] }]);
});

t.test('pieces are apart and few', async (t) => {
  t.same(withRange([[1, 2]], [3, 4]), [[1, 4]]);
  t.same(withRange([[5, 6]], [1, 2]), [
    [1, 2],
    [5, 6],
  ]);
  t.same(
    withRange(
      [
        [1, 2],
        [5, 6],
      ],
      [2, 9],
    ),
    [[1, 9]],
  );
  let ranges: ReturnType<typeof withRange> = [];
  for (let i = 0; i < 40; i++) ranges = withRange(ranges, [i * 10, i * 10 + 1]);
  t.equal(ranges.length, 16);
  t.same(ranges.at(-1), [390, 391]);
});
