import { checkNumber, checkShard } from './check-op.ts';
import type { Entry, WriteItem } from './replicated-store.ts';
import type { ShardCopy } from './shard-copy.ts';

interface Facts {
  last: number;
  applied: number;
  loading: boolean;
}

/**
 * Do these items, one after the other, fit to the copies? Found before anything is done, since a call is all or nothing.
 * @throws RangeError: entries that are not dense, a truncation of what is applied, an append to a copy that is loading
 */
export function checkItems(
  items: readonly WriteItem[],
  copyOf: (shard: number) => Pick<ShardCopy, 'last' | 'applied' | 'loading'> | undefined,
  shards: number,
): void {
  const facts = new Map<number, Facts>();
  for (const item of items) {
    checkShard(item.shard, shards);
    if (item.t === 'hard') continue;
    if (item.t !== 'append') {
      facts.set(item.shard, { last: 0, applied: 0, loading: item.t === 'load' });
      continue;
    }
    let fact = facts.get(item.shard);
    if (fact === undefined) {
      const copy = copyOf(item.shard);
      fact = { last: copy?.last.idx ?? 0, applied: copy?.applied.idx ?? 0, loading: copy?.loading ?? false };
      facts.set(item.shard, fact);
    }
    checkAppend(item.shard, item.entries, item.truncateTo, fact);
  }
}

function checkAppend(shard: number, entries: readonly Entry[], truncateTo: number | undefined, fact: Facts): void {
  if (fact.loading) throw new RangeError(`shard ${shard} is being loaded: install it, or wipe it first`);
  if (truncateTo !== undefined) {
    if (!(truncateTo >= fact.applied)) {
      throw new RangeError(`shard ${shard}: ${truncateTo} is before ${fact.applied}, which is applied`);
    }
    fact.last = Math.min(fact.last, truncateTo);
  }
  for (const { idx, epoch, bytes } of entries) {
    if (idx !== fact.last + 1) throw new RangeError(`shard ${shard}: entry ${idx} does not follow ${fact.last}`);
    checkNumber('epoch', epoch);
    if (!(bytes instanceof Uint8Array)) throw new RangeError('an entry consists of bytes');
    fact.last = idx;
  }
}
