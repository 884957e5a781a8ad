import t from 'tap';
import { newChatLog } from './chat-log.ts';
import { type GroupEffect, type GroupState, newGroup } from './group-state.ts';
import { groupStep } from './group-step.ts';
import type { ChatMessage, Send } from './messages.ts';
import { CHAT_LIMITS, DOMAIN, GROUP_OPTIONS, NO_HISTORY, TestNode } from './runtime.fixture.ts';
import { newTurn } from './turn.ts';

const ROOMS = `conference.${DOMAIN}`;
const ROOM = `coven@${ROOMS}`;
const A = `a@${DOMAIN}`;
const GROUPS = {
  roomDomain: ROOMS,
  membersMax: 10,
  pointersFrom: 10,
  pointerMs: 1000,
  occupantsMax: 10,
  presenceMax: 10,
  historyMax: 10,
  historyDefault: 10,
  mayCreate: true,
  askEveryMs: 60_000,
  iqsMax: 5,
  iqTimeoutMs: 30_000,
  receiptsMs: 1000,
  page: { ...GROUP_OPTIONS.page, pageDefault: 10, pageMax: 10 },
  searchWordsMax: 100,
};
const JOIN = `<x xmlns='http://jabber.org/protocol/muc'/>`;
const join = `<presence xmlns='jabber:client' to='${ROOM}/hag'>${JOIN}</presence>`;
const ping = `<iq xmlns='jabber:client' type='get' id='p' to='${ROOM}/hag'><ping xmlns='urn:xmpp:ping'/></iq>`;
const form = `<x xmlns='jabber:x:data' type='submit'/>`;
const owner = `<query xmlns='http://jabber.org/protocol/muc#owner'>${form}</query>`;
const configure = `<iq xmlns='jabber:client' type='set' id='c' to='${ROOM}'>${owner}</iq>`;

t.test('a device that enters again while the room asks whether it is there stays in it', async (t) => {
  const options = { runtime: { groups: GROUPS } };
  const node = await TestNode.start(options);
  const [a = ''] = await node.account('a');
  const before = await node.bind(a, 'one');
  await before.send(join, configure);
  t.match((await before.send(ping)).join(), /type=.result/);

  // The process dies; the room's first word to anybody is the question, on its way before the answer to the device.
  const next = await TestNode.start({ ...options, disk: node.disk });
  const back = await next.bind(a, 'one');
  await back.send(join);
  t.match((await back.send(ping)).join(), /type=.result/);
});

t.test('who does not enter again after a crash is taken out when the room asks', async (t) => {
  const options = { runtime: { groups: GROUPS } };
  const node = await TestNode.start(options);
  const [a = ''] = await node.account('a');
  await (await node.bind(a, 'one')).send(join, configure);
  const next = await TestNode.start({ ...options, disk: node.disk });
  const other = await next.bind(a, 'two');
  const seen = (await other.send(join)).join();
  t.match(seen, /110/);
  t.match((await (await next.bind(a, 'one')).send(ping)).join(), /not-acceptable/);
});

const limits = { ...CHAT_LIMITS, ...GROUPS, domain: DOMAIN, newId: () => `ask-${++asks}` };
let asks = 0;

function enter(jid: string): Send {
  const [sender = ''] = jid.split('/');
  return {
    t: 'send',
    kind: 'presence',
    from: jid,
    sender,
    to: `${ROOM}/hag`,
    type: 'available' as Send['type'],
    id: undefined,
    oid: undefined,
    lang: undefined,
    inner: JOIN,
    flags: undefined,
    store: false,
    token: 1,
  };
}

/** @returns questions that leave, `resources under ask` */
function step(group: GroupState, now: number, message: ChatMessage): string[] {
  const turn = newTurn<GroupEffect>(now);
  groupStep(group, message, turn, limits);
  return turn.effects.flatMap((effect) =>
    effect.t === 'toSession' && effect.msg.t === 'present?' ? [`${effect.msg.resources} under ${effect.msg.ask}`] : [],
  );
}

t.test('an answer from before a device entered again is not about it', async (t) => {
  const group = newGroup(newChatLog(ROOM, 0, [], limits, NO_HISTORY), []);
  step(group, 1, enter(`${A}/one`));
  const [asked = ''] = step(group, 100_000, { t: 'exists', member: A, exists: true });
  t.match(asked, /^one under ask-/);
  const ask = asked.split(' ')[2] ?? '';
  step(group, 100_001, enter(`${A}/one`));
  const absent = { t: 'absent', user: A, resources: ['one'] } as const;
  const [again = ''] = step(group, 100_002, { ...absent, ask });
  t.match(again, /^one under ask-/, 'it is asked anew');
  t.ok(group.occupants.has(`${A}/one`));
  const [unasked = ''] = step(group, 100_003, {
    t: 'deliver',
    source: { shard: 0, idx: 1, pos: 0 },
    item: { t: 'orphaned', user: A },
  });
  t.match(unasked, /^one under ask-/, 'so it is when a session was lost');
  t.same(step(group, 100_004, { ...absent, ask: unasked.split(' ')[2] ?? '' }), []);
  t.notOk(group.occupants.has(`${A}/one`), 'the latest answer counts');
});

t.test('after a failover the room asks about devices that were not available, too', async (t) => {
  const node = await TestNode.start({ runtime: { groups: GROUPS } });
  const [a = ''] = await node.account('a');
  const device = await node.bind(a, 'one');
  await device.send(join, configure);
  // Its session went with a node, and the row that is left names no resource: it had sent no initial presence.
  node.runtime.toChat(ROOM, { ...enter(`${a}/lost`), token: 0 });
  await node.settle();
  device.conn.take();
  t.match((await device.send(join)).join(), `${a}/lost`, 'a ghost');
  node.runtime.toSession(a, { t: 'orphans', resources: [], rooms: [ROOM] });
  await node.settle();
  device.conn.take();
  t.notMatch((await device.send(join)).join(), `${a}/lost`);
  t.match((await device.send(ping)).join(), /type=.result/, 'who is still there stays');
});

t.test('a question that is not answered is put again, one that is answered is not', async (t) => {
  const group = newGroup(newChatLog(ROOM, 0, [], limits, NO_HISTORY), []);
  step(group, 1, enter(`${A}/one`));
  const sweep = (now: number): string[] => step(group, now, { t: 'sweep', now });
  const [asked = ''] = sweep(100_000);
  t.match(asked, /^one under ask-/);
  t.same(sweep(104_999), [], 'it may be on its way');
  const [again = ''] = sweep(105_000);
  t.match(again, /^one under ask-/);
  t.not(again, asked);
  step(group, 105_001, { t: 'absent', user: A, resources: [], ask: again.split(' ')[2] ?? '' });
  t.same(sweep(115_000), []);
  t.ok(group.occupants.has(`${A}/one`));
});

t.test('late answers call forth one question, not one each', async (t) => {
  const group = newGroup(newChatLog(ROOM, 0, [], limits, NO_HISTORY), []);
  step(group, 1, enter(`${A}/one`));
  const late = ['x', 'y', 'z'].map((ask) => ({ t: 'absent', user: A, resources: ['one'], ask }) as const);
  const asked = late.flatMap((answer, i) => step(group, 100 + i, answer));
  t.equal(asked.length, 1);
  step(group, 200, { t: 'absent', user: A, resources: ['one'], ask: asked[0]?.split(' ')[2] ?? '' });
  t.notOk(group.occupants.has(`${A}/one`));
});
