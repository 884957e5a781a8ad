import { ACCOUNT_KEY, rememberedAccount } from '../xmpp/account.ts';
import { onAccountRemoved } from '../xmpp/rfc6121-subscription.ts';
import { dropAllXml } from '../xmpp/stored-xml.ts';
import { FULLTEXT_KEY, type FulltextRow, keysOfIndex } from './fulltext.ts';
import { accountIndexRow, chatKey, inboxStream, indexStream, userRows } from './keys.ts';
import type { AccountAnswer, AccountAsk } from './messages.ts';
import type { SessionState } from './session-state.ts';
import { endStream } from './session-streams.ts';
import { NONE_TAKEN, type UserChatRow } from './session-types.ts';
import { DELETED } from './turn.ts';

/** A question about the account, answered behind the commits before it; a lookup with the row that the log has then. */
export function onAccount(session: SessionState, ask: AccountAsk, reply: (answer: AccountAnswer) => void): void {
  const failed: AccountAnswer = { t: 'failed', condition: 'resource-constraint' };
  session.turn.onFail.push({ t: 'reply', run: () => reply(failed) });
  if (ask.t === 'lookup') {
    session.turn.effects.push({ t: 'lookup', reply });
    return;
  }
  const answer = changeAccount(session, ask);
  session.turn.effects.push({ t: 'reply', run: () => reply(answer) });
}

function changeAccount(session: SessionState, ask: Exclude<AccountAsk, { t: 'lookup' }>): AccountAnswer {
  const { exists } = session;
  switch (ask.t) {
    case 'create':
      if (exists) return { t: 'conflict' };
      putAccount(session, ask.row);
      session.turn.rows.set(accountIndexRow(session.user), session.now);
      return { t: 'done' };
    case 'setCredentials':
      if (!exists) return { t: 'none' };
      putAccount(session, ask.row);
      return { t: 'done' };
    case 'remove':
      if (!exists) return { t: 'none' };
      removeAccount(session);
      return { t: 'done' };
  }
}

/** The session keeps less of it than the log. */
function putAccount(session: SessionState, row: unknown): void {
  session.rows.set(ACCOUNT_KEY, rememberedAccount(row));
  session.turn.rows.set(userRows(session.user) + ACCOUNT_KEY, row);
}

/**
 * Takes an account away with everything of it (XEP-0077 3.2, RFC 6121 2.5.2): contacts are told, chats learn that the
 * member is gone (so the other side gets service-unavailable, and whoever registers the name next starts afresh),
 * archive and rows are deleted, streams end.
 */
export function removeAccount(session: SessionState): void {
  // All at once: rosters are bounded by rosterItemsMax, and two posts a contact stay below POSTS_PER_OP_MAX.
  onAccountRemoved(session, Number.MAX_SAFE_INTEGER);
  for (const [key, { cur }] of session.entries<UserChatRow>('c/')) {
    const chat = key.slice(2);
    session.postItem(chatKey(chat), { t: 'memberGone', member: session.user, cur });
    session.turn.streams.push({ t: 'drop', stream: indexStream(session.user, chat) });
  }
  session.turn.streams.push({ t: 'drop', stream: inboxStream(session.user) });
  const index = session.get<FulltextRow>(FULLTEXT_KEY);
  if (index !== undefined) for (const key of keysOfIndex(session.user, index)) session.turn.rows.set(key, DELETED);
  session.parts.pep?.onRemoved(session);
  for (const stream of session.streams()) {
    endStream(session, stream, { t: 'error', condition: 'not-authorized', text: 'The account was removed' });
  }
  session.order = undefined;
  dropAllXml(session);
  session.del(ACCOUNT_KEY);
  session.turn.rows.set(accountIndexRow(session.user), DELETED);
  for (const [key] of session.entries('')) session.del(key);
  session.inboxSeq = 0;
  session.lastPointer = undefined;
  session.parts.recentWords.drop(session.user);
  session.taken = NONE_TAKEN;
}
