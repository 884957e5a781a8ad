import t from 'tap';
import { healthz, type Readiness, readyz } from './health.ts';
import { requestTo } from './request.fixture.ts';

const ask = requestTo('/readyz');

t.test('healthz says that the process is alive, and is never cached', async (t) => {
  t.match(await healthz(requestTo('/healthz')), {
    status: 200,
    body: /alive/,
    headers: { 'cache-control': 'no-store' },
  });
});

t.test('readyz answers 200 when ready, else 503 with the reason', async (t) => {
  const table: [check: () => Promise<Readiness>, status: number, body: RegExp][] = [
    [async () => ({ ready: true }), 200, /"ready"/],
    [async () => ({ ready: false, reason: 'disk full' }), 503, /disk full/],
    [() => Promise.reject(new Error('closed')), 503, /closed/],
    [() => new Promise(() => {}), 503, /no answer within 5 ms/],
  ];
  for (const [check, status, body] of table) t.match(await readyz(check, 5)(ask), { status, body });
});

t.test('questions asked at once share one check, later ones ask again', async (t) => {
  let checks = 0;
  const route = readyz(async () => {
    checks++;
    return { ready: true };
  }, 1000);
  await Promise.all([route(ask), route(ask), route(ask)]);
  t.equal(checks, 1);
  await route(ask);
  t.equal(checks, 2);
});
