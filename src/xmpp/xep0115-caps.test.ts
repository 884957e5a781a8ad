import t from 'tap';
import { FakeUser, parse } from './extensions.fixture.ts';
import { capsElement, capsVer, readCaps, readInfo, verifies } from './xep0115-caps.ts';

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

const EXODUS = 'QgayPKawpkPSDYmwT/WM94uAlu0=';
const query = (inner: string) => parse(`<query xmlns='http://jabber.org/protocol/disco#info'>${inner}</query>`);
const feature = (name: string) => `<feature var='${name}'/>`;
const exodus =
  `<identity category='client' type='pc' name='Exodus 0.9.1'/>` +
  ['caps', 'disco#info', 'disco#items', 'muc'].map((one) => feature(`http://jabber.org/protocol/${one}`)).join('');

t.test('forms are part of the string, as in the example of section 5.3', async (t) => {
  const field = (name: string, values: string[], type = '') =>
    `<field var='${name}'${type}>${values.map((value) => `<value>${value}</value>`).join('')}</field>`;
  const info = readInfo(
    query(
      `<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>` +
        `<identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>` +
        ['caps', 'disco#info', 'disco#items', 'muc']
          .map((one) => feature(`http://jabber.org/protocol/${one}`))
          .join('') +
        `<x xmlns='jabber:x:data' type='result'>` +
        field('FORM_TYPE', ['urn:xmpp:dataforms:softwareinfo'], ` type='hidden'`) +
        field('ip_version', ['ipv4', 'ipv6']) +
        field('os', ['Mac']) +
        field('os_version', ['10.5.1']) +
        field('software', ['Psi']) +
        field('software_version', ['0.11']) +
        `</x><x xmlns='jabber:x:data' type='result'>${field('FORM_TYPE', ['urn:not:hidden'])}</x>`,
    ),
  );
  t.equal(capsVer(info, info.forms), 'q07IKJEyjvHSyhy//CH0CxmKi8w=');
});

t.test('an info verifies only what it is hashed to, and only when it is well-formed', async (t) => {
  const caps = { hash: 'sha-1', node: 'n', ver: EXODUS };
  t.equal(verifies(caps, readInfo(query(exodus))), true);
  const sha256 = { ...caps, hash: 'sha-256', ver: capsVer(readInfo(query(exodus)), [], 'sha-256') };
  t.equal(verifies(sha256, readInfo(query(exodus))), true);
  const table: [what: string, caps: typeof caps, inner: string][] = [
    ['another feature', caps, exodus + feature('urn:xmpp:ping')],
    ['a feature twice', caps, exodus + feature('http://jabber.org/protocol/muc')],
    ['an identity twice', caps, exodus + `<identity category='client' type='pc' name='Exodus 0.9.1'/>`],
    [
      'two features in one',
      caps,
      exodus
        .replace(feature('http://jabber.org/protocol/disco#info'), '')
        .replace('protocol/caps', 'protocol/caps&lt;http://jabber.org/protocol/disco#info'),
    ],
    ['a hash that is not known', { ...caps, hash: 'md5' }, exodus],
    ['the name of something else', { ...caps, hash: 'toString' }, exodus],
    ['no hash', { ...caps, hash: '' }, exodus],
  ];
  for (const [what, said, inner] of table) t.equal(verifies(said, readInfo(query(inner))), false, what);
});

t.test('presence says what its sender can do', async (t) => {
  const c = (attrs: string) => parse(`<presence><c xmlns='http://jabber.org/protocol/caps' ${attrs}/></presence>`);
  t.strictSame(readCaps(c(`hash='sha-1' node='n' ver='v'`)), { hash: 'sha-1', node: 'n', ver: 'v' });
  t.strictSame(readCaps(c(`node='n' ver='v'`)), { hash: '', node: 'n', ver: 'v' }, 'the old format');
  for (const attrs of [`hash='sha-1' ver='v'`, `hash='sha-1' node='n'`, `node='n' ver='${'v'.repeat(2000)}'`])
    t.equal(readCaps(c(attrs)), undefined, attrs.slice(0, 40));
  t.equal(readCaps(parse('<presence/>')), undefined);
});
