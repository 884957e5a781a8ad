import t from 'tap';
import type { IqRequest } from '../xmpp/module.ts';
import { NS_SM } from '../xmpp/xep0198-stream-management.ts';
import { parseFrame } from '../xmpp/xml.ts';
import { ack, acks, bodies, composing, message, REQUEST, TestClient, TestNode } from './runtime.fixture.ts';

function replies(_session: unknown, request: IqRequest): boolean {
  request.reply();
  return true;
}

async function two(options: Parameters<typeof TestNode.start>[0] = {}): Promise<{
  node: TestNode;
  a: string;
  b: string;
  alice: TestClient;
  bob: TestClient;
}> {
  const node = await TestNode.start(options);
  const [a = '', b = ''] = await node.account('a', 'b');
  const alice = await node.bind(a, 'one');
  const bob = await node.bind(b, 'one');
  await alice.send(message(b, 'warm up'));
  alice.conn.take();
  bob.conn.take();
  return { node, a, b, alice, bob };
}

t.test('h counts a stanza when its effects are committed, and only then is <r/> answered', async (t) => {
  const { node, b, alice } = await two();
  node.held = true;
  await alice.send(message(b, '1'), message(b, '2'), REQUEST);
  t.same(acks(alice.conn.take()), []);
  await node.release();
  t.same(acks(alice.conn.take()), [4], 'presence and the first message before them');
  t.same(acks(await alice.send(REQUEST)), [4], 'with nothing open the answer comes at once');
});

t.test('h never passes over a stanza that is still on its way', async (t) => {
  const { node, a, b, alice } = await two({ onIq: replies });
  node.held = true;
  const iq = `<iq xmlns='jabber:client' type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>`;
  const got = await alice.send(message(b, '1'), iq, REQUEST);
  t.match(got.join(), /id="q"/, 'the iq is answered');
  t.same(acks(got), [], 'the message before it is not on disk');
  await node.release();
  t.same(acks(alice.conn.take()), [4]);
  t.ok(a);
});

t.test('requests that come while one is waiting do not put it off', async (t) => {
  const { node, b, alice } = await two();
  await alice.send(message(b, '1'));
  node.held = true;
  await alice.send(message(b, '2'), REQUEST);
  await alice.send(message(b, '3'), REQUEST);
  node.store.sync();
  await node.settle();
  await alice.send(message(b, '4'), REQUEST);
  node.store.sync();
  await node.settle();
  t.same(acks(alice.conn.take()), [4], 'the first has its answer before the last message is committed');
  await node.release();
  t.same(acks(alice.conn.take()), [5, 6]);
});

t.test('a refused message is answered, counts as handled, and is not in the chat', async (t) => {
  const { node, b, alice, bob } = await two();
  node.store.full = true;
  const got = await alice.send(message(b, 'lost'), REQUEST);
  t.same(bodies(got), ['!resource-constraint']);
  t.same(acks(got), [3]);
  node.store.full = false;
  t.same(acks(await alice.send(ack(2), message(b, 'kept'), REQUEST)), [4]);
  t.same(bodies(bob.conn.take()), ['kept']);
});

t.test('a resumed stream gets what it has not acknowledged, then what is new', async (t) => {
  const { node, b, alice, bob } = await two();
  await alice.send(message(b, '1'), message(b, '2'));
  bob.gone();
  await node.settle();
  await alice.send(message(b, '3'));
  const old = bob.sid;
  t.match(await bob.resume(3), { ok: true });
  const [resumed, ...rest] = bob.conn.take();
  t.match(resumed, /^<resumed .*h='1'/);
  t.same(bodies(rest), ['2', '3'], 'of 1 presence and 4 messages the client had 3');
  t.not(bob.sid, old, 'what the old socket still had on its way finds nobody');
  t.same(acks(await bob.send(REQUEST)), [1]);
});

t.test('what a resumed stream gets again says when it was sent, as what comes late behind it does', async (t) => {
  const { node, b, alice, bob } = await two();
  const sentMs = node.now;
  await alice.send(message(b, '1'));
  bob.gone();
  await node.settle();
  node.now += 1001;
  await alice.send(message(b, '2'));
  t.match(await bob.resume(2), { ok: true });
  const stamps = bob.conn.take().flatMap((xml) => (xml.includes('<body>') ? [xml.match(/ stamp='(.*?)'/)?.[1]] : []));
  t.same(stamps, [new Date(sentMs).toISOString(), undefined]);
  bob.gone();
  await node.settle();
  node.now += 1001;
  t.match(await bob.resume(2), { ok: true });
  const again = bob.conn.take().filter((xml) => xml.includes('<body>'));
  t.same(bodies(again), ['1', '2']);
  for (const xml of again) t.equal(xml.split('<delay ').length, 2, 'once, however often it is sent');
});

t.test('a resumption waits for the stanzas that are on their way', async (t) => {
  const { node, b, alice, bob } = await two();
  node.held = true;
  await alice.send(message(b, '1'), message(b, '2'));
  alice.gone();
  let answered = false;
  const answer = alice.asksToResume(1).then((outcome) => {
    answered = true;
    return outcome;
  });
  await node.settle();
  t.equal(answered, false);
  await node.release();
  t.match(await answer, { ok: true });
  t.match(alice.conn.take()[0], /^<resumed .*h='4'/, 'so the client sends nothing again');
  t.same(bodies(bob.conn.take()), ['1', '2']);
  t.same(acks(await alice.send(message(b, '3'), REQUEST)), [5]);
});

t.test('frames that an old socket left behind do not count on the resumed stream', async (t) => {
  const { node, b, alice, bob } = await two();
  const { sid } = alice;
  const answer = alice.asksToResume(1);
  node.runtime.toSession(alice.user, { t: 'frame', sid, frame: parseFrame(message(b, 'stale')) });
  await node.settle();
  t.match(await answer, { ok: true });
  t.same(acks(await alice.send(REQUEST)), [2]);
  t.same(bodies(bob.conn.take()), []);
});

t.test('a resumption that cannot be honest is refused', async (t) => {
  const { node, alice } = await two();
  const stranger = new TestClient(node, alice.user);
  stranger.smId = 'no-such-stream';
  t.same(await stranger.resume(0), { ok: false, h: undefined }, 'an unknown stream');
  t.match(await alice.resume(99), { ok: false, h: 2 }, 'a client that has more than was sent');
  const plain = await node.bind(alice.user, 'plain', { sm: false });
  await plain.send(`<enable xmlns='${NS_SM}'/>`);
  plain.smId = 'id99';
  t.match(await plain.resume(0), { ok: false }, 'a stream that did not ask to be resumable');
});

t.test('a second socket that resumes takes the place of the first', async (t) => {
  const { node, b, alice } = await two();
  const { conn } = alice;
  t.match(await alice.resume(1), { ok: true });
  t.match(conn.closed, { t: 'error', condition: 'conflict' });
  node.held = true;
  await alice.send(message(b, '1'));
  const first = alice.asksToResume(1);
  const second = alice.asksToResume(1);
  await node.release();
  t.same(await first, { ok: false, h: undefined }, 'of two that wait the first is let go');
  t.match(await second, { ok: true });
});

t.test('a socket that went while it waited to resume is not taken up', async (t) => {
  const { node, b, alice } = await two();
  node.held = true;
  await alice.send(message(b, '1'));
  const answer = alice.asksToResume(1);
  await node.settle();
  alice.conn.close({ t: 'end' });
  await node.release();
  t.match(await answer, { ok: false });
  t.match(await alice.resume(1), { ok: true }, 'and the next one is');
});

t.test('a stanza sent before <enabled/> is not counted as sent', async (t) => {
  const { node, b, alice } = await two();
  const bob = await node.bind(b, 'two', { sm: false, priority: 5 });
  node.held = true;
  await alice.send(message(b, '1'));
  await bob.send(`<enable xmlns='${NS_SM}' resume='true'/>`);
  await node.release();
  const frames = bob.conn.take();
  const enabled = frames.findIndex((xml) => xml.startsWith('<enabled'));
  const counted = frames.slice(enabled + 1).filter((xml) => xml.startsWith('<message')).length;
  bob.smId = / id='(.*?)'/.exec(frames[enabled] ?? '')?.[1] ?? '';
  t.match(await bob.resume(counted), { ok: true });
  t.same(bodies(bob.conn.take()), [], 'so nothing comes twice');
});

t.test('what becomes of a stream whose socket goes', async (t) => {
  const table: [what: string, sm: boolean, clean: boolean, passed: number, streams: number][] = [
    ['without stream management it ends', false, false, 0, 0],
    ['a clean close ends it', true, true, 0, 0],
    ['else it can be resumed', true, false, 59_000, 1],
    ['but not for ever', true, false, 60_000, 0],
  ];
  for (const [what, sm, clean, passed, streams] of table) {
    const node = await TestNode.start();
    const [a = ''] = await node.account('a');
    const client = await node.bind(a, 'one', { sm });
    client.gone(clean);
    await node.settle();
    await node.pass(passed);
    t.equal(node.runtime.stats().streams, streams, what);
    if (sm) t.match(await client.resume(1), { ok: streams === 1 }, what);
  }
});

t.test('binding a resource that is taken', async (t) => {
  const table: [conflict: 'replace' | 'refuse' | 'rename', detached: boolean, want: object, oldEnds: boolean][] = [
    ['replace', false, { ok: true, resource: 'one' }, true],
    ['refuse', false, { ok: false, condition: 'conflict' }, false],
    ['refuse', true, { ok: true, resource: 'one' }, true],
    ['rename', false, { ok: true, resource: /^one-id/ }, false],
    ['rename', true, { ok: true, resource: 'one' }, true],
  ];
  for (const [conflict, detached, want, oldEnds] of table) {
    const node = await TestNode.start({ session: { conflict } });
    const [a = ''] = await node.account('a');
    const old = await node.bind(a, 'one');
    if (detached) old.gone();
    const client = new TestClient(node, a);
    t.match(await node.tryBind(client, 'one'), want, `${conflict}${detached ? ', detached' : ''}`);
    t.match(await old.resume(1), { ok: !oldEnds }, conflict);
  }
});

t.test('a user has only so many streams; a detached one gives way', async (t) => {
  const node = await TestNode.start({ session: { resourcesMax: 2 } });
  const [a = ''] = await node.account('a');
  const first = await node.bind(a, 'one');
  await node.bind(a, 'two');
  t.match(await node.tryBind(new TestClient(node, a), 'three'), { ok: false, condition: 'resource-constraint' });
  first.gone();
  t.match(await node.tryBind(new TestClient(node, a), 'three'), { ok: true });
  t.match(await first.resume(1), { ok: false });
});

t.test('nobody binds without an account', async (t) => {
  const node = await TestNode.start();
  t.match(await node.tryBind(new TestClient(node, 'nobody@test.example'), 'one'), {
    ok: false,
    condition: 'not-allowed',
  });
});

t.test('a silent client is asked for an ack, then its socket goes', async (t) => {
  const { node, b, alice, bob } = await two();
  await alice.send(message(b, '1'));
  await node.pass(1000);
  t.ok(bob.conn.take().includes(REQUEST), 'asked');
  await node.pass(29_000);
  t.equal(bob.conn.closed, undefined);
  await node.pass(1000);
  t.match(bob.conn.closed, { t: 'detached' });
});

t.test('a slow reader is detached, and resumes with nothing lost', async (t) => {
  const { node, b, alice, bob } = await two();
  bob.conn.queuedBytes = 200_000;
  await alice.send(message(b, '1'), message(b, '2'));
  t.match(bob.conn.closed, { t: 'detached' });
  bob.gone();
  t.match(await bob.resume(2), { ok: true });
  t.same(bodies(bob.conn.take()), ['1', '2']);
  t.ok(node);
});

t.test('a client that sends faster than the disk takes it resumes with nothing lost and nothing double', async (t) => {
  const { node, b, alice, bob } = await two({ session: { inflightMax: 4 } });
  const all = ['1', '2', '3', '4', '5', '6'];
  node.held = true;
  await alice.send(...all.slice(0, 5).map((body) => message(b, body)));
  t.match(alice.conn.closed, { t: 'detached' });
  await node.release();
  alice.frame(message(b, '6'));
  await node.settle();
  t.same(bodies(bob.conn.take()), ['1', '2', '3', '4'], 'behind the one that was dropped nothing is taken');
  alice.gone();
  await alice.resume(1);
  const h = Number(/h='(\d+)'/.exec(alice.conn.take()[0] ?? '')?.[1]);
  t.equal(h, 6);
  await alice.send(...all.slice(h - 2).map((body) => message(b, body)));
  t.same(bodies(bob.conn.take()), ['5', '6']);
});

t.test('acknowledging more than was sent ends the stream', async (t) => {
  const { alice } = await two();
  await alice.send(ack(50));
  t.match(alice.conn.closed, { t: 'error', condition: 'undefined-condition' });
});

t.test('while the disk is full streams bind, resume and end all the same', async (t) => {
  const { node, a, alice, bob } = await two();
  node.store.full = true;
  t.match(await alice.resume(1), { ok: true });
  const other = new TestClient(node, a);
  t.match(await node.tryBind(other, 'two'), { ok: true });
  bob.gone(true);
  await node.settle();
  await alice.send(composing(bob.user));
  t.equal(node.runtime.stats().streams, 2);
  t.same(node.crashes, []);
});

t.test('a refusal that the client may not know of is not acknowledged by a resumption', async (t) => {
  const { node, b, alice, bob } = await two();
  node.store.full = true;
  await alice.send(message(b, 'refused'));
  alice.gone();
  await node.settle();
  node.store.full = false;
  const answer = await alice.resume(1);
  t.same(answer, { ok: false, h: 2 }, 'presence and the first message, not the refused one');
  const next = await node.bind(alice.user, 'next');
  await next.send(message(b, 'refused'));
  t.same(bodies(bob.conn.take()), ['refused']);
});

t.test("a refusal that the client has acknowledged is in nobody's way", async (t) => {
  const { node, b, alice } = await two();
  node.store.full = true;
  t.same(bodies(await alice.send(message(b, 'refused'), message(b, 'refused too'))), [
    '!resource-constraint',
    '!resource-constraint',
  ]);
  node.store.full = false;
  alice.gone();
  await node.settle();
  t.match(await alice.resume(2), { ok: false, h: 3 }, 'one of two');
  const again = await node.bind(alice.user, 'again');
  node.store.full = true;
  await again.send(message(b, 'refused'));
  node.store.full = false;
  await again.send(ack(2));
  again.gone();
  await node.settle();
  t.match(await again.resume(2), { ok: true });
});
