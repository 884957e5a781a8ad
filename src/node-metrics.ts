import type { Runtime } from './actors/runtime.ts';
import { type Metrics, SECONDS_BUCKETS, SIZE_BUCKETS } from './base/metrics.ts';
import type { LogStore } from './storage/log-store.ts';
import type { LoginEvent } from './transport/backend.ts';
import type { Listener } from './transport/listener.ts';
import { VERSION } from './version.ts';

interface Parts {
  readonly store: LogStore;
  readonly runtime: Runtime;
  readonly listener: Listener;
}

/** What /metrics tells of the parts of a node; each part counts in plain numbers, which are read here at scrape time. */
export function registerNodeMetrics(metrics: Metrics, parts: Parts & { readonly lagResolutionMs: number }): void {
  const { store, runtime, listener } = parts;
  metrics.addProcessMetrics(parts.lagResolutionMs);
  metrics.gauges('rookery_info', 'Always 1; the label says what runs', 'version', () => ({ [VERSION]: 1 }));
  const net = (): ReturnType<Listener['stats']> => listener.stats();
  metrics.gauge('rookery_connections', 'Open client sockets', () => net().connections);
  metrics.counters('rookery_connections_accepted_total', 'Sockets accepted', 'result', () => ({ ok: net().accepted }));
  metrics.counters('rookery_connections_refused_total', 'Sockets refused, by reason', 'reason', () => net().refused);
  metrics.gauge('rookery_socket_queue_bytes', 'Bytes waiting for slow readers', () => net().queuedBytes);
  metrics.counters('rookery_frames_total', 'Frames received and sent', 'direction', () => net().frames);
  metrics.counters(
    'rookery_stream_errors_total',
    'Sockets ended by the server, by condition',
    'condition',
    () => net().ended,
  );

  metrics.gauges('rookery_actors', 'Actors in memory', 'kind', () => {
    const { sessions, chats } = runtime.stats();
    return { session: sessions, chat: chats };
  });
  metrics.gauge('rookery_streams', 'Bound streams, connected or resumable', () => runtime.stats().streams);
  metrics.counters('rookery_stanzas_total', 'Stanzas of clients, by kind', 'kind', () => runtime.stats().stanzas);
  metrics.counters('rookery_dead_letters_total', 'Messages to full or stopped mailboxes', 'part', () => ({
    actors: runtime.stats().actors.deadLetters,
  }));
  metrics.counters('rookery_actor_crashes_total', 'Actors reset after a crash', 'part', () => ({
    actors: runtime.stats().actors.crashes,
  }));
  metrics.counters('rookery_too_many_rows_total', 'Actors loaded with more rows than limits allow', 'kind', () => ({
    session: runtime.stats().tooManyRows,
  }));
  metrics.gauge(
    'rookery_mailbox_depth_max',
    'Deepest mailbox since the start',
    () => runtime.stats().actors.mailboxDepthMax,
  );
  metrics.gauge('rookery_index_words_bytes', 'Words kept for the next rows of full-text indexes', () => {
    return runtime.stats().indexWordsBytes;
  });
  metrics.gauge('rookery_turns_pending', 'Turns that wait for the log', () => runtime.stats().pipeline.pending);
  metrics.gauge('rookery_outbox_ops', 'Committed ops not yet delivered everywhere', () => runtime.stats().outbox);
  metrics.counters('rookery_outbox_resent_total', 'Outbox items sent again', 'part', () => ({
    outbox: runtime.stats().resent,
  }));

  const latency = metrics.histogram(
    'rookery_commit_seconds',
    'From the first op of a tick to its commit',
    SECONDS_BUCKETS,
  );
  const batch = metrics.histogram('rookery_commit_ops', 'Ops in a tick', SIZE_BUCKETS);
  runtime.pipeline.stats.onTick = (latencyMs, ops) => {
    latency.observe(latencyMs / 1000);
    batch.observe(ops);
  };
  metrics.counters('rookery_log_total', 'What the log did', 'what', () => {
    const { opsAppended, batches, bytesAppended, folds } = store.stats();
    return { ops: opsAppended, synced_writes: batches, bytes: bytesAppended, folds };
  });
  metrics.counters('rookery_log_failures_total', 'Ticks the disk refused', 'part', () => ({
    pipeline: runtime.stats().pipeline.failures,
  }));
  metrics.gauge('rookery_log_writable', '1 while the log accepts writes', () => (store.writable ? 1 : 0));
  metrics.gauge('rookery_journal_records', 'Journal records on disk', () => store.stats().journalRecords);
  metrics.gauge(
    'rookery_overlay_bytes',
    'Committed writes in memory, not yet folded',
    () => store.stats().overlayBytes,
  );
  metrics.gauge('rookery_disk_free_bytes', 'Free bytes of the data folder', () => store.stats().freeBytes);
  metrics.gauges('rookery_rocksdb', 'Properties of RocksDB', 'property', () => store.stats().engine);
}

/** Counts what happens at the door: logins that succeeded and failed, accounts made, streams bound and resumed. */
export function countLogins(metrics: Metrics): (event: LoginEvent) => void {
  const counts: Record<LoginEvent['t'], number> = { success: 0, failure: 0, registered: 0, bound: 0, resumed: 0 };
  metrics.counters('rookery_logins_total', 'What came of logins', 'event', () => counts);
  return ({ t }) => {
    counts[t] += 1;
  };
}

/** What `rookery status` shows. */
export function statusFigures({ store, runtime, listener }: Parts): Record<string, number> {
  const stats = runtime.stats();
  const log = store.stats();
  return {
    connections: listener.stats().connections,
    streams: stats.streams,
    sessions: stats.sessions,
    chats: stats.chats,
    opsCommitted: stats.pipeline.ops,
    turnsPending: stats.pipeline.pending,
    outbox: stats.outbox,
    deadLetters: stats.actors.deadLetters,
    overlayBytes: log.overlayBytes,
    diskFreeBytes: log.freeBytes,
  };
}
