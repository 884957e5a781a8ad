import t from 'tap';
import { loadConfig } from '../../src/config.ts';
import { startTestNode } from '../harness/node.ts';

/** Messages to who is away: the inbox keeps them, XEP-0203 says when they were sent. */
const node = await startTestNode(t);

const chat = (to: string, body: string): string =>
  `<message xmlns='jabber:client' to='${to}' type='chat'><body>${body}</body></message>`;

t.test('messages wait for who is away and come once, in order, with the time they were sent', async (t) => {
  await node.users('juliet');
  const romeo = await node.login('romeo', 'orchard');
  await romeo.enable();
  const before = Date.now();
  for (let i = 0; i < 250; i++) romeo.send(chat(i % 2 === 0 ? 'juliet@localhost' : 'juliet@localhost/gone', `m${i}`));
  t.equal(await romeo.ack(), 250);
  const after = Date.now();
  const juliet = await node.login('juliet', 'balcony');
  await juliet.sync();
  t.strictSame(juliet.pending('<message'), [], 'not before she says that she is there');
  await juliet.available();
  await juliet.expect('<body>m249</body>');
  const got = juliet.pending('<message');
  t.strictSame(
    got.map(({ el }) => el.getChildText('body')),
    Array.from({ length: 249 }, (_, i) => `m${i}`),
  );
  for (const { el } of got) {
    const delay = el.getChild('delay', 'urn:xmpp:delay');
    const stamp = Date.parse(delay?.attrs['stamp'] ?? '');
    if (delay?.attrs['from'] !== 'localhost' || stamp < before || stamp > after) t.fail('a delay that is wrong');
  }
  await juliet.close();
  const again = await node.online('juliet', 'balcony');
  await node.settle(again);
  t.equal(again.pending('<message').length, 0, 'once');
  romeo.send(chat('juliet@localhost', 'live'));
  t.equal((await again.expect('live')).getChild('delay', 'urn:xmpp:delay'), undefined);
  await again.close();
  await romeo.close();
});

t.test('they wait through a restart', async (t) => {
  const romeo = await node.login('romeo', 'orchard');
  await romeo.enable();
  romeo.send(chat('juliet@localhost', 'still there'));
  await romeo.ack();
  await node.restart();
  const juliet = await node.online('juliet', 'balcony');
  t.ok((await juliet.expect('still there')).getChild('delay', 'urn:xmpp:delay'));
  await juliet.close();
});

t.test('a device with a negative priority does not take what waits', async (t) => {
  const romeo = await node.login('romeo', 'orchard');
  await romeo.enable();
  romeo.send(chat('juliet@localhost', 'for a person'));
  await romeo.ack();
  const bot = await node.login('juliet', 'bot');
  await bot.available('<priority>-5</priority>');
  await node.settle(bot);
  t.equal(bot.pending('<message').length, 0);
  const juliet = await node.online('juliet', 'balcony');
  await juliet.expect('for a person');
  t.pass('the other one does');
  await bot.close();
  await juliet.close();
});

t.test('what was written to the socket and not acknowledged comes again on the next stream', async (t) => {
  const romeo = await node.login('romeo', 'orchard');
  await romeo.enable();
  const phone = await node.login('juliet', 'phone');
  await phone.enable();
  await phone.available();
  for (const body of ['one', 'two', 'three']) romeo.send(chat('juliet@localhost', body));
  await romeo.ack();
  await phone.expect('three');
  phone.send(`<a xmlns='urn:xmpp:sm:3' h='2'/>`);
  await phone.sync();
  await phone.close();
  const next = await node.online('juliet', 'next');
  await next.expect('three');
  await node.settle(next);
  t.strictSame(
    next.pending('<message').map(({ el }) => el.getChildText('body')),
    ['two'],
  );
});

t.test('who was away may send a receipt for everything that waited', async (t) => {
  const { sendsPerSecond, sendsBurst } = loadConfig({}).limits;
  const usual = await startTestNode(t, { limits: { sendsPerSecond, sendsBurst } });
  await usual.users('juliet');
  const romeos = await Promise.all(['romeo', 'mercutio', 'benvolio'].map((name) => usual.online(name)));
  for (const romeo of romeos) for (let i = 0; i < 200; i++) romeo.send(chat('juliet@localhost', `${romeo.bare} ${i}`));
  await usual.settle(...romeos);
  const juliet = await usual.online('juliet', 'balcony');
  for (let i = 0; i < 600; i++) {
    const { from } = (await juliet.expect((el) => el.name === 'message')).attrs;
    juliet.send(
      `<message xmlns='jabber:client' to='${from}' type='chat'><received xmlns='urn:xmpp:receipts' id='${i}'/></message>`,
    );
  }
  juliet.send(chat('romeo@localhost', 'here I am'));
  await romeos[0]?.expect('here I am');
  await usual.settle(juliet, ...romeos);
  t.strictSame(juliet.pending('<error').length, 0);
});
