import type { Element } from 'ltx';
import t from 'tap';
import { DOMAIN, el, World } from './rfc6121.fixture.ts';
import { contacts, getContact } from './rfc6121-contacts.ts';
import { ROSTER_LIMITS, type RosterLimits } from './rfc6121-limits.ts';
import { parseRosterSet } from './rfc6121-roster.ts';
import { onSubscription } from './rfc6121-subscription.ts';

const JULIET = `juliet@${DOMAIN}`;
const ROMEO = `romeo@${DOMAIN}`;
const NURSE = `nurse@${DOMAIN}`;

const group = (name: string): Element => el('group', {}, name);
const item = (attrs: Record<string, string>, ...groups: string[]): Element => el('item', attrs, ...groups.map(group));

function juliet(limits?: RosterLimits) {
  const world = new World(limits);
  const session = world.user('juliet');
  return { world, session, j: session.connect('balcony') };
}

t.test('a roster set reads the item, and each fault of section 2.3.3 has its error', async (t) => {
  const limits = { ...ROSTER_LIMITS, nameCharsMax: 4, groupCharsMax: 5, groupsPerItemMax: 2, itemCharsMax: 11 };
  const cases: [string, Element[], object][] = [
    ['a bare item', [item({ jid: ROMEO })], { ok: true, t: 'update', jid: ROMEO, name: '', groups: [] }],
    [
      'name and groups',
      [item({ jid: ROMEO, name: 'R & J'.slice(0, 4) }, 'a', 'b')],
      { ok: true, t: 'update', jid: ROMEO, name: 'R & ', groups: ['a', 'b'] },
    ],
    [
      'a domain as contact',
      [item({ jid: 'chat.example.org' })],
      { ok: true, t: 'update', jid: 'chat.example.org', name: '', groups: [] },
    ],
    [
      'what only the server may set is not read',
      [item({ jid: ROMEO, subscription: 'both', ask: 'subscribe', approved: 'true' })],
      { ok: true, t: 'update', jid: ROMEO, name: '', groups: [] },
    ],
    ['a removal', [item({ jid: ROMEO, subscription: 'remove' })], { ok: true, t: 'remove', jid: ROMEO }],
    ['no item', [], { ok: false, condition: 'bad-request' }],
    ['two items', [item({ jid: ROMEO }), item({ jid: NURSE })], { ok: false, condition: 'bad-request' }],
    ['no jid', [item({})], { ok: false, condition: 'bad-request' }],
    ['a malformed jid', [item({ jid: '@@' })], { ok: false, condition: 'jid-malformed' }],
    ['a full jid', [item({ jid: `${ROMEO}/x` })], { ok: false, condition: 'bad-request' }],
    ['oneself', [item({ jid: JULIET })], { ok: false, condition: 'not-allowed' }],
    ['a long name', [item({ jid: ROMEO, name: '12345' })], { ok: false, condition: 'not-acceptable' }],
    ['an empty group', [item({ jid: ROMEO }, '')], { ok: false, condition: 'not-acceptable' }],
    ['a long group', [item({ jid: ROMEO }, '123456')], { ok: false, condition: 'not-acceptable' }],
    [
      'just so much in all',
      [item({ jid: ROMEO, name: 'n' }, '12345', '54321')],
      { ok: true, groups: ['12345', '54321'] },
    ],
    [
      'too much in all',
      [item({ jid: ROMEO, name: 'nn' }, '12345', '54321')],
      { ok: false, condition: 'not-acceptable' },
    ],
    ['too many groups', [item({ jid: ROMEO }, 'a', 'b', 'c')], { ok: false, condition: 'not-acceptable' }],
    ['a group twice', [item({ jid: ROMEO }, 'a', 'a')], { ok: false, condition: 'bad-request' }],
    [
      'a group twice in two forms',
      [item({ jid: ROMEO }, '\u00e9', 'e\u0301')],
      { ok: false, condition: 'bad-request' },
    ],
  ];
  for (const [name, items, expected] of cases) {
    t.match(parseRosterSet(el('query', { xmlns: 'jabber:iq:roster' }, ...items), JULIET, limits), expected, name);
  }
});

t.test('a fault changes nothing and is pushed to nobody', async (t) => {
  const { session, j } = juliet();
  j.roster('get');
  j.take();
  t.equal(j.roster('set', {}, item({ jid: '@@' })), 'error:jid-malformed');
  t.equal(j.roster('set', {}, item({ jid: ROMEO, subscription: 'remove' })), 'error:item-not-found');
  t.equal(j.roster('get', {}, item({ jid: ROMEO })), 'error:bad-request');
  t.equal(session.writes, 0);
  t.same(j.take(), ['error:jid-malformed', 'error:item-not-found', 'error:bad-request']);
});

t.test("another user's request is forbidden", async (t) => {
  const { session } = juliet();
  const query = el('query', { xmlns: 'jabber:iq:roster' }, item({ jid: `eve@${DOMAIN}` }));
  t.equal(session.roster('set', undefined, query), 'error:forbidden');
  t.equal(session.roster('get', undefined, el('query', { xmlns: 'jabber:iq:roster' })), 'error:forbidden');
  t.equal(session.writes, 0);
});

t.test('an item is pushed to the interested resources only, then the set is answered', async (t) => {
  const { session, j } = juliet();
  const other = session.connect('chamber');
  const silent = session.connect('silent');
  t.equal(j.roster('get'), 'reply:<query xmlns="jabber:iq:roster"/>');
  other.roster('get');
  for (const stream of [j, other, silent]) stream.take();
  j.roster('set', {}, item({ jid: ROMEO, name: `R"<&>'` }, 'Friends', 'a & b'));
  const expected =
    '<item jid="romeo@example.org" name="R&quot;&lt;&amp;&gt;&apos;" subscription="none">' +
    '<group>Friends</group><group>a &amp; b</group></item>';
  const [push, answer, ...more] = j.take();
  t.ok(push?.includes(expected));
  t.match(push, /^<iq xmlns="jabber:client" to="juliet@example.org\/balcony" id="id1" type="set"><query [^>]*ver="/);
  t.equal(answer, 'reply:');
  t.same(more, []);
  t.match(other.take(), [/to="juliet@example.org\/chamber" id="id2"/]);
  t.same(silent.take(), []);
  t.ok(silent.roster('get').includes(expected));
});

t.test('an update keeps the subscription and replaces name and groups', async (t) => {
  const { session, j } = juliet();
  j.presenceOf({ to: ROMEO, type: 'subscribe' });
  j.roster('set', {}, item({ jid: ROMEO, name: 'Romeo' }, 'Friends'));
  t.match(getContact(session, ROMEO), { name: 'Romeo', groups: ['Friends'], ask: 'subscribe' });
  j.roster('set', {}, item({ jid: ROMEO }));
  t.match(getContact(session, ROMEO), { name: '', groups: [], ask: 'subscribe' });
});

t.test('a removal ends what there is to end', async (t) => {
  const cases = [
    [['subscribe'], [], ['unsubscribe']],
    [['subscribe'], ['subscribed'], ['unsubscribe']],
    [['subscribed'], ['subscribe'], ['unsubscribed']],
    [
      ['subscribed', 'subscribe'],
      ['subscribe', 'subscribed'],
      ['unsubscribe', 'unsubscribed'],
    ],
    [['subscribe'], ['subscribe'], ['unsubscribe', 'unsubscribed']],
    [['subscribed'], [], []],
  ] as const;
  for (const [sent, got, expected] of cases) {
    const { world, session, j } = juliet();
    for (const type of sent) j.presenceOf({ to: ROMEO, type });
    let idx = 0;
    for (const type of got) {
      idx += 1;
      onSubscription(session, { t: 'subscription', from: ROMEO, to: JULIET, type, inner: '' }, idx);
    }
    world.posted.length = 0;
    t.equal(j.roster('set', {}, item({ jid: ROMEO, subscription: 'remove' })), 'reply:');
    const posts = world.posted.map(({ message }) => message.t === 'subscription' && message.type);
    t.same(posts, expected, `after ${sent} and ${got}`);
    t.match(getContact(session, ROMEO), { listed: false, subscription: 'none', name: '' });
    t.equal(getContact(session, ROMEO)!.approved, undefined);
    t.equal(getContact(session, ROMEO)!.pendingIn, undefined);
    t.equal(j.roster('get'), 'reply:<query xmlns="jabber:iq:roster"/>');
  }
});

t.test('the roster is bounded', async (t) => {
  const { j } = juliet({ ...ROSTER_LIMITS, rosterItemsMax: 2 });
  t.equal(j.roster('set', {}, item({ jid: ROMEO })), 'reply:');
  t.equal(j.roster('set', {}, item({ jid: NURSE })), 'reply:');
  t.equal(j.roster('set', {}, item({ jid: `tybalt@${DOMAIN}` })), 'error:policy-violation');
  t.equal(j.roster('set', {}, item({ jid: NURSE, name: 'Nurse' })), 'reply:', 'what is there can change');
  j.roster('set', {}, item({ jid: ROMEO, subscription: 'remove' }));
  t.equal(j.roster('set', {}, item({ jid: `tybalt@${DOMAIN}` })), 'reply:', 'a removal makes room');
});

const version = (answer: string): string => /ver="([^"]*)"/.exec(answer)?.[1] ?? '';

t.test('a client that knows a version gets only what changed since, in order', async (t) => {
  const { session, j } = juliet();
  t.equal(j.roster('get', { ver: '' }), 'reply:<query xmlns="jabber:iq:roster" ver="0"/>');
  t.equal(j.roster('get', { ver: '0' }), 'reply:', 'still empty');
  j.take();
  j.roster('set', {}, item({ jid: ROMEO }));
  j.roster('set', {}, item({ jid: NURSE }));
  const pushes = j.take().filter((xml) => xml.startsWith('<iq'));
  const first = version(pushes[0]!);
  const second = version(pushes[1]!);
  t.not(first, second);

  const asked = (ver: string): string[] => {
    const stream = session.connect(`r${session.live.length}`);
    stream.roster('get', { ver });
    return stream.take().map((xml) => xml.replace(/ id="[^"]*"| to="[^"]*"/g, ''));
  };
  t.same(asked(second), ['reply:'], 'nothing new');
  t.match(asked(first), ['reply:', /nurse/]);
  t.match(asked('0'), [/^reply:<query .*nurse.*romeo/], 'an empty cache is as good as none');

  j.roster('set', {}, item({ jid: ROMEO, subscription: 'remove' }));
  j.roster('set', {}, item({ jid: NURSE, name: 'N' }));
  t.match(asked(second), ['reply:', /romeo.*subscription="remove"/, /nurse.*name="N"/]);
  t.match(asked(first), ['reply:', /romeo.*subscription="remove"/, /nurse.*name="N"/]);
  const now = version(asked('')[0]!);
  t.same(asked(now), ['reply:']);
  const replayed = asked(first);
  t.equal(version(replayed.at(-1)!), now, 'the last push carries the current version');

  for (const unknown of ['zz-1', `${now}9`, 'x', now.replace(/-.*/, '-0'), now.replace(/-.*/, '--1')]) {
    t.match(asked(unknown), [/^reply:<query .*nurse/], `${unknown} is answered in full`);
  }
});

t.test('a new account of the same name does not take over the versions of the old one', async (t) => {
  const { world, j } = juliet();
  j.roster('set', {}, item({ jid: ROMEO }));
  const held = version(j.roster('get', { ver: '' }));
  world.now += 1;
  const again = world.user('juliet').connect('balcony');
  again.roster('set', {}, item({ jid: NURSE }));
  t.match(again.roster('get', { ver: held }), /^reply:<query .*nurse/);
});

t.test('tombstones and cursors are bounded: the oldest go, and clients that are older get everything', async (t) => {
  const { world, session, j } = juliet({ ...ROSTER_LIMITS, ghostsMax: 8 });
  const held: string[] = [];
  for (let i = 0; i < 9; i += 1) {
    world.now += 1;
    j.roster('set', {}, item({ jid: `c${i}@${DOMAIN}` }));
    held.push(version(j.roster('get', { ver: '' })));
    j.roster('set', {}, item({ jid: `c${i}@${DOMAIN}`, subscription: 'remove' }));
  }
  t.equal(contacts(session).length, 6, 'three quarters are kept');
  t.match(j.roster('get', { ver: held[0]! }), /^reply:<query/);
  j.take();
  t.equal(j.roster('get', { ver: held[4]! }), 'reply:');
  t.equal(j.take().length, 1 + 5, 'c4 to c8 are gone');
});

t.test('too many changes are answered with the whole roster', async (t) => {
  const { j } = juliet({ ...ROSTER_LIMITS, changesMax: 2 });
  j.roster('set', {}, item({ jid: ROMEO }));
  const held = version(j.roster('get', { ver: '' }));
  j.roster('set', {}, item({ jid: NURSE }));
  j.roster('set', {}, item({ jid: `a@${DOMAIN}` }));
  t.equal(j.roster('get', { ver: held }), 'reply:');
  j.roster('set', {}, item({ jid: `b@${DOMAIN}` }));
  t.match(j.roster('get', { ver: held }), /^reply:<query/);
});
