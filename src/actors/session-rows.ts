import type { LogStore } from '../storage/log-store.ts';
import { ACCOUNT_KEY, rememberedAccount } from '../xmpp/account.ts';
import { userRows } from './keys.ts';

export interface RowParts {
  readonly store: Pick<LogStore, 'scan'>;
  /** most rows that a user has when all bounds have held */
  readonly rowsMax: number;
  /** they have not; the session goes on */
  tooManyRows(user: string, rows: number): void;
}

/**
 * Rows of a user, keys relative to the user's prefix: all of them, always, since what is left out would be lost to the
 * user and then written over. What a user may have is bounded where it comes into being: `limits.rosterItemsMax` and
 * those of rfc6121-limits.ts, `limits.chatsPerUserMax`.
 */
export function loadRows({ store, rowsMax, tooManyRows }: RowParts, shard: number, user: string): Map<string, unknown> {
  const prefix = userRows(user);
  let limit = rowsMax + 1;
  let found = store.scan(shard, prefix, limit);
  while (found.length === limit) {
    limit *= 2;
    found = store.scan(shard, prefix, limit);
  }
  if (found.length > rowsMax) tooManyRows(user, found.length);
  const rows = new Map<string, unknown>();
  for (const [name, value] of found) {
    const key = name.slice(prefix.length);
    rows.set(key, key === ACCOUNT_KEY ? rememberedAccount(value) : value);
  }
  return rows;
}
