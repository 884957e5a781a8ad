import t from 'tap';
import { FakeUser, fakeStream, JULIET, parse, ROMEO } from './extensions.fixture.ts';
import { forbidsLastActivity, LAST_SEEN_ROW, lastSeen } from './xep0012-last-activity.ts';

const ask = (attrs: string) => `<iq type='get' id='last1' ${attrs}><query xmlns='jabber:iq:last'/></iq>`;
const byJuliet = ask(`from='${JULIET}/balcony' to='${ROMEO}'`);

t.test('a server tells how long it has run', async (t) => {
  t.strictSame(new FakeUser().ask(ask(`to='montague.lit'`)), {
    outcome: 'result',
    body: `<query xmlns='jabber:iq:last' seconds='123456'/>`,
  });
});

t.test('an account tells its subscribers when it was last there, others nothing', async (t) => {
  for (const [subscription, allowed] of [
    ['none', false],
    ['to', false],
    ['from', true],
    ['both', true],
  ] as const) {
    const user = new FakeUser();
    user.contact(JULIET, subscription);
    user.put(LAST_SEEN_ROW, lastSeen(user.now - 903_999, 'Heading & home'));
    t.strictSame(
      user.ask(byJuliet),
      allowed
        ? { outcome: 'result', body: `<query xmlns='jabber:iq:last' seconds='903'>Heading &amp; home</query>` }
        : { outcome: 'error', body: 'forbidden' },
      subscription,
    );
  }
  t.strictSame(new FakeUser().ask(byJuliet), { outcome: 'error', body: 'forbidden' }, 'a stranger');
});

t.test('zero seconds while a resource is available, item-not-found for one never seen', async (t) => {
  const user = new FakeUser();
  user.contact(JULIET, 'both');
  t.strictSame(user.ask(byJuliet), { outcome: 'error', body: 'item-not-found' });
  user.live.push({ ...fakeStream('garden'), presence: { priority: 0, show: '', xml: '', since: 0 } });
  t.equal(user.ask(byJuliet).body, `<query xmlns='jabber:iq:last' seconds='0'/>`);
  t.equal(user.ask(ask('')).outcome, 'result', 'and to the user itself');
});

t.test('a request for a resource is not handed on for those who may not see the presence', async (t) => {
  const user = new FakeUser();
  const last = parse(`<query xmlns='jabber:iq:last'/>`);
  t.equal(forbidsLastActivity(user, last, JULIET), true);
  t.equal(forbidsLastActivity(user, parse(`<query xmlns='jabber:iq:version'/>`), JULIET), false);
  t.equal(forbidsLastActivity(user, undefined, JULIET), false);
  user.contact(JULIET, 'from');
  t.equal(forbidsLastActivity(user, last, JULIET), false);
});
