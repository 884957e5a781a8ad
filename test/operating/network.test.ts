import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../clients/until.ts';
import { type Client, connect } from '../harness/client.ts';
import { type Env, fetched, rookery, type Serving, serve, temporaryFolder } from './rookery.ts';

const PASSWORD = 'the password of ann';
const PLAIN = '<mechanism>PLAIN</mechanism>';
const SCRAM = '<mechanism>SCRAM-SHA-256</mechanism>';
const REGISTER = 'http://jabber.org/features/iq-register';

/** A socket that a proxy opened for someone, as its headers tell. */
const via = (node: Serving, headers: Env): Promise<Client> => connect(node.url, { headers });

async function addUser(node: Serving, name: string): Promise<void> {
  await rookery(['user', 'add', name, '--password-stdin', '-d', node.dataDir], {}, `${PASSWORD}\n`);
}

/** What the stream offers before login. */
async function offered(client: Client): Promise<string> {
  await client.open();
  await client.cut();
  return client.features;
}

/** An address of this machine that others could reach it by. */
function outerAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

function certificate(folder: string, name: string): { cert: string; key: string } {
  const files = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const out = ['-keyout', files.key, '-out', files.cert];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, ...out], { stdio: 'ignore' });
  return files;
}

t.test('with a certificate it serves https and wss, and a new certificate without a restart', async (t) => {
  const folder = await temporaryFolder(t);
  const live = certificate(folder, 'first');
  const next = certificate(folder, 'second');
  const node = await serve(t, { ROOKERY_TLS_CERT: live.cert, ROOKERY_TLS_KEY: live.key, ROOKERY_HOST: '0.0.0.0' });
  t.match(node.url, /^wss:\/\/127\.0\.0\.1:\d+\/xmpp-websocket$/, 'the banner says where');
  t.notMatch(node.err, /WITHOUT TLS/);
  await addUser(node, 'ann');
  const host = outerAddress() ?? '127.0.0.1';
  const url = node.url.replace('127.0.0.1', host);
  const client = await connect(url, { rejectUnauthorized: false });
  await client.open();
  t.match(client.features, PLAIN, 'nobody listens in, so a password may be sent');
  t.equal((await client.plain('ann', PASSWORD)).name, 'success');
  await client.open();
  await client.bind('desk');
  t.match((await node.get('/.well-known/host-meta')).body, /href='wss:\/\//);

  t.equal((await node.get('/healthz')).certificate, 'first');
  // The certificate alone does not fit the old key: the old pair stays until the key is there too.
  copyFileSync(next.cert, live.cert);
  copyFileSync(next.key, live.key);
  await until('the new certificate', async () => (await node.get('/healthz')).certificate === 'second');
  await client.sync();
  t.pass('who is connected stays so');
  t.match(node.out, /"msg":"certificate reloaded"/);
  await t.rejects(connect(node.url.replace('wss:', 'ws:')), 'there is no plain way in');
  t.equal((await node.stop()).code, 0);
});

t.test('plain beyond loopback: a loud line, no PLAIN, no registration, but SCRAM works', async (t) => {
  const host = outerAddress();
  if (host === undefined) {
    t.comment('SKIPPED LOUDLY: this machine has no address but loopback');
    return;
  }
  const node = await serve(t, { ROOKERY_HOST: '0.0.0.0' });
  t.match(node.err, /\n!!! LISTENING ON 0\.0\.0\.0 WITHOUT TLS: messages cross the network in the clear/);
  await addUser(node, 'ann');
  const url = node.url.replace('127.0.0.1', host);
  const features = await offered(await connect(url));
  t.notMatch(features, PLAIN);
  t.notMatch(features, REGISTER);
  t.match(features, SCRAM);

  const client = await connect(url);
  await client.open();
  const form = await client.register('eve', PASSWORD);
  t.equal(form.attrs['type'], 'error', 'asked for all the same, it is refused');
  t.equal((await client.plain('ann', PASSWORD)).name, 'failure', 'PLAIN too');
  t.equal((await client.scram('ann', PASSWORD)).name, 'success');
  const metrics = await fetched(`${node.httpUrl.replace('127.0.0.1', host)}/metrics`);
  t.equal(metrics.status, 403, 'and the figures are for this machine');

  const local = await offered(await connect(node.url));
  for (const feature of [PLAIN, REGISTER, SCRAM]) t.match(local, feature, 'from this machine all is well');
});

t.test('X-Forwarded-For counts when it comes from a configured proxy, and then for everything', async (t) => {
  const node = await serve(t, {
    ROOKERY_LISTEN_TRUSTED_PROXIES: '127.0.0.1',
    ROOKERY_LOGIN_ADDRESS_FAILURES_FREE: '1',
    ROOKERY_LOGIN_FAILURE_DELAY_MS: '60000',
    ROOKERY_LOGIN_FAILURE_DELAY_MS_MAX: '60000',
    ROOKERY_LOGIN_WAIT_MS_MAX: '100',
    ROOKERY_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: '2',
  });
  await addUser(node, 'ann');
  const secure = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };
  const overTls = await offered(await via(node, secure));
  t.match(overTls, PLAIN, 'TLS up to the proxy');
  t.notMatch(overTls, REGISTER, 'the proxy is this machine, its client is not');
  t.notMatch(await offered(await via(node, { ...secure, 'x-forwarded-proto': 'http' })), PLAIN);
  t.equal((await node.get('/metrics', secure)).status, 403);
  t.equal((await node.get('/metrics')).status, 200);

  const guess = async (forwardedFor: string): Promise<string | undefined> => {
    const client = await via(node, { ...secure, 'x-forwarded-for': forwardedFor });
    await client.open();
    const answer = await client.plain('ann', 'a guess');
    await client.cut();
    return answer.getChildElements()[0]?.getName();
  };
  t.equal(await guess('203.0.113.7'), 'not-authorized');
  t.equal(await guess('203.0.113.7'), 'temporary-auth-failure', 'it has to wait');
  t.equal(await guess('198.51.100.1, 203.0.113.7'), 'temporary-auth-failure', 'whatever it claims to forward');
  t.equal(await guess('203.0.113.8'), 'not-authorized', 'another one has not');
  t.match(node.out, /"address":"203\.0\.113\.7","msg":"login: failure"/, 'the log names the client');

  const first = await via(node, { ...secure, 'x-forwarded-for': '203.0.113.9' });
  const second = await via(node, { ...secure, 'x-forwarded-for': '203.0.113.9' });
  await t.rejects(via(node, { ...secure, 'x-forwarded-for': '203.0.113.9' }), /503/, 'sockets are counted by it');
  await (await via(node, { ...secure, 'x-forwarded-for': '203.0.113.10' })).cut();
  await Promise.all([first.cut(), second.cut()]);
});

t.test('X-Forwarded-For from anyone else is not believed, and gives nothing', async (t) => {
  const node = await serve(t, {
    ROOKERY_LISTEN_TRUSTED_PROXIES: '10.0.0.0/8',
    ROOKERY_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: '2',
  });
  const claims = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };
  const features = await offered(await via(node, claims));
  t.notMatch(features, PLAIN, 'TLS is not believed; and a proxy nobody named is no way to look local');
  t.notMatch(features, REGISTER);
  t.equal((await node.get('/metrics', claims)).status, 403);
  const open = [await via(node, claims), await via(node, { ...claims, 'x-forwarded-for': '203.0.113.8' })];
  await t.rejects(via(node, { ...claims, 'x-forwarded-for': '203.0.113.9' }), /503/, 'all are one address');
  await Promise.all(open.map((client) => client.cut()));
});
