import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  type NodeConnectionOptions,
  nkeyAuthenticator,
} from '@nats-io/transport-node';
import { backoffMs } from '../base/backoff.ts';
import { messageOf } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { atLeast, natsServerVersionMin } from './nats-version.ts';

export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`, any servers of the cluster; no user or password in them */
  readonly urls: readonly string[];
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** text of a credentials file (JWT and seed) */
  readonly creds?: string;
  /** seed of an nkey */
  readonly nkey?: string;
  /** PEM texts; an empty object asks for TLS with the system's authorities */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** between pings of this side, milliseconds */
  readonly pingIntervalMs?: number;
  /** pings without an answer after which the connection counts as lost */
  readonly maxPingOut?: number;
  /** -1: for ever */
  readonly maxReconnectAttempts?: number;
  /** between attempts at the same server, milliseconds; up to as much again is added at random */
  readonly reconnectWaitMs?: number;
  /** longest wait for a server's handshake, milliseconds: a stopped server accepts a connection and says nothing */
  readonly handshakeMsMax?: number;
  /** longest wait for the first connection, milliseconds */
  readonly connectMsMax?: number;
  /** at least between two times that a server is left because it is of no use, milliseconds */
  readonly elsewhereMs?: number;
}

const DEFAULTS = {
  pingIntervalMs: 1_000,
  maxPingOut: 2,
  maxReconnectAttempts: -1,
  reconnectWaitMs: 250,
  handshakeMsMax: 2_000,
  connectMsMax: 30_000,
  elsewhereMs: 10_000,
};

/** What happened on one connection since the start. */
export interface LinkStats {
  connected: number;
  disconnected: number;
  /** no answer to `maxPingOut` pings */
  stale: number;
  /** the server or the client said that we read too slowly */
  slowConsumer: number;
  /** errors told by the server */
  errors: number;
  /** servers left again because they are too old */
  tooOld: number;
  /** servers left because they were of no use */
  elsewhere: number;
}

/** One connection to NATS that comes back by itself, and says when it is there. */
export interface NatsLink {
  /** `traffic`, `bulk` …, for logs and metrics */
  readonly name: string;
  readonly connection: NatsConnection;
  readonly connected: boolean;
  readonly stats: Readonly<LinkStats>;
  /**
   * Goes to another server: this one lives and is of no use, cut off from the others perhaps. Not more often than every
   * `elsewhereMs`. @param why for the log
   */
  elsewhere(why: string): void;
  /** Idempotent. */
  close(): Promise<void>;
}

/** No server could be reached in time, or none let us in. */
export class NatsUnreachableError extends Error {
  override readonly name = 'NatsUnreachableError';
}

/**
 * Connects, and stays connected: reconnects for ever, finds a dead server by unanswered pings, keeps away from servers
 * that are too old. What is published while not connected would wait in the client's memory, so ask `connected` first.
 * @param name for logs and the server's monitoring, without secrets
 * @throws NatsUnreachableError
 */
export async function connectNats(options: NatsOptions, name: string, log: Log): Promise<NatsLink> {
  const settings = { ...DEFAULTS, ...options };
  const connection = await firstConnection(connectionOptions(settings, name), settings.connectMsMax);
  return new Link(name, connection, log, settings.elsewhereMs);
}

/**
 * One short-lived connection to exactly this server, to ask for its version.
 * @throws when it does not answer within `handshakeMsMax`
 */
export async function versionOf(options: NatsOptions, url: string): Promise<string> {
  const settings = { ...DEFAULTS, ...options, urls: [url] };
  const connection = await connect({
    ...connectionOptions(settings, 'version check'),
    reconnect: false,
    ignoreClusterUpdates: true,
  });
  const version = connection.info?.version ?? 'unknown';
  await connection.close();
  return version;
}

function connectionOptions(settings: NatsOptions & typeof DEFAULTS, name: string): NodeConnectionOptions {
  for (const url of settings.urls) {
    if (url.includes('@'))
      throw new NatsUnreachableError('a NATS URL holds a user: set user and password apart from it');
  }
  return {
    servers: [...settings.urls],
    name: `rookery ${name}`,
    ...(settings.tls === undefined ? {} : { tls: { ...settings.tls } }),
    authenticator: authenticators(settings),
    pingInterval: settings.pingIntervalMs,
    maxPingOut: settings.maxPingOut,
    maxReconnectAttempts: settings.maxReconnectAttempts,
    reconnectTimeWait: settings.reconnectWaitMs,
    reconnectJitter: settings.reconnectWaitMs,
    reconnectJitterTLS: settings.reconnectWaitMs,
    timeout: settings.handshakeMsMax,
    // Otherwise two refusals in a row end the connection for good, as while an operator changes passwords.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
  };
}

function authenticators({ user, password, token, creds, nkey }: NatsOptions): Authenticator[] {
  const found: Authenticator[] = [];
  const utf8 = new TextEncoder();
  if (user !== undefined) found.push(() => ({ user, pass: password ?? '' }));
  if (token !== undefined) found.push(() => ({ auth_token: token }));
  if (creds !== undefined) found.push(credsAuthenticator(utf8.encode(creds)));
  if (nkey !== undefined) found.push(nkeyAuthenticator(utf8.encode(nkey)));
  return found;
}

async function firstConnection(options: NodeConnectionOptions, msMax: number): Promise<NatsConnection> {
  const until = performance.now() + msMax;
  const servers = [options.servers].flat().join(', ');
  for (let failures = 1; ; failures++) {
    try {
      return await connect(options);
    } catch (error) {
      const refused =
        error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError;
      if (refused)
        throw new NatsUnreachableError(
          `NATS at ${servers} refuses us: check the user, password, token or credentials`,
          {
            cause: error,
          },
        );
      if (performance.now() >= until)
        throw new NatsUnreachableError(
          `no NATS server at ${servers} within ${msMax} ms (${messageOf(error)}): start one, or correct cluster.natsUrls`,
          { cause: error },
        );
    }
    await sleep(backoffMs(failures, { baseMs: 100, maxMs: 2_000 }, systemRandom.float()));
  }
}

class Link implements NatsLink {
  readonly name: string;
  readonly connection: NatsConnection;
  readonly stats: LinkStats = {
    connected: 1,
    disconnected: 0,
    stale: 0,
    slowConsumer: 0,
    errors: 0,
    tooOld: 0,
    elsewhere: 0,
  };
  readonly #log: Log;
  #connected = true;
  #closed = false;
  readonly #elsewhereMs: number;
  #leftAt = Number.NEGATIVE_INFINITY;

  constructor(name: string, connection: NatsConnection, log: Log, elsewhereMs: number) {
    this.name = name;
    this.#elsewhereMs = elsewhereMs;
    this.connection = connection;
    this.#log = log;
    void this.#follow();
    this.#checkVersion();
  }

  get connected(): boolean {
    return this.#connected && !this.connection.isClosed();
  }

  elsewhere(why: string): void {
    const now = performance.now();
    if (!this.connected || now - this.#leftAt < this.#elsewhereMs) return;
    this.#leftAt = now;
    this.stats.elsewhere++;
    this.#log.warn(
      { link: this.name, server: this.connection.getServer(), why },
      'NATS server is of no use: leaving it',
    );
    void this.connection.reconnect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#connected = false;
    await this.connection.close();
  }

  async #follow(): Promise<void> {
    const { stats } = this;
    const link = this.name;
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect') {
        this.#connected = false;
        stats.disconnected++;
        if (!this.#closed) this.#log.warn({ link, server: status.server }, 'NATS connection lost');
      } else if (status.type === 'reconnect') {
        this.#connected = true;
        stats.connected++;
        this.#log.info({ link, server: status.server }, 'NATS connection is back');
        this.#checkVersion();
      } else if (status.type === 'staleConnection') {
        stats.stale++;
      } else if (status.type === 'slowConsumer') {
        stats.slowConsumer++;
      } else if (status.type === 'error') {
        stats.errors++;
        if (/slow consumer/i.test(status.error.message)) stats.slowConsumer++;
        this.#log.warn({ link, err: status.error }, 'NATS server reports an error');
      }
    }
    this.#connected = false;
    if (!this.#closed) this.#log.error({ link }, 'NATS connection is closed for good');
  }

  #checkVersion(): void {
    const version = this.connection.info?.version ?? '0.0.0';
    if (atLeast(version, natsServerVersionMin)) return;
    this.#connected = false;
    this.stats.tooOld++;
    this.#log.error({ link: this.name, version, minimum: natsServerVersionMin }, 'NATS server is too old: leaving it');
    void this.connection.reconnect();
  }
}
