import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import { until } from '../clients/until.ts';
import { fetched, temporaryFolder } from './rookery.ts';

/** docs/haproxy.cfg in Debian's haproxy, before two servers that speak WebSocket and nothing else of a node. */

const HAPROXY = [process.env['ROOKERY_TEST_HAPROXY'], 'haproxy', '/usr/sbin/haproxy']
  .filter((path) => path !== undefined && path !== '')
  .find((path) => spawnSync(path as string, ['-v'], { stdio: 'ignore' }).status === 0);

class FakeNode {
  readonly name: string;
  ready = true;
  checks = 0;
  /** headers of the upgrades that came */
  readonly upgrades: IncomingHttpHeaders[] = [];
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });

  constructor(name: string) {
    this.name = name;
    this.#server = createServer((request, response) => {
      if (request.url === '/readyz') this.checks += 1;
      response.writeHead(request.url === '/readyz' && !this.ready ? 503 : 200).end(`${name} ${request.url}`);
    });
    this.#server.on('upgrade', (request, socket, head) => {
      this.upgrades.push(request.headers);
      this.#sockets.handleUpgrade(request, socket, head, (client) => {
        client.on('message', (data) => client.send(`${name}: ${data}`));
        client.send(name);
      });
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    for (const client of this.#sockets.clients) client.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const FILE = resolve('docs/haproxy.cfg');

/** @returns the file of a certificate with its key, as HAProxy wants them */
function certificate(folder: string): string {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const pem = (name: string): string => join(folder, name);
  execFileSync('openssl', ['req', '-x509', ...key, '-subj', '/CN=chat', '-keyout', pem('key'), '-out', pem('cert')], {
    stdio: 'ignore',
  });
  writeFileSync(pem('chat.pem'), readFileSync(pem('cert'), 'utf8') + readFileSync(pem('key'), 'utf8'));
  return pem('chat.pem');
}

/** The file as it is, but for its addresses, its certificate, and how long it takes its time. */
function configFor(folder: string, port: number, nodes: readonly FakeNode[]): string {
  const servers = nodes.map(({ name, port: at }) => `    server ${name} 127.0.0.1:${at}`).join('\n');
  const changes: [RegExp, string][] = [
    [/bind :443 ssl crt \S+/, `bind 127.0.0.1:${port} ssl crt ${certificate(folder)}`],
    [/(?: {4}server node-\d \S+\n)+/, `${servers}\n`],
    [/inter 2s fastinter 1s downinter 2s/, 'inter 100ms fastinter 100ms downinter 100ms'],
    [/ slowstart 30s/, ''],
    [/maxconn 200000/g, 'maxconn 100'],
  ];
  let text = readFileSync(FILE, 'utf8');
  for (const [before, after] of changes) {
    if (text.search(before) === -1) throw new Error(`docs/haproxy.cfg has no ${before}`);
    text = text.replace(before, after);
  }
  const path = join(folder, 'haproxy.cfg');
  writeFileSync(path, text);
  return path;
}

async function balanced(t: Test): Promise<{ url: string; nodes: FakeNode[]; said: () => string }> {
  const folder = await temporaryFolder(t);
  const nodes = [await new FakeNode('node-1').start(), await new FakeNode('node-2').start()];
  const port = await freePort();
  const child = spawn(HAPROXY as string, ['-f', configFor(folder, port, nodes), '-db']);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said += text;
    });
  t.teardown(async () => {
    child.kill('SIGKILL');
    for (const node of nodes) await node.stop();
  });
  const url = `https://127.0.0.1:${port}`;
  await until('haproxy to find both nodes ready', async () => {
    if (child.exitCode !== null) throw new Error(`haproxy ended: ${said}`);
    if (nodes.some(({ checks }) => checks < 2)) return false;
    return (await fetched(`${url}/`).catch(() => undefined))?.status === 200;
  });
  return { url, nodes, said: () => said };
}

interface Opened {
  readonly ws: WebSocket;
  /** of the node that took it */
  readonly name: string;
}

async function opened(url: string, headers: Record<string, string> = {}): Promise<Opened> {
  const ws = new WebSocket(`${url.replace('https', 'wss')}/xmpp-websocket`, 'xmpp', {
    rejectUnauthorized: false,
    headers,
  });
  const [name] = await once(ws, 'message');
  return { ws, name: String(name) };
}

async function answer({ ws }: Opened, text: string): Promise<string> {
  ws.send(text);
  const [data] = await once(ws, 'message');
  return String(data);
}

if (HAPROXY === undefined) {
  process.stderr.write('\nNOT TESTED, haproxy is missing (Debian: apt-get install haproxy): docs/haproxy.cfg\n\n');
  t.pass('not tested', { skip: 'haproxy is missing' });
} else {
  t.test('the file has no fault', async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, readFileSync(FILE, 'utf8').replace(/crt \S+/, `crt ${certificate(folder)}`));
    const { status, stderr } = spawnSync(HAPROXY, ['-c', '-f', file], { encoding: 'utf8' });
    t.equal(status, 0, stderr);
    t.notMatch(stderr, /WARNING/);
  });

  t.test('WebSockets spread over the nodes, and each stays where it is', async (t) => {
    const { url, nodes } = await balanced(t);
    const all = [];
    for (let i = 0; i < 6; i++) all.push(await opened(url));
    for (const { name } of nodes) t.equal(all.filter((one) => one.name === name).length, 3, name);
    for (const one of all) t.equal(await answer(one, 'hello'), `${one.name}: hello`);
    for (const { ws } of all) ws.terminate();
  });

  t.test('the node learns who the client is, whatever the client claims', async (t) => {
    const { url, nodes } = await balanced(t);
    const one = await opened(url, { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' });
    const [headers] = nodes.flatMap(({ upgrades }) => upgrades);
    t.match(headers?.['x-forwarded-for'], /127\.0\.0\.1$/, 'the last address is that of the connection');
    t.equal(headers?.['x-forwarded-proto'], 'https');
    t.equal(headers?.['sec-websocket-protocol'], 'xmpp');
    one.ws.terminate();
  });

  t.test('a node that is not ready gets no new clients, and keeps those it has', async (t) => {
    const { url, nodes } = await balanced(t);
    const held = [await opened(url), await opened(url)];
    const [first, second] = nodes as [FakeNode, FakeNode];
    first.ready = false;
    const sent = first.checks;
    await until('haproxy to have looked', () => first.checks > sent + 3);
    const later = [];
    for (let i = 0; i < 4; i++) later.push(await opened(url));
    t.same(new Set(later.map(({ name }) => name)), new Set([second.name]));
    const kept = held.find(({ name }) => name === first.name)!;
    t.equal(await answer(kept, 'still there'), `${first.name}: still there`);
    first.ready = true;
    await until('it to be chosen again', async () => {
      const one = await opened(url);
      one.ws.terminate();
      return one.name === first.name;
    });
    for (const { ws } of [...held, ...later]) ws.terminate();
  });

  t.test('who is turned away by a node that died goes to another one', async (t) => {
    const { url, nodes } = await balanced(t);
    const [first, second] = nodes as [FakeNode, FakeNode];
    await first.stop();
    for (let i = 0; i < 4; i++) {
      const one = await opened(url);
      t.equal(one.name, second.name);
      one.ws.terminate();
    }
  });

  t.test('what is for the operator is not for the world', async (t) => {
    const { url } = await balanced(t);
    for (const path of ['/metrics', '/readyz', '/healthz']) t.equal((await fetched(url + path)).status, 404, path);
    t.equal((await fetched(`${url}/.well-known/host-meta`)).status, 200);
  });
}
