import { must } from '../base/assert.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import type { ChatItem, SessionMessage, Source } from './messages.ts';
import { isOlderThanAccount, onMessageItem, takeItem } from './session-inbox.ts';
import { messagesOf } from './session-rooms.ts';
import { onInboxHas } from './session-stanzas.ts';
import type { SessionState } from './session-state.ts';
import type { UserChatRow } from './session-types.ts';

/**
 * Messages of a large group come by pointer (group-fan-out.ts): what is between the inbox and the one that came is fetched
 * from the group, page by page, and goes into the inbox in its order; then the one that came is acknowledged. What cannot
 * be fetched now comes again with it.
 *
 * Bound: one page of `catchUpPage` messages at once for each chat, and `WAITING_MAX` items that come meanwhile; further
 * ones are dropped, and sent again by the group's outbox.
 */
export interface Pull {
  readonly source: Source;
  readonly item: ChatItem;
  readonly record: MessageRecord;
}

const WAITING_MAX = 16;

/** @param from chatSeq of the first message that the inbox lacks, before that of the item */
export function pullMissing(session: SessionState, pull: Pull, from: number): void {
  const { chat } = pull.item;
  const waiting = session.pulls.get(chat);
  if (waiting === undefined) {
    session.pulls.set(chat, []);
    fetchPage(session, pull, from);
  } else if (waiting.length < WAITING_MAX) waiting.push(pull);
}

function fetchPage(session: SessionState, pull: Pull, from: number): void {
  const { chat, seq } = pull.item;
  const { user, parts } = session;
  const to = Math.min(seq, from + parts.limits.catchUpPage) - 1;
  // Not within the load's own turn, whose effects hold even if its op is refused (SessionState).
  const done = (_session: unknown, records: readonly (MessageRecord | undefined)[] = []): void =>
    session.turn.always({ t: 'toSession', to: user, msg: { t: 'pulled', pull, from, records } });
  session.turn.always({ t: 'load', entries: messagesOf(chat, from, to), done });
}

export function onPulled(
  session: SessionState,
  { pull, from, records }: Extract<SessionMessage, { t: 'pulled' }>,
): void {
  const { item, source, record } = pull;
  const { chat, seq } = item;
  let next = from;
  for (const one of records) {
    if (one === undefined || !session.exists) break;
    const { rowKey } = session.namesOf(chat);
    const row = session.get<UserChatRow>(rowKey);
    // Before there was this account, somebody else of its name was the member.
    const skipped = (row?.cur ?? 0) >= next || (row === undefined && isOlderThanAccount(session, one));
    if (!skipped) takeItem(session, { t: 'msg', chat, seq: next, first: false }, one);
    next += 1;
  }
  const whole = records.length > 0 && next === from + records.length;
  if (whole && next < seq && session.exists) return fetchPage(session, pull, next);
  const waiting = must(session.pulls.get(chat), `nothing is pulled of ${chat}`);
  session.pulls.delete(chat);
  if (!whole) return;
  // What has been passed over counts as had, or it would be fetched for ever.
  onMessageItem(session, source, { ...item, since: Math.max(item.since ?? 0, seq - 1) }, record);
  for (const one of waiting) onMessageItem(session, one.source, one.item, one.record);
  if (session.untaken.size > 0) onInboxHas(session, chat);
}
