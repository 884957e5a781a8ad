import { shardOf } from '../base/hash.ts';
import type { LogStore } from '../storage/log-store.ts';
import type { ArchiveReader, ChatPointer, InboxPointer } from '../xmpp/mam-view.ts';
import type { ArchivePort } from '../xmpp/xep0313-mam.ts';
import { directChatId, inboxStream, indexStream, sessionKey } from './keys.ts';
import type { SessionState } from './session-state.ts';

/** The archive of a session on its own shard: pointers are read here, messages come from their chats (`load`). */
export function createArchivePort(store: LogStore, shards: number): ArchivePort {
  return {
    reader(session): ArchiveReader {
      const { user } = session;
      const shard = shardOf(sessionKey(user), shards);
      return {
        last: () => store.last(shard, inboxStream(user)),
        read: (range) => store.read(shard, inboxStream(user), range) as { seq: number; record: InboxPointer }[],
        chatLast: (chatId) => store.last(shard, indexStream(user, chatId)),
        chatRead: (chatId, range) =>
          store.read(shard, indexStream(user, chatId), range) as { seq: number; record: ChatPointer }[],
      };
    },
    chatIdOf: directChatId,
    load(session, entries, done) {
      (session as SessionState).turn.effects.push({ t: 'load', entries, done });
    },
  };
}
