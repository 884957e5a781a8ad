import type { Metrics } from '../base/metrics.ts';
import type { ClientAddress } from './client-address.ts';
import { healthz, type Readiness, readyz } from './health.ts';
import { hostMeta, hostMetaJson } from './host-meta.ts';
import { metricsRoute } from './metrics.ts';
import type { Route } from './reply.ts';
import { webClientRoutes } from './web-client.ts';

export interface RoutesOptions {
  readonly domain: string;
  /** paths of the WebSocket; the first is announced */
  readonly paths: readonly string[];
  readonly publicWebSocketUrl: string;
  readonly webClient: boolean;
  readonly registration: 'loopback' | 'everyone' | 'closed';
  readonly metricsAccess: 'loopback' | 'everyone' | 'off';
  readonly metrics: Metrics;
  readonly ready: () => Promise<Readiness>;
  /** origins where uploaded files are put and shown */
  readonly fileOrigins: () => readonly string[];
}

const READY_TIMEOUT_MS = 5000;

/** Everything that HTTP answers, one line each. */
export function httpRoutes(options: RoutesOptions): Record<string, Route> {
  const url = { domain: options.domain, publicWebSocketUrl: options.publicWebSocketUrl, path: options.paths[0]! };
  const registration = (client: ClientAddress) =>
    options.registration === 'everyone' || (options.registration === 'loopback' && client.loopback);
  return {
    '/healthz': healthz,
    '/readyz': readyz(options.ready, READY_TIMEOUT_MS),
    '/metrics': metricsRoute(options.metrics, options.metricsAccess),
    '/.well-known/host-meta': hostMeta(url),
    '/.well-known/host-meta.json': hostMetaJson(url),
    ...(options.webClient ? webClientRoutes({ ...url, registration, fileOrigins: options.fileOrigins }) : {}),
  };
}
