import type { Test } from 'tap';
import { silentLog } from '../base/log.ts';
import { memoryAdmin, STATUS } from '../http/admin.fixture.ts';
import type { ClusterAdmin, ClusterNode } from '../http/admin-cluster.ts';
import { startAdminServer } from '../http/admin-server.ts';
import { adminSocketPath } from '../http/admin-socket.ts';
import { TestIo } from './io.fixture.ts';

/** The world of commands that ask a node of a cluster over its real socket. For tests. */
export async function clusterIo(t: Test, cluster: Partial<ClusterAdmin>): Promise<(terminal?: boolean) => TestIo> {
  const folder = t.testdir({});
  const api = memoryAdmin(new Map(), STATUS, cluster);
  const server = await startAdminServer({ socketPath: adminSocketPath(folder), api, log: silentLog() });
  t.teardown(() => server.close());
  return (terminal = false) => new TestIo({ env: { ROOKERY_DATA_DIR: folder }, terminal });
}

export function nodeOf(node: string, change: Partial<ClusterNode> = {}): ClusterNode {
  const counts = { leads: 0, copies: 0, inSync: 0, suspectedForMs: 0, gone: false, planner: false, self: false };
  return { node, inc: `${node}-inc`, zone: 'zone-1', version: '0.1.0', state: 'up', since: 0, ...counts, ...change };
}
