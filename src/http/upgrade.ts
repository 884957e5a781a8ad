import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ClientAddress } from './client-address.ts';

/** Takes over a WebSocket upgrade whose path and origin have been checked. The socket is the handler's from now on. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer, client: ClientAddress) => void;

export type UpgradeDecision =
  | { readonly allow: true }
  | { readonly allow: false; readonly status: number; readonly reason: UpgradeRefusal; readonly line: string };

export type UpgradeRefusal = 'not-websocket' | 'path' | 'origin' | 'draining';

/** Whether an upgrade request may reach the WebSocket listener, and if not, why. */
export function decideUpgrade(
  request: Pick<IncomingMessage, 'headers' | 'url'>,
  client: ClientAddress,
  paths: readonly string[],
  allowedOrigins: readonly string[],
): UpgradeDecision {
  const { headers } = request;
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return { allow: false, status: 400, reason: 'not-websocket', line: 'the only upgrade here is to websocket' };
  const path = request.url?.split('?', 1)[0] ?? '';
  if (!paths.includes(path))
    return { allow: false, status: 404, reason: 'path', line: `no WebSocket here; it is at ${paths.join(' and ')}` };
  if (!isOriginAllowed(headers.origin, client.host, allowedOrigins))
    return { allow: false, status: 403, reason: 'origin', line: 'this origin is not in listen.allowedOrigins' };
  return { allow: true };
}

/** Browsers always send an origin; a client without one is no web page and cannot be lured. */
function isOriginAllowed(origin: string | undefined, host: string | undefined, allowed: readonly string[]): boolean {
  if (origin === undefined || allowed.includes('*') || allowed.includes(origin)) return true;
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === new URL(`http://${host}`).host;
}
