import { type Blocked, type Blocklist, blockedOf, blocklistOf, isBlocked } from '../xmpp/blocklist.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { errorInner } from '../xmpp/stanza-error.ts';
import { bareOf } from './chat-log.ts';
import { chatKey, directPeer, isDirect, roomOfPair } from './keys.ts';
import { type LiveMessage, POSTS_PER_OP_MAX } from './messages.ts';
import type { SessionState } from './session-state.ts';
import type { UserChatRow } from './session-types.ts';

/**
 * XEP-0191 between a session and its chats (docs/decisions/0007-blocking.md). The list is the session's, and what it
 * says holds from the op on that writes it: nothing of somebody blocked reaches a device or the archive. The chats are
 * told in the same op, and refuse from when they hear of it, so that the sender learns it before anything is stored.
 * What a chat took before that comes hidden, and its sender is told afterwards.
 */

/** Posts of a turn above which no chats are told: what else is in the turn needs room, and is not asked. */
const POSTS_MAX = POSTS_PER_OP_MAX / 2;

/** Does the user block who sent this? In a group, the group. @param from full JID of the sender, as the user sees it */
export function blocksSender(session: SessionState, chat: string, from: string): boolean {
  return isBlocked(session, isDirect(chat) ? from : chat);
}

/** What a room passes on between two who know each other, an invitation: does the user block who sent it? */
export function blocksInviter(session: SessionState, chat: string, { from, via }: MessageRecord): boolean {
  return via !== undefined && isDirect(chat) && roomOfPair(chat) === undefined && isBlocked(session, from);
}

/** Is the other side of a direct chat blocked as a whole? To its messages this account is not there. A nick may be anybody. */
export function blocksPeer(session: SessionState, chat: string): boolean {
  return isDirect(chat) && roomOfPair(chat) === undefined && isBlocked(session, directPeer(chat, session.user));
}

/** Tells every chat whose other side is blocked or unblocked. @returns false when they are too many for this turn */
export function tellChats(session: SessionState, before: Blocklist, after: Blocklist): boolean {
  const { user } = session;
  const concerned: [chat: string, cur: number, whom: Blocked][] = [];
  for (const [key, { cur }] of session.entries<UserChatRow>('c/')) {
    const chat = key.slice(2);
    if (!isDirect(chat) || roomOfPair(chat) !== undefined) continue;
    const peer = directPeer(chat, user);
    const whom = blockedOf(session, peer, after);
    if (!isSame(blockedOf(session, peer, before), whom)) concerned.push([chat, cur, whom]);
  }
  if (concerned.length > 0 && session.turn.outbox.length + concerned.length > POSTS_MAX) return false;
  for (const [chat, cur, whom] of concerned) postRefusal(session, chat, cur, after.ver, whom);
  return true;
}

function isSame(a: Blocked, b: Blocked): boolean {
  if (a === 'all' || b === 'all') return a === b;
  return a.length === b.length && a.every((resource) => b.includes(resource));
}

function postRefusal(session: SessionState, chat: string, cur: number, ver: number, whom: Blocked): void {
  session.postItem(chatKey(chat), { t: 'refuses', member: session.user, cur, ver, whom });
}

/** The chat took a message of somebody blocked, so it does not know: it is told, now that there is a cursor to it. */
export function onBlockedItem(
  session: SessionState,
  chat: string,
  cur: number,
  { from, to, id, via }: MessageRecord,
): void {
  // It is a room that is blocked: who is behind a nick there is not told.
  if (via !== undefined) return;
  if (isDirect(chat))
    postRefusal(session, chat, cur, blocklistOf(session).ver, blockedOf(session, directPeer(chat, session.user)));
  tellSender(session, chat, { from, to, id });
}

/** … and a message that is not kept. It is dropped. */
export function onBlockedLive(session: SessionState, chat: string, message: LiveMessage): void {
  // RFC 6121 8.5.4: neither an error nor a headline is answered.
  if (message.type !== 'error' && message.type !== 'headline') tellSender(session, chat, message);
}

/** Best effort: the message had been taken when the block began. */
function tellSender(
  session: SessionState,
  chat: string,
  { from, to, id }: { readonly from: string; readonly to: string; readonly id: string | undefined },
): void {
  if (!isDirect(chat)) return;
  const message: LiveMessage = {
    from: to,
    to: from,
    type: 'error',
    id,
    lang: undefined,
    inner: errorInner('service-unavailable'),
    flags: undefined,
  };
  session.turn.effects.push({ t: 'toSession', to: bareOf(from), msg: { t: 'live', chat, message } });
}
