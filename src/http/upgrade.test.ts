import t from 'tap';
import type { ClientAddress } from './client-address.ts';
import { decideUpgrade } from './upgrade.ts';

const client = (host?: string): ClientAddress => ({ address: '203.0.113.5', secure: false, loopback: false, host });
const paths = ['/xmpp-websocket', '/ws'];

t.test('an upgrade needs the right protocol, path and origin', async (t) => {
  const any = ['*'];
  const listed = ['https://chat.example'];
  type Row = [url: string, headers: Record<string, string>, origins: string[], outcome: string];
  const table: Row[] = [
    ['/xmpp-websocket', { upgrade: 'websocket' }, any, 'allow'],
    ['/ws?x=1', { upgrade: 'WebSocket' }, any, 'allow'],
    ['/', { upgrade: 'websocket' }, any, 'path'],
    ['/ws/', { upgrade: 'websocket' }, any, 'path'],
    ['/ws', { upgrade: 'h2c' }, any, 'not-websocket'],
    ['/ws', {}, any, 'not-websocket'],
    ['/ws', { upgrade: 'websocket', origin: 'https://evil.example' }, any, 'allow'],
    ['/ws', { upgrade: 'websocket', origin: 'https://evil.example' }, listed, 'origin'],
    ['/ws', { upgrade: 'websocket', origin: 'null' }, listed, 'origin'],
    ['/ws', { upgrade: 'websocket', origin: 'https://chat.example' }, listed, 'allow'],
    ['/ws', { upgrade: 'websocket', origin: 'http://own.example:5280' }, listed, 'allow'],
    ['/ws', { upgrade: 'websocket', origin: 'http://own.example:5281' }, listed, 'origin'],
    ['/ws', { upgrade: 'websocket' }, [], 'allow'],
  ];
  for (const [url, headers, origins, outcome] of table) {
    const decision = decideUpgrade({ url, headers }, client('own.example:5280'), paths, origins);
    t.equal(decision.allow ? 'allow' : decision.reason, outcome, `${url} ${JSON.stringify(headers)}`);
  }
});

t.test('without a host the origin cannot be the own one', async (t) => {
  const headers = { upgrade: 'websocket', origin: 'http://own.example' };
  t.match(decideUpgrade({ url: '/ws', headers }, client(), paths, []), { allow: false, status: 403 });
});
