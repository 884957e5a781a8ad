import t from 'tap';
import { FakeUser, parse } from './extensions.fixture.ts';
import { supportedSpecs } from './index.ts';
import { formatStamp } from './xep0082-datetime.ts';
import { pingIq } from './xep0199-ping.ts';

const toServer = (payload: string) => `<iq type='get' id='x' to='montague.lit'>${payload}</iq>`;

t.test('every module has a spec of its own that can be looked up', async (t) => {
  const specs = supportedSpecs();
  t.strictSame(
    specs.map(({ id }) => id).filter((id, at, all) => all.indexOf(id) !== at),
    [],
    'no id twice',
  );
  for (const { id, title, url, version } of specs) {
    t.ok(title !== '' && url.startsWith('https://'), id);
    if (!id.startsWith('XEP')) continue;
    t.ok(url.includes(id.toLowerCase()), `${id} ${url}`);
    t.ok(version, `${id} names its version`);
  }
});

t.test('a ping is answered with an empty result', async (t) => {
  t.strictSame(new FakeUser().ask(toServer(`<ping xmlns='urn:xmpp:ping'/>`)), { outcome: 'result', body: '' });
  const { attrs } = parse(pingIq('s2c1', 'capulet.lit', `juliet@capulet.lit/'<`));
  t.match(attrs, { type: 'get', id: 's2c1', from: 'capulet.lit', to: `juliet@capulet.lit/'<` });
});

t.test('the version is what the node says of itself, the system only when told', async (t) => {
  const ask = toServer(`<query xmlns='jabber:iq:version'/>`);
  t.equal(
    new FakeUser().ask(ask).body,
    `<query xmlns='jabber:iq:version'><name>Rookery</name><version>1.2.3</version></query>`,
  );
  const user = new FakeUser({ software: { name: 'A & B', version: '1', os: 'Windows-XP' } });
  t.match(user.ask(ask).body, `<name>A &amp; B</name><version>1</version><os>Windows-XP</os>`);
});

t.test('the time is that of the event, in UTC', async (t) => {
  const user = new FakeUser();
  t.equal(
    user.ask(toServer(`<time xmlns='urn:xmpp:time'/>`)).body,
    `<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>${formatStamp(user.now)}</utc></time>`,
  );
});
