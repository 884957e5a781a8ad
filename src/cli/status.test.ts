import t, { type Test } from 'tap';
import { EXIT } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { memoryAdmin, STATUS } from '../http/admin.fixture.ts';
import type { NodeStatus } from '../http/admin.ts';
import { startAdminServer } from '../http/admin-server.ts';
import { adminSocketPath } from '../http/admin-socket.ts';
import { TestIo } from './io.fixture.ts';
import { run } from './run.ts';
import { statusTable } from './status.ts';

async function running(t: Test, status: NodeStatus) {
  const folder = t.testdir({});
  const api = memoryAdmin(new Map(), status);
  const server = await startAdminServer({ socketPath: adminSocketPath(folder), api, log: silentLog() });
  t.teardown(() => server.close());
  return new TestIo({ env: { ROOKERY_DATA_DIR: folder } });
}

t.test('status is a table for people', async (t) => {
  t.equal(
    statusTable(STATUS, STATUS.startedMs + 93_784_000),
    `node          node-1, Rookery 0.1.0, process 42
state         ready
up            1 d 2 h
domain        localhost
web client    http://127.0.0.1:5280/
WebSocket     ws://127.0.0.1:5280/xmpp-websocket
              ws://127.0.0.1:5280/ws
registration  loopback
connections   12,345
free          1.5 KiB
`,
  );
});

t.test('in a cluster it tells of nodes and shards, and which of them are not as they should be', async (t) => {
  const cluster = {
    name: 'east',
    nodes: { up: 2, draining: 0, left: 0, silent: 1 },
    shards: { healthy: 1000, stalled: 24 },
    leads: 512,
    copies: 1024,
    inSync: 1000,
    planner: 'node-1',
  };
  const text = statusTable({ ...STATUS, cluster }, STATUS.startedMs);
  t.match(text, /^cluster +east: 2 up, 1 silent; node-1 plans$/m);
  t.match(text, /^shards +1,000 healthy, 24 stalled$/m);
  t.match(text, /^of this node +leads 512, has 1,024 copies, 1,000 of them in sync$/m);
});

t.test('status is JSON for scripts', async (t) => {
  const io = await running(t, STATUS);
  t.equal(await run(['status', '--json'], io), EXIT.ok);
  t.same(JSON.parse(io.out), STATUS);
});

t.test('a node that is not ready gives its reason and exit code 1', async (t) => {
  const io = await running(t, { ...STATUS, ready: false, reason: 'disk full' });
  t.equal(await run(['status'], io), EXIT.failure);
  t.match(io.out, /state +not ready: disk full/);
  t.equal(io.err, 'rookery: not ready: disk full\n');
});

t.test('no node is one line and exit code 5', async (t) => {
  const folder = t.testdir({});
  const io = new TestIo();
  t.equal(await run(['status', '-d', folder], io), EXIT.notRunning);
  t.equal(io.err, `rookery: no node runs on ${folder}; rookery start starts one\n`);
});
