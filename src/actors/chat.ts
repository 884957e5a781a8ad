import type { LogStore } from '../storage/log-store.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { AheadOrder, type SendAhead } from './ahead.ts';
import { answerTo, bareOf, type ChatEffect, committed } from './chat-log.ts';
import type { History } from './chat-retract.ts';
import { type ChatLimits, type ChatRow, type ChatState, chatStep, newChat } from './chat-state.ts';
import type { DedupeLimits } from './dedupe.ts';
import { type Entity, type EntityBehaviour, type EntityRuntime, EntityShell } from './entity.ts';
import { chatRow, messageStream } from './keys.ts';
import type { ChatMessage, SessionMessage, Source } from './messages.ts';
import type { Turn } from './turn.ts';

/** Shell of a chat actor: loads its state, runs its effects. */
export interface ChatParts {
  readonly store: LogStore;
  readonly limits: ChatLimits;
  toSession(bareJid: string, message: SessionMessage): void;
  ackDelivery(source: Source): void;
  dispatch(shard: number, idx: number, turn: Turn<ChatEffect>): void;
  /** absent: messages leave after their commit */
  readonly sendAhead?: SendAhead | undefined;
}

export interface ChatEntity extends Entity<ChatMessage> {
  /** sends wait for the other side's session to say that it exists */
  readonly waiting: boolean;
}

export function spawnChat(id: string, shard: number, parts: ChatParts, runtime: EntityRuntime): ChatEntity {
  return new ChatActor(new ChatShell(id, shard, parts, runtime), runtime);
}

class ChatActor extends EntityShell<ChatMessage, ChatEffect> implements ChatEntity {
  readonly #shell: ChatShell;

  constructor(shell: ChatShell, runtime: EntityRuntime) {
    super('chat', shell.shard, shell, runtime);
    this.#shell = shell;
  }

  get waiting(): boolean {
    return this.#shell.waiting;
  }
}

class ChatShell implements EntityBehaviour<ChatMessage, ChatEffect> {
  readonly shard: number;
  #chat: ChatState;
  readonly #parts: ChatParts;
  readonly #runtime: EntityRuntime;
  readonly #aheadOrder: AheadOrder<ChatEffect>;

  constructor(id: string, shard: number, parts: ChatParts, runtime: EntityRuntime) {
    this.shard = shard;
    this.#chat = loadChat(id, shard, parts, runtime.now());
    this.#parts = parts;
    this.#runtime = runtime;
    this.#aheadOrder = new AheadOrder(parts.sendAhead);
  }

  get waiting(): boolean {
    return this.#chat.askedAt !== 0;
  }

  step(message: ChatMessage, turn: Turn<ChatEffect>): void {
    chatStep(this.#chat, message, turn, this.#parts.limits);
  }

  run(effect: ChatEffect): void {
    if (effect.t === 'ackDelivery') this.#parts.ackDelivery(effect.source);
    else this.#parts.toSession(effect.to, effect.msg);
  }

  committed(turn: Turn<ChatEffect>): void {
    committed(this.#chat, turn);
  }

  submitted(turn: Turn<ChatEffect>, idx: number): void {
    this.#aheadOrder.submitted(turn, this.shard, idx);
  }

  settled(turn: Turn<ChatEffect>): void {
    this.#aheadOrder.settled(turn);
  }

  dispatch(turn: Turn<ChatEffect>, idx: number): void {
    this.#parts.dispatch(this.shard, idx, turn);
  }

  reset(): void {
    const { id, waiting, askedAt, askedAgainAt, order } = this.#chat;
    order.opsRefused();
    const loaded = loadChat(id, this.shard, this.#parts, this.#runtime.now());
    this.#chat = Object.assign(loaded, { waiting, askedAt, askedAgainAt, order });
  }

  abandon(batch: readonly ChatMessage[]): void {
    const outcome = { ok: false, condition: 'internal-server-error' } as const;
    for (const message of batch) {
      if (message.t !== 'send' || message.token === 0) continue;
      this.#parts.toSession(message.sender, answerTo(message, outcome));
    }
  }
}

/** Records read for the sake of `dedupePerSenderMin` alone: a sender who writes rarely has fewer ids after a reload. */
const OLD_RECORDS_MAX = 1024;

function loadChat(id: string, shard: number, parts: ChatParts, now: number): ChatState {
  const row = parts.store.get(shard, chatRow(id)) as ChatRow | undefined;
  const { last, tail } = loadTail(id, shard, parts, now);
  return newChat(id, row, last, tail, parts.limits, historyOf(id, shard, parts.store));
}

export function historyOf(id: string, shard: number, store: LogStore): History {
  const stream = messageStream(id);
  return { read: (range) => store.read(shard, stream, range) as { seq: number; record: MessageRecord }[] };
}

/** Reads what dedupe needs, newest first, until it is old enough and every sender seen has enough. */
export function loadTail(
  id: string,
  shard: number,
  { store, limits }: { readonly store: LogStore; readonly limits: DedupeLimits },
  now: number,
): { readonly last: number; readonly tail: MessageRecord[] } {
  const stream = messageStream(id);
  const last = store.last(shard, stream);
  const tail: MessageRecord[] = [];
  const page = 256;
  const counts = new Map<string, number>();
  let old = 0;
  for (let to = last; to > 0 && tail.length < limits.dedupeMax; to -= page) {
    const records = store.read(shard, stream, { from: Math.max(1, to - page + 1), to, limit: page, reverse: true });
    for (const { record } of records) {
      const message = record as MessageRecord;
      tail.push(message);
      const sender = bareOf(message.from);
      counts.set(sender, (counts.get(sender) ?? 0) + 1);
      if (now - message.ts >= limits.dedupeMs) old += 1;
    }
    if (records.length === 0 || old >= OLD_RECORDS_MAX) break;
    const enough = counts.size > 1 && [...counts.values()].every((count) => count >= limits.dedupePerSenderMin);
    if (enough && old > 0) break;
  }
  return { last, tail: tail.reverse() };
}
