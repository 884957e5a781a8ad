import t from 'tap';
import { clientAddresses, isLoopback } from './client-address.ts';

type Headers = Record<string, string>;
const ask = (trusted: string[], peer: string | undefined, headers: Headers = {}, encrypted = false) =>
  clientAddresses(trusted)({ headers, socket: { remoteAddress: peer, encrypted } as { remoteAddress?: string } });

t.test('without a trusted proxy the peer is the client, whatever headers say', async (t) => {
  const forged = { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'bank.example' };
  t.match(ask([], '203.0.113.5', { ...forged, host: 'chat.example.org' }), {
    address: '203.0.113.5',
    secure: false,
    loopback: false,
    host: 'chat.example.org',
  });
});

t.test('addresses are normalised, and loopback is known in every form', async (t) => {
  const table: [peer: string | undefined, address: string, loopback: boolean][] = [
    ['127.0.0.1', '127.0.0.1', true],
    ['127.8.8.8', '127.8.8.8', true],
    ['::1', '::1', true],
    ['::ffff:127.0.0.1', '127.0.0.1', true],
    ['::ffff:203.0.113.5', '203.0.113.5', false],
    ['2001:db8:0:0::1', '2001:db8::1', false],
    ['10.0.0.1', '10.0.0.1', false],
    [undefined, 'unknown', false],
  ];
  for (const [peer, address, loopback] of table) t.match(ask([], peer), { address, loopback }, `${peer}`);
  t.equal(isLoopback('nonsense'), false);
});

t.test('a local proxy that is not trusted does not make its clients local', async (t) => {
  for (const name of ['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-real-ip', 'via'])
    t.equal(ask([], '127.0.0.1', { [name]: '127.0.0.1' }).loopback, false, name);
});

t.test('the client is the last hop that is no trusted proxy', async (t) => {
  const trusted = ['127.0.0.1', '10.0.0.0/8', '2001:db8::/32'];
  const table: [peer: string, forwardedFor: string | undefined, address: string, loopback: boolean][] = [
    ['127.0.0.1', '203.0.113.5', '203.0.113.5', false],
    ['10.1.2.3', '198.51.100.1, 203.0.113.5', '203.0.113.5', false],
    ['10.1.2.3', '198.51.100.1, 203.0.113.5, 10.9.9.9', '203.0.113.5', false],
    ['10.1.2.3', '10.0.0.9, 10.0.0.8', '10.0.0.9', false],
    ['2001:db8::5', '203.0.113.5:4711', '203.0.113.5', false],
    ['10.1.2.3', '[2001:4860::1]:443', '2001:4860::1', false],
    ['10.1.2.3', '127.0.0.1, nonsense', '10.1.2.3', false],
    ['10.1.2.3', '0177.0.0.1', '10.1.2.3', false],
    ['10.1.2.3', '', '10.1.2.3', false],
    ['127.0.0.1', '127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', undefined, '127.0.0.1', true],
    ['198.51.100.7', '203.0.113.5', '198.51.100.7', false],
  ];
  for (const [peer, header, address, loopback] of table) {
    const headers: Headers = header === undefined ? {} : { 'x-forwarded-for': header };
    t.match(ask(trusted, peer, headers), { address, loopback }, `${peer} for ${header}`);
  }
});

t.test('a trusted local proxy that names nobody does not make its clients local', async (t) => {
  t.equal(ask(['127.0.0.1'], '127.0.0.1', { 'x-forwarded-proto': 'https' }).loopback, false);
});

t.test('security is TLS to us, or what a trusted proxy says', async (t) => {
  t.equal(ask([], '203.0.113.5', {}, true).secure, true);
  const table: [proto: string, secure: boolean][] = [
    ['https', true],
    ['wss', true],
    ['HTTPS', true],
    ['http', false],
    ['https, http', false],
  ];
  for (const [proto, secure] of table)
    t.equal(ask(['10.0.0.1'], '10.0.0.1', { 'x-forwarded-proto': proto }).secure, secure, proto);
  t.equal(ask(['10.0.0.1'], '10.0.0.1', {}, true).secure, true);
});

t.test('a host header that is no host is not repeated', async (t) => {
  const table: [header: string, host: string | undefined][] = [
    ['Chat.Example.org:5280', 'chat.example.org:5280'],
    ['[::1]:5280', '[::1]:5280'],
    ["x'/><script>", undefined],
    ['a b', undefined],
    ['user@host', undefined],
    ['chat.example:65535', 'chat.example:65535'],
    ['chat.example:99999', undefined],
    ['1.2.3.4.5', undefined],
    ['[::g]', undefined],
    ['[:::]', undefined],
  ];
  for (const [header, host] of table) t.equal(ask([], '203.0.113.5', { host: header }).host, host, header);
  t.equal(ask(['10.0.0.1'], '10.0.0.1', { host: 'inside', 'x-forwarded-host': 'chat.example' }).host, 'chat.example');
});

t.test('a trusted proxy that is no address is refused', async (t) => {
  t.throws(() => clientAddresses(['proxy.local']));
});
