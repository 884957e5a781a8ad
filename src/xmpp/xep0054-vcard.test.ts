import t from 'tap';
import { FakeUser, JULIET, ROMEO } from './extensions.fixture.ts';
import { PERSONAL_LIMITS } from './personal-limits.ts';

const CARD = `<vCard xmlns="vcard-temp"><FN>Romeo &amp; co</FN><PHOTO><TYPE>image/png</TYPE></PHOTO></vCard>`;
const get = (user: FakeUser, attrs = '') => user.ask(`<iq type='get' id='v' ${attrs}><vCard xmlns='vcard-temp'/></iq>`);
const set = (user: FakeUser, card: string, attrs = '') => user.ask(`<iq type='set' id='v' ${attrs}>${card}</iq>`);
const foreign = `from='${JULIET}/x' to='${ROMEO}'`;

t.test('the own vCard is set, replaced and read, by everyone', async (t) => {
  const user = new FakeUser();
  t.strictSame(get(user), { outcome: 'error', body: 'item-not-found' });
  t.strictSame(get(user, foreign), { outcome: 'error', body: 'service-unavailable' }, 'as if there were no account');
  t.strictSame(set(user, CARD), { outcome: 'result', body: '' });
  t.strictSame(get(user), { outcome: 'result', body: CARD });
  t.strictSame(get(user, foreign), { outcome: 'result', body: CARD });
  set(user, `<v:vCard xmlns:v='vcard-temp'><v:FN>R</v:FN></v:vCard>`);
  t.equal(get(user).body, `<v:vCard xmlns:v="vcard-temp"><v:FN>R</v:FN></v:vCard>`, 'in whatever prefixes');
  t.strictSame(set(user, CARD, foreign), { outcome: 'error', body: 'forbidden' });
  t.ok(get(user).body.includes('R</v:FN>'), 'by its owner only');
});

t.test('it is not among the rows of the session', async (t) => {
  const user = new FakeUser();
  set(user, CARD);
  t.strictSame([...user.rows], [['d/vcard', { v: 1, bytes: Buffer.byteLength(CARD) }]]);
  t.strictSame([...user.stored], [['vcard', { v: 1, xml: CARD }]]);
});

t.test('a large one is refused', async (t) => {
  const card = (length: number) => `<vCard xmlns="vcard-temp">${'ü'.repeat((length - 34) / 2)}</vCard>`;
  const user = new FakeUser({ personalLimits: { ...PERSONAL_LIMITS, vcardBytesMax: 1000 } });
  t.equal(Buffer.byteLength(card(1000)), 1000);
  t.equal(set(user, card(1000)).outcome, 'result');
  t.strictSame(set(user, card(1002)), { outcome: 'error', body: 'policy-violation' });
  t.equal(get(user).body, card(1000), 'the old one stays');
});

t.test('the server has one that nobody sets', async (t) => {
  const user = new FakeUser();
  t.strictSame(get(user, `to='montague.lit'`), {
    outcome: 'result',
    body: `<vCard xmlns="vcard-temp"><FN>Rookery</FN></vCard>`,
  });
  t.strictSame(set(user, CARD, `to='montague.lit'`), { outcome: 'error', body: 'forbidden' });
  t.ok(user.protocol.catalogue.server.features.includes('vcard-temp'));
});
