import type { LogStore } from '../storage/log-store.ts';
import type { InboxPointer } from '../xmpp/mam-view.ts';
import { FULLTEXT_KEY, type FulltextRow, grownIndex, isIndexDue } from './fulltext.ts';
import { userRows } from './keys.ts';
import type { SessionState } from './session-state.ts';
import type { SessionEffect } from './session-types.ts';
import type { Turn } from './turn.ts';

/**
 * After a step that brought messages into the inbox: what the index has to be, in the op of that step. Refused with it,
 * it is made by a later one, since the session's rows are then those that are committed.
 * @param had inboxSeq before the step
 */
export function growInboxIndex(
  { user, rows, inboxName, inboxSeq: last }: SessionState,
  had: number,
  turn: Turn<SessionEffect>,
  store: LogStore,
  shard: number,
): void {
  const before = rows.get(FULLTEXT_KEY) as FulltextRow | undefined;
  if (!isIndexDue(before, last)) return;
  const inbox = {
    last: () => store.last(shard, inboxName),
    read: (range: Parameters<LogStore['read']>[2]) =>
      store.read(shard, inboxName, range) as { seq: number; record: InboxPointer }[],
  };
  const grown = grownIndex(user, before, { had, last }, inbox, true);
  if (grown === undefined) return;
  rows.set(FULLTEXT_KEY, grown.row);
  turn.rows.set(userRows(user) + FULLTEXT_KEY, grown.row);
  for (const [key, value] of grown.rows) turn.rows.set(key, value);
}
