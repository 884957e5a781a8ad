import t from 'tap';
import { ack, bodies, composing, DOMAIN, message, REQUEST, type TestClient, TestNode } from './runtime.fixture.ts';

async function two(options: Parameters<typeof TestNode.start>[0] = {}): Promise<{
  node: TestNode;
  a: string;
  b: string;
  alice: TestClient;
  bob: TestClient;
}> {
  const node = await TestNode.start(options);
  const [a = '', b = ''] = await node.account('a', 'b');
  return { node, a, b, alice: await node.bind(a, 'one'), bob: await node.bind(b, 'one') };
}

t.test('what becomes of a message by its address', async (t) => {
  const { b, alice, bob } = await two();
  const table: [to: string, mine: string[], theirs: string[]][] = [
    [b, [], ['x']],
    [`${b}/one`, [], ['x']],
    [`${b}/gone`, [], ['x']],
    [`nobody@${DOMAIN}`, ['!service-unavailable'], []],
    ['a@elsewhere.example', ['!remote-server-not-found'], []],
    [DOMAIN, ['!service-unavailable'], []],
    ['@', ['!jid-malformed'], []],
  ];
  for (const [to, mine, theirs] of table) {
    t.same(bodies(await alice.send(message(to, 'x'))), mine, to);
    t.same(bodies(bob.conn.take()), theirs, to);
  }
});

t.test('nobody sends as someone else', async (t) => {
  const table: [from: string, ok: boolean][] = [
    ['a@test.example/one', true],
    ['a@test.example', true],
    ['A@test.example/one', true],
    ['a@test.example/two', false],
    ['b@test.example', false],
    ['', false],
  ];
  for (const [from, ok] of table) {
    const { b, alice, bob } = await two();
    await alice.send(message(b, 'x').replace('<message ', `<message from='${from}' `));
    t.same(bodies(bob.conn.take()), ok ? ['x'] : [], from);
    if (ok) t.equal(alice.conn.closed, undefined, from);
    else t.match(alice.conn.closed, { t: 'error', condition: 'invalid-from' }, from);
  }
});

t.test('a receiver is told the full JID of the sender', async (t) => {
  const { b, alice, bob } = await two();
  await alice.send(message(b, 'x'));
  t.match(bob.conn.take()[0], / from='a@test\.example\/one' /);
});

t.test('what is no stanza ends the stream', async (t) => {
  const table: [xml: string, condition: string][] = [
    [`<nonsense xmlns='jabber:client'/>`, 'unsupported-stanza-type'],
    [`<message xmlns='jabber:server' to='b@test.example'/>`, 'unsupported-stanza-type'],
    [`<x xmlns='urn:xmpp:sm:3'/>`, 'policy-violation'],
    [`<a xmlns='urn:xmpp:sm:3' h='many'/>`, 'policy-violation'],
  ];
  for (const [xml, condition] of table) {
    const { alice } = await two();
    await alice.send(xml);
    t.match(alice.conn.closed, { t: 'error', condition }, xml);
  }
});

t.test('who sends faster than allowed is told to wait, and may go on after a while', async (t) => {
  const { node, b, alice, bob } = await two({ session: { sendsPerSecond: 2, sendsBurst: 3 } });
  const burst = ['1', '2', '3', '4', '5'];
  t.same(bodies(await alice.send(...burst.map((body) => message(b, body)))), [
    '!resource-constraint',
    '!resource-constraint',
  ]);
  t.same(bodies(bob.conn.take()), ['1', '2', '3']);
  node.now += 1000;
  await alice.send(ack(3));
  t.same(bodies(await alice.send(...burst.map((body) => message(b, body)))).length, 3, 'two more a second');
});

t.test('behind a message that was refused for now none is taken until the client has heard of it', async (t) => {
  const { node, b, alice, bob } = await two({ session: { sendsPerSecond: 1, sendsBurst: 1 } });
  const carol = (await node.account('c'))[0]!;
  await alice.send(message(b, '1'));
  t.same(bodies(await alice.send(message(b, '2'))), ['!resource-constraint']);
  node.now += 5000;
  const got = await alice.send(message(b, '3'));
  t.same(
    bodies(got),
    ['!resource-constraint'],
    'there is room for it, but it would stand before the second, sent again',
  );
  t.notOk(got.includes(REQUEST), 'asked once');
  t.same(bodies(await alice.send(message(carol, 'x'))), [], 'another chat');
  node.now += 5000;
  t.same(bodies(await alice.send(ack(2), message(b, '4'))), ['!resource-constraint'], 'it knows of one');
  t.same(bodies(await alice.send(ack(4), message(b, '5'))), []);
  t.same(bodies(bob.conn.take()), ['1', '5']);
});

t.test('a refused message of type error is told nobody, and holds nothing back', async (t) => {
  const { node, b, alice, bob } = await two({ session: { sendsPerSecond: 1, sendsBurst: 1 } });
  await alice.send(message(b, '1'));
  const error = message(b, '2').replace(`type='chat'`, `type='error'`);
  t.same(bodies(await alice.send(error)), []);
  node.now += 5000;
  t.same(bodies(await alice.send(message(b, '3'))), []);
  t.same(bodies(bob.conn.take()), ['1', '3']);
});

t.test('who is asked for an ack hears it with the refusal', async (t) => {
  const { b, alice } = await two({ session: { sendsPerSecond: 1, sendsBurst: 1 } });
  await alice.send(message(b, '1'));
  const got = await alice.send(message(b, '2'));
  t.same(bodies(got), ['!resource-constraint']);
  t.equal(got.at(-1), REQUEST);
});

t.test('one user has only so many messages on their way to the disk', async (t) => {
  const { node, b, alice } = await two({ session: { inflightMax: 3 } });
  await alice.send(message(b, 'warm up'));
  const plain = await node.bind(alice.user, 'two', { sm: false });
  node.held = true;
  const got = await plain.send(...['1', '2', '3', '4'].map((body) => message(b, body)));
  t.same(bodies(got), ['!resource-constraint']);
  await node.release();
  t.same(bodies(await plain.send(message(b, '5'))), [], 'and then again');
});

t.test('the same origin-id twice is one message for everybody', async (t) => {
  const { node, b, alice, bob } = await two();
  await alice.send(message(b, 'x', { oid: 'o1' }), message(b, 'x', { oid: 'o1' }), message(b, 'y', { oid: 'o2' }));
  t.same(bodies(bob.conn.take()), ['x', 'y']);
  node.held = true;
  await alice.send(message(b, 'z', { oid: 'o3' }));
  const got = await alice.send(message(b, 'z', { oid: 'o3' }), REQUEST);
  t.same(got, [], 'the second waits for the disk like the first');
  await node.release();
  t.same(bodies(bob.conn.take()), ['z']);
});

t.test('a forged archive id of this server is taken out', async (t) => {
  const { b, alice, bob } = await two();
  const forged = `<stanza-id xmlns='urn:xmpp:sid:0' by='${b}' id='666'/>`;
  await alice.send(message(b, 'x', { extra: forged }));
  t.notMatch(bob.conn.take()[0], /666/);
});

t.test('stream management after the bind is turned on once', async (t) => {
  const { alice } = await two();
  const [again] = await alice.send(`<enable xmlns='urn:xmpp:sm:3' resume='true'/>`);
  t.match(again, /^<failed .*unexpected-request/);
  const [resume] = await alice.send(`<resume xmlns='urn:xmpp:sm:3' h='0' previd='x'/>`);
  t.match(resume, /^<failed .*unexpected-request/);
});

t.test('presence waits for an inactive client, a message brings it along, in order', async (t) => {
  const { node, b, alice, bob } = await two();
  await bob.send(`<inactive xmlns='urn:xmpp:csi:0'/>`);
  const second = await node.bind(b, 'two');
  t.same(bob.conn.take(), [], 'a presence of his own other device can wait');
  await alice.send(message(b, 'x'));
  const got = bob.conn.take();
  t.same(
    got.map((xml) => /^<\w+/.exec(xml)?.[0]),
    ['<presence', '<message'],
  );
  second.gone(true);
  await node.settle();
  t.same(bob.conn.take(), []);
  t.match((await bob.send(`<active xmlns='urn:xmpp:csi:0'/>`))[0], /unavailable/);
});

t.test('a chat state for nobody is answered like a message', async (t) => {
  const { alice } = await two();
  t.same(bodies(await alice.send(composing(`nobody@${DOMAIN}`))), ['!service-unavailable']);
});

t.test('a refusal is told even if the op of its turn is refused', async (t) => {
  const { node, alice } = await two({
    onIq(session, request) {
      session.put('note', 1);
      request.reply();
      return true;
    },
  });
  node.store.full = true;
  const iq = `<iq xmlns='jabber:client' type='set' id='q'><note xmlns='urn:x'/></iq>`;
  const got = await alice.send(iq, message('a@elsewhere.example', 'x'), REQUEST);
  t.same(bodies(got), ['!remote-server-not-found']);
  t.match(got.join(), /id="q" type="error"/);
  t.match(got.at(-1), / h='3'/, 'and both are handled');
});
