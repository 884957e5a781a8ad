import type { LogStore } from '../storage/log-store.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { type ChatEffect, type ChatLimits, type ChatRow, type ChatState, chatStep, newChat } from './chat-state.ts';
import { createEntity, type Entity, type EntityRuntime } from './entity.ts';
import { chatRow, messageStream } from './keys.ts';
import type { ChatMessage, SessionMessage } from './messages.ts';
import type { Turn } from './turn.ts';

/** Shell of a chat actor: loads its state, runs its effects. */
export interface ChatParts {
  readonly store: LogStore;
  readonly limits: ChatLimits;
  toSession(bareJid: string, message: SessionMessage): void;
  dispatch(shard: number, idx: number, turn: Turn<ChatEffect>): void;
}

export interface ChatEntity extends Entity<ChatMessage> {
  /** sends wait for the other side's session to say that it exists */
  readonly waiting: boolean;
}

export function spawnChat(id: string, shard: number, parts: ChatParts, runtime: EntityRuntime): ChatEntity {
  let chat = loadChat(id, shard, parts, runtime.now());
  const entity = createEntity<ChatMessage, ChatEffect>(
    'chat',
    shard,
    {
      step: (message, turn) => chatStep(chat, message, turn, parts.limits),
      run: (effect) => parts.toSession(effect.to, effect.msg),
      dispatch: (turn, idx) => parts.dispatch(shard, idx, turn),
      reset: () => {
        const { waiting, askedAt } = chat;
        chat = loadChat(id, shard, parts, runtime.now());
        chat.waiting = waiting;
        chat.askedAt = askedAt;
      },
      abandon: (batch) => {
        const outcome = { ok: false, condition: 'internal-server-error' } as const;
        for (const message of batch) {
          if (message.t !== 'send' || message.token === 0) continue;
          parts.toSession(message.sender, { t: 'answer', token: message.token, outcome });
        }
      },
    },
    runtime,
  );
  return Object.defineProperty(entity, 'waiting', { get: () => chat.askedAt !== 0 }) as ChatEntity;
}

/** Reads what dedupe needs, newest first, until it is old enough and every sender seen has enough. */
function loadChat(id: string, shard: number, { store, limits }: ChatParts, now: number): ChatState {
  const row = store.get(shard, chatRow(id)) as ChatRow | undefined;
  const stream = messageStream(id);
  const last = store.last(shard, stream);
  const tail: MessageRecord[] = [];
  const page = 256;
  for (let to = last; to > 0 && tail.length < limits.dedupeMax; to -= page) {
    const records = store.read(shard, stream, { from: Math.max(1, to - page + 1), to, limit: page, reverse: true });
    for (const { record } of records) tail.push(record as MessageRecord);
    const oldest = tail.at(-1);
    const enough = tail.length >= limits.dedupePerSenderMin * 2;
    if (oldest === undefined || (enough && now - oldest.ts >= limits.dedupeMs)) break;
  }
  return newChat(id, row, last, tail.reverse(), limits);
}
