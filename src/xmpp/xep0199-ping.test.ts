import t from 'tap';
import { FakeUser, ROMEO } from './extensions.fixture.ts';
import { pingIq } from './xep0199-ping.ts';

t.test('the server and the own account answer a ping with an empty result', async (t) => {
  for (const to of ['montague.lit', ROMEO]) {
    const ping = `<iq type='get' id='p1' to='${to}'><ping xmlns='urn:xmpp:ping'/></iq>`;
    t.match(new FakeUser().ask(ping), { outcome: 'result' }, to);
  }
});

t.test('a ping of the server has everything a client needs to answer it', async (t) => {
  t.equal(
    pingIq('p1', 'montague.lit', `${ROMEO}/'`),
    `<iq xmlns='jabber:client' type='get' id='p1' from='montague.lit' to='${ROMEO}/&apos;'>` +
      `<ping xmlns='urn:xmpp:ping'/></iq>`,
  );
});
