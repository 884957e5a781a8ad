import { shardOf } from '../base/hash.ts';
import type { Directory } from '../cluster/directory.ts';
import type { LogStore, Write } from '../storage/log-store.ts';
import type { Bus } from '../transport/bus.ts';
import type { ArchiveEntry } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { type ChatEntity, spawnChat } from './chat.ts';
import type { ChatLimits } from './chat-state.ts';
import type { Entity, EntityRuntime } from './entity.ts';
import { chatKey, inboxStream, messageStream, sessionKey } from './keys.ts';
import type { ChatItem, ChatMessage, PostItem, SessionMessage, Source } from './messages.ts';
import { Outbox } from './outbox.ts';
import { createPipeline, type Pipeline } from './pipeline.ts';
import { type SessionEntity, type SessionShellParts, spawnSession } from './session.ts';
import type { SessionLimits } from './session-types.ts';
import { type ActorSystem, startActorSystem } from './spawn.ts';
import type { Turn } from './turn.ts';

/**
 * The entities this node leads: finds or activates an entity by its key, routes messages to the leader of a key's
 * shard, keeps the outbox moving, and puts idle entities to sleep.
 *
 * Bound: `entitiesMax` active entities; above it the sweep passivates the longest idle ones whatever their age. An
 * entity with streams or unsettled turns stays.
 */
export interface RuntimeOptions {
  readonly nodeId: string;
  readonly store: LogStore;
  readonly bus: Bus;
  readonly directory: Directory;
  now(): number;
  monotonicMs(): number;
  readonly mailboxMax: number;
  readonly turnsMax: number;
  readonly busyOps: number;
  readonly busyTickMs: number;
  readonly idleMs: number;
  readonly entitiesMax: number;
  readonly resendMs: number;
  readonly resendMsMax: number;
  readonly sweepMs: number;
  readonly rowsMax: number;
  readonly chat: ChatLimits;
  readonly session: SessionLimits;
  readonly sessionParts: Pick<SessionShellParts, 'domain' | 'newId' | 'dispatchIq' | 'registration' | 'setPassword'>;
  onCrash(kind: string, error: unknown): void;
}

export interface RuntimeStats {
  readonly sessions: number;
  readonly chats: number;
  readonly streams: number;
  /** stanzas of clients since the start, by kind */
  readonly stanzas: Readonly<Record<string, number>>;
  readonly outbox: number;
  readonly resent: number;
  readonly actors: ReturnType<ActorSystem['stats']>;
  readonly pipeline: Pipeline['stats'];
}

/** What entities send each other over the bus. */
type Envelope =
  | { readonly t: 'session'; readonly to: string; readonly msg: SessionMessage }
  | { readonly t: 'chat'; readonly to: string; readonly msg: ChatMessage }
  | { readonly t: 'ack'; readonly source: Source };

export interface Runtime {
  /** False when its mailbox is full: the message is lost, the caller owes an answer. True says only "under way". */
  toSession(bareJid: string, message: SessionMessage): boolean;
  toChat(chatId: string, message: ChatMessage): void;
  fetch(entries: readonly ArchiveEntry[]): (MessageRecord | undefined)[];
  /** Writes rows outside any entity (the node's own); rejects when the log refuses them. */
  write(shard: number, writes: readonly Write[]): Promise<void>;
  readonly pipeline: Pipeline;
  stats(): RuntimeStats;
  /** What the timer does every `sweepMs`: resends, resume windows, idle entities. */
  sweep(): void;
  /** Waits until everything accepted so far is committed and its effects have run. */
  quiesce(): Promise<void>;
  close(): Promise<void>;
}

export function createRuntime(options: RuntimeOptions): Runtime {
  const { store, bus, directory } = options;
  const system = startActorSystem();
  const stanzas = { message: 0, presence: 0, iq: 0 };
  const pipeline = createPipeline(store, {
    pendingMax: options.turnsMax,
    busyOps: options.busyOps,
    busyTickMs: options.busyTickMs,
    monotonicMs: options.monotonicMs,
  });
  const sessions = new Map<string, SessionEntity>();
  const chats = new Map<string, ChatEntity>();
  const entityRuntime: EntityRuntime = {
    system,
    pipeline,
    mailboxMax: options.mailboxMax,
    now: options.now,
    onCrash: options.onCrash,
  };
  const outbox = new Outbox({
    resendMs: options.resendMs,
    resendMsMax: options.resendMsMax,
    send: sendItem,
    acked: (shard, idx) => store.acked(shard, idx),
  });

  const shardOfKey = (key: string): number => shardOf(key, directory.shards);
  const post = (key: string, envelope: Envelope): void =>
    bus.send(directory.leader(shardOfKey(key)), { key, message: envelope });

  const sessionParts: SessionShellParts = {
    ...options.sessionParts,
    store,
    limits: options.session,
    stanzas,
    rowsMax: options.rowsMax,
    lastInbox: (user) => store.last(shardOfKey(sessionKey(user)), inboxStream(user)),
    readInbox: (user, seq) =>
      store.read(shardOfKey(sessionKey(user)), inboxStream(user), { from: seq, to: seq, limit: 1 })[0]?.record as never,
    toChat,
    toSession,
    ackDelivery,
    dispatch: addToOutbox,
    fetch,
  };
  const chatParts = { store, limits: options.chat, toSession, ackDelivery, dispatch: addToOutbox };

  bus.receive(({ message }) => {
    const envelope = message as Envelope;
    switch (envelope.t) {
      case 'session':
        return void session(envelope.to).tell(envelope.msg);
      case 'chat':
        return tellChat(chat(envelope.to), envelope.msg);
      case 'ack':
        return outbox.ack(envelope.source);
    }
  });

  function session(user: string): SessionEntity {
    let entity = sessions.get(user);
    if (entity === undefined) {
      entity = spawnSession(user, shardOfKey(sessionKey(user)), sessionParts, entityRuntime);
      sessions.set(user, entity);
    }
    return entity;
  }

  function chat(id: string): ChatEntity {
    let entity = chats.get(id);
    if (entity === undefined) {
      entity = spawnChat(id, shardOfKey(chatKey(id)), chatParts, entityRuntime);
      chats.set(id, entity);
    }
    return entity;
  }

  function ackDelivery(source: Source): void {
    const leader = directory.leader(source.shard);
    if (leader === bus.nodeId) outbox.ack(source);
    else bus.send(leader, { key: '', message: { t: 'ack', source } satisfies Envelope });
  }

  // An entity that is active here is led here: no need to hash its key and look its leader up.
  function toSession(bareJid: string, msg: SessionMessage): boolean {
    const active = sessions.get(bareJid);
    if (active !== undefined) return active.tell(msg);
    post(sessionKey(bareJid), { t: 'session', to: bareJid, msg });
    return true;
  }

  /** A send that its chat has no room for is answered, or the sender's stream would wait for ever. */
  function tellChat(to: ChatEntity, msg: ChatMessage): void {
    if (to.tell(msg) || msg.t !== 'send' || msg.token === 0) return;
    const outcome = { ok: false, condition: 'resource-constraint', text: 'The chat is too busy' } as const;
    toSession(msg.sender, { t: 'answer', token: msg.token, outcome });
  }

  function toChat(chatId: string, msg: ChatMessage): void {
    const active = chats.get(chatId);
    if (active !== undefined) tellChat(active, msg);
    else post(chatKey(chatId), { t: 'chat', to: chatId, msg });
  }

  function addToOutbox(shard: number, idx: number, turn: Turn<unknown>): void {
    outbox.add(shard, idx, turn.posts(), turn.live, turn.now);
  }

  function sendItem(to: string, source: Source, body: unknown, live: unknown): void {
    const item = body as ChatItem | PostItem;
    const colon = to.indexOf(':');
    const name = to.slice(colon + 1);
    if (to.startsWith('chat:')) return toChat(name, { t: 'deliver', source, item: item as PostItem });
    const record =
      item.t === 'msg' ? ((live as MessageRecord | undefined) ?? readMessage(item.chat, item.seq)) : undefined;
    toSession(name, { t: 'deliver', source, item, record });
  }

  function readMessage(chatId: string, seq: number): MessageRecord | undefined {
    return store.read(shardOfKey(chatKey(chatId)), messageStream(chatId), { from: seq, to: seq, limit: 1 })[0]
      ?.record as MessageRecord | undefined;
  }

  /** Messages of a page: neighbours of one chat are read in one go. */
  function fetch(entries: readonly ArchiveEntry[]): (MessageRecord | undefined)[] {
    const found: (MessageRecord | undefined)[] = new Array(entries.length);
    const byChat = new Map<string, { seq: number; at: number }[]>();
    for (const [at, { chat: id, chatSeq }] of entries.entries()) {
      const wanted = byChat.get(id);
      if (wanted === undefined) byChat.set(id, [{ seq: chatSeq, at }]);
      else wanted.push({ seq: chatSeq, at });
    }
    for (const [id, wanted] of byChat) {
      wanted.sort((a, b) => a.seq - b.seq);
      const shard = shardOfKey(chatKey(id));
      for (let i = 0; i < wanted.length; ) {
        let end = i + 1;
        while (end < wanted.length && wanted[end]!.seq - wanted[end - 1]!.seq <= 8) end += 1;
        const from = wanted[i]!.seq;
        const to = wanted[end - 1]!.seq;
        const records = new Map(
          store
            .read(shard, messageStream(id), { from, to, limit: to - from + 1 })
            .map(({ seq, record }) => [seq, record]),
        );
        for (; i < end; i++) found[wanted[i]!.at] = records.get(wanted[i]!.seq) as MessageRecord | undefined;
      }
    }
    return found;
  }

  // What was committed and perhaps not delivered before the last stop: sent again, receivers drop what they have.
  for (const op of store.recovered.unacked) outbox.add(op.shard, op.idx, op.outbox, [], options.now());

  const sweeper = setInterval(sweep, options.sweepMs);
  sweeper.unref();

  function sweep(): void {
    const now = options.now();
    outbox.sweep(now);
    const excess = sessions.size + chats.size > options.entitiesMax;
    const idleMs = excess ? options.sweepMs : options.idleMs;
    for (const [user, entity] of sessions) {
      if (entity.restless) entity.tell({ t: 'sweep', now });
      else if (entity.streams > 0) continue;
      else if (entity.unwritten && now - entity.lastActive >= idleMs) entity.tell({ t: 'flush' });
      else if (asleep(entity, now, idleMs)) sessions.delete(user);
    }
    for (const [id, entity] of chats) {
      if (entity.waiting) entity.tell({ t: 'sweep', now });
      else if (asleep(entity, now, idleMs)) chats.delete(id);
    }
  }

  function asleep(entity: Entity<never>, now: number, idleMs: number): boolean {
    if (entity.pending > 0 || entity.depth > 0 || now - entity.lastActive < idleMs) return false;
    entity.stop();
    return true;
  }

  async function quiesce(): Promise<void> {
    // Effects of one commit may lead to another op (deliveries): quiet is two rounds without any.
    for (let quiet = 0; quiet < 2; ) {
      const before = pipeline.stats.commits;
      await pipeline.drained();
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      quiet = pipeline.stats.pending === 0 && pipeline.stats.commits === before ? quiet + 1 : 0;
    }
  }

  return {
    toSession,
    toChat,
    fetch,
    write: (shard, writes) =>
      new Promise((resolve, reject) => {
        pipeline.submit({
          shard,
          writes,
          outbox: [],
          settle: (error) => (error === undefined ? resolve() : reject(error)),
        });
      }),
    pipeline,
    stats() {
      let streams = 0;
      for (const entity of sessions.values()) streams += entity.streams;
      return {
        sessions: sessions.size,
        chats: chats.size,
        streams,
        stanzas: { ...stanzas },
        outbox: outbox.size,
        resent: outbox.resent,
        actors: system.stats(),
        pipeline: pipeline.stats,
      };
    },
    sweep,
    quiesce,
    async close() {
      clearInterval(sweeper);
      for (const entity of sessions.values()) if (entity.unwritten) entity.tell({ t: 'flush' });
      await quiesce();
      system.stop();
    },
  };
}
