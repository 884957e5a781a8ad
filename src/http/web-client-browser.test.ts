import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import t, { type Test } from 'tap';
import { silentLog } from '../base/log.ts';
import { Metrics } from '../base/metrics.ts';
import { refuseUpgrade } from '../base/refuse-upgrade.ts';
import { httpRoutes } from './routes.ts';
import { startHttpServer } from './server.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
const skip = existsSync(CHROMIUM) ? false : `NO CHROMIUM AT ${CHROMIUM}: THE WEB CLIENT WAS NOT TRIED IN A BROWSER`;

async function served(t: Test) {
  const metrics = new Metrics();
  const listen = {
    host: '127.0.0.1',
    port: 0,
    paths: ['/ws'],
    tlsCertFile: '',
    tlsKeyFile: '',
    trustedProxies: [],
    allowedOrigins: [],
    backlog: 16,
    headersTimeoutMs: 5000,
  };
  const routes = httpRoutes({
    domain: 'localhost',
    paths: listen.paths,
    publicWebSocketUrl: '',
    webClient: true,
    registration: 'loopback',
    metricsAccess: 'loopback',
    metrics,
    ready: async () => ({ ready: true }),
    fileOrigins: () => [],
  });
  const upgrades = { count: 0 };
  const server = await startHttpServer({
    listen,
    routes,
    log: silentLog(),
    metrics,
    onUpgrade: (_request, socket) => {
      upgrades.count++;
      refuseUpgrade(socket, 503, 'no chat in this test');
    },
  });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  t.teardown(async () => {
    await browser.close();
    await server.close();
  });
  return { browser, upgrades, url: `http://127.0.0.1:${server.port}` };
}

/** Opens the page, waits for the login form, and gathers whatever went wrong or went elsewhere. */
async function opened(browser: Browser, url: string, locale: string) {
  const page = await (await browser.newContext({ locale })).newPage();
  const faults: string[] = [];
  const paths = new Set<string>();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('requestfailed', (request) => faults.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (request.url().startsWith(url)) paths.add(new URL(request.url()).pathname);
    else faults.push(`elsewhere: ${request.url()}`);
  });
  page.on('response', (response) => response.status() >= 400 && faults.push(`${response.status()} ${response.url()}`));
  await page.goto(url);
  await page.waitForSelector('converse-login-form input[name=password]');
  return { page, faults, paths };
}

t.test('the login page opens whole, in two languages, with nothing from another host', { skip }, async (t) => {
  const { browser, url } = await served(t);
  const english = await opened(browser, url, 'en-GB');
  t.equal(await english.page.title(), 'localhost · chat');
  t.match(await english.page.textContent('converse-footer'), 'Server: Rookery');
  t.same(english.faults, []);
  const german = await opened(browser, url, 'de-DE');
  t.match(await german.page.textContent('converse-login-form'), 'Passwort');
  t.ok([...german.paths].some((path) => path.includes('/locales/de-')));
  t.same(german.faults, []);
});

t.test('what the client loads later is there and allowed: emoji, sound, encryption', { skip }, async (t) => {
  const { browser, url } = await served(t);
  const { page, faults, paths } = await opened(browser, url, 'en-GB');
  const base = [...paths].find((path) => path.endsWith('/converse.min.js'))!.replace('converse.min.js', '');
  // As source text, since the types of the browser's globals are not part of this project.
  const emoji = await page.evaluate(
    `fetch('${base}emoji.json').then((r) => r.json()).then((e) => Object.keys(e).length)`,
  );
  t.ok(Number(emoji) > 5);
  t.equal(
    await page.evaluate(`new Promise((ok, no) => {
    const sound = new Audio('${base}sounds/msg_received.ogg');
    sound.oncanplaythrough = () => ok('plays');
    sound.onerror = () => no(new Error('sound'));
    sound.load();
  })`),
    'plays',
  );
  t.ok(await page.evaluate(`import('${base}libomemo.esm.min.js').then((m) => typeof m.SessionCipher === 'function')`));
  t.ok(
    await page.evaluate(
      `WebAssembly.compileStreaming(fetch('${base}curve25519_compiled.wasm')).then((m) => m instanceof WebAssembly.Module)`,
    ),
  );
  t.same(faults, []);
});

t.test('a registration form that cannot reach the server does not hammer it', { skip }, async (t) => {
  const { browser, url, upgrades } = await served(t);
  const { page } = await opened(browser, url, 'en-GB');
  let failures = 0;
  const twice = new Promise<void>((resolve) => {
    page.on('console', (message) => {
      if (message.text().includes('WebSocket connection to') && ++failures === 2) resolve();
    });
  });
  await page.click('text=Create an account');
  await twice;
  t.ok(upgrades.count <= 3, `${upgrades.count} connections for two failures`);
});
