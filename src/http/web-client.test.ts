import t from 'tap';
import { requestTo } from './request.fixture.ts';
import { webClientRoutes } from './web-client.ts';

const routes = webClientRoutes({
  domain: 'chat.example.org',
  publicWebSocketUrl: '',
  path: '/ws',
  registration: () => true,
  fileOrigins: () => ['https://files.example.org'],
});
const assets = Object.keys(routes).find((path) => path.startsWith('/converse/'))!;
const body = async (path: string) => String((await routes[path]!(requestTo(path))).body);

t.test('the page loads its style and scripts from this host only', async (t) => {
  const page = await body('/');
  t.match(page, '<title>chat.example.org · chat</title>');
  const urls = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
  t.equal(urls.length, 4);
  for (const url of urls) {
    const route = routes[url] ?? routes[assets]!;
    t.equal((await route(requestTo(url))).status, 200, url);
  }
});

t.test('the content security policy allows no other host, no inline script and no eval', async (t) => {
  const reply = await routes['/']!(requestTo('/', { host: 'chat.example.org', secure: true }));
  const policy = reply.headers?.['content-security-policy'] ?? '';
  t.match(policy, "default-src 'none'");
  t.match(policy, "connect-src 'self' wss://chat.example.org https://files.example.org;");
  t.match(policy, "img-src 'self' data: blob: https://files.example.org;");
  t.match(policy, "media-src 'self' data: blob: https://files.example.org;");
  t.notMatch(policy, /script-src[^;]*'unsafe-(inline|eval)'/);
  t.notMatch(policy.replaceAll('https://files.example.org', ''), /https:|\*/);
});

t.test('the script points Converse at this server', async (t) => {
  const script = await body('/client.js');
  for (const setting of [
    '"view_mode": "fullscreen"',
    '"locked_domain": "chat.example.org"',
    'new URL("/ws", location.href)',
    '"render_media": true',
    '"allowed_image_domains": [\n    "files.example.org"\n  ]',
  ])
    t.ok(script.includes(setting), setting);
});

t.test('a configured public URL is used as it is', async (t) => {
  const other = webClientRoutes({
    domain: 'chat.example.org',
    publicWebSocketUrl: 'wss://ws.example.org/x',
    path: '/ws',
    registration: () => false,
    fileOrigins: () => [],
  });
  const script = String((await other['/client.js']!(requestTo('/client.js'))).body);
  t.match(script, 'new URL("wss://ws.example.org/x"');
  t.match(script, '"render_media": false', 'without uploads no picture is shown');
  t.match((await other['/']!(requestTo('/'))).headers, {
    'content-security-policy': /connect-src 'self' wss:\/\/ws\.example\.org;/,
  });
});

t.test("Converse's files are kept for good under the path of their release, pages are asked for again", async (t) => {
  const script = `${assets}converse.min.js`;
  t.match((await routes[assets]!(requestTo(script))).headers, { 'cache-control': /immutable/ });
  for (const name of ['converse.js', 'converse.min.js.map', 'website.css', '../package.json'])
    t.equal((await routes[assets]!(requestTo(assets + name))).status, 404, name);
  const page = await routes['/']!(requestTo('/'));
  t.equal(page.headers?.['cache-control'], 'no-cache');
  const again = await routes['/']!(requestTo('/', {}, { 'if-none-match': page.headers?.['etag'] }));
  t.match(again, { status: 304, body: '' });
});
