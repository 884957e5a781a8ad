import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { AdminError } from './admin.ts';
import type { ClusterAdmin } from './admin-cluster.ts';
import { json, type Reply } from './reply.ts';

const target = z.strictObject({ node: z.string() });

/** Reads and checks a request's body. */
export type BodyOf = <T>(request: IncomingMessage, shape: z.ZodType<T>) => Promise<T>;

/** Answers `/cluster/…` on the admin socket; undefined for what is no question about a cluster. */
export async function clusterRoute(
  request: IncomingMessage,
  cluster: ClusterAdmin,
  bodyOf: BodyOf,
): Promise<Reply | undefined> {
  const url = new URL(request.url ?? '/', 'http://admin');
  const [, root, collection, name, part, ...rest] = url.pathname.split('/').map(decodeURIComponent);
  if (root !== 'cluster' || rest.length > 0) return undefined;
  const asked = [request.method, collection, name && ':name', part].filter(Boolean).join(' ');
  switch (asked) {
    case 'GET nodes':
      return json(200, await cluster.nodes());
    case 'GET shards':
      return json(200, await cluster.shards(url.searchParams.get('of') ?? undefined));
    case 'POST nodes :name drain':
      return json(200, await cluster.drain(name!));
    case 'GET nodes :name drain':
      return json(200, await cluster.drainProgress(name!));
    case 'DELETE nodes :name drain':
      await cluster.undrain(name!);
      return json(200, {});
    case 'DELETE nodes :name':
      await cluster.forget(name!);
      return json(200, {});
    case 'POST shards :name transfer':
      return json(200, await cluster.transfer(shardOf(name!), (await bodyOf(request, target)).node));
    case 'GET shards :name recovery':
      return json(200, await cluster.recovery(shardOf(name!)));
    case 'POST shards :name recovery':
      return json(200, await cluster.recoverUnclean(shardOf(name!), (await bodyOf(request, target)).node));
    case 'GET status':
      return json(200, await cluster.status());
    default:
      return undefined;
  }
}

function shardOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new AdminError('unknown-shard', `${text} is no number of a shard`);
  return Number(text);
}
