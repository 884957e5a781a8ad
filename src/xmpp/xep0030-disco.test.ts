import t from 'tap';
import { FakeUser, JULIET, parse, ROMEO } from './extensions.fixture.ts';
import { capsVer } from './xep0115-caps.ts';

const INFO = 'http://jabber.org/protocol/disco#info';
const ITEMS = 'http://jabber.org/protocol/disco#items';
const ask = (ns: string, attrs: string, node = '') =>
  `<iq type='get' id='d' ${attrs}><query xmlns='${ns}'${node === '' ? '' : ` node='${node}'`}/></iq>`;

function read(body: string): { identities: string[]; features: string[]; node: string | undefined } {
  const query = parse(body);
  return {
    node: query.attrs['node'],
    identities: query
      .getChildren('identity')
      .map(({ attrs }) => `${attrs['category']}/${attrs['type']}/${attrs['name'] ?? ''}`),
    features: query.getChildren('feature').map(({ attrs }) => attrs['var'] ?? ''),
  };
}

t.test('the server tells what it is and can', async (t) => {
  const info = read(new FakeUser().ask(ask(INFO, `to='montague.lit'`)).body);
  t.strictSame(info.identities, ['server/im/Rookery']);
  for (const feature of [
    INFO,
    ITEMS,
    'urn:xmpp:ping',
    'jabber:iq:version',
    'urn:xmpp:time',
    'jabber:iq:last',
    'urn:xmpp:carbons:2',
  ]) {
    t.ok(info.features.includes(feature), feature);
  }
  t.strictSame(info.features, [...new Set(info.features)].sort(), 'sorted, each once');
});

t.test('an account tells its archive, and that it is one', async (t) => {
  for (const to of [`to='${ROMEO}'`, '']) {
    const info = read(new FakeUser().ask(ask(INFO, to)).body);
    t.strictSame(info.identities, ['account/registered/', 'pubsub/pep/']);
    for (const feature of [INFO, ITEMS, 'urn:xmpp:mam:2', 'urn:xmpp:mam:2#extended', 'urn:xmpp:sid:0']) {
      t.ok(info.features.includes(feature), feature);
    }
  }
});

t.test('an account tells contacts who see its presence, and nobody else', async (t) => {
  const user = new FakeUser();
  const from = `from='${JULIET}/balcony' to='${ROMEO}'`;
  for (const [subscription, outcome] of [
    ['none', 'error'],
    ['to', 'error'],
    ['from', 'result'],
    ['both', 'result'],
  ] as const) {
    user.contact(JULIET, subscription);
    for (const ns of [INFO, ITEMS]) {
      const answer = user.ask(ask(ns, from));
      t.equal(answer.outcome, outcome, `${subscription} ${ns}`);
      if (outcome === 'error') t.equal(answer.body, 'service-unavailable');
    }
  }
});

t.test('items are the services of the server; an account without nodes has none', async (t) => {
  t.equal(new FakeUser().ask(ask(ITEMS, `to='montague.lit'`)).body, `<query xmlns='${ITEMS}'></query>`);
  t.equal(new FakeUser().ask(ask(ITEMS, `to='${ROMEO}'`)).body, `<query xmlns='${ITEMS}'></query>`);
  const user = new FakeUser({ serverItems: [{ jid: 'rooms.montague.lit', name: 'Rooms' }] });
  t.match(user.ask(ask(ITEMS, `to='montague.lit'`)).body, `<item jid='rooms.montague.lit' name='Rooms'/>`);
});

t.test('an unknown node is item-not-found; the node of the caps is the server itself', async (t) => {
  const user = new FakeUser();
  for (const ns of [INFO, ITEMS]) {
    for (const to of ['montague.lit', ROMEO]) {
      t.strictSame(user.ask(ask(ns, `to='${to}'`, 'x')), { outcome: 'error', body: 'item-not-found' }, `${ns} ${to}`);
    }
  }
  const { capsNode, server } = user.protocol.catalogue;
  const info = read(user.ask(ask(INFO, `to='montague.lit'`, capsNode)).body);
  t.equal(info.node, capsNode);
  t.equal(capsNode.split('#')[1], capsVer(server));
  t.strictSame([...info.features], [...server.features]);
});
