import t from 'tap';
import { EXIT } from '../base/errors.ts';
import { AdminError } from '../http/admin.ts';
import { clusterIo } from './cluster.fixture.ts';
import { run } from './run.ts';

t.test('a leadership is handed over, and who leads now is told', async (t) => {
  const transfer = async (shard: number, leader: string) => ({ shard, leader, epoch: 12 });
  const world = await clusterIo(t, { transfer });
  const io = world();
  t.equal(await run(['transfer', '7', 'node-2'], io), EXIT.ok);
  t.equal(io.err, 'node-2 leads shard 7, epoch 12\n');
  const json = world();
  t.equal(await run(['transfer', '7', 'node-2', '--json'], json), EXIT.ok);
  t.same(JSON.parse(json.out), { shard: 7, leader: 'node-2', epoch: 12 });
});

t.test('a refusal is one line with the reason', async (t) => {
  const transfer = () => Promise.reject(new AdminError('refused', 'shard 7: the node is not in sync with it'));
  const io = (await clusterIo(t, { transfer }))();
  t.equal(await run(['transfer', '7', 'node-2'], io), EXIT.refused);
  t.equal(io.err, 'rookery: shard 7: the node is not in sync with it\n');
});
