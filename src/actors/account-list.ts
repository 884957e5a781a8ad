import type { LogStore } from '../storage/log-store.ts';
import { accountIndexRow } from './keys.ts';
import type { FarAnswer, NodeAsk } from './wire.ts';

/** Listing accounts: each node lists those of the shards it leads, a page at a time. */
export interface ListedAccount {
  readonly user: string;
  readonly createdMs: number;
}

type ListAsk = Extract<NodeAsk, { t: 'accounts' }>;
type ListAnswer = Extract<FarAnswer, { t: 'accounts' }>;

/** Most accounts of one answer: about 100 bytes each. */
const PAGE_MAX = 2000;

/** One page of the accounts of these shards, from `ask.fromShard` and behind `ask.after` in it. */
export function pageOfAccounts(store: LogStore, shards: readonly number[], ask: ListAsk): ListAnswer {
  const prefix = accountIndexRow('');
  const accounts: ListedAccount[] = [];
  const whole: number[] = [];
  const limit = Math.min(ask.limit, PAGE_MAX);
  for (const shard of shards.toSorted((a, b) => a - b)) {
    if (shard < ask.fromShard) continue;
    let after = shard === ask.fromShard ? ask.after : '';
    for (const [key, value] of store.scan(shard, prefix, Number.MAX_SAFE_INTEGER)) {
      const user = key.slice(prefix.length);
      // In the order of the store, which is that of UTF-8 bytes.
      if (after !== '' && Buffer.compare(Buffer.from(user), Buffer.from(after)) <= 0) continue;
      if (accounts.length >= limit) return { t: 'accounts', accounts, whole, next: { fromShard: shard, after } };
      accounts.push({ user, createdMs: value as number });
      after = user;
    }
    whole.push(shard);
  }
  return { t: 'accounts', accounts, whole, next: undefined };
}

/**
 * All accounts of all nodes, at most `limit`, sorted.
 * @param shards how many there are: each has to be told of by a node that leads it
 * @throws (rejects) when a node does not answer, or a shard has no leader: half a list must not look whole
 */
export async function listAccounts(
  nodes: Iterable<string>,
  shards: number,
  limit: number,
  ask: (node: string, ask: ListAsk) => Promise<FarAnswer | undefined>,
): Promise<ListedAccount[]> {
  const found: ListedAccount[] = [];
  const whole = new Set<number>();
  for (const node of nodes) {
    let next: ListAnswer['next'] = { fromShard: 0, after: '' };
    while (next !== undefined && found.length < limit) {
      const answer: FarAnswer | undefined = await ask(node, { t: 'accounts', limit: limit - found.length, ...next });
      if (answer?.t !== 'accounts') throw new Error(`node ${node} did not list its accounts`);
      found.push(...answer.accounts);
      for (const shard of answer.whole) whole.add(shard);
      next = answer.next;
    }
  }
  if (found.length < limit && whole.size < shards)
    throw new Error(`${shards - whole.size} of ${shards} shards have no leader just now`);
  // A shard that was handed over meanwhile may have been listed by both its leaders.
  const once = new Map(found.map((account) => [account.user, account]));
  return [...once.values()].sort((a, b) => (a.user < b.user ? -1 : 1));
}
