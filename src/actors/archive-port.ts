import { must } from '../base/assert.ts';
import { shardOf } from '../base/hash.ts';
import type { LogStore } from '../storage/log-store.ts';
import type { ConversationList, InboxView } from '../xmpp/inbox-view.ts';
import type { ArchiveReader, ChatPointer, InboxPointer } from '../xmpp/mam-view.ts';
import type { SessionPort } from '../xmpp/module.ts';
import type { ArchivePort } from '../xmpp/xep0313-mam.ts';
import { FULLTEXT_KEY, fulltextReader } from './fulltext.ts';
import { type ActivityOrder, InboxOrder } from './inbox-order.ts';
import { addressOf, directChatId, inboxStream, indexStream, isRoom, roomOfPair, sessionKey, userRows } from './keys.ts';
import { askBehind } from './session-reads.ts';
import type { SessionState } from './session-state.ts';
import { chatOfRowKey, type UserChatRow } from './session-types.ts';

/** The archive of a session on its own shard: pointers are read here, messages come from their chats (`load`). */
export function createArchivePort(store: LogStore, shards: number): ArchivePort {
  const reader = ({ user }: SessionPort): ArchiveReader => {
    const shard = shardOf(sessionKey(user), shards);
    return {
      last: () => store.last(shard, inboxStream(user)),
      read: (range) => store.read(shard, inboxStream(user), range) as { seq: number; record: InboxPointer }[],
      chatLast: (chatId) => store.last(shard, indexStream(user, chatId)),
      chatRead: (chatId, range) =>
        store.read(shard, indexStream(user, chatId), range) as { seq: number; record: ChatPointer }[],
    };
  };
  return {
    reader,
    fulltext(session) {
      const { user } = session;
      const shard = shardOf(sessionKey(user), shards);
      return fulltextReader({ store, shard, owner: user, key: userRows(user) + FULLTEXT_KEY }, reader(session));
    },
    chatIdOf: directChatId,
    conversationOf: (session, bareJid) =>
      isRoom(bareJid, (session as SessionState).parts.roomDomain) ? bareJid : directChatId(session.user, bareJid),
    inbox: (session) => inboxOf(session as SessionState),
    whenCommitted: (session, run) => askBehind(session as SessionState, () => run(session)),
    load(session, entries, done) {
      (session as SessionState).turn.effects.push({ t: 'load', entries, done });
    },
  };
}

function inboxOf(session: SessionState): InboxView {
  session.order ??= new InboxOrder(placedRows(session));
  const { all, unread, messages } = session.order;
  return {
    all: listOf(session, all),
    unread: listOf(session, unread),
    unreadMessages: messages,
    lastSeq: session.inboxSeq,
  };
}

function listOf(session: SessionState, order: ActivityOrder): ConversationList {
  return {
    size: order.size,
    rankOf: (seq) => order.rankOf(seq),
    slice: (from, to) =>
      order.slice(from, to).map((key) => {
        const chat = chatOfRowKey(key);
        const { unread, n, last = 0 } = must(session.get<UserChatRow>(key), `no row ${key}`);
        const room = isRoom(chat, session.parts.roomDomain);
        return {
          chat,
          room,
          jid: addressOf(chat, session.user),
          unread,
          last,
          n,
          ...(roomOfPair(chat) !== undefined && { occupant: true }),
        };
      }),
  };
}

/** Rows of before there was an inbox get the place of their last archived message. */
function placedRows(session: SessionState): SessionState['rows'] {
  const { user, parts, rows } = session;
  for (const [key, row] of session.entries<UserChatRow>('c/')) {
    if (row.last !== undefined || row.n === 0) continue;
    const last = parts.readIndex(user, chatOfRowKey(key), row.n)?.i;
    if (last !== undefined) rows.set(key, { ...row, last, loud: 0 });
  }
  return rows;
}
