import t from 'tap';
import { shardOf } from '../base/hash.ts';
import type { Op } from '../storage/log-store.ts';
import type { IqRequest } from '../xmpp/module.ts';
import { directChatId, sessionKey, userRows } from './keys.ts';
import {
  ack,
  bodies,
  composing,
  ids,
  message,
  presence,
  SHARDS,
  type TestClient,
  TestNode,
} from './runtime.fixture.ts';
import type { UserChatRow } from './session-types.ts';

function row(node: TestNode, user: string, peer: string): Partial<UserChatRow> {
  const key = `${userRows(user)}c/${directChatId(user, peer)}`;
  const { cur, n, unread, read } = node.inner.get(shardOf(sessionKey(user), SHARDS), key) as UserChatRow;
  return { cur, n, unread, read };
}

/** Names of what an op writes, calls taken apart. */
function written(op: Op | undefined): string[] {
  return (op?.writes ?? []).flatMap((write) => {
    const plain = write.t === 'call' ? write.call.expand(write.args) : [write];
    return plain.map((one) => ('stream' in one ? one.stream : one.key));
  });
}

async function two(options: Parameters<typeof TestNode.start>[0] = {}): Promise<{
  node: TestNode;
  a: string;
  b: string;
  alice: TestClient;
}> {
  const node = await TestNode.start(options);
  const [a = '', b = ''] = await node.account('a', 'b');
  return { node, a, b, alice: await node.bind(a, 'one') };
}

t.test('pointer, archive index and cursor of a delivery are one op', async (t) => {
  const { node, a, b, alice } = await two();
  await alice.send(message(b, 'the first one begins the index too'));
  node.ops.length = 0;
  await alice.send(message(b, 'hi'));
  const chat = directChatId(a, b);
  const writes = node.ops.map(written).filter((names) => names.includes(`i/${b}`));
  t.same(writes, [[`i/${b}`, `x/${b}/${chat}`, `S/${b}/c/${chat}`]]);
});

t.test('a message reaches a live stream after its inbox is on disk, not before', async (t) => {
  const { node, b, alice } = await two();
  const bob = await node.bind(b, 'one');
  node.held = true;
  await alice.send(message(b, 'the first of a chat'));
  t.same(bob.conn.out, []);
  node.store.sync();
  await node.settle();
  t.same(bob.conn.out, [], 'the chat has it, the inbox not yet');
  await node.release();
  t.same(bodies(bob.conn.take()), ['the first of a chat']);
  node.held = true;
  await alice.send(message(b, 'hi'));
  t.same([bob.conn.out, node.store.waiting], [[], 1]);
  node.store.sync();
  await node.settle();
  t.same(bodies(bob.conn.take()), ['hi'], 'one commit for chat and inbox');
});

t.test('a message that was long on its way says when it was sent', async (t) => {
  const { node, b, alice } = await two();
  const bob = await node.bind(b, 'one');
  const [c = ''] = await node.account('c');
  const carol = await node.bind(c, 'one');
  const stamps = async (): Promise<(string | undefined)[]> => {
    await node.release();
    return bob.conn.take().map((xml) => / stamp='(.*?)'/.exec(xml)?.[1]);
  };
  await alice.send(message(b, 'in time'));
  t.same(await stamps(), [undefined]);
  const sentMs = node.now;
  node.held = true;
  await carol.send(message(b, 'late'));
  node.now += 1001;
  t.same(await stamps(), [new Date(sentMs).toISOString()]);
});

t.test('what was delivered and not acknowledged is delivered again, and counts once', async (t) => {
  const { node, a, b, alice } = await two();
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, 'hi'));
  const [op] = node.ops.filter(({ outbox }) => outbox.some(({ to }) => to === sessionKey(b)));
  const pos = op?.outbox.findIndex(({ to }) => to === sessionKey(b)) ?? 0;
  const item = op?.outbox[pos]?.body as { t: 'msg'; chat: string; seq: number; first: boolean };
  const source = { shard: op?.shard ?? 0, idx: op?.idx ?? 0, pos };
  const record = { v: 1, from: `${a}/one`, to: b, type: 'chat', id: 'hi', oid: undefined, ts: 1, inner: '' } as const;
  bob.conn.take();
  node.ops.length = 0;
  node.runtime.toSession(b, { t: 'deliver', source, item, record });
  await node.settle();
  t.same([bob.conn.take(), node.ops], [[], []], 'a double is dropped');
  node.runtime.toSession(b, { t: 'deliver', source, item: { ...item, seq: item.seq + 2 }, record });
  await node.settle();
  t.same([bob.conn.take(), node.ops], [[], []], 'behind a gap nothing is taken: both come again, in order');
  t.match(row(node, b, a), { cur: 1, unread: 1 });
});

t.test('unread and read', async (t) => {
  const { node, a, b, alice } = await two();
  const bob = await node.bind(b, 'one');
  const marker = `<message xmlns='jabber:client' to='${b}' type='chat'><received xmlns='urn:xmpp:receipts' id='x'/></message>`;
  const receipt = marker.replace(b, a);
  const table: [what: string, from: TestClient, xml: string, want: Partial<UserChatRow>][] = [
    ['a message of the other is unread', alice, message(b, '1'), { cur: 1, unread: 1, read: 0 }],
    ['and another', alice, message(b, '2'), { cur: 2, unread: 2, read: 0 }],
    ['what people do not read does not count', alice, marker, { cur: 3, unread: 2, read: 0 }],
    ['who answers has read', bob, message(a, '3'), { cur: 4, unread: 0, read: 4 }],
    ['then it starts again', alice, message(b, '4'), { cur: 5, unread: 1, read: 4 }],
    ['what a client sends by itself has read nothing', bob, receipt, { cur: 6, unread: 1, read: 4 }],
  ];
  for (const [what, from, xml, want] of table) {
    await from.send(xml);
    t.match(row(node, b, a), want, what);
  }
});

t.test('a user has so many chats and no more; those that are there go on', async (t) => {
  const { node, b, alice } = await two({ session: { chatsMax: 2 } });
  const [c = '', d = ''] = await node.account('c', 'd');
  const say = async (from: TestClient, to: string): Promise<string[]> => bodies(await from.send(message(to, 'hi')));
  t.same([await say(alice, b), await say(alice, c)], [[], []]);
  t.same(await say(alice, d), ['!policy-violation']);
  const dora = await node.bind(d, 'one');
  t.same(await say(dora, alice.user), ['!service-unavailable'], 'as if there was no such user');
  const bob = await node.bind(b, 'one');
  t.same(await say(bob, alice.user), []);
  t.same(await say(await node.bind(alice.user, 'two'), c), []);
  const disk = await TestNode.start({ disk: node.disk, session: { chatsMax: 2 } });
  t.same(await say(await disk.bind(alice.user, 'one'), d), ['!policy-violation'], 'nor after a restart');
});

t.test('a message with a hint against the archive has no place in its index', async (t) => {
  const { node, a, b, alice } = await two();
  const hint = `<no-permanent-store xmlns='urn:xmpp:hints'/>`;
  await alice.send(message(b, 'shown'), message(b, 'hidden', { extra: hint }), message(b, 'shown too'));
  t.match(row(node, b, a), { cur: 3, n: 2, unread: 2 });
  const bob = await node.bind(b, 'one', { priority: null });
  const got = await bob.send(presence());
  t.same(bodies(got), ['shown', 'hidden', 'shown too'], 'but it waits in the inbox like any other');
  t.same(ids(got), [1, 3], 'without an archive id');
});

t.test('a device that comes gets what waits, in order, then what is new', async (t) => {
  const { node, b, alice } = await two();
  const all = Array.from({ length: 25 }, (_, i) => `m${i + 1}`);
  await alice.send(...all.map((body) => message(b, body)));
  for (const sm of [false, true]) {
    const bob = await node.bind(b, 'one', { sm, priority: null });
    bob.frame(presence());
    await alice.send(message(b, `new ${sm}`));
    const got = bob.conn.take();
    t.same(bodies(got), sm ? ['new true'] : [...all, 'new false'], 'pages are followed by what came meanwhile');
    const numbers = ids(got);
    t.same(
      numbers,
      [...numbers].sort((x, y) => x - y),
    );
    bob.gone();
    await node.settle();
  }
});

t.test('with stream management what was not acknowledged comes again on the next stream', async (t) => {
  const { node, b, alice } = await two();
  await alice.send(...['m1', 'm2', 'm3'].map((body) => message(b, body)));
  const first = await node.bind(b, 'one', { priority: null });
  const got = await first.send(presence());
  t.same(bodies(got), ['m1', 'm2', 'm3']);
  await first.send(ack(2));
  first.gone(true);
  await node.settle();
  const second = await node.bind(b, 'two', { priority: null });
  t.same(bodies(await second.send(presence())), ['m2', 'm3'], 'its own presence was the first stanza');
  await second.send(ack(3));
  second.gone(true);
  await node.settle();
  const third = await node.bind(b, 'three', { priority: null });
  t.same(bodies(await third.send(presence())), []);
});

t.test('a device that comes back gets what it did not acknowledge, though another has seen later ones', async (t) => {
  const { node, b, alice } = await two();
  const [phone, laptop] = [await node.bind(b, 'phone'), await node.bind(b, 'laptop')];
  await alice.send(message(`${b}/phone`, 'for the phone'), message(`${b}/laptop`, 'for the laptop'));
  t.same(bodies(laptop.conn.take()), ['for the laptop']);
  await laptop.send(ack(3));
  phone.gone(true);
  await node.settle();
  const third = await node.bind(b, 'third', { priority: null });
  t.same(bodies(await third.send(presence())), [], 'another one does not');
  for (const expected of [['for the phone', 'for the laptop'], []]) {
    const back = await node.bind(b, 'phone', { priority: null });
    const got = await back.send(presence());
    t.same(bodies(got), expected, 'once');
    await back.send(ack(got.length));
    back.gone(true);
    await node.settle();
  }
});

t.test('what a stream got by its full JID before it was live does not come again when it is', async (t) => {
  const { node, b, alice } = await two();
  await alice.send(message(b, 'waits'));
  const bob = await node.bind(b, 'one', { priority: null });
  await alice.send(message(`${b}/one`, 'early'));
  t.same(bodies(bob.conn.take()), ['early']);
  await bob.send(ack(1));
  t.same(bodies(await bob.send(presence())), ['waits'], 'and acknowledging it does not pass over what waits');
});

t.test('a stream that was away with its presence gets only what it missed', async (t) => {
  const { node, b, alice } = await two();
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, 'm1'));
  await bob.send(`<presence xmlns='jabber:client' type='unavailable'/>`);
  await alice.send(message(b, 'm2'));
  bob.conn.take();
  t.same(bodies(await bob.send(presence())), ['m2']);
});

t.test('a client that does not acknowledge is left behind, and catches up when it does', async (t) => {
  const { node, b, alice } = await two({ session: { unackedStanzasMax: 16 } });
  const bob = await node.bind(b, 'one');
  const all = Array.from({ length: 40 }, (_, i) => `m${i + 1}`);
  await alice.send(...all.map((body) => message(b, body)));
  const got = bob.conn.take();
  let h = 1 + bodies(got).length;
  t.ok(bodies(got).length < 16, 'some of the queue is left for what the inbox cannot bring again');
  for (let i = 0; i < 20; i++) {
    await bob.send(ack(h));
    const more = bob.conn.take();
    got.push(...more);
    h += bodies(more).length;
  }
  const more = await bob.send(ack(h));
  got.push(...more);
  await node.pass(1000);
  t.same(
    bodies(got),
    [...bodies(got)].sort((x, y) => Number(x.slice(1)) - Number(y.slice(1))),
    'in order',
  );
  t.same(new Set(bodies(got)).size, bodies(got).length, 'each once');
  t.equal(bob.conn.closed, undefined);
});

t.test('a stanza that cannot be had again ends a stream whose queue is full', async (t) => {
  const onIq = (_session: unknown, request: IqRequest): true => {
    request.reply();
    return true;
  };
  const { node, b, alice } = await two({ session: { unackedStanzasMax: 4 }, onIq });
  const bob = await node.bind(b, 'one');
  for (let i = 0; i < 6; i++) await alice.send(composing(b));
  t.equal(bob.conn.closed, undefined, 'what need not arrive does not');
  for (let i = 0; i < 6; i++) await bob.send(`<iq xmlns='jabber:client' type='get' id='i${i}'><x xmlns='u'/></iq>`);
  t.match(bob.conn.closed, { t: 'error', condition: 'resource-constraint' });
  t.match(await bob.resume(0), { ok: false });
});

t.test('carbons go to the devices that want them, of what is sent and of what is received', async (t) => {
  const enable = `<iq xmlns='jabber:client' type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>`;
  const { node, a, b } = await two({
    onIq(_session, request) {
      if (request.stream !== undefined) request.stream.carbons = true;
      request.reply();
      return true;
    },
  });
  const [phone, laptop, plain] = [
    await node.bind(b, 'phone', { priority: 5 }),
    await node.bind(b, 'laptop'),
    await node.bind(b, 'plain'),
  ];
  await laptop.send(enable);
  const alice = await node.bind(a, 'two');
  const table: [what: string, from: TestClient, xml: string, got: [string[], string[], string[]]][] = [
    ['received', alice, message(b, '1'), [['1'], ['>1'], []]],
    ['sent', phone, message(a, '2'), [[], ['>2'], []]],
    ['sent by itself', laptop, message(a, '3'), [[], [], []]],
    ['private', alice, message(b, '4', { extra: `<private xmlns='urn:xmpp:carbons:2'/>` }), [['4'], [], []]],
    ['passing by', alice, composing(b), [['~'], ['>'], []]],
  ];
  for (const client of [phone, laptop, plain]) client.conn.take();
  for (const [what, from, xml, got] of table) {
    await from.send(xml);
    const seen = [phone, laptop, plain].map((client) => bodies(client.conn.take()));
    t.same(
      seen.map((list) => list.map((body) => body.replace('>~', '>'))),
      got,
      what,
    );
    alice.conn.take();
  }
});

t.test('what passes by does not overtake the message before it, nor the one behind it', async (t) => {
  const { node, b, alice } = await two();
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, 'warm up'));
  bob.conn.take();
  node.held = true;
  await alice.send(composing(b), message(b, '1'), composing(b), message(b, '2'), composing(b));
  await node.release();
  t.same(bodies(bob.conn.take()), ['~', '1', '~', '2', '~']);
});

t.test('a message on its way to an account that went is dropped and not sent for ever', async (t) => {
  const { node, b, alice } = await two();
  await alice.send(message(b, 'known'));
  node.held = true;
  alice.frame(message(b, 'late'));
  const removed = node.ask(b, { t: 'remove' });
  await node.release();
  await removed;
  await node.pass(6000);
  t.equal(node.runtime.stats().outbox, 0);
});

t.test('a message by full JID that is on its way when the stream goes live is not left out', async (t) => {
  const { node, b, alice } = await two();
  const bob = await node.bind(b, 'one', { priority: null });
  node.held = true;
  await alice.send(message(`${b}/one`, 'early'));
  node.store.sync();
  await node.settle();
  t.same(bodies(await bob.send(presence())), [], 'its inbox has it, the disk not yet');
  await node.release();
  t.same(bodies(bob.conn.take()), ['early']);
});
