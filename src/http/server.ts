import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { codeOf, EXIT, ExitError, messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import { refuseUpgrade } from '../base/refuse-upgrade.ts';
import { clientAddresses } from './client-address.ts';
import type { RawRoute } from './raw-route.ts';
import { type HttpRequest, type Reply, type Route, text } from './reply.ts';
import { discardBody } from './request-body.ts';
import { readTlsFiles, reloadTlsFiles } from './tls-files.ts';
import { decideUpgrade, type UpgradeHandler, type UpgradeRefusal } from './upgrade.ts';

/** The `listen` section of the configuration, as far as this server needs it. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly paths: readonly string[];
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  readonly trustedProxies: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly backlog: number;
  /** milliseconds */
  readonly headersTimeoutMs: number;
}

export interface HttpServerOptions {
  readonly listen: ListenOptions;
  /** exact path, or prefix when it ends in `/` (but `/` itself is exact) → route; the longest prefix wins */
  readonly routes: Readonly<Record<string, Route>>;
  /** prefix, which ends in `/` → route with methods of its own; they go before `routes` */
  readonly raw?: Readonly<Record<string, RawRoute>>;
  readonly onUpgrade: UpgradeHandler;
  readonly log: Log;
  readonly metrics: Metrics;
  /** sockets at once, upgraded or not; one more is closed unheard. Each takes one of the process's open files */
  readonly socketsMax?: number;
  /** milliseconds between looks at the certificate files */
  readonly tlsPollMs?: number;
  /** milliseconds after which a client that does not read its answer is cut off */
  readonly stalledMs?: number;
}

export interface HttpServer {
  /** the port really taken */
  readonly port: number;
  readonly secure: boolean;
  /** Takes no new connections and ends idle ones; upgrades are refused with 503. Idempotent. */
  stopAccepting(): void;
  /**
   * `stopAccepting`, then cuts what HTTP requests are left. Upgraded sockets are their handler's to close; those that
   * remain do not delay it. Idempotent.
   */
  close(): Promise<void>;
}

const KEEP_ALIVE_MS = 10_000;
const STALLED_MS = 30_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const TLS_POLL_MS = 2000;

const ALWAYS = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' };

/**
 * Starts HTTP (HTTPS when certificate files are set) and takes WebSocket upgrades.
 * @throws ExitError (cannotListen) when the address cannot be listened on or a certificate not be used
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { listen, log } = options;
  const secure = listen.tlsCertFile !== '';
  const files = { certFile: listen.tlsCertFile, keyFile: listen.tlsKeyFile };
  const timeouts = {
    headersTimeout: listen.headersTimeoutMs,
    // An upload takes its time, and has limits of its own; every other body is discarded (`discardBody`).
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(listen.headersTimeoutMs, 5000),
  };
  const pair = secure ? readTlsFiles(files) : undefined;
  const tls = pair === undefined ? {} : { ...pair, minVersion: 'TLSv1.2' as const };
  const server: Server = secure
    ? createTlsServer({ ...timeouts, ...tls, handshakeTimeout: HANDSHAKE_TIMEOUT_MS })
    : createServer(timeouts);
  const state = { draining: false };
  // Uploads and downloads have one of their own; upgraded sockets are pinged (`setTimeout(0)` is the handler's).
  server.setTimeout(options.stalledMs ?? STALLED_MS);
  if (options.socketsMax !== undefined) server.maxConnections = options.socketsMax;
  attach(server, options, state);
  await listenOn(server, listen);
  const pollMs = options.tlsPollMs ?? TLS_POLL_MS;
  const unwatch = pair
    ? reloadTlsFiles(server as Parameters<typeof reloadTlsFiles>[0], files, pair, pollMs, log)
    : () => {};
  const stopAccepting = () => {
    if (state.draining) return;
    state.draining = true;
    unwatch();
    server.close();
    server.closeIdleConnections();
  };
  return {
    port: (server.address() as AddressInfo).port,
    secure,
    stopAccepting,
    close: async () => {
      stopAccepting();
      server.closeAllConnections();
    },
  };
}

function attach(server: Server, options: HttpServerOptions, state: { readonly draining: boolean }): void {
  const { listen, log, metrics } = options;
  const clientOf = clientAddresses(listen.trustedProxies);
  const find = router(options.routes);
  const answered = [1, 2, 3, 4, 5].map((digit) =>
    metrics.counter('rookery_http_requests_total', 'HTTP requests answered', { status: `${digit}xx` }),
  );
  const refused = (reason: UpgradeRefusal) =>
    metrics.counter('rookery_upgrades_refused_total', 'WebSocket upgrades refused before the listener', { reason });
  const refusals: Record<UpgradeRefusal, { n: number }> = {
    'not-websocket': refused('not-websocket'),
    path: refused('path'),
    origin: refused('origin'),
    draining: refused('draining'),
  };

  const raw = Object.entries(options.raw ?? {});
  const onRequest = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.on('error', () => response.destroy());
    response.on('finish', () => answered[Math.floor(response.statusCode / 100) - 1]!.n++);
    const own = raw.find(([prefix]) => request.url?.startsWith(prefix));
    if (own !== undefined) return answerRaw(request, response, own, log);
    discardBody(request, response);
    send(request, response, await answer(request, find, listen.paths, clientOf, log));
  };
  server.on('request', onRequest);
  server.on('checkContinue', onRequest);
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const client = clientOf(request);
    if (state.draining) {
      refusals.draining.n++;
      refuseUpgrade(socket, 503, 'this node is stopping; try again', { 'retry-after': '1' });
      return;
    }
    const decision = decideUpgrade(request, client, listen.paths, listen.allowedOrigins);
    if (decision.allow) {
      options.onUpgrade(request, socket, head, client);
      return;
    }
    refusals[decision.reason].n++;
    log.debug({ address: client.address, reason: decision.reason }, 'upgrade refused');
    refuseUpgrade(socket, decision.status, decision.line);
  });
  const refusedSockets = metrics.counter('rookery_connections_refused_total', 'Sockets refused, by reason', {
    reason: 'sockets',
  });
  server.on('drop', () => {
    refusedSockets.n++;
  });
  server.on('clientError', (error, socket) => {
    if (socket.writable && codeOf(error) !== 'ECONNRESET') refuseUpgrade(socket, 400, 'not an HTTP/1.1 request');
    else socket.destroy();
  });
}

async function answer(
  request: IncomingMessage,
  find: (path: string) => Route | undefined,
  webSocketPaths: readonly string[],
  clientOf: (request: IncomingMessage) => HttpRequest['client'],
  log: Log,
): Promise<Reply> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return text(405, 'only GET and HEAD here', { allow: 'GET, HEAD', connection: 'close' });
  const path = request.url?.split('?', 1)[0] ?? '';
  if (webSocketPaths.includes(path))
    return text(426, 'this is the XMPP WebSocket (RFC 7395); connect with subprotocol xmpp', { upgrade: 'websocket' });
  const route = find(path);
  if (route === undefined)
    return text(404, `nothing here; the web client is at /, the WebSocket at ${webSocketPaths.join(' and ')}`);
  try {
    return await route({ path, headers: request.headers, client: clientOf(request) });
  } catch (error) {
    log.error({ err: error, path }, 'HTTP request failed');
    return text(500, 'internal error; the log of this node says more');
  }
}

/** The path is not logged: it may hold names of files and what opens them. */
async function answerRaw(
  request: IncomingMessage,
  response: ServerResponse,
  [prefix, route]: readonly [string, RawRoute],
  log: Log,
): Promise<void> {
  try {
    await route(request, response, request.url?.slice(prefix.length).split('?', 1)[0] ?? '');
  } catch (error) {
    log.error({ reason: messageOf(error), path: prefix }, 'HTTP request failed');
    if (response.headersSent) response.destroy();
    else send(request, response, text(500, 'internal error; the log of this node says more'));
  }
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  const length: Record<string, string> = reply.status === 304 ? {} : { 'content-length': String(body.length) };
  response.writeHead(reply.status, { ...ALWAYS, ...length, ...reply.headers });
  response.end(request.method === 'HEAD' || reply.status === 304 ? undefined : body);
}

function router(routes: Readonly<Record<string, Route>>): (path: string) => Route | undefined {
  const exact = new Map(Object.entries(routes));
  const prefixes = [...exact.keys()].filter((path) => path !== '/' && path.endsWith('/'));
  prefixes.sort((a, b) => b.length - a.length);
  return (path) => {
    const prefix = exact.has(path) ? path : prefixes.find((candidate) => path.startsWith(candidate));
    return prefix === undefined ? undefined : exact.get(prefix);
  };
}

async function listenOn(server: Server, { host, port, backlog }: ListenOptions): Promise<void> {
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: 'the address is in use; is another server running? Choose another port with --port',
    EACCES: 'not permitted; ports below 1024 need the right to bind them',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'the host name is not known',
  };
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, backlog }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const reason = why[codeOf(error) ?? ''] ?? messageOf(error);
    throw new ExitError(`cannot listen on ${host}:${port}: ${reason}`, EXIT.cannotListen, { cause: error });
  }
}
