import type { LogStore } from '../storage/log-store.ts';
import { userRows } from './keys.ts';

/**
 * Rows of a user, keys relative to the user's prefix: all of them, always, since what is left out would be lost to the
 * user and then written over. What a user may have is bounded where it comes into being: `limits.rosterItemsMax` and
 * those of rfc6121-limits.ts, `limits.chatsPerUserMax`.
 * @param tooMany is told how many there are when those bounds cannot have held; the session goes on
 */
export function loadRows(
  store: Pick<LogStore, 'scan'>,
  shard: number,
  user: string,
  rowsMax: number,
  tooMany: (rows: number) => void,
): Map<string, unknown> {
  const prefix = userRows(user);
  let limit = rowsMax + 1;
  let found = store.scan(shard, prefix, limit);
  while (found.length === limit) {
    limit *= 2;
    found = store.scan(shard, prefix, limit);
  }
  if (found.length > rowsMax) tooMany(found.length);
  return new Map(found.map(([key, value]) => [key.slice(prefix.length), value]));
}
