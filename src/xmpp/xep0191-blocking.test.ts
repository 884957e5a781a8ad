import t from 'tap';
import { FakeUser, fakeStream, JULIET, ROMEO } from './extensions.fixture.ts';
import { PERSONAL_LIMITS } from './personal-limits.ts';

const NS = 'urn:xmpp:blocking';
const TYBALT = 'tybalt@capulet.lit';

const items = (...jids: string[]): string => jids.map((jid) => `<item jid='${jid}'/>`).join('');
const set = (user: FakeUser, name: 'block' | 'unblock', inner: string) =>
  user.ask(`<iq type='set' id='b'><${name} xmlns='${NS}'>${inner}</${name}></iq>`);
const list = (user: FakeUser) => user.ask(`<iq type='get' id='l'><blocklist xmlns='${NS}'/></iq>`).body;
const listed = (user: FakeUser) => [...list(user).matchAll(/jid="(.*?)"/g)].map(([, jid]) => jid).sort();

function online(): FakeUser {
  const user = new FakeUser();
  const [stream] = user.live;
  if (stream !== undefined)
    stream.presence = { priority: 0, show: '', xml: `<presence from="${stream.jid}"/>`, since: 0 };
  return user;
}

/** What was told, as `type to`. */
const told = (user: FakeUser): string[] =>
  user.told.splice(0).map(({ msg }) => {
    if (msg.t !== 'presence') return `${msg.t} ${msg.to}`;
    return `${msg.available ? 'available' : 'unavailable'} ${msg.to}`;
  });

t.test('blocking and unblocking, one, some, all', async (t) => {
  const user = new FakeUser();
  t.equal(list(user), `<blocklist xmlns="${NS}"/>`);
  t.strictSame(set(user, 'block', items(JULIET)), { outcome: 'result', body: '' });
  set(user, 'block', items('Tybalt@CAPULET.lit/Blade', 'verona.lit', 'verona.lit/gate'));
  t.strictSame(listed(user), [JULIET, `${TYBALT}/Blade`, 'verona.lit', 'verona.lit/gate'], 'normalised');
  t.equal(set(user, 'block', items(JULIET)).outcome, 'result', 'once more');
  set(user, 'unblock', items('verona.lit', 'nobody@verona.lit'));
  t.strictSame(listed(user), [JULIET, `${TYBALT}/Blade`, 'verona.lit/gate']);
  t.strictSame(set(user, 'unblock', ''), { outcome: 'result', body: '' });
  t.strictSame(listed(user), []);
  t.strictSame(
    user.listChanges.map(([, after]) => after.length),
    [1, 4, 4, 3, 0],
    'chats hear of each change',
  );
});

t.test('devices that asked for the list get what changes', async (t) => {
  const user = new FakeUser();
  set(user, 'block', items('a@x.lit'));
  t.strictSame(user.out, [], 'nobody asked');
  user.live.push(fakeStream('balcony'));
  list(user);
  set(user, 'block', items(JULIET, TYBALT));
  set(user, 'unblock', items(JULIET));
  set(user, 'unblock', '');
  const head = `<iq xmlns="jabber:client" to="${ROMEO}/orchard" id="id" type="set">`;
  t.strictSame(user.out, [
    `${head}<block xmlns="${NS}"><item jid="${JULIET}"/><item jid="${TYBALT}"/></block></iq>`,
    `${head}<unblock xmlns="${NS}"><item jid="${JULIET}"/></unblock></iq>`,
    `${head}<unblock xmlns="${NS}"/></iq>`,
  ]);
});

t.test('what is not right is refused, and nothing of it done', async (t) => {
  const user = new FakeUser({ personalLimits: { ...PERSONAL_LIMITS, blockedMax: 2 } });
  const table: ['block' | 'unblock', inner: string, condition: string][] = [
    ['block', '', 'bad-request'],
    ['block', `${items(JULIET)}<other/>`, 'bad-request'],
    ['block', `${items(JULIET)}<item/>`, 'bad-request'],
    ['block', items(JULIET, '@'), 'jid-malformed'],
    ['block', items(JULIET, ROMEO), 'not-allowed'],
    ['block', items(JULIET, `${ROMEO}/x`), 'not-allowed'],
    ['block', items('a@x.lit', 'b@x.lit', 'c@x.lit'), 'policy-violation'],
    ['unblock', items('@'), 'jid-malformed'],
    ['unblock', '<item/>', 'bad-request'],
  ];
  for (const [name, inner, condition] of table) {
    t.strictSame(set(user, name, inner), { outcome: 'error', body: condition }, inner);
  }
  t.strictSame([user.listChanges, user.rows.size], [[], 0]);
  t.equal(set(user, 'block', items('a@x.lit', 'b@x.lit')).outcome, 'result', 'as many as may be');
  user.chatsHaveRoom = false;
  t.strictSame(set(user, 'unblock', ''), { outcome: 'error', body: 'resource-constraint' });
  t.equal(listed(user).length, 2, 'and it stays as it was');
  const foreign = `<iq type='get' id='l' from='${JULIET}/x' to='${ROMEO}'><blocklist xmlns='${NS}'/></iq>`;
  t.equal(user.ask(foreign).outcome, 'not for others');
  t.ok(user.protocol.catalogue.server.features.includes(NS));
});

t.test('who sees the user hears that it goes, and that it comes back', async (t) => {
  const user = online();
  user.contact(JULIET, 'both');
  user.contact(TYBALT, 'to');
  user.contact('nurse@verona.lit', 'from');
  set(user, 'block', items(JULIET, TYBALT));
  t.strictSame(told(user), [`unavailable ${JULIET}`], 'Tybalt does not see it anyway');
  set(user, 'block', items('capulet.lit'));
  t.strictSame(told(user), [], 'they have heard');
  set(user, 'unblock', items(JULIET, TYBALT));
  t.strictSame(told(user), [], 'the domain is blocked still');
  set(user, 'unblock', '');
  t.strictSame(told(user), [`available ${JULIET}`, `probe ${JULIET}`, `probe ${TYBALT}`]);
  set(user, 'block', items(`${JULIET}/balcony`, `${TYBALT}/x`));
  t.strictSame(told(user), [`unavailable ${JULIET}/balcony`], 'one device');
  set(user, 'block', items('nurse@verona.lit'));
  t.strictSame(told(user), ['unavailable nurse@verona.lit']);
  set(user, 'unblock', items('nurse@verona.lit'));
  t.strictSame(told(user), ['available nurse@verona.lit'], 'what has not changed is not told');
  set(user, 'unblock', items(`${JULIET}/balcony`));
  t.strictSame(told(user), [`available ${JULIET}`, `probe ${JULIET}`]);
});

t.test('who had directed presence hears that it goes, and is owed nothing more', async (t) => {
  const user = online();
  const [stream] = user.live;
  if (stream !== undefined) stream.directed = new Set([`${JULIET}/balcony`, 'nurse@verona.lit/x']);
  set(user, 'block', items(JULIET));
  t.strictSame(told(user), [`unavailable ${JULIET}/balcony`]);
  t.strictSame([...(stream?.directed ?? [])], ['nurse@verona.lit/x']);
});
