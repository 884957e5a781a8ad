import { request as httpRequest } from 'node:http';
import { codeOf, EXIT, ExitError } from '../base/errors.ts';
import { ADMIN_REFUSALS, type AdminApi, AdminError, type AdminRefusal } from './admin.ts';
import { clusterClient } from './admin-cluster-client.ts';

/** No node listens on the socket: none runs on this data folder. */
export class NotRunningError extends Error {
  override readonly name = 'NotRunningError';
}

const TIMEOUT_MS = 30_000;

interface Answer {
  readonly status: number;
  readonly value: unknown;
}

/**
 * The admin API of a running node, over its socket. Each method throws NotRunningError when no node is there,
 * AdminError when it says no, ExitError when this user may not ask, Error when its answer makes no sense.
 */
export function adminClient(socketPath: string): AdminApi {
  const ask = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const { status, value } = await exchange(socketPath, method, path, body);
    if (status < 300) return value;
    const { reason, message = `status ${status}` } = (value ?? {}) as { reason?: string; message?: string };
    if (reason !== undefined && reason in ADMIN_REFUSALS) throw new AdminError(reason as AdminRefusal, message);
    throw new Error(`the node answered: ${message}`);
  };
  const path = (user: string) => `/users/${encodeURIComponent(user)}`;
  return {
    addUser: async (user, password) => void (await ask('POST', '/users', { user, password })),
    setPassword: async (user, password) => void (await ask('PUT', `${path(user)}/password`, { password })),
    removeUser: async (user) => void (await ask('DELETE', path(user))),
    listUsers: (limit) => ask('GET', `/users?limit=${limit}`) as ReturnType<AdminApi['listUsers']>,
    status: () => ask('GET', '/status') as ReturnType<AdminApi['status']>,
    cluster: clusterClient(ask),
  };
}

function exchange(socketPath: string, method: string, path: string, body: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const request = httpRequest({ socketPath, method, path, headers, timeout: TIMEOUT_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve({ status: response.statusCode ?? 0, value: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
        } catch (error) {
          reject(new Error('the answer is not JSON; is another program using the admin socket?', { cause: error }));
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    request.on('error', (error) => reject(reasonOf(error, socketPath)));
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function reasonOf(error: Error, socketPath: string): Error {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    // The socket file of a node that was killed.
    case 'ECONNREFUSED':
      return new NotRunningError('no node runs here');
    case 'EACCES':
    case 'EPERM': {
      const line = `${socketPath} is not for this user: run this as the one that the node runs as (sudo -u rookery …)`;
      return new ExitError(line, EXIT.storageRefused, { cause: error });
    }
    default:
      return error;
  }
}
