import { type AdminApi, AdminError, type NodeStatus } from './admin.ts';
import { type ClusterAdmin, noCluster } from './admin-cluster.ts';

export const STATUS: NodeStatus = {
  node: 'node-1',
  version: '0.1.0',
  domain: 'localhost',
  pid: 42,
  startedMs: 1_700_000_000_000,
  ready: true,
  webUrl: 'http://127.0.0.1:5280/',
  webSocketUrls: ['ws://127.0.0.1:5280/xmpp-websocket', 'ws://127.0.0.1:5280/ws'],
  registration: 'loopback',
  figures: { connections: 12345, freeBytes: 1536 },
};

/** An admin API over a map of users and passwords. For tests. */
export function memoryAdmin(
  users = new Map<string, string>(),
  status: NodeStatus = STATUS,
  cluster: Partial<ClusterAdmin> = {},
): AdminApi {
  const known = (user: string) => {
    if (!users.has(user)) throw new AdminError('unknown-user', `there is no ${user}`);
  };
  return {
    addUser: async (user, password) => {
      if (users.has(user)) throw new AdminError('exists', `${user} exists already`);
      users.set(user, password);
    },
    setPassword: async (user, password) => {
      known(user);
      users.set(user, password);
    },
    removeUser: async (user) => {
      known(user);
      users.delete(user);
    },
    listUsers: async (limit) => [...users.keys()].slice(0, limit).map((user) => ({ user, createdMs: 0 })),
    status: async () => status,
    cluster: { ...noCluster(), ...cluster },
  };
}
