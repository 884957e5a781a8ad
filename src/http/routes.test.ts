import t from 'tap';
import { Metrics } from '../base/metrics.ts';
import { requestTo } from './request.fixture.ts';
import { httpRoutes, type RoutesOptions } from './routes.ts';

const OPTIONS: RoutesOptions = {
  domain: 'localhost',
  paths: ['/xmpp-websocket', '/ws'],
  publicWebSocketUrl: '',
  webClient: true,
  registration: 'loopback',
  metricsAccess: 'loopback',
  metrics: new Metrics(),
  ready: async () => ({ ready: true }),
  fileOrigins: () => [],
};

t.test('every page there is', async (t) => {
  t.same(
    Object.keys(httpRoutes(OPTIONS)).map((path) => path.replace(/\d+\.\d+\.\d+/, 'V')),
    [
      '/healthz',
      '/readyz',
      '/metrics',
      '/.well-known/host-meta',
      '/.well-known/host-meta.json',
      '/',
      '/client.js',
      '/favicon.svg',
      '/converse/V/',
    ],
  );
  t.notOk('/' in httpRoutes({ ...OPTIONS, webClient: false }));
});

t.test('the page offers registration to those who may register', async (t) => {
  const table: [registration: RoutesOptions['registration'], loopback: boolean, offered: boolean][] = [
    ['loopback', true, true],
    ['loopback', false, false],
    ['everyone', false, true],
    ['closed', true, false],
  ];
  for (const [registration, loopback, offered] of table) {
    const script = await httpRoutes({ ...OPTIONS, registration })['/client.js']!(requestTo('/client.js', { loopback }));
    t.match(script.body, `"allow_registration": ${offered}`, `${registration} ${loopback}`);
  }
});
