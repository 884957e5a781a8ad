import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Test } from 'tap';

/** A TCP proxy in front of one nats-server, for what a network does to a client. */
export interface NatsProxy {
  readonly url: string;
  /** What the server sends from now on is thrown away, until `cut`. */
  swallowAnswers(): void;
  /** Ends the connections; new ones are let through. */
  cut(): void;
  /** Ends the connections, and every new one at once, until `open`. */
  shut(): void;
  open(): void;
}

export async function natsProxy(t: Test, target: string): Promise<NatsProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let swallowing = false;
  let isShut = false;
  const add = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    // Either end going takes the other with it; a reset is as good as an end.
    socket.on('error', () => other.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const server = createServer((client) => {
    if (isShut) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(port), hostname);
    add(client, upstream);
    add(upstream, client);
    client.on('data', (bytes) => upstream.write(bytes));
    upstream.on('data', (bytes) => {
      if (!swallowing) client.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    swallowing = false;
    for (const socket of sockets) socket.destroy();
  };
  t.teardown(async () => {
    server.close();
    cut();
    await once(server, 'close');
  });
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    swallowAnswers: () => {
      swallowing = true;
    },
    cut,
    shut: () => {
      isShut = true;
      cut();
    },
    open: () => {
      isShut = false;
    },
  };
}
