import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { z } from 'zod';
import type { Log } from '../base/log.ts';
import { ADMIN_REFUSALS, type AdminApi, AdminError, USERS_MAX } from './admin.ts';
import { clusterRoute } from './admin-cluster-routes.ts';
import { json, type Reply } from './reply.ts';

export interface AdminServerOptions {
  /** from `adminSocketPath` */
  readonly socketPath: string;
  readonly api: AdminApi;
  readonly log: Log;
}

/** Bytes of a request's body; a user and a password fit many times over. */
const BODY_BYTES_MAX = 16 * 1024;

/** Connections at once; the command makes one at a time. */
const CONNECTIONS_MAX = 16;

const newUser = z.strictObject({ user: z.string(), password: z.string() });
const newPassword = z.strictObject({ password: z.string() });

class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

/**
 * Serves the admin API over HTTP on a Unix socket that only this system user may open (mode 0600): who can open it may
 * do everything, so there is no further login. Start it after the storage is open: then no other process uses the
 * folder, and a socket that a killed one left behind may be removed.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<{ close(): Promise<void> }> {
  const { socketPath, api, log } = options;
  rmSync(socketPath, { force: true });
  const server = createServer(async (request, response) => {
    const { status, headers, body } = await answer(request, api, log);
    response.writeHead(status, { ...headers, connection: 'close' });
    response.end(body);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listenPrivately(server, socketPath);
  return {
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      rmSync(socketPath, { force: true });
    },
  };
}

/** The mode is right from the first moment, by the umask; chmod is for systems that ignore it. */
async function listenPrivately(server: Server, socketPath: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const mask = process.umask(0o177);
    try {
      server.listen(socketPath, resolve);
    } finally {
      process.umask(mask);
    }
  });
  chmodSync(socketPath, 0o600);
}

async function answer(request: IncomingMessage, api: AdminApi, log: Log): Promise<Reply> {
  const verb = `${request.method} ${request.url?.split('?', 1)[0]}`;
  try {
    const reply = await route(request, api);
    if (request.method !== 'GET') log.info({ verb }, 'admin request');
    return reply;
  } catch (error) {
    if (error instanceof AdminError)
      return json(ADMIN_REFUSALS[error.reason], { reason: error.reason, message: error.message });
    if (error instanceof BadRequest) return json(400, { message: error.message });
    log.error({ err: error, verb }, 'admin request failed');
    return json(500, { message: 'internal error; the log of this node says more' });
  }
}

async function route(request: IncomingMessage, api: AdminApi): Promise<Reply> {
  const url = new URL(request.url ?? '/', 'http://admin');
  const [, collection, user, part] = url.pathname.split('/').map(decodeURIComponent);
  const asked = [request.method, collection, user && ':user', part].filter(Boolean).join(' ');
  switch (asked) {
    case 'GET status':
      return json(200, await api.status());
    case 'GET users':
      return json(200, await api.listUsers(limitOf(url.searchParams.get('limit'))));
    case 'POST users': {
      const body = await bodyOf(request, newUser);
      await api.addUser(body.user, body.password);
      return json(201, {});
    }
    case 'PUT users :user password':
      await api.setPassword(user!, (await bodyOf(request, newPassword)).password);
      return json(200, {});
    case 'DELETE users :user':
      await api.removeUser(user!);
      return json(200, {});
    default:
      return (
        (await clusterRoute(request, api.cluster, bodyOf)) ??
        json(404, { message: `no such request: ${request.method} ${url.pathname}` })
      );
  }
}

function limitOf(text: string | null): number {
  const limit = Number(text ?? USERS_MAX);
  if (!Number.isInteger(limit) || limit < 1 || limit > USERS_MAX)
    throw new BadRequest(`limit must be a whole number from 1 to ${USERS_MAX}`);
  return limit;
}

/** @throws BadRequest when the body is too long or of another shape; its message never repeats the body */
async function bodyOf<T>(request: IncomingMessage, shape: z.ZodType<T>): Promise<T> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > BODY_BYTES_MAX) throw new BadRequest(`the body is over ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk as Buffer);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new BadRequest('the body is not JSON');
  }
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new BadRequest('the body lacks a field, or has one too many');
  return parsed.data;
}
