import type { ClientAddress } from './client-address.ts';

export interface WebSocketUrlOptions {
  /** served domain, used when a request names no host */
  readonly domain: string;
  /** the configured one wins; empty: derived from the request */
  readonly publicWebSocketUrl: string;
  /** path of the announced WebSocket */
  readonly path: string;
}

/** The WebSocket URL as the asking client can reach it: same host, same security as its own request. */
export function webSocketUrl(client: ClientAddress, options: WebSocketUrlOptions): string {
  if (options.publicWebSocketUrl !== '') return options.publicWebSocketUrl;
  return `${client.secure ? 'wss' : 'ws'}://${client.host ?? options.domain}${options.path}`;
}
