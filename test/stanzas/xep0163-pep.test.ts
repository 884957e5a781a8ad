import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import {
  befriend,
  EVENT,
  getItems,
  Interested,
  itemsOf,
  outcomeOf,
  owner,
  payloadOf,
  publish,
  pubsub,
} from '../harness/pubsub.ts';

const node = await startTestNode(t);
const TUNE = 'http://jabber.org/protocol/tune';

t.test('events go to the devices that want them: the owner’s own and those of contacts', async (t) => {
  const romeo = await node.login('romeo', 'orchard');
  const juliet = await node.online('juliet', 'plain');
  await romeo.available();
  await befriend(romeo, juliet);
  const phone = new Interested(await node.login('juliet', 'phone'), [TUNE]);
  await phone.available();
  const tablet = new Interested(await node.login('juliet', 'tablet'), [TUNE]);
  await tablet.available(false);
  const own = new Interested(await node.login('romeo', 'home'), [TUNE], 'phone');
  await own.available();
  await node.settle(phone.client, tablet.client, own.client);
  t.equal(tablet.client.pending('disco#info').length, 0, 'who says the same as one that was asked is not asked');

  t.equal(outcomeOf(await publish(romeo, TUNE, { id: 'current', payload: payloadOf('Gerald Finzi') })), 'result');
  for (const one of [phone, tablet, own]) {
    const event = await one.event(TUNE);
    t.same(itemsOf(event), ['current=Gerald Finzi'], one.client.jid);
    t.match(event.attrs, { from: 'romeo@localhost', to: one.client.jid, type: 'headline' });
    t.ok(event.attrs['id']);
  }
  await node.settle(romeo, juliet);
  t.equal(juliet.pending(EVENT).length, 0, 'not to a device that does not want it');
  t.equal(romeo.pending(EVENT).length, 0, 'nor to the one that published');

  await publish(romeo, 'urn:example:other');
  await node.settle(phone.client, own.client);
  t.equal(phone.client.pending(EVENT).length + own.client.pending(EVENT).length, 0, 'nor of other nodes');

  romeo.send(`<presence xmlns='jabber:client' type='unsubscribed' to='juliet@localhost'/>`);
  await romeo.sync();
  await publish(romeo, TUNE, { id: 'current', payload: payloadOf('private') });
  await own.event(TUNE);
  await node.settle(phone.client);
  t.equal(phone.client.pending(EVENT).length, 0, 'nor to who is no contact any more');
  for (const one of [romeo, juliet, phone.client, tablet.client, own.client]) await one.close();
});

t.test('a device that comes gets the last item of what it wants, once', async (t) => {
  const mercutio = await node.online('mercutio', 'one');
  const benvolio = await node.online('benvolio', 'plain');
  await befriend(mercutio, benvolio);
  await publish(mercutio, TUNE, { id: '1', payload: payloadOf('first') });
  await publish(mercutio, TUNE, { id: '2', payload: payloadOf('last') });
  const late = new Interested(await node.login('benvolio', 'late'), [TUNE], 'console');
  await late.available();
  const event = await late.event(TUNE);
  t.same(itemsOf(event), ['2=last']);
  t.ok(event.getChild('delay', 'urn:xmpp:delay')?.attrs['stamp'], 'says when it was');
  const own = new Interested(await node.login('mercutio', 'two'), [TUNE], 'console');
  await own.available(false);
  t.same(itemsOf(await own.event(TUNE)), ['2=last'], 'the owner’s own too');
  late.client.send(`<presence xmlns='jabber:client'><show>away</show>${late.caps}</presence>`);
  await node.settle(late.client, mercutio, late.client);
  t.equal(late.client.pending(EVENT).length, 0, 'not with later presence');
  late.client.send(`<presence xmlns='jabber:client' type='unavailable'/>`);
  await late.client.sync();
  late.client.forget();
  await late.available(false);
  t.same(itemsOf(await late.event(TUNE)), ['2=last'], 'but when it becomes available again');
  for (const one of [mercutio, benvolio, late.client, own.client]) await one.close();
});

t.test('who is let see the presence gets the last item then', async (t) => {
  const escalus = await node.online('escalus', 'one');
  await publish(escalus, TUNE, { payload: payloadOf('a fanfare') });
  const paris = new Interested(await node.login('paris', 'one'), [TUNE], 'web');
  await paris.available();
  await node.settle(paris.client);
  await befriend(paris.client, escalus);
  t.match(itemsOf(await paris.event(TUNE)), [/=a fanfare$/]);
  await escalus.close();
  await paris.client.close();
});

t.test('capabilities that do not verify hold for their own stream only', async (t) => {
  const liar = await node.login('liar', 'one');
  const honest = new Interested(await node.login('honest', 'one'), ['urn:example:private'], 'bot');
  await liar.available(honest.caps);
  const ask = await liar.expect('disco#info');
  liar.send(
    `<iq xmlns='jabber:client' type='result' id='${ask.attrs['id']}' to='liar@localhost'>` +
      `<query xmlns='http://jabber.org/protocol/disco#info'><feature var='${TUNE}+notify'/></query></iq>`,
  );
  await liar.sync();
  await honest.available();
  await publish(honest.client, 'urn:example:private', { payload: payloadOf('mine') });
  await honest.event('urn:example:private');
  await publish(honest.client, TUNE);
  await publish(liar, TUNE, { payload: payloadOf('own') });
  await liar.expect(EVENT);
  await node.settle(honest.client);
  t.equal(honest.client.pending(EVENT).length, 0);
  await liar.close();
  await honest.client.close();
});

t.test('retracting, purging, deleting and configuring tell those who want to know', async (t) => {
  const nurse = new Interested(await node.login('nurse', 'one'), ['urn:example:list'], 'handheld');
  await nurse.available();
  const { client } = nurse;
  const heard = async (): Promise<string> =>
    (await nurse.event('urn:example:list')).getChild('event', EVENT)?.getChildElements()[0]?.getName() ?? '';
  const options = { max_items: 'max', notify_config: '1' };
  for (const id of ['a', 'b']) await publish(client, 'urn:example:list', { id, options });
  t.same([await heard(), await heard()], ['items', 'items']);
  await client.iq('set', pubsub(`<retract node='urn:example:list'><item id='a'/></retract>`));
  const retracted = await nurse.event('urn:example:list');
  t.equal(retracted.getChild('event')?.getChild('items')?.getChild('retract')?.attrs['id'], 'a');
  const title = `<field var='pubsub#title'><value>Errands</value></field>`;
  const type = `<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field>`;
  const config = `<x xmlns='jabber:x:data' type='submit'>${type}${title}</x>`;
  await client.iq('set', owner(`<configure node='urn:example:list'>${config}</configure>`));
  t.equal(await heard(), 'configuration');
  await client.iq('set', owner(`<purge node='urn:example:list'/>`));
  t.equal(await heard(), 'purge');
  t.same(itemsOf(await getItems(client, 'urn:example:list')), []);
  await client.iq('set', owner(`<delete node='urn:example:list'/>`));
  t.equal(await heard(), 'delete');
  t.equal(outcomeOf(await getItems(client, 'urn:example:list')), 'item-not-found');
  await client.close();
});

t.test('disco tells the account’s nodes to those who may read them', async (t) => {
  const abram = await node.online('abram', 'one');
  const balthasar = await node.online('balthasar', 'one');
  await befriend(abram, balthasar);
  const INFO = 'http://jabber.org/protocol/disco#info';
  const ITEMS = 'http://jabber.org/protocol/disco#items';
  const info = (await abram.iq('get', `<query xmlns='${INFO}'/>`, 'abram@localhost')).getChild('query');
  const identities = info?.getChildren('identity').map(({ attrs }) => `${attrs['category']}/${attrs['type']}`);
  t.ok(identities?.includes('pubsub/pep'));
  const features = info?.getChildren('feature').map(({ attrs }) => attrs['var']);
  for (const feature of ['publish', 'publish-options', 'filtered-notifications', 'config-node-max', 'persistent-items'])
    t.ok(features?.includes(`http://jabber.org/protocol/pubsub#${feature}`), feature);
  await publish(abram, 'urn:example:seen', { id: 'i' });
  await publish(abram, 'urn:xmpp:bookmarks:1', { id: 'room@conference.localhost' });
  const nodesFor = async (client: typeof abram): Promise<(string | undefined)[]> => {
    const items = (await client.iq('get', `<query xmlns='${ITEMS}'/>`, 'abram@localhost')).getChild('query');
    return (items?.getChildren('item') ?? []).map(({ attrs }) => attrs['node']);
  };
  t.same(await nodesFor(abram), ['urn:example:seen', 'urn:xmpp:bookmarks:1']);
  t.same(await nodesFor(balthasar), ['urn:example:seen']);
  const leaf = await balthasar.iq('get', `<query xmlns='${INFO}' node='urn:example:seen'/>`, 'abram@localhost');
  t.match(leaf.getChild('query')?.getChild('identity')?.attrs, { category: 'pubsub', type: 'leaf' });
  const ids = await balthasar.iq('get', `<query xmlns='${ITEMS}' node='urn:example:seen'/>`, 'abram@localhost');
  t.equal(ids.getChild('query')?.getChild('item')?.attrs['name'], 'i');
  for (const ns of [INFO, ITEMS]) {
    const hidden = await balthasar.iq('get', `<query xmlns='${ns}' node='urn:xmpp:bookmarks:1'/>`, 'abram@localhost');
    t.equal(outcomeOf(hidden), 'item-not-found');
  }
  await abram.close();
  await balthasar.close();
});
