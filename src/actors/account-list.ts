import type { LogStore } from '../storage/log-store.ts';
import { accountIndexRow, roomIndexRow } from './keys.ts';
import type { FarAnswer, NodeAsk } from './wire.ts';

/** Listing what all nodes have, accounts or rooms: each node lists those of the shards it leads, a page at a time. */
export interface ListedRow {
  /** bare JID */
  readonly jid: string;
  /** of an account when it was made, ms since the epoch; of a room its name */
  readonly value: unknown;
}

export interface ListedAccount {
  readonly user: string;
  readonly createdMs: number;
}

export type Listing = ListAsk['of'];

const PREFIX: Readonly<Record<Listing, string>> = { accounts: accountIndexRow(''), rooms: roomIndexRow('') };

type ListAsk = Extract<NodeAsk, { t: 'list' }>;
type ListAnswer = Extract<FarAnswer, { t: 'list' }>;

/** Most rows of one answer: about 100 bytes each. */
const PAGE_MAX = 2000;

/** One page of the rows of these shards, from `ask.fromShard` and behind `ask.after` in it. */
export function pageOfRows(store: LogStore, shards: readonly number[], ask: ListAsk): ListAnswer {
  const prefix = PREFIX[ask.of];
  const rows: ListedRow[] = [];
  const whole: number[] = [];
  const limit = Math.min(ask.limit, PAGE_MAX);
  for (const shard of shards.toSorted((a, b) => a - b)) {
    if (shard < ask.fromShard) continue;
    let after = shard === ask.fromShard ? ask.after : '';
    for (const [key, value] of store.scan(shard, prefix, Number.MAX_SAFE_INTEGER)) {
      const jid = key.slice(prefix.length);
      // In the order of the store, which is that of UTF-8 bytes.
      if (after !== '' && Buffer.compare(Buffer.from(jid), Buffer.from(after)) <= 0) continue;
      if (rows.length >= limit) return { t: 'list', rows, whole, next: { fromShard: shard, after } };
      rows.push({ jid, value });
      after = jid;
    }
    whole.push(shard);
  }
  return { t: 'list', rows, whole, next: undefined };
}

/**
 * All of all nodes, at most `limit`, sorted.
 * @param shards how many there are: each has to be told of by a node that leads it
 * @throws (rejects) when a node does not answer, or a shard has no leader: half a list must not look whole
 */
export async function listRows(
  of: Listing,
  nodes: Iterable<string>,
  shards: number,
  limit: number,
  ask: (node: string, ask: ListAsk) => Promise<FarAnswer | undefined>,
): Promise<ListedRow[]> {
  const found: ListedRow[] = [];
  const whole = new Set<number>();
  for (const node of nodes) {
    let next: ListAnswer['next'] = { fromShard: 0, after: '' };
    while (next !== undefined && found.length < limit) {
      const answer: FarAnswer | undefined = await ask(node, { t: 'list', of, limit: limit - found.length, ...next });
      if (answer?.t !== 'list') throw new Error(`node ${node} did not list its ${of}`);
      found.push(...answer.rows);
      for (const shard of answer.whole) whole.add(shard);
      next = answer.next;
    }
  }
  if (found.length < limit && whole.size < shards)
    throw new Error(`${shards - whole.size} of ${shards} shards have no leader just now`);
  // A shard that was handed over meanwhile may have been listed by both its leaders.
  const once = new Map(found.map((row) => [row.jid, row]));
  return [...once.values()].sort((a, b) => (a.jid < b.jid ? -1 : 1));
}

export function accountsOf(rows: readonly ListedRow[]): ListedAccount[] {
  return rows.map(({ jid, value }) => ({ user: jid, createdMs: value as number }));
}
