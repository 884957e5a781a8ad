import { NODE_PREFIX } from './actors/cluster-nodes.ts';
import { shardKey } from './actors/shard-host.ts';
import { EXIT, ExitError } from './base/errors.ts';
import type { NodeRecord } from './cluster/membership.ts';
import type { Member } from './cluster/shard-config.ts';
import type { Config } from './config.ts';
import type { ReplicatedLogStore } from './storage/replicated-store.ts';
import type { ConfigStore } from './transport/config-store.ts';

type Settings = {
  readonly cluster: Pick<Config['cluster'], 'name'>;
  readonly node: Pick<Config['node'], 'dataDir'>;
};

/**
 * A folder with data that was no member of this cluster can only begin one: copies of shards that the cluster has
 * already would replace what is in it.
 * @throws ExitError (clusterRefused) when the cluster has shards; ConfigStoreUnavailableError
 */
export async function mustBeNew(configs: Pick<ConfigStore, 'get'>, { cluster, node }: Settings): Promise<void> {
  if ((await configs.get(shardKey(0))) === undefined) return;
  throw new ExitError(
    `${node.dataDir} holds messages and accounts that the cluster ${cluster.name} knows nothing of: to join it, start ` +
      'with an empty folder; to make a cluster of this node and new ones, use a cluster.name that is not taken',
    EXIT.clusterRefused,
  );
}

/**
 * What this folder brings along, for the node's record.
 * @returns the highest epoch of its shards; undefined when there is nothing in them
 * @throws as mustBeNew, when it has data and was no member of this cluster
 */
export async function claimData(
  { recovered }: Pick<ReplicatedLogStore, 'recovered'>,
  self: Member,
  configs: Pick<ConfigStore, 'get'>,
  settings: Settings,
): Promise<number | undefined> {
  let epoch: number | undefined;
  for (const { hard, base, entries } of recovered.values())
    if (base.idx > 0 || entries.length > 0) epoch = Math.max(epoch ?? 0, hard.epoch, base.epoch);
  if (epoch === undefined) return undefined;
  const record = (await configs.get(NODE_PREFIX + self.node))?.value as NodeRecord | undefined;
  if (record?.inc !== self.inc) await mustBeNew(configs, settings);
  return epoch;
}
