import { readFileSync } from 'node:fs';
import t from 'tap';
import type { ConfigOverrides } from '../../src/config.ts';
import { connect } from '../harness/client.ts';
import { startTestNode, type TestNode, until } from '../harness/node.ts';
import { type Family, parsePrometheus } from './prometheus.ts';
import { PROMISED, PROMISED_OF_CLUSTER } from './promised.ts';
import { fetched } from './rookery.ts';

const urlOf = (node: TestNode, path: string): string => `http://127.0.0.1:${node.node.port}${path}`;

async function scrape(node: TestNode): Promise<Map<string, Family>> {
  const { status, body } = await fetched(urlOf(node, '/metrics'));
  if (status !== 200) throw new Error(`${status}: ${body}`);
  return parsePrometheus(body);
}

/** One sample by its name and labels as they are written; NaN when it is not there. */
function figureOf(families: ReadonlyMap<string, Family>, sample: string): number {
  const name = sample.replace(/\{.*/, '');
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
  return family?.samples.get(sample) ?? Number.NaN;
}

t.test('every promised family is there, with its type and a line of help', async (t) => {
  const families = await scrape(await startTestNode(t));
  for (const [name, type] of Object.entries(PROMISED)) t.equal(families.get(name)?.type, type, name);
  for (const [name, { help }] of families) if (help === '') t.fail(`${name} has no help`);
  const own = [...families.keys()].filter((name) => name.startsWith('rookery_'));
  t.same(
    own.filter((name) => PROMISED[name] === undefined),
    [],
    'no family that nobody explains',
  );
  const engine = [...(families.get('rookery_rocksdb')?.samples.keys() ?? [])].join(' ');
  for (const property of ['memtableBytes', 'tableBytes', 'pendingCompactionBytes', 'backgroundErrors', 'writeStopped'])
    t.match(engine, `property="${property}"`);
});

t.test('docs/operating.md explains each of them, and names none that is not there', async (t) => {
  const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');
  const named = new Set([...page.matchAll(/\brookery_[a-z_]+/g)].map(([name]) => name));
  t.same(
    [...named].sort(),
    Object.keys({ ...PROMISED, ...PROMISED_OF_CLUSTER })
      .filter((name) => name.startsWith('rookery_'))
      .sort(),
  );
});

t.test('figures move when something happens', async (t) => {
  const node = await startTestNode(t, { limits: { depthMax: 8, connectionsPerAddressMax: 4 } });
  await node.users('juliet');
  const before = await scrape(node);
  const juliet = await node.online('juliet');
  const romeo = await node.online('romeo');
  romeo.send(`<message xmlns='jabber:client' to='juliet@localhost' type='chat' id='1'><body>hi</body></message>`);
  await juliet.expect('<body>hi');
  await node.settle(juliet, romeo);
  const during = await scrape(node);
  const moved = (sample: string): number => figureOf(during, sample) - (figureOf(before, sample) || 0);
  for (const [sample, by] of [
    ['rookery_connections', 2],
    ['rookery_connections_accepted_total{result="ok"}', 2],
    ['rookery_streams', 2],
    ['rookery_logins_total{event="success"}', 2],
    ['rookery_logins_total{event="bound"}', 2],
    ['rookery_stanzas_total{kind="message"}', 1],
    ['rookery_stanzas_total{kind="presence"}', 2],
    ['rookery_actors{kind="chat"}', 1],
    ['rookery_actors{kind="session"}', 1],
    ['rookery_turns_pending', 0],
    ['rookery_outbox_ops', 0],
    ['rookery_dead_letters_total{part="actors"}', 0],
    ['rookery_actor_crashes_total{part="actors"}', 0],
  ] as const)
    t.equal(moved(sample), by, sample);
  for (const sample of [
    'rookery_stanzas_total{kind="iq"}',
    'rookery_frames_total{direction="received"}',
    'rookery_frames_total{direction="sent"}',
    'rookery_commit_seconds_count',
    'rookery_commit_seconds_sum',
    'rookery_commit_ops_sum',
    'rookery_log_total{what="ops"}',
    'rookery_log_total{what="synced_writes"}',
    'rookery_log_total{what="bytes"}',
    'rookery_index_words_bytes',
    'rookery_overlay_bytes',
    'rookery_http_requests_total{status="2xx"}',
  ])
    t.ok(moved(sample) > 0, sample);
  for (const sample of ['rookery_log_writable', 'rookery_disk_free_bytes', 'rookery_journal_records'])
    t.ok(figureOf(during, sample) > 0, sample);
  t.ok(figureOf(during, 'rookery_mailbox_depth_max') > 0);
  t.ok(figureOf(during, 'rookery_rocksdb{property="memtableBytes"}') > 0);

  const open = [await node.connect(), await node.connect()];
  await t.rejects(node.connect(), /503/);
  await open[0]!.open();
  await open[0]!.plain('juliet', 'wrong');
  await open[1]!.open();
  await open[1]!.sendLast('<a><b></a>');
  await fetched(urlOf(node, '/nothing'));
  await juliet.close();
  await romeo.close();
  await open[0]!.cut();
  await until('the sockets to be gone', () => node.counts().connections === 0);
  await node.node.runtime.quiesce();
  const after = await scrape(node);
  for (const [sample, value] of [
    ['rookery_connections', 0],
    ['rookery_streams', 0],
    ['rookery_connections_refused_total{reason="connections-of-address"}', 1],
    ['rookery_stream_errors_total{condition="not-well-formed"}', 1],
    ['rookery_logins_total{event="failure"}', 1],
    ['rookery_http_requests_total{status="4xx"}', 1],
  ] as const)
    t.equal(figureOf(after, sample), value, sample);
});

t.test('histograms are cumulative, and end in everything that was observed', async (t) => {
  const node = await startTestNode(t);
  const juliet = await node.online('juliet');
  await node.settle(juliet);
  const families = await scrape(node);
  for (const name of ['rookery_commit_seconds', 'rookery_commit_ops']) {
    const samples = [...(families.get(name)?.samples ?? [])];
    const buckets = samples.filter(([sample]) => sample.startsWith(`${name}_bucket`));
    const counts = buckets.map(([, count]) => count);
    t.ok(
      counts.every((count, i) => i === 0 || count >= counts[i - 1]!),
      `${name} rises`,
    );
    t.match(buckets.at(-1)?.[0], 'le="+Inf"');
    t.equal(counts.at(-1), figureOf(families, `${name}_count`));
    t.ok((counts.at(-1) ?? 0) > 0);
  }
});

t.test('metrics.access says who may read', async (t) => {
  const remote = { 'x-forwarded-for': '203.0.113.7' };
  const table: [access: 'loopback' | 'everyone' | 'off', here: number, elsewhere: number][] = [
    ['loopback', 200, 403],
    ['everyone', 200, 200],
    ['off', 404, 404],
  ];
  for (const [access, here, elsewhere] of table) {
    const config: ConfigOverrides = { metrics: { access }, listen: { trustedProxies: ['127.0.0.1'] } };
    const node = await startTestNode(t, config);
    t.equal((await fetched(urlOf(node, '/metrics'))).status, here, `${access}, here`);
    t.equal((await fetched(urlOf(node, '/metrics'), remote)).status, elsewhere, `${access}, elsewhere`);
  }
});

t.test('/healthz and /readyz answer everyone, and readiness is a write that was read back', async (t) => {
  const node = await startTestNode(t);
  t.match(await fetched(urlOf(node, '/healthz'), { 'x-forwarded-for': '203.0.113.7' }), {
    status: 200,
    body: '{"status":"alive"}\n',
  });
  const writes = figureOf(await scrape(node), 'rookery_log_total{what="ops"}');
  t.match(await fetched(urlOf(node, '/readyz')), { status: 200, body: '{"status":"ready"}\n' });
  t.equal(figureOf(await scrape(node), 'rookery_log_total{what="ops"}'), writes + 1);
});

t.test('a stopping node is not ready and refuses sockets', async (t) => {
  const node = await startTestNode(t, { node: { drainMs: 60_000 } });
  const client = await connect(node.url);
  await client.open();
  client.ws.pause();
  const url = urlOf(node, '/readyz');
  const closing = node.node.close();
  await t.rejects(fetched(url), { code: 'ECONNREFUSED' });
  client.ws.resume();
  await closing;
  t.equal((await client.closed).code, 1001);
});
