import type { Metrics } from '../base/metrics.ts';
import { type Route, text } from './reply.ts';

/** GET /metrics in Prometheus text. @param access who may read it; `loopback` is this machine itself */
export function metricsRoute(metrics: Metrics, access: 'loopback' | 'everyone' | 'off'): Route {
  return async ({ client }) => {
    if (access === 'off') return text(404, 'metrics are off; metrics.access turns them on');
    if (access === 'loopback' && !client.loopback)
      return text(403, 'metrics are for this machine only; metrics.access opens them');
    const headers = { 'content-type': metrics.contentType, 'cache-control': 'no-store' };
    return { status: 200, headers, body: await metrics.text() };
  };
}
