import t from 'tap';
import { FakeUser, JULIET, ROMEO } from './extensions.fixture.ts';
import { PERSONAL_LIMITS } from './personal-limits.ts';
import { dropAllXml, storedSizes } from './stored-xml.ts';

const ask = (user: FakeUser, type: 'get' | 'set', inner: string, attrs = '') =>
  user.ask(`<iq type='${type}' id='p' ${attrs}><query xmlns='jabber:iq:private'>${inner}</query></iq>`);
const inQuery = (inner: string): string => `<query xmlns="jabber:iq:private">${inner}</query>`;
const A = `<a xmlns="x:a"><n>1</n></a>`;
const B = `<b xmlns="x:b" n="2"/>`;

t.test('an element is stored, replaced, read and taken away by namespace and name', async (t) => {
  const user = new FakeUser();
  t.strictSame(ask(user, 'get', `<a xmlns='x:a'/>`), { outcome: 'result', body: inQuery(`<a xmlns="x:a"/>`) });
  t.strictSame(ask(user, 'set', A + B), { outcome: 'result', body: '' });
  t.equal(ask(user, 'get', `<a xmlns='x:a'/>`).body, inQuery(A));
  t.equal(ask(user, 'get', `<b xmlns='x:b'/>`).body, inQuery(B));
  t.equal(ask(user, 'get', `<a xmlns='x:b'/>`).body, inQuery(`<a xmlns="x:b"/>`));
  t.equal(ask(user, 'get', `<b xmlns='x:a'/>`).body, inQuery(`<b xmlns="x:a"/>`));
  ask(user, 'set', `<a xmlns='x:a'>other</a>`);
  t.equal(ask(user, 'get', `<a xmlns='x:a'/>`).body, inQuery(`<a xmlns="x:a">other</a>`));
  ask(user, 'set', `<a xmlns='x:a'/><c xmlns='x:c'/>`);
  t.equal(ask(user, 'get', `<a xmlns='x:a'/>`).body, inQuery(`<a xmlns="x:a"/>`));
  t.strictSame([...storedSizes(user, '')], [['private/x:b b', B.length]], 'an empty one takes no room');
  dropAllXml(user);
  t.strictSame([user.rows.size, user.stored.size], [0, 0]);
});

t.test('what is not right is refused, and nothing of it stored', async (t) => {
  const limits = { ...PERSONAL_LIMITS, privateItemsMax: 2, privateBytesMax: 100 };
  const user = new FakeUser({ personalLimits: limits });
  const table: ['get' | 'set', inner: string, condition: string][] = [
    ['get', '', 'bad-request'],
    ['get', `<a xmlns='x:a'/><b xmlns='x:b'/>`, 'bad-request'],
    ['get', '<a/>', 'not-acceptable'],
    ['get', `<a xmlns='jabber:client'/>`, 'not-acceptable'],
    ['set', '', 'not-acceptable'],
    ['set', `${A}<b/>`, 'not-acceptable'],
    ['set', A + A, 'bad-request'],
    ['set', `${A}${B}<c xmlns='x:c'>1</c>`, 'policy-violation'],
    ['set', `<a xmlns="x:a">${'-'.repeat(100)}</a>`, 'policy-violation'],
    ['set', `<a xmlns='${'x'.repeat(1000)}'>1</a>`, 'policy-violation'],
  ];
  for (const [type, inner, condition] of table)
    t.strictSame(ask(user, type, inner), { outcome: 'error', body: condition }, `${type} ${inner.slice(0, 50)}`);
  t.strictSame([user.rows.size, user.stored.size], [0, 0]);
  const foreign = `from='${JULIET}/x' to='${ROMEO}'`;
  t.equal(ask(user, 'get', `<a xmlns='x:a'/>`, foreign).outcome, 'not for others');
});

t.test('bounds count what is replaced and taken away', async (t) => {
  const user = new FakeUser({ personalLimits: { ...PERSONAL_LIMITS, privateItemsMax: 2, privateBytesMax: 58 } });
  const of = (name: string, length: number) => `<${name} xmlns="x:${name}">${'-'.repeat(length)}</${name}>`;
  t.equal(ask(user, 'set', of('a', 10) + of('b', 9)).outcome, 'result', '57 bytes');
  t.equal(ask(user, 'set', of('b', 10)).outcome, 'result', '58');
  t.equal(ask(user, 'set', of('b', 11)).body, 'policy-violation', '59');
  t.equal(ask(user, 'set', of('c', 1)).body, 'policy-violation', 'three');
  t.equal(ask(user, 'set', `<a xmlns='x:a'/>${of('c', 1)}`).outcome, 'result', 'one for another');
});
