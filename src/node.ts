import { type Accounts, createAccounts } from './actors/accounts.ts';
import { createArchivePort } from './actors/archive-port.ts';
import { createGatewayBackend } from './actors/gateway-backend.ts';
import { decideRegistration } from './actors/registration.ts';
import { createRuntime, type Runtime } from './actors/runtime.ts';
import { systemClock } from './base/clock.ts';
import { shortId } from './base/ids.ts';
import { createLog, type Log } from './base/log.ts';
import { Metrics } from './base/metrics.ts';
import { randomBytes } from './base/random.ts';
import { soleDirectory } from './cluster/directory.ts';
import type { Config } from './config.ts';
import { httpRoutes } from './http/routes.ts';
import { type HttpServer, startHttpServer } from './http/server.ts';
import { registerNodeMetrics } from './node-metrics.ts';
import {
  chatLimitsOf,
  frameLimitsOf,
  listenerOptionsOf,
  loginLimitsOf,
  sessionLimitsOf,
  storeOptionsOf,
} from './node-options.ts';
import type { LogStore } from './storage/log-store.ts';
import { openRocksStore } from './storage/log-store-rocks.ts';
import { inProcessBus } from './transport/bus.ts';
import { createListener, type Listener } from './transport/listener.ts';
import { VERSION } from './version.ts';
import { limitDerivations, systemPbkdf2 } from './xmpp/credentials.ts';
import { buildProtocol } from './xmpp/index.ts';
import { dispatchIq } from './xmpp/iq-table.ts';
import { createLoginLimits, limitStep } from './xmpp/login-limits.ts';
import { PAGE_DEFAULTS } from './xmpp/mam-page.ts';

/** A running node. The only place where its parts are built, once each, in order. */
export interface Node {
  readonly config: Config;
  readonly port: number;
  readonly webUrl: string;
  readonly webSocketUrls: readonly string[];
  readonly accounts: Accounts;
  readonly runtime: Runtime;
  readonly store: LogStore;
  readonly listener: Listener;
  readonly log: Log;
  /** Stops accepting, ends streams with system-shutdown, commits and flushes what was accepted, frees the folder. */
  close(): Promise<void>;
}

/** Threads of PBKDF2 at once, and behind them; one more is told to try again (RFC 6120 6.5.10 temporary-auth-failure). */
const DERIVATIONS = { runningMax: 2, waitingMax: 256 } as const;
const ASK_TIMEOUT_MS = 10_000;

/**
 * @throws StorageRefusedError when the folder cannot be used, ExitError when the port cannot be listened on
 */
export async function startNode(config: Config): Promise<Node> {
  const log = createLog(config.log);
  const metrics = new Metrics();
  const { domain } = config.node;
  const now = systemClock.now;
  const store = await openRocksStore(storeOptionsOf(config));
  const pbkdf2 = limitDerivations(systemPbkdf2, DERIVATIONS);
  const archive = createArchivePort(store, config.node.shards);
  const protocol = buildProtocol({
    software: { name: 'Rookery', version: VERSION },
    startedAtMs: now(),
    archive,
    archiveLimits: { ...PAGE_DEFAULTS, ...config.archive },
  });
  const runtime: Runtime = createRuntime({
    nodeId: config.node.id,
    store,
    bus: inProcessBus(config.node.id),
    directory: soleDirectory(config.node.shards, config.node.id),
    now,
    monotonicMs: systemClock.monotonic,
    mailboxMax: config.limits.mailboxMax,
    turnsMax: 100_000,
    busyOps: Number(process.env['BUSY_OPS'] ?? 8),
    busyTickMs: Number(process.env['BUSY_MS'] ?? 2),
    idleMs: config.actors.passivateAfterMs,
    entitiesMax: config.actors.loadedMax,
    resendMs: 5000,
    resendMsMax: 60_000,
    sweepMs: 1000,
    rowsMax: 100_000,
    chat: chatLimitsOf(config),
    session: sessionLimitsOf(config),
    sessionParts: {
      domain,
      newId: () => shortId(),
      dispatchIq: (session, request) => dispatchIq(protocol.iqTable, session, request) === 'handled',
      registration: decideRegistration,
      setPassword: async (user, password) =>
        (await accounts.setPassword(user, password)) === 'done' ? 'done' : 'busy',
    },
    onCrash: (kind, error) => log.error({ kind, err: error }, 'an actor crashed and was reset'),
  });
  const accounts = createAccounts({
    runtime,
    store,
    shards: config.node.shards,
    pbkdf2,
    iterations: config.login.iterations,
    askTimeoutMs: ASK_TIMEOUT_MS,
    now,
    randomBytes,
  });
  const secret = await clusterSecret(store, runtime);
  const limits = createLoginLimits(loginLimitsOf(config));
  const backend = createGatewayBackend({
    domain,
    runtime,
    accounts,
    pbkdf2,
    caps: protocol.caps,
    sasl: {
      secret,
      iterations: config.login.iterations,
      anonymous: config.login.anonymous,
      authAttemptsMax: config.login.attempts,
    },
    registration: config.registration.open,
    limit: (event) => limitStep(limits, event),
    askTimeoutMs: ASK_TIMEOUT_MS,
    clock: systemClock,
    log,
  });
  const listener = createListener(backend, listenerOptionsOf(config, frameLimitsOf(config)));
  registerNodeMetrics(metrics, { store, runtime, listener });
  const http = await startHttpServer({
    listen: config.listen,
    routes: httpRoutes({
      domain,
      paths: config.listen.paths,
      publicWebSocketUrl: config.listen.publicWebSocketUrl,
      webClient: config.listen.webClient,
      registration: config.registration.open,
      metricsAccess: config.metrics.access,
      metrics,
      ready: () => ready(store, runtime),
    }),
    onUpgrade: (request, socket, head, client) => listener.upgrade(request, socket, head, client),
    log,
    metrics,
  });
  return node(config, { http, listener, runtime, accounts, store, log });
}

function node(
  config: Config,
  parts: Omit<Node, 'config' | 'port' | 'webUrl' | 'webSocketUrls' | 'close'> & { readonly http: HttpServer },
): Node {
  const { http, listener, runtime, store, log } = parts;
  const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host;
  const base = `${host}:${http.port}`;
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    http.stopAccepting();
    await listener.close(config.node.drainMs);
    await runtime.close();
    await store.close();
    await http.close();
    log.info({ node: config.node.id }, 'stopped');
  };
  return {
    ...parts,
    config,
    port: http.port,
    webUrl: `${http.secure ? 'https' : 'http'}://${base}/`,
    webSocketUrls: config.listen.paths.map((path) => `${http.secure ? 'wss' : 'ws'}://${base}${path}`),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** From it come the salts of users who do not exist: it has to outlive restarts (sasl-mechanism.ts). */
async function clusterSecret(store: LogStore, runtime: Runtime): Promise<Uint8Array> {
  const key = 'cluster-secret';
  const found = store.get(0, key) as Uint8Array | undefined;
  if (found !== undefined) return found;
  const secret = Uint8Array.from(randomBytes(32));
  await runtime.write(0, [{ t: 'put', key, value: secret }]);
  return secret;
}

/** /readyz: a row goes through the log to the disk and is read back. */
async function ready(store: LogStore, runtime: Runtime): Promise<{ ready: boolean; reason?: string }> {
  const key = 'ready-check';
  const value = shortId();
  if (!store.writable) return { ready: false, reason: 'the storage accepts no writes (disk full or failed)' };
  await runtime.write(0, [{ t: 'put', key, value }]);
  return store.get(0, key) === undefined
    ? { ready: false, reason: 'what was written could not be read' }
    : { ready: true };
}
