import t from 'tap';
import { FakeUser, JULIET } from './extensions.fixture.ts';
import { idsIn, NOTE, options, outcome, publish, pubsub } from './pep.fixture.ts';
import { NS_LEGACY_OMEMO_DEVICES, NS_OMEMO_BUNDLES, NS_OMEMO_DEVICES } from './xep0384-omemo.ts';

const STRANGER = `${JULIET}/balcony`;
const idsFor = (user: FakeUser, node: string) => idsIn(pubsub(user, 'get', `<items node='${node}'/>`, STRANGER).body);

t.test('devices and bundles are for everybody, whether the client says so or not', async (t) => {
  const user = new FakeUser();
  publish(user, NS_OMEMO_DEVICES, 'current');
  for (const device of ['31415', '27182']) publish(user, NS_OMEMO_BUNDLES, device);
  publish(user, NS_LEGACY_OMEMO_DEVICES, 'current');
  publish(user, 'eu.siacs.conversations.axolotl.bundles:31415', 'current', NOTE, options({ access_model: 'open' }));
  t.same(idsFor(user, NS_OMEMO_DEVICES), ['current']);
  t.same(idsFor(user, NS_OMEMO_BUNDLES), ['31415', '27182'], 'one a device');
  t.same(idsFor(user, NS_LEGACY_OMEMO_DEVICES), ['current']);
  t.same(idsFor(user, 'eu.siacs.conversations.axolotl.bundles:31415'), ['current']);
});

t.test('the options that clients publish with are those of the nodes', async (t) => {
  const user = new FakeUser();
  for (const node of [NS_OMEMO_DEVICES, NS_LEGACY_OMEMO_DEVICES]) {
    publish(user, node, 'current');
    t.equal(outcome(publish(user, node, 'current', NOTE, options({ access_model: 'open' }))), 'result', node);
  }
  const all = options({ access_model: 'open', max_items: 'max' });
  publish(user, NS_OMEMO_BUNDLES, '1');
  t.equal(outcome(publish(user, NS_OMEMO_BUNDLES, '2', NOTE, all)), 'result');
});
