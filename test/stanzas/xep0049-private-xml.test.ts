import t from 'tap';
import { type Client, conditionOf } from '../harness/client.ts';
import { PASSWORD, startTestNode } from '../harness/node.ts';

const node = await startTestNode(t, { limits: { privateItemsMax: 3, privateBytesMax: 50_000 } });
const NS = 'jabber:iq:private';

const BOOKMARKS = `<storage xmlns="storage:bookmarks"><conference name="Verona" jid="verona@rooms.localhost"/><url name="Verona" url="https://verona.example/"/></storage>`;
const set = (client: Client, inner: string, to?: string) =>
  client.iq('set', `<query xmlns='${NS}'>${inner}</query>`, to);
const get = (client: Client, inner: string, to?: string) =>
  client.iq('get', `<query xmlns='${NS}'>${inner}</query>`, to);
const found = (iq: Awaited<ReturnType<typeof get>>): string => String(iq.getChild('query', NS)?.getChildElements()[0]);

const romeo = await node.login('romeo', 'orchard');
const juliet = await node.login('juliet', 'balcony');

t.test('stored by one device, read by another, over a restart', async (t) => {
  t.equal(found(await get(romeo, `<storage xmlns='storage:bookmarks'/>`)), `<storage xmlns="storage:bookmarks"/>`);
  t.equal((await set(romeo, BOOKMARKS)).attrs['type'], 'result');
  t.equal((await set(romeo, `<notes xmlns="x:notes">of mine</notes>`)).attrs['type'], 'result');
  const phone = await node.login('romeo', 'phone');
  t.equal(found(await get(phone, `<storage xmlns='storage:bookmarks'/>`)), BOOKMARKS);
  t.equal(found(await get(juliet, `<storage xmlns='storage:bookmarks'/>`)), `<storage xmlns="storage:bookmarks"/>`);
  await node.restart();
  const again = await node.login('romeo', 'again');
  t.equal(found(await get(again, `<storage xmlns='storage:bookmarks'/>`)), BOOKMARKS);
  t.equal(found(await get(again, `<notes xmlns='x:notes'/>`)), `<notes xmlns="x:notes">of mine</notes>`);
});

t.test('nobody reads or writes what is another’s, or learns who there is', async (t) => {
  const eve = await node.login('eve');
  for (const to of ['romeo@localhost', 'nobody@localhost']) {
    t.equal(conditionOf(await get(eve, `<notes xmlns='x:notes'/>`, to)), 'service-unavailable', to);
    t.equal(conditionOf(await set(eve, `<notes xmlns='x:notes'>mine</notes>`, to)), 'service-unavailable', to);
  }
});

t.test('bad requests and bounds', async (t) => {
  const client = await node.login('romeo', 'bounds');
  const table: ['get' | 'set', inner: string, condition: string][] = [
    ['get', '', 'bad-request'],
    ['get', `<a xmlns='x:a'/><b xmlns='x:b'/>`, 'bad-request'],
    ['set', '', 'not-acceptable'],
    ['set', '<a>no namespace of its own</a>', 'not-acceptable'],
    ['set', `<a xmlns='x:a'>1</a><b xmlns='x:b'>2</b>`, 'policy-violation'],
    ['set', `<a xmlns='x:a'>${'-'.repeat(50_000)}</a>`, 'policy-violation'],
  ];
  for (const [type, inner, condition] of table)
    t.equal(conditionOf(await (type === 'get' ? get : set)(client, inner)), condition, `${type} ${inner.slice(0, 40)}`);
  t.equal((await set(client, `<a xmlns='x:a'>1</a>`)).attrs['type'], 'result', 'the third');
  t.equal(found(await get(client, `<storage xmlns='storage:bookmarks'/>`)), BOOKMARKS);
});

t.test('it goes with its account', async (t) => {
  await node.node.accounts.remove('romeo@localhost');
  await node.node.accounts.create('romeo@localhost', PASSWORD, 'operator');
  const heir = await node.login('romeo', 'heir');
  t.equal(found(await get(heir, `<notes xmlns='x:notes'/>`)), `<notes xmlns="x:notes"/>`);
});
