import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { GatewayBackend } from './backend.ts';
import { createListener } from './listener.ts';

const OPTIONS = {
  stanzaBytesMax: 10_000,
  loginBytesMax: 10_000,
  frameLimits: { depthMax: 64, attrsMax: 64, elementsMax: 1000, nameLengthMax: 100, prefixesMax: 64 },
  authTimeoutMs: 10_000,
  idlePingMs: 10_000,
  idleTimeoutMs: 20_000,
  closeTimeoutMs: 1000,
  sweepMs: 1000,
};

/** A listener behind HTTP that lets nobody in, and the sockets that the server has of its clients. */
async function refusing(t: Test) {
  const limit = (event: { t: string }) =>
    event.t === 'connect' ? { allow: false, reason: 'connection-rate', retryMs: 1500 } : { allow: true };
  const backend = { now: () => Date.now(), onFault: () => {}, limit } as unknown as GatewayBackend;
  const listener = createListener(backend, OPTIONS);
  const sockets: Socket[] = [];
  const peer = { address: '203.0.113.5', secure: false, loopback: false };
  const server = createServer().on('upgrade', (request, socket, head) => {
    sockets.push(socket as Socket);
    listener.upgrade(request, socket, head, peer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    await listener.close(0);
    server.close();
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  });
  return { listener, sockets, port: (server.address() as AddressInfo).port };
}

function askedFor(port: number, protocol: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.write(
    'GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
  );
  return socket;
}

const closed = (socket: Socket): Promise<unknown> =>
  socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once('close', resolve));

t.test('a refused upgrade is answered, and its socket is gone whatever the client does', async (t) => {
  const { listener, sockets, port } = await refusing(t);
  const table: [protocol: string, head: RegExp, reason: string][] = [
    ['xmpp', /^HTTP\/1\.1 429 .*Retry-After: 2\r\n/s, 'connection-rate'],
    ['other', /^HTTP\/1\.1 400 /, 'subprotocol-xmpp-missing'],
  ];
  for (const [protocol, head, reason] of table) {
    const client = askedFor(port, protocol);
    let answer = '';
    client.on('data', (chunk) => {
      answer += chunk.toString();
    });
    // It never ends its half.
    await new Promise((resolve) => client.once('end', resolve));
    t.match(answer, head);
    t.match(answer, reason);
    await closed(sockets.at(-1)!);
    client.destroy();
  }
  t.strictSame(listener.stats().refused, { 'connection-rate': 1, 'subprotocol-xmpp-missing': 1 });
});

t.test('a client that resets a refused upgrade ends nothing but its socket', async (t) => {
  const { sockets, port } = await refusing(t);
  for (const protocol of ['xmpp', 'other']) {
    const client = askedFor(port, protocol);
    client.on('error', () => {});
    await new Promise((resolve) => client.once('connect', resolve));
    const count = sockets.length;
    while (sockets.length === count) await new Promise((resolve) => setImmediate(resolve));
    const socket = sockets.at(-1)!;
    client.resetAndDestroy();
    // As the system tells it when the reset is there before the answer has left.
    socket.emit('error', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    await closed(socket);
  }
  t.equal(sockets.length, 2);
});
