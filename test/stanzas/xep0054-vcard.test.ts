import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { PASSWORD, startTestNode } from '../harness/node.ts';

const node = await startTestNode(t);
const EMPTY = `<vCard xmlns='vcard-temp'/>`;

const card = (name: string, photo = ''): string =>
  `<vCard xmlns="vcard-temp"><FN>${name}</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>${photo}</BINVAL></PHOTO></vCard>`;
const get = (client: Client, to?: string) => client.iq('get', EMPTY, to);
const set = (client: Client, xml: string, to?: string) => client.iq('set', xml, to);
const nameIn = (iq: Awaited<ReturnType<typeof get>>): string =>
  iq.getChild('vCard', 'vcard-temp')?.getChildText('FN') ?? conditionOf(iq);

const romeo = await node.online('romeo', 'orchard');
const juliet = await node.online('juliet', 'balcony');

t.test('the own one: none, set, replaced', async (t) => {
  t.equal(nameIn(await get(romeo)), 'item-not-found');
  t.equal((await set(romeo, card('Romeo'))).attrs['type'], 'result');
  t.equal(nameIn(await get(romeo)), 'Romeo');
  t.equal((await set(romeo, card('Romeo M.'), romeo.bare)).attrs['type'], 'result', 'by address');
  t.equal(nameIn(await get(romeo, romeo.bare)), 'Romeo M.');
});

t.test('of others, at their bare JID, whoever they are to each other', async (t) => {
  t.equal(nameIn(await get(juliet, romeo.bare)), 'Romeo M.');
  const answers = [await get(romeo, juliet.bare), await get(romeo, 'nobody@localhost')];
  t.strictSame(answers.map(nameIn), ['service-unavailable', 'service-unavailable'], 'nobody tells which accounts are');
  t.equal(conditionOf(await set(juliet, card('fool'), romeo.bare)), 'forbidden');
  t.equal(conditionOf(await set(juliet, card('fool'), 'nobody@localhost')), 'forbidden');
  t.equal(nameIn(await get(romeo)), 'Romeo M.');
});

t.test('of the server', async (t) => {
  t.equal(nameIn(await get(romeo, 'localhost')), 'Rookery');
  t.equal(conditionOf(await set(romeo, card('mine'), 'localhost')), 'forbidden');
  const info = await romeo.iq('get', `<query xmlns='http://jabber.org/protocol/disco#info'/>`, 'localhost');
  t.ok(
    info
      .getChild('query')
      ?.getChildren('feature')
      .some((one) => one.attrs['var'] === 'vcard-temp'),
  );
});

t.test('set and asked in one breath, it is no older one', async (t) => {
  const versions = Array.from({ length: 20 }, (_, i) => i);
  for (const i of versions) {
    romeo.send(`<iq xmlns='jabber:client' type='set' id='s${i}'>${card(String(i))}</iq>`);
    romeo.send(`<iq xmlns='jabber:client' type='get' id='g${i}'>${EMPTY}</iq>`);
  }
  for (const i of versions) t.ok(Number(nameIn(await romeo.expect((el) => el.attrs['id'] === `g${i}`))) >= i, `${i}`);
  t.equal(nameIn(await get(romeo)), '19');
});

t.test('one with a photo outlives a restart, and a larger one is refused', async (t) => {
  const photo = 'iVBORw0K'.repeat(12_500);
  t.equal((await set(juliet, card('Juliet', photo))).attrs['type'], 'result', '100 KB');
  t.equal(conditionOf(await set(juliet, card('Juliet', photo + photo))), 'policy-violation');
  await node.restart();
  const again = await node.online('romeo', 'again');
  const got = await get(again, 'juliet@localhost');
  t.equal(got.getChild('vCard', 'vcard-temp')?.getChild('PHOTO')?.getChildText('BINVAL'), photo);
});

t.test('the photo hash in presence is the client’s while the server knows none (XEP-0153)', async (t) => {
  const nurse = await node.online('nurse', 'house');
  const x = `<x xmlns='vcard-temp:x:update'><photo>0123456789abcdef0123456789abcdef01234567</photo></x>`;
  nurse.send(`<presence xmlns='jabber:client'>${x}</presence>`);
  t.match(await nurse.expectXml('vcard-temp:x:update'), x);
});

t.test('it goes with its account', async (t) => {
  await node.node.accounts.remove('juliet@localhost');
  await node.node.accounts.create('juliet@localhost', PASSWORD, 'operator');
  const heir = await node.online('juliet', 'heir');
  t.equal(nameIn(await get(heir)), 'item-not-found');
});
