import { type Accounts, createAccounts } from './actors/accounts.ts';
import { createArchivePort } from './actors/archive-port.ts';
import { calls } from './actors/calls.ts';
import { type BackendOptions, createGatewayBackend } from './actors/gateway-backend.ts';
import { createItemPort } from './actors/item-port.ts';
import { decideRegistration } from './actors/registration.ts';
import { createRoomsPort } from './actors/rooms-port.ts';
import { createRuntime, type Runtime, type RuntimeOptions } from './actors/runtime.ts';
import { SeeOther } from './actors/see-other.ts';
import { onOwnPublished, publishRead } from './actors/session-synced.ts';
import { createUploadPort } from './actors/upload-port.ts';
import { systemClock } from './base/clock.ts';
import { EXIT, messageOf } from './base/errors.ts';
import { shortId } from './base/ids.ts';
import { createLog, type Log } from './base/log.ts';
import { Metrics } from './base/metrics.ts';
import { randomBytes, systemRandom } from './base/random.ts';
import { soleDirectory } from './cluster/directory.ts';
import type { Config } from './config.ts';
import type { AdminApi, NodeStatus } from './http/admin.ts';
import { createAdminApi } from './http/admin-api.ts';
import { startAdminServer } from './http/admin-server.ts';
import { adminSocketPath } from './http/admin-socket.ts';
import { httpRoutes } from './http/routes.ts';
import { type HttpServer, startHttpServer } from './http/server.ts';
import type { Uploads } from './http/uploads.ts';
import { clusterAdminOf, clusterViewOf } from './node-admin-cluster.ts';
import { clusterSecret, isReady, nodeSecret } from './node-checks.ts';
import { type ClusterCore, openCluster, readsOf } from './node-cluster.ts';
import { registerClusterMetrics } from './node-cluster-metrics.ts';
import { logStarted, storeHooks } from './node-log.ts';
import { collectWhenIdle } from './node-memory.ts';
import { countLogins, registerNodeMetrics, statusFigures } from './node-metrics.ts';
import {
  frameLimitsOf,
  listenerOptionsOf,
  loginLimitsOf,
  pepLimitsOf,
  personalLimitsOf,
  roomDomainOf,
  rosterLimitsOf,
  runtimeOptionsOf,
  storeOptionsOf,
} from './node-options.ts';
import { announceUploads, openUploads, registerUploadMetrics, UPLOAD_PATH } from './node-upload.ts';
import type { LogStore } from './storage/log-store.ts';
import { openRocksStore } from './storage/log-store-rocks.ts';
import { inProcessBus } from './transport/bus.ts';
import { createListener, type Listener } from './transport/listener.ts';
import { VERSION } from './version.ts';
import { checkUsername } from './xmpp/account.ts';
import { limitDerivations, type Pbkdf2, preparePassword, systemPbkdf2 } from './xmpp/credentials.ts';
import { buildProtocol, type Protocol } from './xmpp/index.ts';
import { dispatchIq } from './xmpp/iq-table.ts';
import { createLoginLimits, limitStep } from './xmpp/login-limits.ts';
import { PAGE_DEFAULTS } from './xmpp/mam-page.ts';
import { uploadItem } from './xmpp/xep0363-http-upload.ts';

/** A running node. This file is the only place where its parts are built, once each, by hand, in order. */
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
/** Sockets beyond `limits.connectionsMax` for HTTP alone: files, the web client, health, handshakes. */
const HTTP_SOCKETS = 4000;
/** Rooms that the service lists at most; those with the first addresses. */
const ROOMS_LISTED_MAX = 10_000;

/** Storage, actors and accounts: a node without sockets. */
interface Core {
  readonly store: LogStore;
  readonly runtime: Runtime;
  readonly accounts: Accounts;
  readonly protocol: Protocol;
  readonly pbkdf2: Pbkdf2;
  /** undefined on a node that is alone */
  readonly cluster: ClusterCore | undefined;
  /** undefined when the node offers none */
  readonly uploads: Uploads | undefined;
}

/** @param doors the node will have them: without, nobody uploads anything */
async function openCore(config: Config, log: Log, doors: boolean): Promise<Core> {
  const cluster = config.cluster.name === '' ? undefined : await openCluster(config, log);
  const store = cluster ? readsOf(cluster.store) : await openRocksStore(storeOptionsOf(config), storeHooks(log), calls);
  const refused = async (error: unknown): Promise<never> => {
    await (cluster ?? store).close();
    throw error;
  };
  const uploads = doors ? await openUploads(config, log).catch(refused) : undefined;
  const pbkdf2 = limitDerivations(systemPbkdf2, DERIVATIONS);
  const protocol = buildProtocol({
    software: { name: 'Rookery', version: VERSION },
    startedAtMs: systemClock.now(),
    archive: createArchivePort(store, config.node.shards),
    items: createItemPort(store, config.node.shards),
    onPublished: onOwnPublished,
    rosterLimits: rosterLimitsOf(config),
    pepLimits: pepLimitsOf(config),
    personalLimits: personalLimitsOf(config),
    archiveLimits: { ...PAGE_DEFAULTS, ...config.archive },
    rooms: createRoomsPort(() => runtime.listRooms(ROOMS_LISTED_MAX), {
      keepMs: 2000,
      now: systemClock.now,
      onFault: (err) => log.warn({ err }, 'the rooms could not be listed'),
    }),
    ...(uploads && {
      uploads: createUploadPort(uploads, (error) => log.error({ reason: messageOf(error) }, 'upload: no slot')),
    }),
    serverItems: [
      { jid: roomDomainOf(config), name: 'Chat rooms' },
      ...(uploads ? [uploadItem(config.node.domain)] : []),
    ],
  });
  const runtime: Runtime = createRuntime({
    ...runtimeOptionsOf(config),
    store,
    bus: cluster?.bus ?? inProcessBus(config.node.id),
    directory: cluster?.directory ?? soleDirectory(config.node.shards, config.node.id),
    ...(cluster && { pipeline: cluster.pipeline, cluster: crossingOf(cluster, log) }),
    now: systemClock.now,
    monotonicMs: systemClock.monotonic,
    sessionParts: {
      domain: config.node.domain,
      newId: () => shortId(),
      services: uploads ? ['conference', 'upload'] : ['conference'],
      dispatchIq: (session, request) => dispatchIq(protocol.iqTable, session, request) === 'handled',
      pep: protocol.pep,
      readMoved: publishRead,
      registration: decideRegistration,
      setPassword: async (user, password) =>
        (await accounts.setPassword(user, password)) === 'done' ? 'done' : 'busy',
    },
    onCrash: (kind, error) => log.error({ kind, err: error }, 'an actor crashed and was reset'),
    onTooManyRows: (user, rows) => log.error({ user, rows }, 'a user has more rows than there should be'),
  });
  const accounts = createAccounts({
    runtime,
    pbkdf2,
    iterations: config.login.iterations,
    askTimeoutMs: ASK_TIMEOUT_MS,
    now: systemClock.now,
    randomBytes,
  });
  await cluster?.start({
    lead: (shard, epoch) => runtime.lead(shard, epoch),
    unlead: (shard) => runtime.unlead(shard, 'its leadership moved'),
    pause: (shard) => runtime.pause(shard),
    moved: (shard) => runtime.moved(shard),
    readable: (shard) => runtime.readable(shard),
    nodeGone: (node) => runtime.nodeGone(node),
    halt: (reason) => {
      log.fatal({ reason }, 'this process must not go on');
      process.exitCode = EXIT.failure;
      process.kill(process.pid, 'SIGTERM');
    },
  });
  return { store, runtime, accounts, protocol, pbkdf2, cluster, uploads };
}

function crossingOf({ store, host }: ClusterCore, log: Log): NonNullable<RuntimeOptions['cluster']> {
  return {
    clock: systemClock,
    random: systemRandom,
    newRun: () => shortId(),
    unacked: (shard) => store.unacked(shard, 0, Number.MAX_SAFE_INTEGER),
    mayRead: (shard) => host.mayRead(shard),
    onFault: (err) => log.error({ err }, 'a message between nodes was not dealt with'),
  };
}

async function closeCore({ runtime, store, cluster, uploads }: Core, leaveMs = 0): Promise<void> {
  await uploads?.close(0);
  if (leaveMs > 0) await cluster?.leave(leaveMs);
  await runtime.close();
  if (leaveMs > 0) await cluster?.nodes.announce('left');
  await (cluster ?? store).close();
}

/**
 * Starts a node.
 * @throws StorageRefusedError when the folder cannot be used, ExitError when the port cannot be listened on
 */
export async function startNode(config: Config): Promise<Node> {
  const log = createLog(config.log);
  const begunMs = systemClock.monotonic();
  const core = await openCore(config, log, true);
  try {
    const node = await openDoors(config, log, core);
    logStarted(log, config, node.port, systemClock.monotonic() - begunMs);
    return node;
  } catch (error) {
    await closeCore(core);
    throw error;
  }
}

async function openDoors(config: Config, log: Log, core: Core): Promise<Node> {
  const { store, runtime, accounts, protocol, pbkdf2, cluster, uploads } = core;
  const { domain } = config.node;
  const { iterations, anonymous, attempts } = config.login;
  const startedMs = systemClock.now();
  const metrics = new Metrics();
  const limits = createLoginLimits(loginLimitsOf(config));
  const backend = createGatewayBackend({
    domain,
    runtime,
    accounts,
    pbkdf2,
    caps: protocol.caps,
    sasl: {
      secret: await (cluster ? clusterSecret(cluster.configs) : nodeSecret(store, runtime)),
      iterations,
      anonymous,
      authAttemptsMax: attempts,
    },
    registration: config.registration.open,
    limit: (event) => limitStep(limits, event),
    ...(cluster && config.cluster.seeOtherUri && seeOtherOf(cluster)),
    askTimeoutMs: ASK_TIMEOUT_MS,
    clock: systemClock,
    log,
    onLogin: countLogins(metrics),
  });
  const listener = createListener(backend, listenerOptionsOf(config, frameLimitsOf(config)));
  registerNodeMetrics(metrics, { store, runtime, listener, lagResolutionMs: config.metrics.lagResolutionMs });
  registerUploadMetrics(metrics, uploads);
  if (cluster)
    registerClusterMetrics(metrics, cluster, clusterViewOf(cluster, config, systemClock), config.node.shards);
  const http = await startHttpServer({
    listen: config.listen,
    routes: httpRoutes({
      ...config.listen,
      domain,
      registration: config.registration.open,
      metricsAccess: config.metrics.access,
      metrics,
      ready: () => isReady(store, runtime, config.node.shards, cluster),
      fileOrigins: () => uploads?.origins ?? [],
    }),
    ...(uploads && { raw: { [`${UPLOAD_PATH}/`]: uploads.route } }),
    onUpgrade: (request, socket, head, client) => listener.upgrade(request, socket, head, client),
    log,
    metrics,
    socketsMax: config.limits.connectionsMax + HTTP_SOCKETS,
  });
  if (uploads) announceUploads(uploads, config, http.port, http.secure, log);
  const urls = urlsOf(config, http);
  const status = async (): Promise<NodeStatus> => ({
    node: config.node.id,
    version: VERSION,
    domain,
    pid: process.pid,
    startedMs,
    ...(await isReady(store, runtime, config.node.shards, cluster)),
    ...urls,
    registration: config.registration.open,
    figures: statusFigures({ store, runtime, listener }),
    ...(cluster && { cluster: await clusterAdminOf(cluster, config, systemClock).status() }),
  });
  const api = adminApi(config, core, status);
  const admin = await startAdminServer({ socketPath: adminSocketPath(config.node.dataDir), api, log });
  const stopCollecting = collectWhenIdle({ heapBytesMax: config.actors.idleHeapBytesMax }, log);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    stopCollecting();
    log.info({ node: config.node.id }, 'stopping');
    http.stopAccepting();
    await Promise.all([listener.close(config.node.drainMs), uploads?.close(config.node.drainMs)]);
    await admin.close();
    await closeCore(core, config.node.drainMs);
    await http.close();
    log.info({ node: config.node.id }, 'stopped');
  };
  return {
    ...core,
    ...urls,
    config,
    listener,
    log,
    port: http.port,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** The accounts of a folder that no node runs on, for `rookery user …`. @throws StorageRefusedError */
export async function openAdmin(config: Config): Promise<{ readonly api: AdminApi; close(): Promise<void> }> {
  const core = await openCore(config, createLog(config.log), false);
  const status = async (): Promise<NodeStatus> => {
    throw new Error('no node is running');
  };
  return { api: adminApi(config, core, status), close: () => closeCore(core) };
}

/** Clients are sent on only to nodes that take new ones. */
function seeOtherOf({ self, directory, nodes }: ClusterCore): Pick<BackendOptions, 'seeOtherUri'> {
  const open = (node: string) =>
    nodes
      .views()
      .find(({ record, suspectedForMs }) => record.node === node && record.state === 'up' && suspectedForMs === 0);
  const seeOther = new SeeOther({
    nodeId: self.node,
    shards: directory.shards,
    leader: (shard) => directory.leader(shard),
    address: (node) => open(node)?.record.address,
    now: systemClock.now,
  });
  return { seeOtherUri: (user, secure) => seeOther.where(user, secure) };
}

function adminApi(config: Config, { accounts, cluster }: Core, status: () => Promise<NodeStatus>): AdminApi {
  const { domain } = config.node;
  return createAdminApi({
    domain,
    accounts,
    ...(cluster && { cluster: clusterAdminOf(cluster, config, systemClock) }),
    bareJidOf: (localpart) => {
      const verdict = checkUsername(localpart, domain);
      return verdict.ok ? verdict.jid.bare : undefined;
    },
    preparePassword: (password) => {
      const verdict = preparePassword(password);
      return verdict.ok ? verdict.password : undefined;
    },
    status,
  });
}

function urlsOf(
  config: Config,
  http: HttpServer,
): { readonly webUrl: string; readonly webSocketUrls: readonly string[] } {
  const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host;
  const base = `${host}:${http.port}`;
  return {
    webUrl: `${http.secure ? 'https' : 'http'}://${base}/`,
    webSocketUrls: config.listen.paths.map((path) => `${http.secure ? 'wss' : 'ws'}://${base}${path}`),
  };
}
