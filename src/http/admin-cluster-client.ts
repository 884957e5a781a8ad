import type { ClusterAdmin } from './admin-cluster.ts';

/** Asks the node over its admin socket; throws what adminClient throws. */
export type AskNode = (method: string, path: string, body?: unknown) => Promise<unknown>;

/** The cluster's side of a running node's admin API, over its socket. */
export function clusterClient(ask: AskNode): ClusterAdmin {
  const record = (id: string): string => `/cluster/nodes/${encodeURIComponent(id)}`;
  const node = (id: string): string => `${record(id)}/drain`;
  const typed = <T>(answer: Promise<unknown>): Promise<T> => answer as Promise<T>;
  return {
    status: () => typed(ask('GET', '/cluster/status')),
    nodes: () => typed(ask('GET', '/cluster/nodes')),
    shards: (of) => typed(ask('GET', `/cluster/shards${of === undefined ? '' : `?of=${encodeURIComponent(of)}`}`)),
    drain: (id) => typed(ask('POST', node(id))),
    drainProgress: (id) => typed(ask('GET', node(id))),
    undrain: async (id) => void (await ask('DELETE', node(id))),
    forget: async (id) => void (await ask('DELETE', record(id))),
    transfer: (shard, to) => typed(ask('POST', `/cluster/shards/${shard}/transfer`, { node: to })),
    recovery: (shard) => typed(ask('GET', `/cluster/shards/${shard}/recovery`)),
    recoverUnclean: (shard, survivor) => typed(ask('POST', `/cluster/shards/${shard}/recovery`, { node: survivor })),
  };
}
