import type { Element } from 'ltx';
import t from 'tap';
import type { Client } from '../harness/client.ts';
import { startTestNode, until } from '../harness/node.ts';

const node = await startTestNode(t);
const SM = 'urn:xmpp:sm:3';

const chat = (to: string, body: string): string =>
  `<message xmlns='jabber:client' to='${to}@localhost' type='chat'><body>${body}</body></message>`;
const bodies = (client: Client): string[] => client.pending('<body>').map(({ el }) => el.getChildText('body') ?? '');
const resume = (previd: string, h: number): string => `<resume xmlns='${SM}' previd='${previd}' h='${h}'/>`;

/** Logs in and resumes; the answer is `<resumed/>` or `<failed/>`. */
async function resumed(user: string, previd: string, h: number): Promise<[Client, Element]> {
  const client = await node.authenticated(user);
  client.send(resume(previd, h));
  return [client, await client.expect(/<(?:resumed|failed)/)];
}

t.test('enable is answered with an id to resume by, and only once', async (t) => {
  const romeo = await node.login('romeo', 'enable');
  romeo.send(`<enable xmlns='${SM}' resume='true'/>`);
  const enabled = await romeo.expect('<enabled');
  t.match(enabled.attrs, { resume: 'true', max: '300' });
  t.ok(enabled.attrs['id']);
  romeo.send(`<enable xmlns='${SM}' resume='true'/>`);
  t.ok((await romeo.expect('<failed')).getChild('unexpected-request'));
  await romeo.sync();
  await romeo.close();

  const modest = await node.login('romeo', 'modest');
  modest.send(`<enable xmlns='${SM}'/>`);
  t.notOk((await modest.expect('<enabled')).attrs['id'], 'nothing to resume when nobody asked for it');
  await modest.close();
});

t.test('enable before bind is refused, and the stream goes on', async (t) => {
  const romeo = await node.authenticated('romeo');
  romeo.send(`<enable xmlns='${SM}'/>`);
  t.ok((await romeo.expect('<failed')).getChild('unexpected-request'));
  t.ok(await romeo.bind());
  await romeo.close();
});

t.test('h counts stanzas of every kind, whether they succeed or fail, and nothing else', async (t) => {
  const romeo = await node.login('romeo', 'count');
  await romeo.enable();
  t.equal(await romeo.ack(), 0);
  await romeo.available();
  t.equal(await romeo.ack(), 1);
  romeo.send(chat('juliet', 'x'), chat('nobody', 'x'), chat('a@b', 'x'), `<active xmlns='urn:xmpp:csi:0'/>`);
  romeo.send(`<r xmlns='${SM}'/>`, `<a xmlns='${SM}' h='0'/>`, `<presence xmlns='jabber:client' type='perhaps'/>`);
  await romeo.iq('get', `<query xmlns='urn:example:unknown'/>`);
  t.equal(await romeo.ack(), 6, 'three messages, a presence and an iq more, and the initial presence');
  t.ok((await romeo.ack()) === 6, 'still');
  await romeo.close();
});

t.test('a stream whose socket broke goes on where it was: each stanza once, in order, both ways', async (t) => {
  const juliet = await node.online('juliet', 'balcony');
  const romeo = await node.login('romeo', 'lift');
  const id = await romeo.enable();
  await romeo.available();
  await romeo.sync();
  romeo.forget();
  await juliet.sync();
  juliet.forget();
  // presence and the ping have been received: 2
  for (let i = 1; i <= 3; i++) juliet.send(chat('romeo', `before ${i}`));
  await romeo.expect('before 3');
  await romeo.cut();
  for (let i = 1; i <= 3; i++) juliet.send(chat('romeo', `while ${i}`));
  await node.settle(juliet);
  t.strictSame(
    juliet.pending('unavailable').map(({ xml }) => xml),
    [],
    'nobody sees that the socket is gone',
  );

  const [back, answer] = await resumed('romeo', id, 3);
  t.match(answer.attrs, { previd: id, h: '2' });
  await back.expect('while 3');
  t.strictSame([...bodies(back), 'while 3'], ['before 2', 'before 3', 'while 1', 'while 2', 'while 3']);
  back.forget();
  juliet.send(chat('romeo', 'after'));
  await back.expect('after');
  back.send(chat('juliet', 'I am back'));
  t.match((await juliet.expect('I am back')).attrs, { from: 'romeo@localhost/lift' }, 'the resource is the old one');
  t.equal(await back.ack(), 3, 'h goes on, too');
  await back.close();
  await juliet.close();
});

t.test('a stream is taken over from a socket that still lives', async (t) => {
  const romeo = await node.login('romeo', 'roaming');
  const id = await romeo.enable();
  const [back, answer] = await resumed('romeo', id, 0);
  t.equal(answer.name, 'resumed');
  await romeo.expectStreamError('conflict');
  await back.iq('get', `<ping xmlns='urn:xmpp:ping'/>`);
  const [third, again] = await resumed('romeo', id, 1);
  t.equal(again.name, 'resumed', 'and again');
  await third.sync().catch(() => undefined);
  await third.close();
  await until('it is over', () => node.counts().streams === 0);
});

t.test('what cannot be resumed is item-not-found, and the client binds instead', async (t) => {
  const romeo = await node.login('romeo', 'mine');
  const mine = await romeo.enable();
  const closed = await node.login('romeo', 'closed');
  const over = await closed.enable();
  await closed.close();
  const other = await node.login('tybalt', 'street');
  const theirs = await other.enable();
  await other.cut();
  for (const [what, user, previd] of [
    ['an id nobody gave', 'romeo', 'no-such-stream'],
    ['a stream closed in good order', 'romeo', over],
    ['the stream of somebody else', 'romeo', theirs],
    ['a stream of this user, as somebody else', 'tybalt', mine],
  ] as const) {
    const [client, answer] = await resumed(user, previd, 0);
    t.equal(answer.name, 'failed', what);
    t.ok(answer.getChild('item-not-found'), what);
    t.ok(await client.bind('instead'), `${what}: bound`);
    await client.close();
  }
  await romeo.sync();
  await romeo.close();
});

t.test('a broken resume is refused', async (t) => {
  const romeo = await node.authenticated('romeo');
  for (const broken of [`<resume xmlns='${SM}'/>`, resume('x', -1), `<resume xmlns='${SM}' previd='x' h='many'/>`]) {
    romeo.send(broken);
    t.ok(await romeo.expect('<failed'), broken);
  }
  t.ok(await romeo.bind());
  romeo.send(resume('x', 0));
  t.ok((await romeo.expect('<failed')).getChild('unexpected-request'), 'not on a bound stream');
  await romeo.close();
});

t.test('an ack of more than was sent ends the stream, with both counts', async (t) => {
  const romeo = await node.login('romeo', 'liar');
  await romeo.enable();
  await romeo.sync();
  romeo.send(`<a xmlns='${SM}' h='7'/>`);
  const error = await romeo.expectStreamError('undefined-condition');
  t.match(error, /<handled-count-too-high xmlns='urn:xmpp:sm:3' h='7' send-count='1'/);
});

t.test('a resume with more than was sent does not get the stream', async (t) => {
  const romeo = await node.login('romeo', 'liar');
  const id = await romeo.enable();
  await romeo.cut();
  const [client, answer] = await resumed('romeo', id, 99);
  t.equal(answer.name, 'failed');
  await client.close();
});

t.test('an older ack changes nothing', async (t) => {
  const romeo = await node.login('romeo', 'late');
  const id = await romeo.enable();
  await romeo.sync();
  await romeo.sync();
  romeo.send(`<a xmlns='${SM}' h='2'/>`, `<a xmlns='${SM}' h='1'/>`);
  await romeo.sync();
  await romeo.cut();
  const [client, answer] = await resumed('romeo', id, 2);
  t.equal(answer.name, 'resumed');
  await client.expect((el) => el.name === 'iq', 'the third answer again');
  await client.close();
});

t.test('acks that are none end the stream', async (t) => {
  for (const h of ['x', '-1', '4294967296', '1.5', '']) {
    const romeo = await node.login('romeo', 'nonsense');
    await romeo.enable();
    romeo.send(`<a xmlns='${SM}' h='${h}'/>`);
    await romeo.expect('<stream:error', `an error for h='${h}'`);
    await romeo.closed;
  }
  t.pass('all of them');
});

t.test('after many unacknowledged stanzas the server asks', async (t) => {
  const romeo = await node.login('romeo', 'asked');
  await romeo.enable();
  for (let i = 0; i < 50; i++) await romeo.iq('get', `<ping xmlns='urn:xmpp:ping'/>`);
  await romeo.expect((el) => el.name === 'r');
  await romeo.close();
  t.pass('asked');
});

t.test('a stream that is not resumed in time ends, and what it was owed comes with the next presence', async (t) => {
  const short = await startTestNode(t, { limits: { resumeSeconds: 1 } });
  const juliet = await short.online('juliet', 'balcony');
  const romeo = await short.login('romeo', 'tunnel');
  const id = await romeo.enable();
  await romeo.available();
  romeo.send(`<presence xmlns='jabber:client' to='juliet@localhost'/>`);
  await juliet.expect('tunnel');
  await romeo.cut();
  juliet.send(chat('romeo', 'are you there?'));
  await juliet.expect((el) => el.attrs['type'] === 'unavailable' && el.attrs['from'] === romeo.jid);
  const late = await short.authenticated('romeo');
  late.send(resume(id, 0));
  t.ok((await late.expect('<failed')).getChild('item-not-found'));
  await late.bind('tunnel');
  await late.available();
  const got = await late.expect('are you there?');
  t.ok(got.getChild('delay', 'urn:xmpp:delay'));
});

t.test('streams do not survive the node, messages do', async (t) => {
  const juliet = await node.login('juliet', 'balcony');
  const romeo = await node.login('romeo', 'reboot');
  const id = await romeo.enable();
  await romeo.available();
  await juliet.enable();
  juliet.send(chat('romeo', 'not acknowledged by him'));
  t.equal(await juliet.ack(), 1);
  await romeo.expect('not acknowledged by him');
  await node.restart();
  const [back, answer] = await resumed('romeo', id, 0);
  t.equal(answer.name, 'failed');
  await back.bind('reboot');
  await back.available();
  t.ok((await back.expect('not acknowledged by him')).getChild('delay', 'urn:xmpp:delay'), 'it comes again');
});
