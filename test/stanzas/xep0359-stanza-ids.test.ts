import type { Element } from 'ltx';
import t from 'tap';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
const SID = 'urn:xmpp:sid:0';

const stanzaIds = (el: Element, by: string): string[] =>
  el
    .getChildren('stanza-id', SID)
    .filter((one) => one.attrs['by'] === by)
    .map((one) => one.attrs['id'] ?? '');
const chat = (body: string, extra = '', id = ''): string =>
  `<message xmlns='jabber:client' to='juliet@localhost' type='chat'${id === '' ? '' : ` id='${id}'`}><body>${body}</body>${extra}</message>`;

t.test('a message carries the archive id of its receiver, under which the archive has it', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const juliet = await node.online('juliet', 'balcony');
  romeo.send(chat('one', `<origin-id xmlns='${SID}' id='o-1'/>`));
  const got = await juliet.expect('<body>one</body>');
  const [id, ...more] = stanzaIds(got, 'juliet@localhost');
  t.ok(id);
  t.strictSame(more, []);
  t.equal(got.getChild('origin-id', SID)?.attrs['id'], 'o-1', 'the origin-id stays');
  await juliet.iq('set', `<query xmlns='urn:xmpp:mam:2'/>`);
  const result = (await juliet.expect('<result')).getChild('result');
  t.equal(result?.attrs['id'], id);
  await romeo.close();
  await juliet.close();
});

t.test('nobody plants an id of this server; those of others pass', async (t) => {
  const romeo = await node.online('romeo', 'orchard');
  const juliet = await node.online('juliet', 'balcony');
  const forged = ['juliet@localhost', 'JULIET@localhost', 'romeo@localhost', 'localhost', 'room@localhost/nick'];
  const planted = [...forged, 'room@example.org'].map((by) => `<stanza-id xmlns='${SID}' by='${by}' id='evil'/>`);
  romeo.send(chat('two', `${planted.join('')}<x xmlns='u'><stanza-id xmlns='${SID}' by='localhost' id='deep'/></x>`));
  const got = await juliet.expect('<body>two</body>');
  const by = got.getChildren('stanza-id', SID).filter((one) => one.attrs['id'] === 'evil');
  t.strictSame(
    by.map((one) => one.attrs['by']),
    ['room@example.org'],
  );
  t.equal(stanzaIds(got, 'juliet@localhost').length, 1);
  await romeo.close();
  await juliet.close();
});

t.test('the same origin-id of the same sender twice is one message, on any stream and after a restart', async (t) => {
  const origin = `<origin-id xmlns='${SID}' id='say-it-once'/>`;
  const first = await node.login('romeo', 'first');
  await first.enable();
  const juliet = await node.online('juliet', 'balcony');
  first.send(chat('once', origin), chat('once', origin));
  t.equal(await first.ack(), 2, 'both are acknowledged');
  const second = await node.login('romeo', 'second');
  await second.enable();
  second.send(chat('once', origin));
  t.equal(await second.ack(), 1);
  await juliet.expect('<body>once</body>');
  await node.settle(juliet);
  t.strictSame(juliet.pending('<body>once</body>'), []);
  for (const client of [first, second, juliet]) await client.cut();
  await node.restart();

  const third = await node.login('romeo', 'third');
  await third.enable();
  third.send(chat('once', origin));
  t.equal(await third.ack(), 1);
  const late = await node.login('juliet', 'late');
  await late.iq('set', `<query xmlns='urn:xmpp:mam:2'/>`);
  t.equal(late.pending('<body>once</body>').length, 1);

  const tybalt = await node.login('tybalt', 'street');
  await tybalt.enable();
  tybalt.send(chat('once', origin));
  await tybalt.ack();
  await late.iq('set', `<query xmlns='urn:xmpp:mam:2'/>`);
  t.equal(late.pending(/<message[^>]*tybalt@localhost.street[^>]*><body>once/).length, 1, 'another sender, another id');
});

t.test('a resend without origin-id is known by its id and content', async (t) => {
  const romeo = await node.login('romeo', 'plain');
  await romeo.enable();
  const juliet = await node.online('juliet', 'plain');
  await node.settle(juliet);
  juliet.forget();
  romeo.send(
    chat('again', '', 'long-enough-id'),
    chat('again', '', 'long-enough-id'),
    chat('other', '', 'long-enough-id'),
  );
  t.equal(await romeo.ack(), 3);
  await juliet.expect('<body>again</body>');
  await juliet.expect('<body>other</body>');
  await node.settle(juliet);
  t.equal(juliet.pending('<body>').length, 0);
});
