import t from 'tap';
import { Histogram, Metrics } from './metrics.ts';

const lines = async (metrics: Metrics) => (await metrics.text()).split('\n').filter((line) => line !== '');

t.test('counters and gauges appear in Prometheus text with help, type and labels', async (t) => {
  const metrics = new Metrics();
  const messages = metrics.counter('rookery_stanzas_total', 'Stanzas received', { kind: 'message' });
  const presence = metrics.counter('rookery_stanzas_total', 'Stanzas received', { kind: 'presence' });
  let depth = 3;
  metrics.gauge('rookery_queue_depth', 'Items waiting', () => depth);
  metrics.gauges('rookery_engine', 'RocksDB properties', 'property', () => ({ memtable_bytes: 10, files: 2 }));
  metrics.counters('rookery_dropped_total', 'Drops', 'reason', () => ({ full: 7 }));
  messages.n++;
  messages.n += 2;
  presence.n++;
  depth = 5;
  t.same(await lines(metrics), [
    '# HELP rookery_stanzas_total Stanzas received',
    '# TYPE rookery_stanzas_total counter',
    'rookery_stanzas_total{kind="message"} 3',
    'rookery_stanzas_total{kind="presence"} 1',
    '# HELP rookery_queue_depth Items waiting',
    '# TYPE rookery_queue_depth gauge',
    'rookery_queue_depth 5',
    '# HELP rookery_engine RocksDB properties',
    '# TYPE rookery_engine gauge',
    'rookery_engine{property="memtable_bytes"} 10',
    'rookery_engine{property="files"} 2',
    '# HELP rookery_dropped_total Drops',
    '# TYPE rookery_dropped_total counter',
    'rookery_dropped_total{reason="full"} 7',
  ]);
  t.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
});

t.test('a histogram counts a value into the first bucket whose bound is not below it, cumulatively', async (t) => {
  const metrics = new Metrics();
  const batch = metrics.histogram('rookery_batch_ops', 'Ops a batch', [1, 10, 100]);
  for (const value of [1, 2, 10, 11, 1000]) batch.observe(value);
  t.same(await lines(metrics), [
    '# HELP rookery_batch_ops Ops a batch',
    '# TYPE rookery_batch_ops histogram',
    'rookery_batch_ops_bucket{le="1"} 1',
    'rookery_batch_ops_bucket{le="10"} 3',
    'rookery_batch_ops_bucket{le="100"} 4',
    'rookery_batch_ops_bucket{le="+Inf"} 5',
    'rookery_batch_ops_sum 1024',
    'rookery_batch_ops_count 5',
  ]);
});

t.test('falling buckets, or one name for two types, are mistakes', async (t) => {
  t.throws(() => new Histogram([1, 1]), { name: 'InvariantError' });
  const metrics = new Metrics();
  metrics.counter('x_total', 'x');
  t.throws(() => metrics.gauge('x_total', 'x', () => 1), { message: 'metric x_total is a counter, not a gauge' });
});

t.test('a snapshot is taken once before each scrape', async (t) => {
  const metrics = new Metrics();
  let taken = 0;
  metrics.collect(() => taken++);
  metrics.gauge('a', 'a', () => taken);
  metrics.gauge('b', 'b', () => taken);
  await metrics.text();
  t.match(await lines(metrics), ['# HELP a a', '# TYPE a gauge', 'a 2', '# HELP b b', '# TYPE b gauge', 'b 2']);
});

t.test("Node's own figures and the event loop's lag are there on request", async (t) => {
  const metrics = new Metrics();
  metrics.addProcessMetrics(20);
  const text = await metrics.text();
  for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds'])
    t.match(text, new RegExp(`^${name} `, 'm'));
});
