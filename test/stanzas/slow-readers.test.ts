import type { Element } from 'ltx';
import t from 'tap';
import type { Client } from '../harness/client.ts';
import { startTestNode, type TestNode, until } from '../harness/node.ts';
import { create, roomJid, say } from '../harness/rooms.ts';

/** Clients that do not read, or do not acknowledge: memory is bounded, and they catch up without a gap. */
const chat = (to: string, body: string, size = 0): string =>
  `<message xmlns='jabber:client' to='${to}' type='chat'><body>${body}</body><x xmlns='u'>${'x'.repeat(size)}</x></message>`;
const isStanza = (el: Element): boolean => el.name === 'message' || el.name === 'presence' || el.name === 'iq';

/** Counts the stanzas of a stream, over all its sockets, as an honest client does. */
class Reader {
  h = 0;
  readonly bodies: string[] = [];

  /** Reads and acknowledges what comes until `last` has come. */
  async read(client: Client, last: string): Promise<void> {
    while (this.bodies.at(-1) !== last) {
      const el = await client.expect(() => true, `anything up to ${last}`);
      if (el.name === 'r') client.send(`<a xmlns='urn:xmpp:sm:3' h='${this.h}'/>`);
      if (!isStanza(el)) continue;
      this.h += 1;
      const body = el.getChildText('body');
      if (el.name === 'message' && body) this.bodies.push(body);
    }
  }

  /** What has come so far, unread on the socket. */
  take(client: Client): void {
    for (const { el } of client.inbox.splice(0)) {
      if (isStanza(el)) this.h += 1;
      const body = el.getChildText('body');
      if (el.name === 'message' && body) this.bodies.push(body);
    }
  }
}

async function resume(node: TestNode, user: string, id: string, h: number): Promise<Client> {
  const client = await node.authenticated(user);
  client.send(`<resume xmlns='urn:xmpp:sm:3' previd='${id}' h='${h}'/>`);
  await client.expect('<resumed');
  return client;
}

const names = (count: number, prefix = 'm'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

t.test(
  'a socket that does not read is dropped at the bound, its stream resumes and gets everything in order',
  async (t) => {
    const queue = 1_000_000;
    const node = await startTestNode(t, {
      limits: { outQueueBytesMax: queue, unackedStanzasMax: 10_000, unackedBytesMax: 100_000_000 },
    });
    const romeo = await node.login('romeo', 'orchard');
    await romeo.enable();
    const juliet = await node.login('juliet', 'balcony');
    const id = await juliet.enable();
    const reader = new Reader();
    await juliet.available();
    reader.h = 1;
    juliet.ws.pause();
    let sent = 0;
    let queuedMax = 0;
    while (node.counts().connections === 2) {
      romeo.send(chat('juliet@localhost', `m${sent++}`, 100_000));
      await romeo.ack();
      queuedMax = Math.max(queuedMax, node.node.listener.stats().queuedBytes);
      if (sent > 500) throw new Error('it was never dropped');
    }
    t.ok(queuedMax < queue + 300_000, `${queuedMax} bytes were queued at most`);
    t.equal(node.counts().streams, 2, 'the stream is there');
    for (let i = 0; i < 5; i++) romeo.send(chat('juliet@localhost', `m${sent++}`));
    await romeo.ack();
    juliet.ws.resume();
    await juliet.closed;
    reader.take(juliet);
    const back = await resume(node, 'juliet', id, reader.h);
    await reader.read(back, `m${sent - 1}`);
    t.strictSame(reader.bodies, names(sent));
    romeo.send(chat('juliet@localhost', 'live again'));
    await reader.read(back, 'live again');
  },
);

t.test(
  'a client that acknowledges nothing is asked, dropped, and later catches up from its inbox in order',
  async (t) => {
    const node = await startTestNode(t, {
      limits: { unackedStanzasMax: 20, idlePingMs: 200, idleTimeoutMs: 1000 },
    });
    const romeo = await node.login('romeo', 'orchard');
    await romeo.enable();
    const juliet = await node.login('juliet', 'balcony');
    const id = await juliet.enable();
    await juliet.available();
    const reader = new Reader();
    reader.h = 1;
    for (const body of names(150)) romeo.send(chat('juliet@localhost', body));
    t.equal(await romeo.ack(), 150, 'nobody waits for her');
    await until('her socket was given up', () => juliet.isClosed);
    t.equal(node.counts().streams, 2);
    for (const body of names(150, 'n')) romeo.send(chat('juliet@localhost', body));
    await romeo.ack();
    reader.take(juliet);
    t.ok(reader.bodies.length <= 20, `${reader.bodies.length} were sent unacknowledged`);
    const back = await resume(node, 'juliet', id, reader.h);
    await reader.read(back, 'n149');
    t.strictSame(reader.bodies, [...names(150), ...names(150, 'n')]);
    romeo.send(chat('juliet@localhost', 'live again'));
    await reader.read(back, 'live again');
    t.equal(reader.bodies.length, 301);
  },
);

t.test('a slow client that acknowledges now and then gets everything while more comes in', async (t) => {
  const node = await startTestNode(t, { limits: { unackedStanzasMax: 10 } });
  const romeo = await node.login('romeo', 'orchard');
  await romeo.enable();
  const juliet = await node.login('juliet', 'balcony');
  await juliet.enable();
  await juliet.available();
  const reader = new Reader();
  reader.h = 1;
  for (let round = 0; round < 30; round++) {
    for (let i = 0; i < 10; i++) romeo.send(chat('juliet@localhost', `m${round * 10 + i}`));
    await romeo.ack();
    if (round % 3 !== 0) continue;
    await node.settle();
    await juliet.ack();
    reader.take(juliet);
    juliet.send(`<a xmlns='urn:xmpp:sm:3' h='${reader.h}'/>`);
  }
  juliet.send(`<a xmlns='urn:xmpp:sm:3' h='${reader.h}'/>`);
  await reader.read(juliet, 'm299');
  t.strictSame(reader.bodies, names(300));
});

t.test('a stream that cannot be told of something else in time ends, and the next one has all messages', async (t) => {
  const node = await startTestNode(t, { limits: { unackedStanzasMax: 5 } });
  const romeo = await node.online('romeo', 'orchard');
  const juliet = await node.login('juliet', 'balcony');
  await juliet.enable();
  await juliet.available();
  for (const body of names(10)) romeo.send(chat('juliet@localhost', body));
  await node.settle(romeo);
  for (const id of names(10, 'p'))
    juliet.send(`<iq xmlns='jabber:client' type='get' id='${id}'><ping xmlns='urn:xmpp:ping'/></iq>`);
  await juliet.expectStreamError('resource-constraint');
  const next = await node.online('juliet', 'balcony');
  await next.expect('<body>m9</body>');
  t.strictSame(
    next.pending('<message').map(({ el }) => el.getChildText('body')),
    names(9),
  );
});

t.test('a slow reader without stream management loses its socket, not its messages', async (t) => {
  const node = await startTestNode(t, { limits: { outQueueBytesMax: 300_000 } });
  const romeo = await node.login('romeo', 'orchard');
  await romeo.enable();
  const juliet = await node.online('juliet', 'balcony');
  juliet.ws.pause();
  let sent = 0;
  while (node.counts().connections === 2) {
    romeo.send(chat('juliet@localhost', `m${sent++}`, 100_000));
    await romeo.ack();
    if (sent > 500) throw new Error('it was never dropped');
  }
  const next = await node.login('juliet', 'next');
  const fin = await next.iq(
    'set',
    `<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>0</max></set></query>`,
  );
  t.equal(fin.getChild('fin')?.getChild('set')?.getChildText('count'), String(sent));
});

t.test('who asks for many pages of archives in one breath gets all of them, as it acknowledges', async (t) => {
  const node = await startTestNode(t, { limits: { unackedStanzasMax: 40 } });
  const romeo = await node.online('romeo', 'orchard');
  await node.users('juliet');
  await create(romeo, roomJid('balcony'), 'R');
  for (const name of names(10)) {
    romeo.send(chat('juliet@localhost', name));
    await say(romeo, roomJid('balcony'), name);
  }
  await node.settle(romeo);

  const phone = await node.login('romeo', 'phone');
  const id = await phone.enable();
  const query = (name: string, to: string): string =>
    `<iq xmlns='jabber:client' type='set' id='${name}'${to}><query xmlns='urn:xmpp:mam:2' queryid='${name}'/></iq>`;
  const own = names(12, 'own');
  const rooms = names(12, 'room');
  for (const [i, name] of own.entries()) {
    phone.send(query(name, ''), query(rooms[i] as string, ` to='${roomJid('balcony')}'`));
  }
  phone.send(`<r xmlns='urn:xmpp:sm:3'/>`);
  let h = 0;
  const fins: string[] = [];
  const results = new Map<string, number>();
  const readOn = async (client: Client, upTo: number): Promise<void> => {
    while (fins.length < upTo) {
      const el = await client.expect(() => true, `page ${fins.length}`);
      if (el.name === 'r') client.send(`<a xmlns='urn:xmpp:sm:3' h='${h}'/>`);
      if (el.name === 'a')
        t.equal(el.attrs['h'], '24', 'what waits for room does not keep its question from being handled');
      if (!isStanza(el)) continue;
      h += 1;
      if (el.name === 'iq') fins.push(el.attrs['id'] ?? '');
      const name = el.getChild('result')?.attrs['queryid'];
      if (name !== undefined) results.set(name, (results.get(name) ?? 0) + 1);
    }
  };
  await readOn(phone, 8);
  await phone.cut();
  phone.inbox.length = 0;
  await readOn(await resume(node, 'romeo', id, h), 24);
  t.strictSame(
    fins,
    own.flatMap((name, i) => [name, rooms[i]]),
    'in the order of the questions',
  );
  t.strictSame([...new Set(results.values())], [10]);
  t.equal(results.size, 24);
});

t.test('nobody ends the stream of somebody who is slow with what need not arrive', async (t) => {
  const bytes = 100_000;
  const node = await startTestNode(t, { limits: { unackedBytesMax: bytes, stanzaBytesMax: 20_000 } });
  const juliet = await node.login('juliet', 'balcony');
  const id = await juliet.enable();
  await juliet.available();
  const mercutio = await node.login('mercutio', 'street');
  const more = `<x xmlns='u'>${'x'.repeat(bytes / 20)}</x>`;
  const pests: string[] = [
    `<message xmlns='jabber:client' to='juliet@localhost' type='headline'>${more}</message>`,
    `<message xmlns='jabber:client' to='${juliet.jid}' type='error'>${more}</message>`,
    `<presence xmlns='jabber:client' to='juliet@localhost'>${more}</presence>`,
    `<iq xmlns='jabber:client' type='result' id='r' to='${juliet.jid}'>${more}</iq>`,
  ];
  for (const pest of pests) for (let i = 0; i < 30; i++) mercutio.send(pest);
  await node.settle(mercutio);
  await juliet.sync();
  const got = juliet.inbox.reduce((sum, { xml }) => sum + xml.length, 0);
  t.ok(got > bytes * 0.4 && got < bytes * 0.7, `${got} of ${bytes}`);
  mercutio.send(chat('juliet@localhost', 'what matters'));
  await juliet.expect('what matters');
  await juliet.cut();
  for (const pest of pests) mercutio.send(pest);
  await node.settle(mercutio);
  await resume(node, 'juliet', id, 2);
});

t.test('who asks a device that is slow is told so', async (t) => {
  const bytes = 100_000;
  const node = await startTestNode(t, { limits: { unackedBytesMax: bytes, stanzaBytesMax: 20_000 } });
  const phone = await node.login('romeo', 'phone');
  await phone.enable();
  const desk = await node.login('romeo', 'desk');
  const ask = `<x xmlns='u'>${'x'.repeat(bytes / 20)}</x>`;
  const ids = names(20, 'ask');
  for (const id of ids) {
    desk.send(`<iq xmlns='jabber:client' type='get' id='${id}' to='${phone.jid}'>${ask}</iq>`);
    await node.settle(desk);
  }
  const refused = desk.pending((el) => el.attrs['type'] === 'error' && el.getChild('error')?.attrs['type'] === 'wait');
  t.equal(refused.length + phone.pending((el) => el.attrs['type'] === 'get').length, 20);
  t.ok(refused.length > 5);
  await phone.sync();
});
