import type { Metrics } from './base/metrics.ts';
import { lastIdx } from './cluster/replica-log.ts';
import { hasMember } from './cluster/shard-config.ts';
import { SHARD_STATES } from './http/admin-cluster.ts';
import { type ClusterView, statusOf } from './node-admin-view.ts';
import type { ClusterCore } from './node-cluster.ts';
import type { NatsBusStats } from './transport/bus-nats.ts';
import type { NatsConfigStore } from './transport/config-store-nats.ts';
import type { NatsLink } from './transport/nats-link.ts';

/** What the parts of a cluster's node count. */
export interface ClusterStats {
  readonly bus: NatsBusStats;
  readonly links: Readonly<Record<'traffic' | 'bulk', Pick<NatsLink, 'connected' | 'stats'>>>;
  readonly configs: NatsConfigStore['stats'];
  /** shards that were seen to get another leader than the last one known */
  readonly leaderChanges: number;
}

type Counted = Pick<ClusterCore, 'stats'> & {
  readonly host: Pick<ClusterCore['host'], 'replica' | 'stats' | 'copied'>;
  readonly nodes: Pick<ClusterCore['nodes'], 'stats'>;
};

/**
 * What /metrics tells of a node of a cluster: its own share in numbers, and the cluster as it sees it. One look at all
 * shards a scrape, about 1 ms for 1,024.
 * @param view the cluster as this node sees it, taken anew at each call
 */
export function registerClusterMetrics(
  metrics: Metrics,
  cluster: Counted,
  view: () => ClusterView,
  shards: number,
): void {
  let seen = statusOf(view());
  let own = lookAt(cluster.host, shards);
  metrics.collect(() => {
    seen = statusOf(view());
    own = lookAt(cluster.host, shards);
  });
  metrics.gauge('rookery_shards_led', 'Shards that this node leads, ready to write', () => own.led);
  metrics.gauge('rookery_shard_copies', 'Shards that this node has a copy of', () => seen.copies);
  metrics.gauge('rookery_shard_copies_in_sync', 'Copies of this node that commits wait for', () => seen.inSync);
  metrics.gauge(
    'rookery_replication_lag_entries_max',
    'Entries that the slowest in-sync follower of a shard led here has not acknowledged',
    () => own.lagMax,
  );
  metrics.gauges('rookery_cluster_shards', 'Shards of the cluster by state, as this node sees them', 'state', () =>
    Object.fromEntries(SHARD_STATES.map((state) => [state, seen.shards[state] ?? 0])),
  );
  metrics.gauges('rookery_cluster_nodes', 'Nodes of the cluster by state, as this node sees them', 'state', () => ({
    ...seen.nodes,
  }));
  metrics.counters('rookery_leader_changes_total', 'Shards that got another leader', 'part', () => ({
    cluster: cluster.stats().leaderChanges,
  }));
  metrics.counters('rookery_shard_alarms_total', 'Alarms of copies on this node', 'part', () => ({
    shards: cluster.host.stats.alarms,
  }));
  metrics.counters('rookery_planner_moves_total', 'Moves that this node has planned', 'part', () => ({
    planner: cluster.nodes.stats.moves,
  }));
  metrics.counters('rookery_shard_snapshots_total', 'Whole copies of shards, by what came of them', 'result', () => {
    const { given, taken, failed } = cluster.host.copied;
    return { given, taken, failed };
  });
  metrics.counters('rookery_shard_snapshot_bytes_total', 'Bytes of copies given to other nodes', 'direction', () => ({
    given: cluster.host.copied.bytes,
  }));
  registerTraffic(metrics, cluster);
}

function registerTraffic(metrics: Metrics, cluster: Counted): void {
  const { stats } = cluster;
  metrics.counters('rookery_bus_envelopes_total', 'Envelopes between nodes', 'direction', () => {
    const { sent, received } = stats().bus;
    return { sent: sent.traffic.envelopes + sent.bulk.envelopes, received: received.envelopes };
  });
  metrics.counters('rookery_bus_bytes_total', 'Bytes between nodes', 'direction', () => {
    const { sent, received } = stats().bus;
    return { sent: sent.traffic.bytes + sent.bulk.bytes, received: received.bytes };
  });
  metrics.counters('rookery_bus_dropped_total', 'Envelopes and messages not taken, by reason', 'reason', () => {
    const { sent, refused, receiverFaults, assembliesDropped } = stats().bus;
    const dropped = (reason: keyof typeof sent.traffic.dropped): number =>
      sent.traffic.dropped[reason] + sent.bulk.dropped[reason];
    return {
      disconnected: dropped('disconnected'),
      pending: dropped('pending'),
      unsendable: dropped('unsendable') + dropped('unaddressable'),
      refused: refused.version + refused.cluster + refused.malformed,
      incomplete: assembliesDropped,
      fault: receiverFaults,
    };
  });
  metrics.gauge('rookery_bus_pending_bytes', 'Bytes on their way to NATS', () => stats().bus.pendingBytes);
  metrics.gauges('rookery_nats_connected', '1 while the connection to NATS is there', 'connection', () => ({
    traffic: stats().links.traffic.connected ? 1 : 0,
    bulk: stats().links.bulk.connected ? 1 : 0,
  }));
  metrics.counters('rookery_nats_reconnects_total', 'Times a NATS connection came back', 'connection', () => ({
    traffic: stats().links.traffic.stats.connected - 1,
    bulk: stats().links.bulk.stats.connected - 1,
  }));
  metrics.counters('rookery_config_writes_total', 'Compare-and-sets of this node, by outcome', 'result', () => {
    const { won, refused, unknown, unavailable } = stats().configs;
    return { won, refused, unknown, unavailable };
  });
}

function lookAt(host: Counted['host'], shards: number): { readonly led: number; readonly lagMax: number } {
  let led = 0;
  let lagMax = 0;
  for (let shard = 0; shard < shards; shard++) {
    const replica = host.replica(shard);
    if (replica?.role.t !== 'leading' || !replica.role.ready) continue;
    led += 1;
    const last = lastIdx(replica.log);
    for (const { member, match } of replica.role.progress)
      if (hasMember(replica.config?.record.isr ?? [], member)) lagMax = Math.max(lagMax, last - match);
  }
  return { led, lagMax };
}
