import t from 'tap';
import { type Counters, EdgeCounters, ratesOf, sampleOf } from './counters.ts';

const zero: Counters = {
  diskBytes: 0,
  natsDiskBytes: 0,
  ops: 0,
  journalBytes: 0,
  syncs: 0,
  publishedMessages: 0,
  publishedBytes: 0,
  deliveredBytes: 0,
  sentBytes: 0,
};

t.test('a sample of Prometheus text is found by its whole name', async (t) => {
  const text = '# HELP x_total x\nx_total{what="ops"} 12\nx_total{what="bytes"} 3.5e3\nx_total_more 9\n';
  t.equal(sampleOf(text, 'x_total{what="ops"}'), 12);
  t.equal(sampleOf(text, 'x_total{what="bytes"}'), 3_500);
  t.equal(sampleOf(text, 'x_total'), 0);
});

t.test('counters become rates', async (t) => {
  const rates = ratesOf({ ...zero, ops: 100 }, { ...zero, ops: 300, syncs: 10 }, 2);
  t.match(rates, { ops: 100, syncs: 5, journalBytes: 0 });
});

t.test('what a stretch counted is told by operation, and that of NATS only where there is one', async (t) => {
  let n = 0;
  const counters = new EdgeCounters(async () => ({
    ...zero,
    ops: 1_000 * n++,
    syncs: n * 50,
    publishedBytes: 4_000 * n,
  }));
  t.same(counters.extra({ perSecond: 1 }, 1, 3), {}, 'nothing before the second edge');
  await counters.edge('start');
  await new Promise((resolve) => setTimeout(resolve, 5));
  await counters.edge('stop');
  const alone = counters.extra({ perSecond: 10 }, 2, 0);
  t.notOk(Object.keys(alone).some((name) => name.includes('NATS')));
  const cluster = counters.extra({ perSecond: 10 }, 2, 3);
  const ops = cluster['log ops per message, all copies']!;
  t.ok(ops > 0);
  t.ok(Math.abs(cluster['bytes published to NATS per message']! / ops - 4) < 1e-6, 'the same time under both');
  t.ok(
    Math.abs(cluster['synced writes per second and node']! / ops - 0.25) < 1e-6,
    'per second and node, not per operation',
  );
});
