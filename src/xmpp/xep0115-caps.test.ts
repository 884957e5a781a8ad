import t from 'tap';
import { FakeUser, parse } from './extensions.fixture.ts';
import { capsElement, capsVer } from './xep0115-caps.ts';

t.test('the verification string is that of the example of XEP-0115 section 5.2', async (t) => {
  const info = {
    identities: [{ category: 'client', type: 'pc', name: 'Exodus 0.9.1' }],
    features: [
      'http://jabber.org/protocol/muc',
      'http://jabber.org/protocol/disco#items',
      'http://jabber.org/protocol/caps',
      'http://jabber.org/protocol/disco#info',
      'http://jabber.org/protocol/muc',
    ],
  };
  t.equal(capsVer(info), 'QgayPKawpkPSDYmwT/WM94uAlu0=');
});

t.test('identities are sorted by category, type and language, features by their bytes', async (t) => {
  const one = { category: 'client', type: 'pc', lang: 'en', name: 'Psi 0.11' };
  const two = { category: 'client', type: 'pc', lang: 'el', name: 'Ψ 0.11' };
  const features = ['\u{1f600}', '\uffee', 'a'];
  t.equal(
    capsVer({ identities: [one, two], features }),
    capsVer({ identities: [two, one], features: features.toReversed() }),
  );
  t.not(capsVer({ identities: [one], features }), capsVer({ identities: [two], features }));
});

t.test('the stream features carry the caps of the server', async (t) => {
  const { caps, catalogue } = new FakeUser().protocol;
  const { attrs } = parse(caps);
  t.equal(`${attrs['node']}#${attrs['ver']}`, catalogue.capsNode);
  t.equal(attrs['hash'], 'sha-1');
  t.equal(
    capsElement('http://jabber.org', 'ItBTI0XLDFvVxZ72NQElAzKS9sU='),
    `<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://jabber.org' ver='ItBTI0XLDFvVxZ72NQElAzKS9sU='/>`,
  );
});
