import type { Runtime } from './actors/runtime.ts';
import { type Metrics, SECONDS_BUCKETS, SIZE_BUCKETS } from './base/metrics.ts';
import type { LogStore } from './storage/log-store.ts';
import type { Listener } from './transport/listener.ts';

export function registerNodeMetrics(
  metrics: Metrics,
  parts: { readonly store: LogStore; readonly runtime: Runtime; readonly listener: Listener },
): void {
  void metrics;
  void parts;
  void SECONDS_BUCKETS;
  void SIZE_BUCKETS;
}
