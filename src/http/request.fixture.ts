import type { ClientAddress } from './client-address.ts';
import type { HttpRequest } from './reply.ts';

/** A request as the server hands it to a route. For tests. */
export function requestTo(
  path: string,
  client: Partial<ClientAddress> = {},
  headers: HttpRequest['headers'] = {},
): HttpRequest {
  const local = { address: '127.0.0.1', secure: false, loopback: true, host: 'localhost:5280' };
  return { path, headers, client: { ...local, ...client } };
}
