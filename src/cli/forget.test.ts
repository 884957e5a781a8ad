import t from 'tap';
import { EXIT } from '../base/errors.ts';
import { AdminError } from '../http/admin.ts';
import { clusterIo } from './cluster.fixture.ts';
import { run } from './run.ts';

t.test('a node that is gone is forgotten', async (t) => {
  const asked: string[] = [];
  const world = await clusterIo(t, { forget: async (node) => void asked.push(node) });
  const io = world();
  t.equal(await run(['forget', 'node-3'], io), EXIT.ok);
  t.equal(io.err, 'node-3 is forgotten\n');
  t.equal(io.out, '');
  const json = world();
  t.equal(await run(['forget', 'node-3', '--json'], json), EXIT.ok);
  t.same(JSON.parse(json.out), { node: 'node-3', forgotten: true });
  t.same(asked, ['node-3', 'node-3']);
});

t.test('why it is not is said, with exit code 6', async (t) => {
  const refuse = () => Promise.reject(new AdminError('refused', 'node-3 runs: stop it first'));
  const io = (await clusterIo(t, { forget: refuse }))();
  t.equal(await run(['forget', 'node-3'], io), EXIT.refused);
  t.equal(io.err, 'rookery: node-3 runs: stop it first\n');
});
