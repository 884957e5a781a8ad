import type { Runtime } from './actors/runtime.ts';
import { shortId } from './base/ids.ts';
import { randomBytes } from './base/random.ts';
import type { NodeRecord } from './cluster/membership.ts';
import { type Member, sameMember } from './cluster/shard-config.ts';
import type { Readiness } from './http/health.ts';
import type { ClusterCore } from './node-cluster.ts';
import type { LogStore } from './storage/log-store.ts';
import type { ConfigStore } from './transport/config-store.ts';

/** Rows of the node itself, in shard 0. */
const SECRET_ROW = 'cluster-secret';
const READY_ROW = 'ready-check';
const SECRET_KEY = 'secret';
const SECRET_BYTES = 32;

/** From it come the salts of users who do not exist: it has to outlive restarts (sasl-mechanism.ts). Made once. */
export async function nodeSecret(store: LogStore, runtime: Runtime): Promise<Uint8Array> {
  const found = store.get(0, SECRET_ROW) as Uint8Array | undefined;
  if (found !== undefined) return found;
  const secret = Uint8Array.from(randomBytes(SECRET_BYTES));
  await runtime.write(0, [{ t: 'put', key: SECRET_ROW, value: secret }]);
  return secret;
}

/** The same for all nodes of a cluster, or the salts would tell by the node one asks which users exist. */
export async function clusterSecret(configs: ConfigStore): Promise<Uint8Array> {
  const found = (await configs.get(SECRET_KEY))?.value;
  if (found !== undefined) return Uint8Array.from(found as Uint8Array);
  const secret = Uint8Array.from(randomBytes(SECRET_BYTES));
  const result = await configs.cas(SECRET_KEY, secret, 0).catch(() => ({ ok: false }) as const);
  return result.ok ? secret : clusterSecret(configs);
}

/** What readiness asks of a cluster. */
export type ReadyCluster = Pick<ClusterCore, 'self' | 'order'> & {
  readonly host: Pick<ClusterCore['host'], 'config'>;
  readonly nodes: { readonly self: Pick<NodeRecord, 'state'> };
};

/** Leaders asked at once by a node that leads nothing; the first answer counts. */
const LEADERS_ASKED_MAX = 3;

/**
 * /readyz: a row goes through the log to the disk (in a cluster, to the others' too) and is read back. A node of a cluster
 * that leads nothing (it has just joined) serves clients by way of others: one of them has to answer. One that is being
 * drained shall get no new clients.
 */
export async function isReady(
  store: LogStore,
  runtime: Runtime,
  shards: number,
  cluster?: ReadyCluster,
): Promise<Readiness> {
  if (cluster?.nodes.self.state === 'draining') return { ready: false, reason: 'this node is being drained' };
  if (!store.writable) return { ready: false, reason: 'the storage accepts no writes (disk full, or failed)' };
  let shard = 0;
  while (shard < shards && !runtime.leads(shard)) shard++;
  if (shard === shards) return reachesLeader(shards, cluster);
  const value = shortId();
  try {
    await runtime.write(shard, [{ t: 'put', key: READY_ROW, value }]);
  } catch (error) {
    return { ready: false, reason: (error as Error).message };
  }
  // A check that ran at the same time may have written after this one: any value shows that the log is read back.
  return typeof store.get(shard, READY_ROW) === 'string'
    ? { ready: true }
    : { ready: false, reason: 'what was written could not be read back' };
}

async function reachesLeader(shards: number, cluster: ReadyCluster | undefined): Promise<Readiness> {
  const leaders = new Map<string, { readonly member: Member; readonly shard: number }>();
  for (let shard = 0; cluster !== undefined && shard < shards && leaders.size < LEADERS_ASKED_MAX; shard++) {
    const member = cluster.host.config(shard)?.leader;
    if (member !== undefined && !sameMember(member, cluster.self)) leaders.set(member.node, { member, shard });
  }
  if (cluster === undefined || leaders.size === 0) return { ready: false, reason: 'this node leads no shard' };
  try {
    await Promise.any([...leaders.values()].map(({ member, shard }) => cluster.order(member, { t: 'copy', shard })));
    return { ready: true };
  } catch {
    return {
      ready: false,
      reason: `this node leads no shard, and no answer came from ${[...leaders.keys()].join(', ')}`,
    };
  }
}
