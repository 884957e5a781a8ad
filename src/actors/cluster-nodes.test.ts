import t, { type Test } from 'tap';
import { ManualClock } from '../base/clock.ts';
import { detectorDefaults, FaultDetector } from '../cluster/fault-detector.ts';
import type { NodeRecord } from '../cluster/membership.ts';
import { plannerDefaults } from '../cluster/planner.ts';
import { type MemoryConfigHub, memoryConfigHub } from '../transport/config-store-memory.ts';
import { ClusterNodes, clusterNodesDefaults } from './cluster-nodes.ts';

const recordOf = (node: string, inc = 'a'): NodeRecord => ({
  v: 1,
  node,
  inc,
  zone: 'z',
  version: '0.1.0',
  address: undefined,
  state: 'up',
  since: 5,
});

async function started(
  t: Test,
  hub: MemoryConfigHub,
  node: string,
  { clock = new ManualClock(), seen = [] as string[], mayWarn = false } = {},
): Promise<ClusterNodes> {
  const nodes = new ClusterNodes(
    {
      record: recordOf(node),
      shards: 1,
      configs: hub.connect(),
      detector: new FaultDetector({ node, inc: 'a' }, detectorDefaults, clock.monotonic()),
      clock,
      newNonce: () => 'nonce',
      config: () => undefined,
      peersChanged: () => {},
      nodeGone: () => {},
      request: () => {},
      warn: (fault, details) => (mayWarn ? seen.push(`${fault} ${JSON.stringify(details)}`) : t.fail(fault)),
      info: (fact, { of, state }) => seen.push(`${fact}: ${of} ${state}`),
    },
    { ...clusterNodesDefaults, planner: plannerDefaults, bootstrapNodes: 3, heartbeatMs: 250 },
  );
  t.teardown(() => nodes.close());
  await nodes.start();
  return nodes;
}

t.test('a record is deleted for the life of the node that it names, and no other', async (t) => {
  const hub = memoryConfigHub();
  const n1 = await started(t, hub, 'n1');
  const store = hub.connect();
  await store.cas('node.n2', recordOf('n2', 'b'), 0);
  t.ok(n1.record('n2'));
  t.notOk(await n1.forget({ node: 'n2', inc: 'a' }), 'it has come back with another folder');
  t.ok(n1.record('n2'));
  t.ok(await n1.forget({ node: 'n2', inc: 'b' }));
  t.equal(n1.record('n2'), undefined);
  t.equal(await store.get('node.n2'), undefined);
  t.notOk(await n1.forget({ node: 'n2', inc: 'b' }), 'somebody was first');
});

t.test('who runs and was taken for gone writes its record anew', async (t) => {
  const hub = memoryConfigHub();
  const [n1, n2] = [await started(t, hub, 'n1'), await started(t, hub, 'n2')];
  t.ok(await n1.forget({ node: 'n2', inc: 'a' }));
  await new Promise((resolve) => setImmediate(resolve));
  t.match((await hub.connect().get('node.n2'))?.value, { node: 'n2', state: 'up' });
  t.ok(n1.record('n2'));
  t.ok(n2.record('n2'));
  await n2.announce('draining');
  t.match(n1.record('n2'), { state: 'draining' }, 'and goes on from it');
  await n2.announce('left');
  t.ok(await n1.forget({ node: 'n2', inc: 'a' }));
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(await hub.connect().get('node.n2'), undefined, 'who has left stays forgotten');
});

t.test('a node that is started again takes part again, whatever it said last', async (t) => {
  for (const state of ['left', 'draining'] as const) {
    const hub = memoryConfigHub();
    await hub.connect().cas('node.n1', { ...recordOf('n1'), state, version: '0.0.9', zone: 'old' }, 0);
    const n1 = await started(t, hub, 'n1');
    const now = { state: 'up', version: '0.1.0', zone: 'z' };
    t.match(n1.self, now, state);
    t.match((await hub.connect().get('node.n1'))?.value, now);
    await n1.setState('n1', 'draining');
    t.match(n1.record('n1'), { state: 'draining' }, 'and can be drained again');
  }
});

t.test('the log hears who comes, leaves and falls silent, each once, and nothing of who is expected to', async (t) => {
  const hub = memoryConfigHub();
  const clock = new ManualClock();
  const seen: string[] = [];
  await started(t, hub, 'n1', { clock, seen, mayWarn: true });
  const store = hub.connect();
  await store.cas('node.n2', recordOf('n2'), 0);
  const { revision } = (await store.cas('node.n3', recordOf('n3'), 0)) as { revision: number };
  await store.cas('node.n3', { ...recordOf('n3'), state: 'left' }, revision);
  t.same(seen.splice(0), [
    'a node says what it is: n1 up',
    'a node says what it is: n2 up',
    'a node says what it is: n3 up',
    'a node says what it is: n3 left',
  ]);
  clock.advance(3 * detectorDefaults.graceMs);
  t.same(seen, ['a node is silent {"silent":"n2"}']);
});
