import t from 'tap';
import { EXIT } from '../base/errors.ts';
import { clusterIo, nodeOf } from './cluster.fixture.ts';
import { TestIo } from './io.fixture.ts';
import { nodesTable } from './nodes.ts';
import { run } from './run.ts';

const NODES = [
  nodeOf('node-1', { leads: 341, copies: 1024, inSync: 1024, planner: true, self: true }),
  nodeOf('node-2', { suspectedForMs: 65_000, copies: 700, inSync: 2, zone: 'b' }),
  nodeOf('node-3', { state: 'left', since: 3_600_000, suspectedForMs: 9_000 }),
  nodeOf('node-4', { state: 'draining', suspectedForMs: 5_000, since: 1 }),
  nodeOf('node-5', { state: 'left', since: 3_600_000, suspectedForMs: 99_000, gone: true }),
];

t.test('nodes are a table for people: who is silent is seen, whatever its record says', async (t) => {
  t.equal(
    nodesTable(NODES, 7_200_000),
    `NODE    ZONE    VERSION  STATE   FOR         LEADS  COPIES  IN SYNC  REMARKS         INCARNATION
node-1  zone-1  0.1.0    up      2 h 0 min   341    1024    1024     planner, asked  node-1-inc
node-2  b       0.1.0    silent  1 min 5 s   0      700     2        -               node-2-inc
node-3  zone-1  0.1.0    left    1 h 0 min   0      0       0        -               node-3-inc
node-4  zone-1  0.1.0    silent  5 s         0      0       0        draining        node-4-inc
node-5  zone-1  0.1.0    gone    1 min 39 s  0      0       0        left            node-5-inc
`,
  );
});

t.test('nodes are JSON for scripts', async (t) => {
  const io = (await clusterIo(t, { nodes: async () => NODES }))();
  t.equal(await run(['nodes', '--json'], io), EXIT.ok);
  t.same(JSON.parse(io.out), NODES);
});

t.test('a node that is alone says so, with exit code 6', async (t) => {
  const world = await clusterIo(t, {});
  for (const args of [
    ['nodes'],
    ['shards'],
    ['drain', 'x'],
    ['forget', 'x'],
    ['transfer', '1', 'x'],
    ['recover', '1'],
  ]) {
    const io = world();
    t.equal(await run(args, io), EXIT.refused, args.join(' '));
    t.match(io.err, /^rookery: this node is alone: no cluster\.name is set/);
    t.equal(io.out, '');
  }
});

t.test('where no node runs, exit code 5 says so', async (t) => {
  const io = new TestIo({ env: { ROOKERY_DATA_DIR: t.testdir({}) } });
  t.equal(await run(['nodes'], io), EXIT.notRunning);
});
