import { ACCOUNT_KEY } from '../xmpp/account.ts';
import { onAccountRemoved } from '../xmpp/rfc6121-subscription.ts';
import { dropAllXml } from '../xmpp/stored-xml.ts';
import { accountIndexRow, chatKey, inboxStream, indexStream } from './keys.ts';
import type { SessionState } from './session-state.ts';
import { endStream } from './session-streams.ts';
import type { UserChatRow } from './session-types.ts';
import { DELETED } from './turn.ts';

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
  for (const stream of session.streams()) {
    endStream(session, stream, { t: 'error', condition: 'not-authorized', text: 'The account was removed' });
  }
  dropAllXml(session);
  session.del(ACCOUNT_KEY);
  session.turn.rows.set(accountIndexRow(session.user), DELETED);
  for (const [key] of session.entries('')) session.del(key);
  session.inboxSeq = 0;
  session.lastPointer = undefined;
}
