import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { get as httpsGet } from 'node:https';
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { silentLog } from '../base/log.ts';
import { Metrics } from '../base/metrics.ts';
import { text } from './reply.ts';
import { type HttpServerOptions, type ListenOptions, startHttpServer } from './server.ts';

const LISTEN: ListenOptions = {
  host: '127.0.0.1',
  port: 0,
  paths: ['/ws'],
  tlsCertFile: '',
  tlsKeyFile: '',
  trustedProxies: [],
  allowedOrigins: ['https://chat.example'],
  backlog: 16,
  headersTimeoutMs: 5000,
};

async function started(t: Test, listen: Partial<ListenOptions> = {}, more: Partial<HttpServerOptions> = {}) {
  const metrics = new Metrics();
  const routes = {
    '/': () => text(200, 'home'),
    '/files/': ({ path }: { path: string }) => text(200, path),
    '/broken': () => Promise.reject(new Error('secret detail')),
  };
  const onUpgrade: HttpServerOptions['onUpgrade'] = (_request, socket, _head, client) =>
    socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${client.address}`);
  const options = { listen: { ...LISTEN, ...listen }, routes, onUpgrade, log: silentLog(), metrics, ...more };
  const server = await startHttpServer(options);
  t.teardown(() => server.close());
  return { server, metrics, url: `http://127.0.0.1:${server.port}` };
}

/** Sends raw bytes and resolves with everything that comes back until the server ends the connection. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      received += chunk.toString();
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => resolve(received));
    socket.on('error', reject);
  });
}

/** What has come in on a socket so far, to be waited for. */
class Received {
  #text = '';
  #check = () => {};

  constructor(socket: Socket) {
    socket.on('data', (chunk) => {
      this.#text += chunk.toString();
      this.#check();
    });
  }

  until(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (pattern.test(this.#text)) resolve();
      };
      this.#check();
    });
  }
}

const upgrade = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n${headers}\r\n`;

t.test('routes answer by exact path, then by prefix, and everything else is 404 with a hint', async (t) => {
  const { url, metrics } = await started(t);
  const table: [path: string, status: number, body: RegExp][] = [
    ['/', 200, /^home\n$/],
    ['/?q=1', 200, /^home\n$/],
    ['/files/a/b.js', 200, /^\/files\/a\/b\.js\n$/],
    ['/files', 404, /nothing here; the web client is at \/, the WebSocket at \/ws/],
    ['/ws', 426, /subprotocol xmpp/],
    ['/broken', 500, /^internal error; the log of this node says more\n$/],
  ];
  for (const [path, status, body] of table) {
    const response = await fetch(url + path);
    t.equal(response.status, status, path);
    t.match(await response.text(), body);
    t.equal(response.headers.get('x-content-type-options'), 'nosniff');
  }
  t.match(await metrics.text(), /rookery_http_requests_total\{status="4xx"\} 2/);
});

t.test('HEAD has the headers of GET and no body; other methods are refused', async (t) => {
  const { url } = await started(t);
  const head = await fetch(`${url}/`, { method: 'HEAD' });
  t.equal(head.headers.get('content-length'), '5');
  t.equal(await head.text(), '');
  const post = await fetch(`${url}/`, { method: 'POST', body: 'x' });
  t.equal(post.status, 405);
  t.equal(post.headers.get('allow'), 'GET, HEAD');
});

t.test('an upgrade reaches its handler, or is refused with a reason', async (t) => {
  const { server, metrics } = await started(t);
  t.match(await raw(server.port, upgrade('/ws')), /^HTTP\/1\.1 101 [\s\S]*127\.0\.0\.1$/);
  t.match(await raw(server.port, upgrade('/other')), /^HTTP\/1\.1 404 [\s\S]*it is at \/ws\n$/);
  t.match(await raw(server.port, upgrade('/ws', 'origin: https://evil.example\r\n')), /^HTTP\/1\.1 403 /);
  t.match(await metrics.text(), /rookery_upgrades_refused_total\{reason="origin"\} 1/);
});

t.test('what is not HTTP is told so and cut off', async (t) => {
  const { server } = await started(t);
  t.match(await raw(server.port, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>\r\n\r\n"), /^HTTP\/1\.1 400 /);
});

t.test('who does not read an answer is cut off; an upgraded socket is its handler’s', async (t) => {
  const routes = { '/': () => text(200, 'x'.repeat(20_000_000)) };
  const upgraded: Socket[] = [];
  const onUpgrade: HttpServerOptions['onUpgrade'] = (_request, socket) => {
    upgraded.push((socket as Socket).setTimeout(0));
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
  };
  const { server } = await started(t, {}, { routes, onUpgrade, stalledMs: 200 });
  const webSocket = connect(server.port, '127.0.0.1', () => webSocket.write(upgrade('/ws')));
  t.teardown(() => webSocket.destroy());
  const stalled = connect(server.port, '127.0.0.1', () => stalled.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
  stalled.pause();
  let bytes = 0;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  stalled.on('data', (chunk) => {
    bytes += chunk.length;
  });
  stalled.on('error', () => {});
  stalled.resume();
  await new Promise((resolve) => stalled.on('close', resolve));
  t.ok(bytes < 20_000_000, 'the rest of it was not sent');
  t.equal(upgraded[0]?.destroyed, false);
  for (const socket of upgraded) socket.destroy();
});

t.test('sockets are bounded, whatever they are for, and there is room again when one is gone', async (t) => {
  const { server, metrics } = await started(t, {}, { socketsMax: 2 });
  const silent = [connect(server.port, '127.0.0.1'), connect(server.port, '127.0.0.1')];
  for (const socket of silent) await new Promise((resolve) => socket.once('connect', resolve));
  const asked = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
  t.equal(await raw(server.port, asked).catch(() => ''), '');
  t.match(await metrics.text(), /rookery_connections_refused_total\{reason="sockets"\} 1/);
  silent[0]!.destroy();
  let answer = '';
  while (answer === '') answer = await raw(server.port, asked).catch(() => '');
  t.match(answer, /^HTTP\/1\.1 200 /);
  silent[1]!.destroy();
});

t.test('a stopped server refuses upgrades on connections it still has, and takes no new ones', async (t) => {
  const { server } = await started(t);
  const socket = connect(server.port, '127.0.0.1');
  const received = new Received(socket);
  socket.write(`GET / HTTP/1.1\r\nhost: x\r\n\r\n${upgrade('/ws').slice(0, -2)}`);
  await received.until(/home\n$/);
  server.stopAccepting();
  server.stopAccepting();
  await t.rejects(raw(server.port, upgrade('/ws')), { code: 'ECONNREFUSED' });
  socket.write('\r\n');
  await received.until(/HTTP\/1\.1 503 [\s\S]*retry-after: 1/);
  await server.close();
});

t.test('an address in use is one clear line and exit code 4', async (t) => {
  const { server } = await started(t);
  await t.rejects(started(t, { port: server.port }), {
    name: 'ExitError',
    exitCode: 4,
    message: `cannot listen on 127.0.0.1:${server.port}: the address is in use; is another server running? Choose another port with --port`,
  });
  await t.rejects(started(t, { host: '203.0.113.1' }), { exitCode: 4, message: /this machine has no such address/ });
});

function certificate(folder: string, name: string) {
  const files = { tlsCertFile: `${folder}/${name}.crt`, tlsKeyFile: `${folder}/${name}.key` };
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const out = ['-keyout', files.tlsKeyFile, '-out', files.tlsCertFile];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, ...out], { stdio: 'ignore' });
  return files;
}

/** The name in the certificate that the server shows now, and what it answers. */
function seen(port: number): Promise<{ name: string; status: number }> {
  return new Promise((resolve, reject) => {
    const request = httpsGet(
      { host: '127.0.0.1', port, path: '/', rejectUnauthorized: false, agent: false },
      (response) => {
        const name = String((response.socket as TLSSocket).getPeerCertificate().subject.CN);
        response.resume().on('end', () => resolve({ name, status: response.statusCode ?? 0 }));
      },
    );
    request.on('error', reject);
  });
}

t.test('with certificate files it speaks HTTPS, and shows a new certificate without a restart', async (t) => {
  const folder = t.testdir({});
  const live = certificate(folder, 'first');
  const next = certificate(folder, 'second');
  const { server } = await started(t, live, { tlsPollMs: 20 });
  t.equal(server.secure, true);
  t.same(await seen(server.port), { name: 'first', status: 200 });
  // The certificate alone does not fit the old key: the old pair stays until the key is there too.
  copyFileSync(next.tlsCertFile, live.tlsCertFile);
  t.equal((await seen(server.port)).name, 'first');
  copyFileSync(next.tlsKeyFile, live.tlsKeyFile);
  for (let name = 'first'; name !== 'second'; ) name = (await seen(server.port)).name;
  t.pass('second');
});

t.test('files that are no certificate stop the start with exit code 4 and their names', async (t) => {
  const folder = t.testdir({ 'bad.crt': 'x', 'bad.key': 'y' });
  const files = { tlsCertFile: `${folder}/bad.crt`, tlsKeyFile: `${folder}/bad.key` };
  await t.rejects(started(t, files), { exitCode: 4, message: /bad\.crt with the key .*bad\.key/ });
  await t.rejects(started(t, { ...files, tlsKeyFile: '/none' }), { exitCode: 4, message: /ENOENT/ });
});
