import type { Element } from 'ltx';
import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
const NS = 'jabber:iq:roster';

const subscription = (type: string, to: string, inner = ''): string =>
  `<presence xmlns='jabber:client' type='${type}' to='${to}@localhost'>${inner}</presence>`;
const presence =
  (type: string | undefined, from: string) =>
  (el: Element): boolean =>
    el.name === 'presence' && el.attrs['type'] === type && el.attrs['from']?.startsWith(`${from}@localhost`) === true;

async function withRoster(user: string, resource = 'here'): Promise<Client> {
  const client = await node.login(user, resource);
  await client.iq('get', `<query xmlns='${NS}'/>`);
  await client.available();
  return client;
}

/** What the user's roster says of a contact. */
async function stateOf(client: Client, contact: string): Promise<string> {
  const roster = await client.iq('get', `<query xmlns='${NS}'/>`);
  const items = roster.getChild('query', NS)?.getChildElements() ?? [];
  const found = items.find((item) => item.attrs['jid'] === `${contact}@localhost`);
  return found === undefined ? 'absent' : found.attrs['subscription'] + (found.attrs['ask'] ? ' + ask' : '');
}

t.test('Romeo asks, Juliet grants and asks back, and both see each other', async (t) => {
  const romeo = await withRoster('romeo');
  const juliet = await withRoster('juliet');

  romeo.send(subscription('subscribe', 'juliet', '<status>it is I</status>'));
  const request = await juliet.expect(presence('subscribe', 'romeo'));
  t.equal(request.attrs['from'], 'romeo@localhost', 'a request is from the bare JID');
  t.equal(request.getChildText('status'), 'it is I');
  t.equal(await stateOf(romeo, 'juliet'), 'none + ask');
  t.equal(await stateOf(juliet, 'romeo'), 'absent', 'she has not answered');

  juliet.send(subscription('subscribed', 'romeo'));
  await romeo.expect(presence('subscribed', 'juliet'));
  await romeo.expect(presence(undefined, 'juliet'), 'the presence he was granted');
  t.equal(await stateOf(romeo, 'juliet'), 'to');
  t.equal(await stateOf(juliet, 'romeo'), 'from');

  juliet.send(subscription('subscribe', 'romeo'));
  await romeo.expect(presence('subscribe', 'juliet'));
  romeo.send(subscription('subscribed', 'juliet'));
  await juliet.expect(presence('subscribed', 'romeo'));
  await juliet.expect(presence(undefined, 'romeo'));
  t.strictSame([await stateOf(romeo, 'juliet'), await stateOf(juliet, 'romeo')], ['both', 'both']);

  t.comment('he leaves, she takes it back');
  romeo.send(subscription('unsubscribe', 'juliet'));
  await juliet.expect(presence('unsubscribe', 'romeo'));
  await romeo.expect(presence('unavailable', 'juliet'));
  t.strictSame([await stateOf(romeo, 'juliet'), await stateOf(juliet, 'romeo')], ['from', 'to']);
  romeo.send(subscription('unsubscribed', 'juliet'));
  await juliet.expect(presence('unsubscribed', 'romeo'));
  await juliet.expect(presence('unavailable', 'romeo'));
  t.strictSame([await stateOf(romeo, 'juliet'), await stateOf(juliet, 'romeo')], ['none', 'none']);
});

t.test('a request waits for somebody who is away, through a restart, until it is answered', async (t) => {
  await node.users('nurse');
  const peter = await withRoster('peter');
  peter.send(subscription('subscribe', 'nurse', '<status>my lady</status>'));
  await node.settle(peter);
  await peter.close();
  await node.restart();

  for (const resource of ['first', 'second']) {
    const nurse = await withRoster('nurse', resource);
    const request = await nurse.expect(presence('subscribe', 'peter'));
    t.equal(request.getChildText('status'), 'my lady', 'shown at each login');
    await nurse.close();
  }
  const nurse = await withRoster('nurse', 'third');
  await nurse.expect(presence('subscribe', 'peter'));
  nurse.send(subscription('unsubscribed', 'peter'));
  await node.settle(nurse);
  await nurse.close();
  const again = await withRoster('nurse', 'fourth');
  await again.sync();
  t.strictSame(again.pending(presence('subscribe', 'peter')), [], 'a refusal is an answer');
  t.equal(await stateOf(await withRoster('peter'), 'nurse'), 'none');
});

t.test('a grant reaches who was away, with his next roster', async (t) => {
  const friar = await withRoster('friar');
  const john = await withRoster('john');
  friar.send(subscription('subscribe', 'john'));
  await john.expect(presence('subscribe', 'friar'));
  await friar.close();
  john.send(subscription('subscribed', 'friar'));
  await node.settle(john);
  const back = await withRoster('friar');
  t.equal(await stateOf(back, 'john'), 'to');
  await back.expect(presence(undefined, 'john'), 'the probe is answered');
});

t.test('who was approved before asks and is granted without a question', async (t) => {
  const paris = await withRoster('paris');
  const page = await withRoster('page');
  paris.send(subscription('subscribed', 'page'));
  await node.settle(paris);
  page.send(subscription('subscribe', 'paris'));
  await page.expect(presence('subscribed', 'paris'));
  await node.settle(page, paris);
  t.strictSame(paris.pending(presence('subscribe', 'page')), []);
  t.equal(await stateOf(paris, 'page'), 'from');
});

t.test('the removal of a contact ends the subscriptions in both directions', async (t) => {
  const gregory = await withRoster('gregory');
  const sampson = await withRoster('sampson');
  for (const [one, other] of [
    [gregory, sampson],
    [sampson, gregory],
  ] as const) {
    one.send(subscription('subscribe', other.bare.split('@')[0] ?? ''));
    await other.expect(presence('subscribe', one.bare.split('@')[0] ?? ''));
    other.send(subscription('subscribed', one.bare.split('@')[0] ?? ''));
    await one.expect(presence('subscribed', other.bare.split('@')[0] ?? ''));
  }
  await gregory.iq('set', `<query xmlns='${NS}'><item jid='sampson@localhost' subscription='remove'/></query>`);
  await sampson.expect(presence('unsubscribe', 'gregory'));
  await sampson.expect(presence('unsubscribed', 'gregory'));
  await sampson.expect(presence('unavailable', 'gregory'));
  t.equal(await stateOf(sampson, 'gregory'), 'none');
  t.equal(await stateOf(gregory, 'sampson'), 'absent');
});

t.test('a request to nobody is refused as nobody would', async (t) => {
  const romeo = await withRoster('romeo', 'nobody');
  romeo.send(subscription('subscribe', 'rosaline'));
  await romeo.expect(presence('unsubscribed', 'rosaline'));
  t.equal(await stateOf(romeo, 'rosaline'), 'none');
});

t.test('a request to an address that is none, or of another server, is answered with its error', async (t) => {
  const romeo = await withRoster('romeo', 'errors');
  for (const [to, condition] of [
    ['a@b@c', 'jid-malformed'],
    ['x@example.org', 'remote-server-not-found'],
  ]) {
    romeo.send(`<presence xmlns='jabber:client' type='subscribe' to='${to}' id='${to}'/>`);
    t.equal(conditionOf(await romeo.expect((el) => el.attrs['id'] === to)), condition);
  }
});

t.test('an account that is removed says goodbye to its contacts', async (t) => {
  const abram = await withRoster('abram');
  const balthasar = await withRoster('balthasar');
  abram.send(subscription('subscribe', 'balthasar'));
  await balthasar.expect(presence('subscribe', 'abram'));
  balthasar.send(subscription('subscribed', 'abram'));
  await abram.expect(presence(undefined, 'balthasar'));
  await balthasar.iq('set', `<query xmlns='jabber:iq:register'><remove/></query>`);
  await abram.expect(presence('unavailable', 'balthasar'));
  await abram.expect(presence('unsubscribed', 'balthasar'));
  t.equal(await stateOf(abram, 'balthasar'), 'none');
});
