import t from 'tap';
import type { Client } from '../harness/client.ts';
import { startTestNode } from '../harness/node.ts';
import { befriend, form, getItems, itemsOf, outcomeOf, owner, payloadOf, publish, pubsub } from '../harness/pubsub.ts';

const LIMITS = { nodesMax: 4, itemsPerNodeMax: 6, itemBytesMax: 20_000, bytesMax: 60_000, subscriptionsMax: 2 };
const node = await startTestNode(t, { pep: LIMITS });

const setConfig = (client: Client, name: string, fields: Record<string, string>) =>
  client.iq('set', owner(`<configure node='${name}'>${form('node_config', fields)}</configure>`));

async function fieldOf(client: Client, name: string, field: string): Promise<string | null | undefined> {
  const answer = await client.iq('get', owner(`<configure node='${name}'/>`));
  const x = answer.getChild('pubsub')?.getChild('configure')?.getChild('x');
  const found = x?.getChildren('field').find(({ attrs }) => attrs['var'] === `pubsub#${field}`);
  return found?.getChildText('value');
}

t.test('items are kept in the order of publication, replaced by id, and no more than the node keeps', async (t) => {
  const user = await node.online('keeper', 'one');
  const first = await publish(user, 'n', { payload: payloadOf('0'), options: { max_items: '3' } });
  const made = first.getChild('pubsub')?.getChild('publish')?.getChild('item')?.attrs['id'];
  t.ok(made, 'the server makes an id');
  for (const [id, text] of ['a1', 'b2', 'a3', 'c4'].map((one) => [one.charAt(0), one.charAt(1)] as const))
    await publish(user, 'n', { id, payload: payloadOf(text) });
  t.same(itemsOf(await getItems(user, 'n')), ['b=2', 'a=3', 'c=4']);
  t.same(itemsOf(await user.iq('get', pubsub(`<items node='n' max_items='2'/>`))), ['a=3', 'c=4']);
  t.same(itemsOf(await getItems(user, 'n', undefined, `<item id='b'/><item id='gone'/>`)), ['b=2']);
  t.equal(outcomeOf(await getItems(user, 'n', undefined, `<item id='${made}'/>`)), 'item-not-found');
  const rsm = (inner: string): string => `<set xmlns='http://jabber.org/protocol/rsm'>${inner}</set>`;
  const page = await getItems(user, 'n', undefined, '', rsm('<max>2</max><before/>'));
  t.same(itemsOf(page), ['a=3', 'c=4']);
  const set = page.getChild('pubsub')?.getChild('set', 'http://jabber.org/protocol/rsm');
  t.same([set?.getChildText('first'), set?.getChildText('last'), set?.getChildText('count')], ['a', 'c', '3']);
  t.same(itemsOf(await getItems(user, 'n', undefined, '', rsm('<max>2</max><before>a</before>'))), ['b=2']);

  const ask = pubsub(`<items node='n'/>`);
  user.send(
    `<iq xmlns='jabber:client' type='set' id='w'>${pubsub(`<publish node='n'><item id='d'>${payloadOf('5')}</item></publish>`)}</iq>`,
    `<iq xmlns='jabber:client' type='get' id='r'>${ask}</iq>`,
  );
  t.same(
    itemsOf(await user.expect((el) => el.attrs['id'] === 'r')),
    ['a=3', 'c=4', 'd=5'],
    'one’s own writes are read',
  );
  t.equal(outcomeOf(await setConfig(user, 'n', { max_items: '1' })), 'result');
  t.same(itemsOf(await getItems(user, 'n')), ['d=5'], 'a node that keeps fewer drops the oldest');
  await user.close();
});

t.test('items and nodes survive a restart, and go with the account', async (t) => {
  const before = await node.online('durable', 'one');
  await publish(before, 'kept', { id: 'i', payload: payloadOf('still here'), options: { access_model: 'open' } });
  await before.close();
  await node.restart();
  const after = await node.online('durable', 'one');
  t.same(itemsOf(await getItems(after, 'kept')), ['i=still here']);
  t.equal(await fieldOf(after, 'kept', 'access_model'), 'open');
  await publish(after, 'kept', { id: 'j', payload: payloadOf('replaces it') });
  t.same(itemsOf(await getItems(after, 'kept')), ['j=replaces it']);
  await after.iq('set', `<query xmlns='jabber:iq:register'><remove/></query>`);
  await after.closed;
  t.equal(await node.node.accounts.createAnonymous('durable@localhost'), true, 'the name is free');
  const stranger = await node.online('passer', 'one');
  t.equal(outcomeOf(await getItems(stranger, 'kept', 'durable@localhost')), 'item-not-found');
  await stranger.close();
});

t.test('publish-options are preconditions of a node that exists, and make one that does not', async (t) => {
  const user = await node.online('picky', 'one');
  const options = { access_model: 'whitelist', persist_items: 'true', max_items: 'max' };
  t.equal(outcomeOf(await publish(user, 'n', { options })), 'result');
  t.equal(await fieldOf(user, 'n', 'access_model'), 'whitelist');
  t.equal(outcomeOf(await publish(user, 'n', { options })), 'result', 'met');
  const table: [what: string, options: Record<string, string>][] = [
    ['another access model', { access_model: 'open' }],
    ['another number', { max_items: '1' }],
    ['a field that is not known', { nonsense: '1' }],
    ['a value that cannot be', { persist_items: 'perhaps' }],
  ];
  for (const [what, other] of table)
    t.equal(outcomeOf(await publish(user, 'n', { id: 'x', options: other })), 'conflict precondition-not-met', what);
  t.equal(outcomeOf(await getItems(user, 'n', undefined, `<item id='x'/>`)), 'item-not-found', 'nothing was published');
  t.equal(outcomeOf(await publish(user, 'fresh', { options: { nonsense: '1' } })), 'conflict precondition-not-met');
  t.equal(
    outcomeOf(await publish(user, 'fresh', { options: { access_model: 'authorize' } })),
    'not-acceptable unsupported-access-model',
  );
  t.equal(outcomeOf(await getItems(user, 'fresh')), 'item-not-found', 'and no node was made');
  await user.close();
});

t.test('each access model lets in whom it says, and tells the others why not', async (t) => {
  const juliet = await node.online('juliet', 'one');
  const romeo = await node.online('romeo', 'friend');
  const tybalt = await node.online('tybalt', 'stranger');
  await befriend(juliet, romeo);
  await publish(juliet, 'n', { id: 'i', payload: payloadOf('secret') });
  const ask = async (client: Client): Promise<string> => outcomeOf(await getItems(client, 'n', 'juliet@localhost'));
  t.equal(await ask(romeo), 'result');
  t.equal(await ask(tybalt), 'not-authorized presence-subscription-required');
  await setConfig(juliet, 'n', { access_model: 'whitelist' });
  t.equal(await ask(romeo), 'not-allowed closed-node');
  const member = `<affiliation jid='tybalt@localhost' affiliation='member'/>`;
  await juliet.iq('set', owner(`<affiliations node='n'>${member}</affiliations>`));
  t.equal(await ask(tybalt), 'result');
  t.equal(await ask(romeo), 'not-allowed closed-node');
  const listed = await juliet.iq('get', owner(`<affiliations node='n'/>`));
  t.same(
    listed
      .getChild('pubsub')
      ?.getChild('affiliations')
      ?.getChildren('affiliation')
      .map(({ attrs }) => attrs['affiliation']),
    ['owner', 'member'],
  );
  await setConfig(juliet, 'n', { access_model: 'roster', roster_groups_allowed: 'Montagues' });
  t.equal(await ask(romeo), 'not-authorized not-in-roster-group');
  const item = `<item jid='romeo@localhost'><group>Montagues</group></item>`;
  await juliet.iq('set', `<query xmlns='jabber:iq:roster'>${item}</query>`);
  t.equal(await ask(romeo), 'result');
  await setConfig(juliet, 'n', { access_model: 'open' });
  t.equal(await ask(tybalt), 'result');
  t.equal(
    outcomeOf(await setConfig(juliet, 'n', { access_model: 'authorize' })),
    'not-acceptable unsupported-access-model',
  );
  for (const client of [juliet, romeo, tybalt]) await client.close();
});

t.test('nobody but the owner changes anything, and nobody learns more than the node tells', async (t) => {
  const juliet = await node.online('owner', 'one');
  const tybalt = await node.online('tybalt', 'foe');
  await publish(juliet, 'n', { id: 'i', options: { access_model: 'open' } });
  const at = 'owner@localhost';
  for (const payload of [
    pubsub(`<publish node='n'><item id='i'>${payloadOf('forged')}</item></publish>`),
    pubsub(`<publish node='new'><item>${payloadOf('forged')}</item></publish>`),
    pubsub(`<retract node='n'><item id='i'/></retract>`),
    pubsub(`<create node='new'/>`),
    owner(`<configure node='n'>${form('node_config', { access_model: 'whitelist' })}</configure>`),
    owner(`<purge node='n'/>`),
    owner(`<delete node='n'/>`),
    owner(`<affiliations node='n'/>`),
  ])
    t.match(outcomeOf(await tybalt.iq('set', payload, at)), /^(forbidden|feature-not-implemented)$/, payload);
  t.equal(outcomeOf(await tybalt.iq('get', owner(`<configure node='n'/>`), at)), 'forbidden');
  t.same(itemsOf(await getItems(tybalt, 'n', at)), ['i=x']);
  t.equal(outcomeOf(await getItems(juliet, 'new')), 'item-not-found');
  t.equal(
    outcomeOf(await getItems(tybalt, 'nothing', at)),
    outcomeOf(await getItems(tybalt, 'nothing', 'nobody@localhost')),
    'an account that is not there answers like one without the node',
  );
  await juliet.close();
  await tybalt.close();
});

t.test('every bound has its answer, and nothing is changed by what is refused', async (t) => {
  const user = await node.online('abuser', 'one');
  const { nodesMax, itemsPerNodeMax, itemBytesMax } = LIMITS;
  const big = payloadOf('x'.repeat(itemBytesMax - 100));
  t.equal(
    outcomeOf(await publish(user, 'n1', { payload: payloadOf('x'.repeat(itemBytesMax)) })),
    'not-acceptable payload-too-big',
  );
  t.equal(
    outcomeOf(await publish(user, 'n1', { options: { max_items: String(itemsPerNodeMax + 1) } })),
    'not-acceptable',
  );
  for (let i = 0; i < itemsPerNodeMax + 2; i++)
    await publish(user, 'n1', { id: `i${i}`, options: { max_items: 'max' } });
  t.equal(itemsOf(await getItems(user, 'n1')).length, itemsPerNodeMax, 'max is what the server allows');
  for (const name of ['n2', 'n3']) t.equal(outcomeOf(await publish(user, name, { id: 'i', payload: big })), 'result');
  t.equal(outcomeOf(await publish(user, 'n4', { id: 'i', payload: big })), 'resource-constraint');
  t.equal(outcomeOf(await getItems(user, 'n4')), 'item-not-found', 'no node is made for what has no room');
  await user.iq('set', pubsub(`<create node='n4'/>`));
  t.equal(outcomeOf(await publish(user, 'n3', { id: 'i', payload: big })), 'result', 'what is replaced makes room');
  t.equal(outcomeOf(await user.iq('set', pubsub(`<create node='n${nodesMax + 1}'/>`))), 'conflict max-nodes-exceeded');
  t.equal(outcomeOf(await publish(user, 'n5')), 'conflict max-nodes-exceeded');
  await user.iq('set', owner(`<delete node='n2'/>`));
  t.equal(outcomeOf(await publish(user, 'n5', { id: 'i', payload: big })), 'result', 'what is deleted makes room');
  await user.close();
});

t.test('what is wrong with a request is said', async (t) => {
  const user = await node.online('clumsy', 'one');
  await publish(user, 'n', { id: 'i' });
  const item = `<item>${payloadOf('x')}</item>`;
  const table: [type: 'get' | 'set', payload: string, outcome: string][] = [
    ['set', pubsub(`<publish>${item}</publish>`), 'bad-request nodeid-required'],
    ['set', pubsub(`<publish node='n'/>`), 'bad-request item-required'],
    ['set', pubsub(`<publish node='n'><item/></publish>`), 'bad-request payload-required'],
    [
      'set',
      pubsub(`<publish node='n'><item><a xmlns='x'/><b xmlns='x'/></item></publish>`),
      'bad-request invalid-payload',
    ],
    ['set', pubsub(`<publish node='n'>${item}${item}</publish>`), 'not-allowed max-items-exceeded'],
    ['set', pubsub(`<publish node='${'n'.repeat(2000)}'>${item}</publish>`), 'not-acceptable'],
    [
      'set',
      pubsub(`<publish node='n'><item id='${'i'.repeat(3000)}'>${payloadOf('x')}</item></publish>`),
      'not-acceptable',
    ],
    ['set', pubsub(`<retract node='n'/>`), 'bad-request item-required'],
    ['set', pubsub(`<retract node='n'><item id='other'/></retract>`), 'item-not-found'],
    ['set', pubsub(`<retract node='other'><item id='i'/></retract>`), 'item-not-found'],
    ['set', pubsub(`<create node='n'/>`), 'conflict'],
    ['get', pubsub('<items/>'), 'bad-request nodeid-required'],
    ['get', pubsub(`<items node='n' max_items='none'/>`), 'bad-request'],
    [
      'get',
      pubsub(`<items node='n'/><set xmlns='http://jabber.org/protocol/rsm'><after>no</after></set>`),
      'item-not-found',
    ],
    ['get', pubsub(`<default/>`), 'feature-not-implemented unsupported'],
    ['get', pubsub(''), 'bad-request'],
    ['get', pubsub(`<unheard-of/>`), 'feature-not-implemented'],
    ['set', owner(`<delete node='other'/>`), 'item-not-found'],
    ['set', owner(`<purge node='other'/>`), 'item-not-found'],
    ['set', owner(`<configure node='n'><x xmlns='jabber:x:data' type='submit'/></configure>`), 'bad-request'],
    [
      'set',
      owner(`<affiliations node='n'><affiliation jid='clumsy@localhost' affiliation='none'/></affiliations>`),
      'not-acceptable',
    ],
    [
      'set',
      owner(`<affiliations node='n'><affiliation jid='@' affiliation='member'/></affiliations>`),
      'jid-malformed',
    ],
    ['set', pubsub(`<subscribe node='n' jid='romeo@localhost'/>`), 'bad-request invalid-jid'],
    ['set', pubsub(`<unsubscribe node='n' jid='clumsy@localhost'/>`), 'unexpected-request not-subscribed'],
  ];
  for (const [type, payload, outcome] of table)
    t.equal(outcomeOf(await user.iq(type, payload)), outcome, payload.slice(0, 200));
  t.same(itemsOf(await getItems(user, 'n')), ['i=x']);
  const instant = await user.iq('set', pubsub('<create/>'));
  t.ok(instant.getChild('pubsub')?.getChild('create')?.attrs['node'], 'a node without a name gets one');
  t.ok((await user.iq('get', owner('<default/>'))).getChild('pubsub')?.getChild('default')?.getChild('x'));
  await user.close();
});

t.test('a stranger may subscribe to an open node, and hears of it until it unsubscribes', async (t) => {
  const juliet = await node.online('author', 'one');
  await publish(juliet, 'blog', { id: 'p0', payload: payloadOf('zero'), options: { access_model: 'open' } });
  const reader = await node.online('reader', 'one');
  const at = 'author@localhost';
  const subscribe = (client: Client) => client.iq('set', pubsub(`<subscribe node='blog' jid='${client.bare}'/>`), at);
  const answer = await subscribe(reader);
  t.match(answer.getChild('pubsub')?.getChild('subscription')?.attrs, { subscription: 'subscribed', jid: reader.bare });
  t.same(itemsOf(await reader.expect('pubsub#event')), ['p0=zero'], 'the last item at once');
  await publish(juliet, 'blog', { id: 'p1', payload: payloadOf('one') });
  t.same(itemsOf(await reader.expect('pubsub#event')), ['p1=one']);
  const own = await reader.iq('get', pubsub('<subscriptions/>'), at);
  t.equal(own.getChild('pubsub')?.getChild('subscriptions')?.getChildren('subscription').length, 1);
  const others = await Promise.all(['reader2', 'reader3'].map((name) => node.online(name, 'one')));
  t.same(
    [outcomeOf(await subscribe(others[0] as Client)), outcomeOf(await subscribe(others[1] as Client))],
    ['result', 'policy-violation too-many-subscriptions'],
  );
  t.equal(outcomeOf(await reader.iq('set', pubsub(`<unsubscribe node='blog' jid='${reader.bare}'/>`), at)), 'result');
  await publish(juliet, 'blog', { id: 'p2', payload: payloadOf('two') });
  await (others[0] as Client).expect('p2');
  await node.settle(reader);
  t.equal(reader.pending('pubsub#event').length, 0);
  for (const client of [juliet, reader, ...others]) await client.close();
});
