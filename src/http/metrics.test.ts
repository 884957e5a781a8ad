import t from 'tap';
import { Metrics } from '../base/metrics.ts';
import { metricsRoute } from './metrics.ts';
import { requestTo } from './request.fixture.ts';

t.test('metrics are read by whom the configuration allows', async (t) => {
  const metrics = new Metrics();
  metrics.counter('rookery_x_total', 'x').n = 4;
  const table: [access: 'loopback' | 'everyone' | 'off', loopback: boolean, status: number][] = [
    ['loopback', true, 200],
    ['loopback', false, 403],
    ['everyone', false, 200],
    ['off', true, 404],
  ];
  for (const [access, loopback, status] of table) {
    const reply = await metricsRoute(metrics, access)(requestTo('/metrics', { loopback }));
    t.equal(reply.status, status, `${access} ${loopback}`);
    if (status === 200)
      t.match(reply, { body: /rookery_x_total 4/, headers: { 'content-type': /^text\/plain; version/ } });
  }
});
