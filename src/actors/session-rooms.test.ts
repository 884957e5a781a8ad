import t from 'tap';
import { shardOf } from '../base/hash.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import { enter as enters, house, leave, ROOM, says } from './house.fixture.ts';
import { chatKey, groupRows } from './keys.ts';
import { bodies, GROUP_OPTIONS, presence, SHARDS, TestNode } from './runtime.fixture.ts';
import { sweepCursors } from './session-cursors.ts';
import { endStaysBefore, hasGaps, type JoinedRoom, onPresentAsk, pushToRoom } from './session-rooms.ts';
import type { SessionState } from './session-state.ts';
import type { PendingSend, SessionEffect, Stream } from './session-types.ts';
import { newTurn } from './turn.ts';

const enter = (nick: string, room = ROOM): string => enters(nick, `<history maxstanzas='0'/>`, room);

/** Full JIDs of those in the room, as on disk. */
function occupants(node: TestNode): string[] {
  const prefix = `${groupRows(ROOM)}o/`;
  const rows = node.inner.scan(shardOf(chatKey(ROOM), SHARDS), prefix, 100);
  return rows.map(([key]) => key.slice(prefix.length)).sort();
}

const spoken = (xml: readonly string[]): string[] => bodies(xml.filter((one) => one.includes('<body>')));

t.test('what a group says to a device that has gone meanwhile ends with its leaving', async (t) => {
  const { node, b, alice, bob } = await house();
  await bob.send(leave('bo'));
  node.held = true;
  await bob.send(enter('bo'));
  bob.gone(true);
  await node.release();
  t.notOk(occupants(node).includes(`${b}/one`), 'it was let in, and is out again');
  t.match(alice.conn.take().at(-1), /type=.unavailable/);
});

t.test('a device is in as many rooms as it may be', async (t) => {
  const { bob } = await house({ session: { roomsMax: 2 } });
  const other = (name: string): string => `${name}@${GROUP_OPTIONS.roomDomain}`;
  t.match((await bob.send(enter('bo', other('second')))).join(), /code=.201/);
  t.match((await bob.send(enter('bo', other('third')))).join(), /<presence[^>]*type=.error.*resource-constraint/);
  t.match((await bob.send(enter('bobby'))).join(), /bobby/, 'those it is in still answer');
  await bob.send(leave('bobby'));
  t.match((await bob.send(enter('bo', other('third')))).join(), /code=.201/);
});

t.test('a device that goes leaves its rooms, another one of the same user stays', async (t) => {
  const { node, a, b, bob } = await house();
  const second = await node.bind(b, 'two');
  await second.send(enter('bo'));
  bob.gone(true);
  await node.settle();
  t.same(occupants(node), [`${a}/one`, `${b}/two`]);
  second.gone();
  await node.settle();
  t.same(occupants(node), [`${a}/one`, `${b}/two`], 'a stream that may be resumed is there still');
  await node.pass(120_000);
  t.same(occupants(node), [`${a}/one`]);
});

t.test('who binds under the name of a ghost and enters is not taken for it', async (t) => {
  const { node, a, b } = await house();
  await node.runtime.close();
  const later = await TestNode.start({ disk: node.disk, runtime: { groups: GROUP_OPTIONS } });
  later.now = node.now + GROUP_OPTIONS.askEveryMs;
  const alice = await later.bind(a, 'one');
  const bob = await later.bind(b, 'one', { priority: null });
  t.same(occupants(later), [`${a}/one`, `${b}/one`]);
  // A turn of his session's waits for the disk, so what it answers waits behind it.
  later.held = true;
  bob.frame(presence());
  await later.settle();
  later.runtime.toSession(b, { t: 'present?', chat: ROOM, resources: ['one'], ask: 'q', upTo: 0 });
  bob.frame(enter('bo'));
  await later.settle();
  await later.release();
  t.match(bob.conn.take().join(), /code=.110/, 'he is let in');
  t.ok(occupants(later).includes(`${b}/one`), 'and stays');
  await alice.send(enter('al'), says('hello'));
  t.same(spoken(bob.conn.take()), ['hello']);
});

// --- by itself ------------------------------------------------------------------------------------------------------

/** As much of a session as rooms need: one device, in the room up to chatSeq `had`. */
function inRoom(had: number, limits: { readonly catchUpPage?: number } = {}) {
  const room: JoinedRoom = { nick: 'bo', next: had + 1, from: had + 1, probed: had, upTo: had, loading: false };
  const stream = { jid: 'bob@x/one', resource: 'one', ended: false, rooms: new Map([[ROOM, room]]) };
  const turn = newTurn<SessionEffect>(1);
  const state = {
    user: 'bob@x',
    now: 1,
    turn,
    streams: () => [stream],
    stream: (resource: string) => (resource === 'one' ? stream : undefined),
    unanswered: new Map<string, number[]>(),
    pendingSends: new Map<number, unknown>(),
    untold: new Map<string, unknown>(),
    namesOf: () => ({ rowKey: 'c' }),
    get: () => undefined,
    parts: { rules: ALL_DELIVERY_RULES, limits: { catchUpPage: 3, lateMs: 1000, ...limits }, roomDomain: 'y' },
  };
  const session = state as unknown as SessionState;
  let seen = 0;
  return {
    session,
    stream,
    room,
    push: (...seqs: number[]) => {
      for (const seq of seqs) pushToRoom(session, ROOM, seq, message(seq));
    },
    ask: (upTo: number) => onPresentAsk(session, { t: 'present?', chat: ROOM, resources: ['one'], ask: 'q', upTo }),
    /** bodies since the last call */
    got: () => {
      const stanzas = turn.effects.flatMap((effect) => (effect.t === 'stanza' ? [effect.xml] : []));
      const fresh = stanzas.slice(seen);
      seen = stanzas.length;
      return spoken(fresh);
    },
    /** what is asked for, answered one after the other; undefined where it cannot be had */
    loads: () => turn.effects.flatMap((effect) => (effect.t === 'load' ? [effect] : [])),
  };
}

function message(seq: number): MessageRecord {
  return {
    v: 1,
    from: 'al@x/a',
    to: ROOM,
    type: 'groupchat',
    ts: 1,
    inner: `<body>${seq}</body>`,
    nick: 'al',
  } as MessageRecord;
}

type Load = Extract<SessionEffect, { t: 'load' }>;

function answer({ session }: ReturnType<typeof inRoom>, load: Load | undefined, found = true): void {
  load?.done(session, found ? load.entries.map(({ chatSeq }) => message(chatSeq)) : undefined);
}

t.test('messages in order pass, those that the device has had do not', async (t) => {
  const one = inRoom(2);
  one.push(3, 4, 4, 2, 5);
  t.same([one.got(), one.loads().length], [['3', '4', '5'], 0]);
});

t.test('what was lost on the way is fetched before what comes behind, a page at a time', async (t) => {
  const one = inRoom(0);
  one.push(2, 3, 4);
  t.same(one.got(), [], 'all of it waits');
  t.same(
    one.loads().map(({ entries }) => entries.map(({ chatSeq }) => chatSeq)),
    [[1, 2]],
    'and is asked for once',
  );
  answer(one, one.loads()[0]);
  t.same(one.got(), ['1', '2']);
  t.same(
    one.loads()[1]?.entries.map(({ chatSeq }) => chatSeq),
    [3, 4],
  );
  one.push(5);
  answer(one, one.loads()[1]);
  answer(one, one.loads()[2]);
  t.same(one.got(), ['3', '4', '5']);
  t.same([one.room.next, one.loads().length, hasGaps(one.stream as unknown as Stream)], [6, 3, false]);
});

t.test(
  'who was taken out and in again is shown nothing of what was said between, and told that it is out',
  async (t) => {
    const one = inRoom(28);
    endStaysBefore(one.session, ROOM, 41);
    one.push(41, 42);
    t.same([one.got(), one.loads().length, one.stream.rooms.size], [[], 0, 0]);
    const [told, ...more] = one.session.turn.effects.flatMap((effect) => (effect.t === 'stanza' ? [effect.xml] : []));
    t.match(told, /^<presence .*from="[^"]+\/bo".*type="unavailable".*role='none'.*code='110'.*code='333'/s);
    t.same(more, []);
    const again = inRoom(40);
    endStaysBefore(again.session, ROOM, 41);
    again.push(41, 42);
    t.same(again.got(), ['41', '42'], 'who has entered since stays');
  },
);

t.test('a room that asks a device which enters anew shows it nothing: the answer says where it begins', async (t) => {
  const one = inRoom(28);
  one.session.unanswered.set(ROOM, [7]);
  const pending = { stream: one.stream, send: { kind: 'presence', type: 'available' } };
  one.session.pendingSends.set(7, pending as unknown as PendingSend);
  one.ask(40);
  t.same([one.loads().length, one.room.upTo], [0, 28]);
  one.session.unanswered.delete(ROOM);
  one.ask(29);
  t.equal(one.loads().length, 1);
});

t.test('what cannot be had now is asked for again with the next message', async (t) => {
  const one = inRoom(0);
  one.push(2);
  answer(one, one.loads()[0], false);
  t.same([one.got(), hasGaps(one.stream as unknown as Stream)], [[], true]);
  one.push(3);
  answer(one, one.loads()[1]);
  t.same(one.got(), ['1', '2', '3']);
});

t.test('a message that is gone is passed over', async (t) => {
  const one = inRoom(0);
  one.push(3);
  one.loads()[0]?.done(one.session, [message(1), undefined, message(3)]);
  t.same(one.got(), ['1', '3']);
});

t.test('what was lost last is fetched when the room asks who is in it, and nobody speaks', async (t) => {
  const one = inRoom(2);
  one.ask(2);
  t.equal(one.loads().length, 0, 'it has all of it');
  one.ask(4);
  answer(one, one.loads()[0]);
  t.same(one.got(), ['3', '4']);
});

t.test('a page that comes when the device has left, or entered anew, is not shown', async (t) => {
  const gone = inRoom(0);
  gone.push(2);
  gone.stream.rooms.delete(ROOM);
  answer(gone, gone.loads()[0]);
  t.same(gone.got(), []);
  const anew = inRoom(0);
  anew.push(2);
  anew.stream.rooms.set(ROOM, { nick: 'bo', next: 3, from: 3, probed: 2, upTo: 2, loading: false });
  answer(anew, anew.loads()[0]);
  anew.push(3);
  t.same(anew.got(), ['3']);
});

t.test('a group that asks hears of those who are not in it, at once', async (t) => {
  const { session, stream } = inRoom(0);
  onPresentAsk(session, { t: 'present?', chat: ROOM, resources: ['one', 'two'], ask: 'q', upTo: 0 });
  const absent = {
    t: 'toChat',
    chat: ROOM,
    msg: { t: 'absent', user: 'bob@x', resources: ['two'], ask: 'q' },
  } as const;
  t.same(session.turn.immediate, [absent], 'before anything that a device sends from now on');
  t.ok(stream.rooms.has(ROOM));
});

t.test('who has asked to enter is not said to be absent before that is answered', async (t) => {
  const { session, stream } = inRoom(0);
  const ask = (send: object): number => {
    stream.rooms.delete(ROOM);
    session.turn.immediate.length = 0;
    session.unanswered.set(ROOM, [1]);
    session.pendingSends.set(1, { stream, send } as unknown as PendingSend);
    onPresentAsk(session, { t: 'present?', chat: ROOM, resources: ['one'], ask: 'q', upTo: 0 });
    const [answer] = session.turn.immediate;
    return answer?.t === 'toChat' && answer.msg.t === 'absent' ? answer.msg.resources.length : -1;
  };
  t.equal(ask({ kind: 'presence', type: 'available' }), 0);
  t.equal(ask({ kind: 'presence', type: 'unavailable' }), 1);
  t.equal(ask({ type: 'groupchat' }), 1);
});

t.test('of messages that the group was refused after all nothing counts as given', async (t) => {
  const { session, stream, room, push, got } = inRoom(3);
  const state = session as unknown as { get: () => unknown };
  state.get = () => ({ v: 1 });
  push(4);
  for (const seq of [5, 6]) pushToRoom(session, ROOM, seq, message(seq), true);
  t.same(got(), ['4', '5', '6']);
  sweepCursors(session);
  const probes = (): unknown => (stream as unknown as Stream).probes?.map(({ from, to }) => [from, to]);
  t.same([probes(), room.probed], [[[4, 6]], 6]);
  for (const effect of session.turn.onFail) if (effect.t === 'reply') effect.run();
  t.match(room, { next: 5, upTo: 4, probed: 4 });
  t.same(probes(), [[4, 4]]);
  pushToRoom(session, ROOM, 5, message(5), true);
  t.same(got(), ['5'], 'another one of that number is given');
});

t.test('nor does one that was asked for with a gap before it', async (t) => {
  const { session, room, loads, got } = inRoom(3);
  pushToRoom(session, ROOM, 5, message(5), true);
  t.equal(loads().length, 1, '4 and 5 are asked for, whether the log takes 5 or not');
  for (const effect of session.turn.onFail) if (effect.t === 'reply') effect.run();
  loads()[0]?.done(session, [message(4), undefined]);
  t.same(got(), ['4']);
  t.match(room, { next: 5, upTo: 4, loading: false });
  pushToRoom(session, ROOM, 5, message(5), true);
  t.same(got(), ['5'], 'another one of that number is given');
});
