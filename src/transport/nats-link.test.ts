import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { natsForTest } from '../../test/harness/nats.ts';
import { natsProxy } from '../../test/harness/nats-proxy.ts';
import { silentLog } from '../base/log.ts';
import { connectNats, NatsUnreachableError } from './nats-link.ts';

const log = silentLog();
const until = async (done: () => boolean): Promise<void> => {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
};

const nats = await natsForTest(t);
if (nats !== undefined) {
  t.test('a server that says nothing any more is left by unanswered pings', async (t) => {
    const proxy = await natsProxy(t, nats.urls[0] as string);
    const link = await connectNats({ urls: [proxy.url], pingIntervalMs: 50, reconnectWaitMs: 20 }, 'test', log);
    t.same(link.stats, {
      connected: 1,
      disconnected: 0,
      stale: 0,
      slowConsumer: 0,
      errors: 0,
      tooOld: 0,
      elsewhere: 0,
    });
    proxy.swallowAnswers();
    await until(() => link.stats.stale > 0 && !link.connected);
    proxy.cut();
    await until(() => link.connected);
    t.ok(link.stats.disconnected >= 1);
    t.ok(link.stats.connected >= 2);
    await link.close();
    await link.close();
    t.equal(link.connected, false);
  });

  t.test('a server of no use is left for another one, once in a while', async (t) => {
    const [one, two] = [await natsProxy(t, nats.urls[0] as string), await natsProxy(t, nats.urls[0] as string)];
    const link = await connectNats({ urls: [one.url, two.url], reconnectWaitMs: 20 }, 'test', log);
    const first = link.connection.getServer();
    link.elsewhere('test');
    link.elsewhere('test');
    await until(() => link.connected && link.connection.getServer() !== first);
    link.elsewhere('test');
    await link.connection.flush();
    t.equal(link.stats.elsewhere, 1, 'not again so soon');
    t.ok(link.connected);
    await link.close();
  });

  t.test('a stopped server counts as gone, and is there again when it goes on', async (t) => {
    const options = { urls: nats.urls, pingIntervalMs: 50, reconnectWaitMs: 20, handshakeMsMax: 200 };
    const link = await connectNats(options, 'test', log);
    process.kill(nats.pids[0] as number, 'SIGSTOP');
    await until(() => !link.connected);
    await t.rejects(connectNats({ ...options, connectMsMax: 300 }, 'test', log), NatsUnreachableError);
    process.kill(nats.pids[0] as number, 'SIGCONT');
    await until(() => link.connected);
    t.ok(link.stats.stale >= 1);
    await link.close();
  });
}

t.test('what the server complains of is counted, and the connection stays', async (t) => {
  const user = '{ user: rook, password: nest, permissions: { publish: { deny: ["secret.>"] } } }';
  const strict = await natsForTest(t, { extraConfig: `authorization { users: [${user}] }` });
  if (strict === undefined) return;
  const link = await connectNats({ urls: strict.urls, user: 'rook', password: 'nest' }, 'test', log);
  link.connection.publish('secret.a', 'x');
  await until(() => link.stats.errors > 0);
  t.same(link.stats, { connected: 1, disconnected: 0, stale: 0, slowConsumer: 0, errors: 1, tooOld: 0, elsewhere: 0 });
  await link.close();
});

t.test('TLS with a certificate on both sides', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'rookery-nats-tls-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const how = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', [...how, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
  const extraConfig = `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${cert}", verify: true }`;
  const locked = await natsForTest(t, { extraConfig });
  if (locked === undefined) return;
  const pem = readFileSync(cert, 'utf8');
  const urls = locked.urls.map((url) => url.replace('nats:', 'tls:'));
  const tls = { ca: pem, cert: pem, key: readFileSync(key, 'utf8') };
  const link = await connectNats({ urls, tls }, 'test', log);
  t.equal(link.connected, true);
  await link.close();
  for (const less of [undefined, {}, { ca: pem }])
    await t.rejects(connectNats({ urls, tls: less, connectMsMax: 0 }, 'test', log), NatsUnreachableError);
});
