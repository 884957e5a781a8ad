import t from 'tap';
import { startTestNode } from '../harness/node.ts';
import { form, getItems, itemsOf, outcomeOf, owner, payloadOf, publish } from '../harness/pubsub.ts';

const node = await startTestNode(t);
const OPEN = { access_model: 'open' };

t.test('a stranger gets the device list and the bundles of somebody whose presence it does not see', async (t) => {
  const juliet = await node.online('juliet', 'one');
  const at = 'juliet@localhost';
  const [devices, bundles] = ['urn:xmpp:omemo:2:devices', 'urn:xmpp:omemo:2:bundles'];
  const list = `<devices xmlns='urn:xmpp:omemo:2'><device id='12345'/><device id='4223'/></devices>`;
  t.equal(outcomeOf(await publish(juliet, devices, { id: 'current', payload: list, options: OPEN })), 'result');
  const options = { max_items: 'max', ...OPEN };
  const key = 'A'.repeat(5000);
  for (const id of ['12345', '4223']) {
    const bundle = `<bundle xmlns='urn:xmpp:omemo:2'><spk id='0'>${id}${key}</spk></bundle>`;
    t.equal(outcomeOf(await publish(juliet, bundles, { id, payload: bundle, options })), 'result');
  }
  await node.restart();
  const stranger = await node.online('stranger', 'one');
  const got = await getItems(stranger, devices, at);
  const items = got.getChild('pubsub')?.getChild('items');
  t.same(
    items
      ?.getChild('item')
      ?.getChild('devices')
      ?.getChildren('device')
      .map(({ attrs }) => attrs['id']),
    ['12345', '4223'],
  );
  const [bundle] = itemsOf(await getItems(stranger, bundles, at, `<item id='4223'/>`));
  t.ok(bundle === `4223=4223${key}`, 'the bundle of that device');
  t.equal(outcomeOf(await getItems(stranger, bundles, at, `<item id='1'/>`)), 'item-not-found');
});

t.test(
  'as most clients do it: a node for each bundle, and a node with the wrong access model is put right',
  async (t) => {
    const romeo = await node.online('romeo', 'one');
    const stranger = await node.online('stranger', 'legacy');
    const devices = 'eu.siacs.conversations.axolotl.devicelist';
    const bundle = 'eu.siacs.conversations.axolotl.bundles:31415';
    await publish(romeo, devices, { id: 'current', payload: payloadOf('31415'), options: OPEN });
    await publish(romeo, bundle, { id: 'current', payload: payloadOf('old'), options: { access_model: 'presence' } });
    const again = { id: 'current', payload: payloadOf('key'), options: OPEN };
    t.equal(outcomeOf(await publish(romeo, bundle, again)), 'conflict precondition-not-met');
    const configure = `<configure node='${bundle}'>${form('node_config', OPEN)}</configure>`;
    t.equal(outcomeOf(await romeo.iq('set', owner(configure))), 'result');
    t.equal(outcomeOf(await publish(romeo, bundle, again)), 'result');
    t.same(itemsOf(await getItems(stranger, devices, 'romeo@localhost')), ['current=31415']);
    t.same(itemsOf(await getItems(stranger, bundle, 'romeo@localhost')), ['current=key']);
  },
);
