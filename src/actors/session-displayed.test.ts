import t from 'tap';
import { shardOf } from '../base/hash.ts';
import { buildProtocol } from '../xmpp/index.ts';
import { dispatchIq } from '../xmpp/iq-table.ts';
import { createArchivePort } from './archive-port.ts';
import { createItemPort } from './item-port.ts';
import { directChatId, sessionKey, userRows } from './keys.ts';
import { message, SHARDS, TestNode, type TestNodeOptions } from './runtime.fixture.ts';
import { markRead } from './session-displayed.ts';
import type { SessionState } from './session-state.ts';
import type { ReadMoved, UserChatRow } from './session-types.ts';

const marker = (to: string, id: string, name = 'displayed', more = ''): string =>
  `<message xmlns='jabber:client' to='${to}' type='chat'><${name} xmlns='urn:xmpp:chat-markers:0' id='${id}'/>${more}</message>`;

const INBOX = `<iq xmlns='jabber:client' type='get' id='q'><inbox xmlns='urn:xmpp:inbox:1'/></iq>`;

/** Alice has sent some messages to bob, who has two devices and can ask for his inbox. */
async function pair(count: number, options: TestNodeOptions = {}) {
  const moves: ReadMoved[] = [];
  let session: SessionState | undefined;
  const node: TestNode = await TestNode.start({
    ...options,
    parts: { readMoved: (_session, moved) => moves.push(moved) },
    onIq(port, request) {
      session = port as SessionState;
      const archive = createArchivePort(node.store.store, SHARDS);
      const items = createItemPort(node.store.store, SHARDS);
      const protocol = buildProtocol({ software: { name: 'x', version: '1' }, startedAtMs: 0, archive, items });
      return dispatchIq(protocol.iqTable, port, request) === 'handled';
    },
  });
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  const bobsOther = await node.bind(b, 'two');
  for (let i = 1; i <= count; i++) await alice.send(message(b, `m${i}`, { oid: `o${i}` }));
  for (const client of [bob, bobsOther]) client.conn.take();
  const key = `${userRows(b)}c/${directChatId(a, b)}`;
  const row = (): string => {
    const { read, unread, cur } = node.inner.get(shardOf(sessionKey(b), SHARDS), key) as UserChatRow;
    return `read ${read} of ${cur}, ${unread} unread`;
  };
  const inbox = async (client = bob): Promise<string[]> => entries(await client.send(INBOX));
  /** within a turn of bob's session */
  const asBob = async (run: (session: SessionState) => void): Promise<void> => {
    await bob.send(INBOX);
    node.runtime.toSession(b, { t: 'run', run: () => run(session as SessionState) });
    await node.settle();
  };
  return { node, a, b, alice, bob, bobsOther, row, moves, inbox, asBob };
}

/** `jid unread id` of every entry, and the fin. */
function entries(stanzas: readonly string[]): string[] {
  return stanzas.flatMap((xml) => {
    const entry = /<entry [^>]*unread='(\d+)' jid='(.*?)@.*?' id='(\d+)'/.exec(xml);
    if (entry !== null) return [`${entry[2]} ${entry[1]} ${entry[3]}`];
    const fin = /total='(\d+)' unread='(\d+)' all-unread='(\d+)'/.exec(xml);
    return fin === null ? [] : [`total ${fin[1]}, ${fin[2]} with ${fin[3]}`];
  });
}

t.test('a marker of any device moves the cursor of all, and never back', async (t) => {
  const { a, b, bob, bobsOther, alice, row } = await pair(5);
  const noStore = `<no-store xmlns='urn:xmpp:hints'/>`;
  const table: [what: string, from: typeof bob, xml: string, want: string][] = [
    ['it is of the third message', bob, marker(a, 'm3'), 'read 3 of 6, 2 unread'],
    ['one of before', bobsOther, marker(a, 'm2'), 'read 3 of 7, 2 unread'],
    ['of a message that nobody knows', bob, marker(a, 'm9'), 'read 3 of 8, 2 unread'],
    ['what was only received', bob, marker(a, 'm5', 'received'), 'read 3 of 9, 2 unread'],
    ['what alice has displayed', alice, marker(b, 'm5'), 'read 3 of 10, 2 unread'],
    ['by its origin-id, from the other device', bobsOther, marker(a, 'o4'), 'read 4 of 11, 1 unread'],
    [
      'one that is not kept, of an older protocol',
      bob,
      marker(a, 'm5', 'acknowledged', noStore),
      'read 5 of 11, 0 unread',
    ],
    ['once more', bob, marker(a, 'm5', 'displayed', noStore), 'read 5 of 11, 0 unread'],
  ];
  for (const [what, from, xml, want] of table) {
    await from.send(xml);
    t.equal(row(), want, what);
  }
});

t.test('a message is found far behind the last one, but not behind the bound', async (t) => {
  const { a, bob, row } = await pair(600);
  await bob.send(marker(a, 'm80'));
  t.equal(row(), 'read 0 of 601, 600 unread', 'more than 512 messages back');
  await bob.send(marker(a, 'm100'));
  t.equal(row(), 'read 100 of 602, 500 unread');
});

t.test('a marker of oneself in a chat that is not there, or of what oneself said, is nothing', async (t) => {
  const { a, bob, alice, node, row } = await pair(1);
  const [c = ''] = await node.account('c');
  await bob.send(marker(c, 'm1'), marker(bob.user, 'm1'), marker(a, 'm1'));
  t.equal(row(), 'read 1 of 2, 0 unread');
  await alice.send(message(bob.user, 'm2'));
  await bob.send(message(a, 'mine'));
  const receipt = `<received xmlns='urn:xmpp:receipts' id='m2'/>`;
  await bob.send(`<message xmlns='jabber:client' to='${a}' type='chat' id='receipt'>${receipt}</message>`);
  await alice.send(message(bob.user, 'm3'));
  await bob.send(marker(a, 'mine'), marker(a, 'receipt'));
  t.equal(row(), 'read 4 of 8, 1 unread');
});

t.test('who asks behind a marker sees what it did, and a restart keeps it', async (t) => {
  const { node, a, b, alice, bob, inbox } = await pair(3);
  t.strictSame(await inbox(), ['a 3 3', 'total 1, 1 with 3']);
  bob.frame(marker(a, 'm2'));
  bob.frame(message(b, 'note'));
  t.strictSame(entries(await bob.send(INBOX)), ['b 0 5', 'a 1 4', 'total 2, 1 with 1'], 'its own chat, and the marker');
  await alice.send(message(b, 'm4'));
  t.strictSame(await inbox(), ['a 2 6', 'b 0 5', 'total 2, 1 with 2']);
  const again = await TestNode.start({ disk: node.disk });
  const shard = shardOf(sessionKey(b), SHARDS);
  t.match(again.inner.get(shard, `${userRows(b)}c/${directChatId(a, b)}`), { read: 2, unread: 2, last: 6, loud: 4 });
});

t.test('what is on its way to the disk is in the answer, which waits for it', async (t) => {
  const { node, b, alice, bob, inbox } = await pair(1);
  await inbox();
  node.held = true;
  await alice.send(message(b, 'm2'));
  t.strictSame(entries(await bob.send(INBOX)), []);
  await node.release();
  t.strictSame(entries(bob.conn.take()), ['a 2 2', 'total 1, 1 with 2']);
});

t.test('markRead by archive ids, at once', async (t) => {
  const { node, a, b, row, moves, asBob, alice } = await pair(3);
  const hidden = `<no-permanent-store xmlns='urn:xmpp:hints'/>`;
  await alice.send(message(b, 'hidden', { extra: hidden }), message(b, 'm4'));
  const [c = ''] = await node.account('c');
  const carol = await node.bind(c, 'one');
  await carol.send(message(b, 'c1'), message(b, 'c2'));
  const chat = directChatId(a, b);
  const table: [id: string, moved: boolean, want: string][] = [
    ['7', false, 'read 0 of 5, 4 unread'],
    ['2', true, 'read 2 of 5, 2 unread'],
    ['1', false, 'read 2 of 5, 2 unread'],
    ['4', false, 'read 2 of 5, 2 unread'],
    ['9', false, 'read 2 of 5, 2 unread'],
    ['x', false, 'read 2 of 5, 2 unread'],
    ['5', true, 'read 5 of 5, 0 unread'],
  ];
  for (const [id, moved, want] of table) {
    await asBob((session) => t.equal(markRead(session, chat, id), moved, id));
    t.equal(row(), want);
  }
  t.strictSame(moves, [
    { chat, read: 2, unread: 2, stanzaId: '2' },
    { chat, read: 5, unread: 0, stanzaId: '5' },
  ]);
});

t.test('a room is marked by its own ids', async (t) => {
  const { moves, asBob } = await pair(0);
  await asBob((session) => {
    const room = 'room@test.example';
    session.put(`c/${room}`, { v: 1, cur: 9, n: 0, unread: 4, read: 2, last: 0, loud: 0 } satisfies UserChatRow);
    t.equal(markRead(session, room, '10'), false);
    t.equal(markRead(session, room, '9'), true);
    t.match(session.get(`c/${room}`), { read: 9, unread: 0 });
  });
  t.match(moves, [{ chat: 'room@test.example', read: 9, unread: 0 }]);
});

t.test('markers that are looked for are bounded with the sends', async (t) => {
  const { node, a, b, bob, asBob, row } = await pair(2, { session: { inflightMax: 4 } });
  const errors = async (xml: string): Promise<number> =>
    (await bob.send(xml)).filter((one) => one.includes('<resource-constraint')).length;
  await asBob(({ marks }) => [1001, 1002, 1003, 1004].map((number) => marks.add(number)));
  t.equal(await errors(marker(a, 'm1')), 1);
  await asBob(({ marks }) => marks.clear());
  // Bob's first device has not acknowledged the refusal: nothing else of it is taken.
  t.strictSame(await (await node.bind(b, 'three')).send(marker(a, 'm1')), []);
  t.equal(row(), 'read 1 of 3, 1 unread');
});
