import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { refuseUpgrade } from '../base/refuse-upgrade.ts';
import { ENDINGS } from '../xmpp/close-codes.ts';
import { addressKey } from '../xmpp/login-limits.ts';
import { openXml, SUBPROTOCOL } from '../xmpp/rfc7395-framing.ts';
import type { FrameLimits } from '../xmpp/xml.ts';
import type { GatewayBackend } from './backend.ts';
import { ClientSocket, Connection, type ConnectionCounts, type Peer } from './connection.ts';
import { createFlusher } from './flusher.ts';
import { Login } from './login.ts';

/** All client sockets of a node: upgrades, limits, pings, and the end of it all. */
export interface ListenerOptions {
  readonly stanzaBytesMax: number;
  readonly loginBytesMax: number;
  readonly frameLimits: FrameLimits;
  /** ms from connecting to being logged in and bound */
  readonly authTimeoutMs: number;
  /** ms of silence after which a socket is pinged, and after which it is given up */
  readonly idlePingMs: number;
  readonly idleTimeoutMs: number;
  /** ms a peer has for its half of the closing handshake */
  readonly closeTimeoutMs: number;
  readonly sweepMs: number;
}

export interface ListenerStats {
  readonly connections: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly queuedBytes: number;
  readonly frames: { readonly received: number; readonly sent: number };
  /** sockets this server ended, by stream error condition (or detached, end) */
  readonly ended: Readonly<Record<string, number>>;
}

export interface Listener {
  /** Takes an upgrade whose path and origin are fine. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, peer: Peer): void;
  stats(): ListenerStats;
  /** Ends every stream with `system-shutdown`; resolves when all sockets are gone or the time is up. */
  close(timeoutMs: number): Promise<void>;
}

export function createListener(backend: GatewayBackend, options: ListenerOptions): Listener {
  const server = new WebSocketServer({
    noServer: true,
    WebSocket: ClientSocket,
    // Above the limit a stream error tells the client; what is far above is cut off by ws with 1009.
    maxPayload: options.stanzaBytesMax * 2,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  const connections = new Set<Connection>();
  const closingSince = new Map<Connection, number>();
  const flusher = createFlusher();
  const refused: Record<string, number> = {};
  const counts: ConnectionCounts = { frames: { received: 0, sent: 0 }, ended: {} };
  let accepted = 0;
  let closing = false;
  const connectionOptions = {
    stanzaBytesMax: options.stanzaBytesMax,
    loginBytesMax: Math.min(options.loginBytesMax, options.stanzaBytesMax),
    frameLimits: options.frameLimits,
    flusher,
    open: () => openXml({ from: backend.domain, id: backend.newStreamId() }),
    counts,
    now: () => backend.now(),
    onFault: (error: unknown) => backend.onFault(error),
  };

  const sweeper = setInterval(sweep, options.sweepMs);
  sweeper.unref();

  function refuse(socket: Duplex, status: number, reason: string, retryMs = 0): void {
    refused[reason] = (refused[reason] ?? 0) + 1;
    refuseUpgrade(socket, status, reason, retryMs > 0 ? { 'Retry-After': String(Math.ceil(retryMs / 1000)) } : {});
  }

  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, peer: Peer): void {
    if (closing) return refuse(socket, 503, 'shutting-down', 1000);
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim());
    if (!offered.includes(SUBPROTOCOL)) return refuse(socket, 400, 'subprotocol-xmpp-missing');
    const address = addressKey(peer.address);
    const decision = backend.limit({ t: 'connect', address, nowMs: backend.now() });
    if (!decision.allow) {
      const status = decision.reason === 'connection-rate' ? 429 : 503;
      return refuse(socket, status, decision.reason, decision.retryMs);
    }
    // An upgrade that fails after this point (bad key, socket gone) never reaches the callback.
    const early = (): void => void backend.limit({ t: 'disconnect', address, authenticated: false });
    socket.once('close', early);
    server.handleUpgrade(request, socket, head, (ws) => {
      socket.off('close', early);
      accept(ws, peer, address);
    });
  }

  function accept(ws: ClientSocket, peer: Peer, address: string): void {
    accepted += 1;
    const connection = new Connection(ws, peer, connectionOptions, leave);
    connection.phase = new Login(connection, backend, address);
    connections.add(connection);
  }

  function leave(connection: Connection): void {
    connections.delete(connection);
    closingSince.delete(connection);
    const address = addressKey(connection.peer.address);
    backend.limit({ t: 'disconnect', address, authenticated: connection.user !== '' });
  }

  function sweep(): void {
    const now = backend.now();
    for (const connection of connections) {
      if (connection.closing) {
        const since = closingSince.get(connection) ?? now;
        closingSince.set(connection, since);
        if (now - since >= options.closeTimeoutMs) connection.terminate();
        continue;
      }
      if (connection.phase instanceof Login && now - connection.since >= options.authTimeoutMs) {
        connection.end(ENDINGS.loginTimeout, 'the login took too long');
      } else if (connection.pingedAt === 0) {
        if (now - connection.lastHeard >= options.idlePingMs) connection.ping();
        // Counted from the ping, not from the last sign of life: a node that slept must not drop everyone unasked.
      } else if (now - connection.pingedAt >= options.idleTimeoutMs - options.idlePingMs) {
        connection.close({ t: 'detached', why: 'silent for too long' });
      }
    }
  }

  return {
    upgrade,
    stats() {
      let queuedBytes = 0;
      for (const connection of connections) queuedBytes += connection.queuedBytes;
      return {
        connections: connections.size,
        accepted,
        refused,
        queuedBytes,
        frames: counts.frames,
        ended: counts.ended,
      };
    },
    async close(timeoutMs) {
      closing = true;
      clearInterval(sweeper);
      for (const connection of connections)
        connection.fail('system-shutdown', 'the server is going down; come back after a moment');
      const until = backend.now() + timeoutMs;
      while (connections.size > 0 && backend.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
      for (const connection of connections) connection.terminate();
      server.close();
    },
  };
}
