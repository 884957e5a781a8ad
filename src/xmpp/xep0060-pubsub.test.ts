import t from 'tap';
import { FakeUser, JULIET, parse } from './extensions.fixture.ts';
import { idsIn, NOTE, options, outcome, owner, publish, pubsub, setting } from './pep.fixture.ts';
import { planItems, readItemsQuery } from './pubsub-items.ts';
import { type ItemIndex, isFault, PEP_LIMITS } from './pubsub-types.ts';

const STRANGER = `${JULIET}/balcony`;

function plan(index: ItemIndex, items: string, set = '', bytesMax = 1000): string[] | string {
  const el = parse(`<pubsub xmlns='p'><items xmlns='http://jabber.org/protocol/pubsub' ${items}</pubsub>`);
  const query = readItemsQuery(parse(`<pubsub xmlns='p'>${set}</pubsub>`), el.getChildElements()[0] as typeof el);
  if (isFault(query)) return query.error;
  const page = planItems(index, query, bytesMax);
  if (isFault(page)) return page.error;
  const { set: told } = page;
  return [...page.ids, ...(told === undefined ? [] : [`${told.first}-${told.last}@${told.index}/${told.count}`])];
}

t.test('an answer is a page when it is asked for as one, or when not all has room', async (t) => {
  const index: ItemIndex = new Map(['a', 'b', 'c', 'd', 'e'].map((id, at) => [id, { seq: at * 3, bytes: 100 }]));
  const rsm = (inner: string) => `<set xmlns='http://jabber.org/protocol/rsm'>${inner}</set>`;
  const table: [items: string, set: string, bytesMax: number, expected: string[] | string][] = [
    [`/>`, '', 1000, ['a', 'b', 'c', 'd', 'e']],
    [`/>`, '', 250, ['d', 'e', 'd-e@3/5']],
    [`/>`, '', 1, ['e', 'e-e@4/5']],
    [`max_items='2'/>`, '', 1000, ['d', 'e']],
    [`max_items='9'/>`, '', 1000, ['a', 'b', 'c', 'd', 'e']],
    [`max_items='0'/>`, '', 1000, 'bad-request'],
    [`max_items='-1'/>`, '', 1000, 'bad-request'],
    [`><item id='d'/><item id='a'/><item id='d'/><item id='x'/></items>`, '', 1000, ['d', 'a']],
    [`><item id='x'/></items>`, '', 1000, 'item-not-found'],
    [`/>`, rsm('<max>2</max>'), 1000, ['a', 'b', 'a-b@0/5']],
    [`/>`, rsm('<max>2</max><after>b</after>'), 1000, ['c', 'd', 'c-d@2/5']],
    [`/>`, rsm('<max>2</max><after>e</after>'), 1000, ['undefined-undefined@undefined/5']],
    [`/>`, rsm('<max>2</max><before/>'), 1000, ['d', 'e', 'd-e@3/5']],
    [`/>`, rsm('<max>2</max><before>d</before>'), 1000, ['b', 'c', 'b-c@1/5']],
    [`/>`, rsm('<max>3</max><before>d</before>'), 150, ['c', 'c-c@2/5']],
    [`/>`, rsm('<max>3</max>'), 250, ['a', 'b', 'a-b@0/5']],
    [`/>`, rsm('<max>0</max>'), 1000, ['undefined-undefined@undefined/5']],
    [`/>`, rsm('<max>2</max><index>3</index>'), 1000, ['d', 'e', 'd-e@3/5']],
    [`/>`, rsm('<after>x</after>'), 1000, 'item-not-found'],
    [`/>`, rsm('<before>x</before>'), 1000, 'item-not-found'],
    [`/>`, rsm('<max>no</max>'), 1000, 'bad-request'],
  ];
  for (const [items, set, bytesMax, expected] of table)
    t.same(plan(index, items, set, bytesMax), expected, `${items} ${set} ${bytesMax}`);
});

t.test('items that are replaced while they are read are chosen again, a few times', async (t) => {
  const user = new FakeUser();
  publish(user, 'n', 'a');
  const { load } = user.items;
  let changes = 3;
  user.items.load = (session, node, seqs, done) => {
    if (changes-- > 0) publish(user, 'n', `b${changes}`);
    load.call(user.items, session, node, seqs, done);
  };
  t.same(idsIn(pubsub(user, 'get', `<items node='n'/>`).body), ['b0']);
  changes = 100;
  t.equal(outcome(pubsub(user, 'get', `<items node='n'/>`)), 'resource-constraint', 'not for ever');
});

t.test('a configuration is read back as it was set, and only what can be is taken', async (t) => {
  const user = new FakeUser();
  publish(user, 'n', 'i');
  const set = (field: string, value: string) =>
    outcome(
      owner(
        user,
        'set',
        `<configure node='n'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>` +
          `<value>http://jabber.org/protocol/pubsub#node_config</value></field>` +
          `<field var='pubsub#${field}'><value>${value}</value></field></x></configure>`,
      ),
    );
  const table: [field: string, value: string, outcome: string, after: string | undefined][] = [
    ['access_model', 'open', 'result', 'open'],
    ['access_model', 'authorize', 'not-acceptable unsupported-access-model', 'open'],
    ['access_model', 'toString', 'not-acceptable unsupported-access-model', 'open'],
    ['max_items', 'max', 'result', 'max'],
    ['max_items', '7', 'result', '7'],
    ['max_items', '0', 'not-acceptable', '7'],
    ['max_items', String(PEP_LIMITS.itemsPerNodeMax + 1), 'not-acceptable', '7'],
    ['persist_items', 'true', 'result', '1'],
    ['deliver_payloads', '0', 'result', '0'],
    ['notify_retract', 'maybe', 'not-acceptable', '1'],
    ['publish_model', 'publishers', 'result', 'publishers'],
    ['publish_model', 'open', 'not-acceptable', 'publishers'],
    ['send_last_published_item', 'never', 'result', 'never'],
    ['notification_type', 'normal', 'result', 'normal'],
    ['title', 'A &amp; B', 'result', 'A &amp; B'],
    ['type', 'x'.repeat(2000), 'not-acceptable', undefined],
    ['roster_groups_allowed', 'Friends', 'result', 'Friends'],
    ['roster_groups_allowed', 'x'.repeat(PEP_LIMITS.listCharsMax + 1), 'not-acceptable', 'Friends'],
    ['unheard_of', '1', 'result', undefined],
  ];
  for (const [field, value, expected, after] of table) {
    t.equal(set(field, value), expected, `${field} ${value.slice(0, 20)}`);
    t.equal(setting(user, 'n', field), after, field);
  }
  t.equal(
    outcome(owner(user, 'set', `<configure node='n'><x xmlns='jabber:x:data' type='cancel'/></configure>`)),
    'result',
  );
  t.equal(
    outcome(owner(user, 'set', `<configure node='n'><x xmlns='jabber:x:data' type='form'/></configure>`)),
    'bad-request',
  );
});

t.test('a node that does not persist tells its items and keeps none', async (t) => {
  const user = new FakeUser();
  t.equal(outcome(publish(user, 'n', 'i', NOTE, options({ persist_items: '0' }))), 'result');
  t.equal(pubsub(user, 'get', `<items node='n'/>`).body.includes('<item '), false);
  t.equal(
    outcome(pubsub(user, 'set', `<retract node='n'><item id='i'/></retract>`)),
    'feature-not-implemented unsupported',
  );
  t.equal(outcome(owner(user, 'set', `<purge node='n'/>`)), 'feature-not-implemented unsupported');
});

t.test('a payload means the same wherever it is shown', async (t) => {
  const user = new FakeUser();
  const item = `<publish node='n'><item id='i'><a xmlns='urn:a' p:b='1' xmlns:p='urn:p'><c/>&lt;&amp;</a></item></publish>`;
  pubsub(user, 'set', item);
  t.match(pubsub(user, 'get', `<items node='n'/>`).body, `<a xmlns="urn:a" p:b="1" xmlns:p="urn:p"><c/>&lt;&amp;</a>`);
  pubsub(user, 'set', `<publish node='n'><item id='i'><bare/></item></publish>`);
  t.match(
    pubsub(user, 'get', `<items node='n'/>`).body,
    `<bare xmlns="http://jabber.org/protocol/pubsub"/>`,
    'what it inherits is said',
  );
});

t.test('others get in by the access model, and never change anything', async (t) => {
  const user = new FakeUser();
  publish(user, 'n', 'i');
  const get = () => outcome(pubsub(user, 'get', `<items node='n'/>`, STRANGER));
  t.equal(get(), 'not-authorized presence-subscription-required');
  user.contact(JULIET, 'to');
  t.equal(get(), 'not-authorized presence-subscription-required', 'that the user sees her is not enough');
  user.contact(JULIET, 'from');
  t.equal(get(), 'result');
  const rows = new Map(user.rows);
  for (const inner of [
    `<publish node='n'><item>${NOTE}</item></publish>`,
    `<retract node='n'><item id='i'/></retract>`,
    '<create/>',
  ])
    t.equal(outcome(pubsub(user, 'set', inner, STRANGER)), 'forbidden');
  t.same(user.rows, rows);
});

t.test('the affiliations and subscriptions of who asks are told', async (t) => {
  const user = new FakeUser();
  publish(user, 'n', 'i', NOTE, options({ access_model: 'open' }));
  publish(user, 'm', 'i');
  t.match(pubsub(user, 'get', `<affiliations/>`).body, /node="m" affiliation="owner".*node="n" affiliation="owner"/);
  t.notMatch(pubsub(user, 'get', `<affiliations node='n'/>`).body, 'node="m"');
  owner(user, 'set', `<affiliations node='m'><affiliation jid='${JULIET}' affiliation='member'/></affiliations>`);
  t.match(pubsub(user, 'get', `<affiliations/>`, STRANGER).body, `<affiliation node="m" affiliation="member"/>`);
  for (const jid of [JULIET, STRANGER])
    t.equal(outcome(pubsub(user, 'set', `<subscribe node='n' jid='${jid}'/>`, STRANGER)), 'result');
  t.equal(
    outcome(pubsub(user, 'set', `<subscribe node='n' jid='${JULIET}/other'/>`, STRANGER)),
    'bad-request invalid-jid',
  );
  t.equal(pubsub(user, 'get', `<subscriptions/>`, STRANGER).body.split('<subscription ').length - 1, 2);
  t.match(
    owner(user, 'get', `<subscriptions node='n'/>`).body,
    `<subscription jid="${JULIET}" subscription="subscribed"/>`,
  );
  t.equal(outcome(pubsub(user, 'set', `<unsubscribe node='n' jid='${JULIET}'/>`, STRANGER)), 'result');
  t.equal(pubsub(user, 'get', `<subscriptions node='n'/>`, STRANGER).body.split('<subscription ').length - 1, 1);
});

t.test('members are bounded by their number, and by how long they are', async (t) => {
  const user = new FakeUser({ pepLimits: { ...PEP_LIMITS, membersMax: 2, listCharsMax: 10 } });
  publish(user, 'n', 'i');
  const give = (...jids: string[]): string => {
    const members = jids.map((jid) => `<affiliation jid='${jid}' affiliation='member'/>`).join('');
    return outcome(owner(user, 'set', `<affiliations node='n'>${members}</affiliations>`));
  };
  t.equal(give('a@x', 'b@x', 'c@x'), 'not-acceptable');
  t.equal(give('aaaa@x', 'bbb@x'), 'not-acceptable');
  t.equal(give('aaa@x', 'bbb@x'), 'result');
});

t.test('subscribers are bounded by how long they are', async (t) => {
  const user = new FakeUser({ pepLimits: { ...PEP_LIMITS, listCharsMax: STRANGER.length + JULIET.length - 1 } });
  publish(user, 'n', 'i', NOTE, options({ access_model: 'open' }));
  const subscribe = (jid: string): string =>
    outcome(pubsub(user, 'set', `<subscribe node='n' jid='${jid}'/>`, STRANGER));
  t.equal(subscribe(STRANGER), 'result');
  t.equal(subscribe(JULIET), 'policy-violation too-many-subscriptions');
  t.equal(subscribe(STRANGER), 'result', 'who is one stays one');
});
