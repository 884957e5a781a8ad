import { systemClock } from '../base/clock.ts';
import { shardOf } from '../base/hash.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { accountsOf, type ListedRow, type Listing, listRows, pageOfRows } from './account-list.ts';
import { AheadQueue, ackedAhead, nackedAhead, settleAhead } from './ahead.ts';
import { spawnChat } from './chat.ts';
import { answerTo } from './chat-log.ts';
import { Crossing } from './crossing.ts';
import { type ClusterParts, CROSSING_DEFAULTS } from './crossing-options.ts';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import { Entities } from './entities.ts';
import type { EntityRuntime } from './entity.ts';
import { spawnGroup } from './group.ts';
import { HandOvers } from './hand-overs.ts';
import { chatKey, inboxStream, indexStream, isRoom, messageStream, onlineRow, sessionKey } from './keys.ts';
import type { ChatItem, ChatMessage, PostItem, SessionMessage, Source } from './messages.ts';
import { Outbox } from './outbox.ts';
import { Pages } from './pages.ts';
import { createPipeline } from './pipeline.ts';
import { RecentWords } from './recent-words.ts';
import { Routes } from './routes.ts';
import type { Runtime, RuntimeOptions } from './runtime-types.ts';
import { type SessionShellParts, spawnSession } from './session.ts';
import type { OnlineRow } from './session-online.ts';
import { startActorSystem } from './spawn.ts';
import type { Turn } from './turn.ts';
import type { FarDelivery, NackReason } from './wire.ts';

export type { Runtime, RuntimeOptions, RuntimeStats } from './runtime-types.ts';

/**
 * The entities of the shards this node leads: routes messages to the leader of a key's shard, keeps the outbox moving,
 * and says what becomes of entities when leadership comes and goes. A node that is alone leads every shard for good.
 */
export function createRuntime(options: RuntimeOptions): Runtime {
  const { store, cluster, rules = ALL_DELIVERY_RULES } = options;
  const system = options.actors ?? startActorSystem();
  const stanzas = { message: 0, presence: 0, iq: 0 };
  const later = options.later ?? ((delayMs: number, run: () => void): void => void systemClock.setTimer(delayMs, run));
  const aheadQueue = new AheadQueue(
    (user) => entities.sessions.get(user) ?? entities.session(user, shardOfSession(user)),
  );
  const pipeline =
    options.pipeline ??
    createPipeline(store, {
      pendingMax: options.turnsMax,
      busyOps: options.busyOps,
      busyTickMs: options.busyTickMs,
      monotonicMs: options.monotonicMs,
      beforeTick: () => aheadQueue.drain(),
      settling: aheadQueue.settling,
    });
  const routes = new Routes(options.nodeId, options.directory, cluster === undefined, {
    hintMs: cluster?.options?.hintMs ?? CROSSING_DEFAULTS.hintMs,
    now: options.now,
  });
  const shardOfSession = (user: string): number => shardOf(sessionKey(user), routes.shards);
  const shardOfChat = (id: string): number => shardOf(chatKey(id), routes.shards);
  const outbox = new Outbox({
    resendMs: options.resendMs,
    resendMsMax: options.resendMsMax,
    nackMs: options.nackMs ?? 20,
    now: options.now,
    later,
    send: sendItem,
    acked: (shard, idx) => store.acked(shard, idx),
  });
  let tooManyRows = 0;
  const recentWords = new RecentWords(options.session.indexWordsBytesMax);
  const entities = createEntities();
  const crossing = cluster === undefined ? undefined : createCrossing(cluster);
  const handOvers = crossing && createHandOvers(crossing);
  const pages = crossing ?? alonePages();

  function createEntities(): Entities {
    const entityRuntime: EntityRuntime = {
      system,
      pipeline,
      mailboxMax: options.mailboxMax,
      now: options.now,
      onCrash: options.onCrash,
      lost: (shard) => unlead(shard, 'its log is led elsewhere'),
      mayRead: cluster?.mayRead ?? (() => true),
    };
    const common = { store, toSession, ackDelivery, dispatch: addToOutbox };
    const limits = cluster && { ...CROSSING_DEFAULTS, ...cluster.options };
    const sessionParts: SessionShellParts = {
      ...options.sessionParts,
      ...common,
      limits: options.session,
      rules,
      stanzas,
      recentWords,
      rowsMax: options.rowsMax,
      tooManyRows(user, rows) {
        tooManyRows += 1;
        options.onTooManyRows?.(user, rows);
      },
      ...(limits && { crossing: limits }),
      ...(options.groups && { roomDomain: options.groups.roomDomain }),
      newRun: () => cluster?.newRun(),
      epochOf: (shard) => routes.epochOf(shard),
      lastInbox: (user) => store.last(shardOfSession(user), inboxStream(user)),
      readInbox: (user, seq) =>
        store.read(shardOfSession(user), inboxStream(user), { from: seq, to: seq, limit: 1 })[0]?.record as never,
      readIndex: (user, chat, n) =>
        store.read(shardOfSession(user), indexStream(user, chat), { from: n, to: n, limit: 1 })[0]?.record as never,
      toChat,
      nackDelivery: (source) => nackDelivery(source, 'gap'),
      fetch: (entries) => pages.fetch(entries),
    };
    const sendAhead = options.pipeline === undefined && cluster === undefined ? aheadQueue.send : undefined;
    const chatLimits = { ...options.chat, rules, ...(limits && { askAgainMs: limits.sendRetryMs }) };
    const chatParts = { ...common, limits: chatLimits, sendAhead };
    const groupParts = options.groups && {
      ...common,
      sendAhead,
      limits: { ...options.chat, ...options.groups, rules, domain: sessionParts.domain, newId: sessionParts.newId },
    };
    return new Entities({
      ...options,
      movable: cluster !== undefined,
      spawnSession: (user, shard) => spawnSession(user, shard, sessionParts, entityRuntime),
      spawnChat: (id, shard) =>
        groupParts !== undefined && isRoom(id, groupParts.limits.roomDomain)
          ? spawnGroup(id, shard, groupParts, entityRuntime)
          : spawnChat(id, shard, chatParts, entityRuntime),
    });
  }

  function createCrossing(parts: ClusterParts): Crossing {
    const { nodeId, bus } = options;
    const here = {
      session: tellSession,
      isActive: (user: string) => entities.sessions.has(user),
      isPaused: (user: string) => handOvers?.idle === false && handOvers.isPaused(shardOfSession(user)),
      chat: (id: string, msg: ChatMessage) => tellChat(id, shardOfChat(id), msg),
      deliver: deliverHere,
    };
    return new Crossing({ nodeId, bus, store, routes, cluster: parts, outbox, shardOfChat, toSession, here });
  }

  function createHandOvers(between: Crossing): HandOvers {
    return new HandOvers({
      nodeId: options.nodeId,
      crossing: between,
      entities,
      routes,
      tell: tellSession,
      toSession,
      nack: (source) => nackDelivery(source, 'notLeader'),
      now: options.now,
      later,
    });
  }

  function alonePages(): Pages {
    return new Pages({
      store,
      answerBytesMax: 0,
      timeoutMs: 0,
      pauseMs: 0,
      shardOfChat,
      leads: () => true,
      farLeader: () => undefined,
      now: options.now,
      later,
      ask: async () => undefined,
    });
  }

  // An entity that is active here is led here: no need to hash its key and look its leader up.
  function toSession(bareJid: string, msg: SessionMessage): boolean {
    if (crossing?.takesByLink(msg) === true) return true;
    const active = entities.sessions.get(bareJid);
    if (active !== undefined) return aheadQueue.tell(active, msg);
    const shard = shardOfSession(bareJid);
    if (routes.leads(shard)) return entities.session(bareJid, shard).tell(msg);
    crossing?.toSession(shard, bareJid, msg);
    return true;
  }

  /** To a session that must be led here. */
  function tellSession(user: string, msg: SessionMessage): boolean {
    const active = entities.sessions.get(user);
    if (active !== undefined) return active.tell(msg);
    const shard = shardOfSession(user);
    return routes.leads(shard) && entities.session(user, shard).tell(msg);
  }

  function toChat(chatId: string, msg: ChatMessage): void {
    const active = entities.chats.get(chatId);
    const shard = active?.shard ?? shardOfChat(chatId);
    if (active !== undefined || routes.leads(shard)) tellChat(chatId, shard, msg);
    else crossing?.toChat(shard, chatId, msg);
  }

  /** A send that its chat has no room for is answered, or the sender's stream would wait for ever. */
  function tellChat(id: string, shard: number, msg: ChatMessage): boolean {
    const late =
      crossing !== undefined &&
      msg.t === 'send' &&
      msg.order !== undefined &&
      msg.order.era < routes.latestEpoch(shardOfSession(msg.sender));
    if (entities.chat(id, shard).tell(late ? { ...msg, late } : msg)) return true;
    if (msg.t !== 'send' || msg.token === 0) return false;
    const outcome = { ok: false, condition: 'resource-constraint', text: 'The chat is too busy' } as const;
    toSession(msg.sender, answerTo(msg, outcome));
    return false;
  }

  function ackDelivery(source: Source): void {
    if (ackedAhead(source)) return;
    if (routes.leads(source.shard)) outbox.ack(source);
    else crossing?.ack(source);
  }

  function nackDelivery(source: Source, why: NackReason): void {
    if (nackedAhead(source, why)) return;
    if (routes.leads(source.shard)) outbox.nack(source, why);
    else crossing?.nack(source, why);
  }

  function addToOutbox(shard: number, idx: number, turn: Turn<unknown>): void {
    if (turn.ahead !== undefined) settleAhead(outbox, shard, idx, turn, turn.ahead);
    else outbox.add(shard, idx, turn.posts(), turn.live, turn.now);
  }

  function sendItem(to: string, source: Source, body: unknown, live: unknown): void {
    const item = body as ChatItem | PostItem;
    const record =
      item.t === 'msg' ? ((live as MessageRecord | undefined) ?? readMessage(item.chat, item.seq)) : undefined;
    // Its room and all that was said there were destroyed before it arrived.
    if (item.t === 'msg' && record === undefined) return outbox.ack(source);
    const delivery = { to, source, item, record };
    const shard = crossing === undefined ? 0 : shardOf(to, routes.shards);
    if (crossing !== undefined && !routes.leads(shard)) crossing.deliver(shard, delivery);
    else if (!deliverHere(delivery)) outbox.nack(source, 'full');
  }

  /** @returns false when there is no room */
  function deliverHere({ to, source, item, record }: FarDelivery): boolean {
    const name = to.slice(to.indexOf(':') + 1);
    if (!to.startsWith('chat:')) return tellSession(name, { t: 'deliver', source, item, record });
    return entities.chat(name, shardOfChat(name)).tell({ t: 'deliver', source, item: item as PostItem });
  }

  function readMessage(chatId: string, seq: number): MessageRecord | undefined {
    return store.read(shardOfChat(chatId), messageStream(chatId), { from: seq, to: seq, limit: 1 })[0]?.record as
      | MessageRecord
      | undefined;
  }

  async function list(of: Listing, limit: number): Promise<ListedRow[]> {
    if (crossing !== undefined) return crossing.list(of, limit);
    const page = async (_node: string, ask: Parameters<typeof pageOfRows>[2]) => pageOfRows(store, routes.led(), ask);
    return listRows(of, [options.nodeId], routes.shards, limit, page);
  }

  function lead(shard: number, epoch = 0): void {
    if (cluster === undefined || crossing === undefined) return;
    if (!routes.lead(shard, epoch)) return handOvers?.resume(shard);
    handOvers?.arrive(shard);
    if (rules.outboxOutlivesLeader)
      for (const op of cluster.unacked(shard)) outbox.add(shard, op.idx, op.outbox, [], options.now());
    tellOrphans(shard, cluster, crossing);
    crossing.released();
  }

  /** Clients of the former leader get time to come back; then who saw them hears of those that did not. */
  function tellOrphans(shard: number, { random }: ClusterParts, { options: limits }: Crossing): void {
    const prefix = onlineRow('');
    const rows = store.scan(shard, prefix, Number.MAX_SAFE_INTEGER) as [string, OnlineRow][];
    if (rows.length === 0) return;
    later(limits.orphansAfterMs + random.float() * limits.orphansSpreadMs, () => {
      if (!routes.leads(shard)) return;
      for (const [key, { resources, rooms = [] }] of rows)
        tellSession(key.slice(prefix.length), { t: 'orphans', resources, rooms });
    });
  }

  function unlead(shards: number | readonly number[], why: string): void {
    const lost = new Set((typeof shards === 'number' ? [shards] : shards).filter((shard) => routes.unlead(shard)));
    if (lost.size === 0 || crossing === undefined) return;
    handOvers?.leave(lost);
    crossing.served.lose(lost);
    for (const shard of lost) {
      outbox.drop(shard);
      const left = entities.drop(shard, why);
      // Nobody has seen these: the next leader does. Of a frame the socket is gone.
      for (const { user, message } of left.sessions) {
        if (message.t === 'deliver') nackDelivery(message.source, 'notLeader');
        else if (message.t !== 'frame' && !crossing.served.has(message)) toSession(user, message);
      }
      for (const { id, message } of left.chats) toChat(id, message);
    }
  }

  // What was committed and perhaps not delivered before the last stop: sent again, receivers drop what they have.
  if (cluster === undefined) {
    for (const op of store.recovered.unacked) outbox.add(op.shard, op.idx, op.outbox, [], options.now());
  }

  const sweeper = options.sweepMs > 0 ? setInterval(sweep, options.sweepMs) : undefined;
  sweeper?.unref();

  function sweep(): void {
    const now = options.now();
    outbox.sweep(now);
    entities.sweep(now);
    crossing?.sweep();
  }

  /** @param msMax of a node whose ops may never be committed, for want of other copies */
  async function quiesce(msMax?: number): Promise<void> {
    let late = false;
    const giveUp = new Promise<void>((resolve) => {
      if (msMax === undefined) return;
      later(msMax, () => {
        late = true;
        resolve();
      });
    });
    // Effects of one commit may lead to another op (deliveries): quiet is two rounds without any.
    for (let quiet = 0; quiet < 2 && !late; ) {
      const before = pipeline.stats.commits;
      await Promise.race([pipeline.drained(), giveUp]);
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      quiet = pipeline.stats.pending === 0 && pipeline.stats.commits === before ? quiet + 1 : 0;
    }
  }

  return {
    toSession,
    toChat,
    fetch: (entries) => pages.fetch(entries),
    listAccounts: async (limit) => accountsOf(await list('accounts', limit)),
    listRooms: async (limit) => (await list('rooms', limit)).map(({ jid, value }) => ({ jid, name: value as string })),
    write: (shard, writes) =>
      new Promise((resolve, reject) => {
        pipeline.submit({
          shard,
          writes,
          outbox: [],
          settle: (error) => (error === undefined ? resolve() : reject(error)),
        });
      }),
    lead,
    unlead,
    leads: (shard) => routes.leads(shard),
    readable: (shard) => entities.release(shard),
    pause: (shard) => (routes.leads(shard) ? handOvers?.pause(shard) : undefined),
    moved: () => {
      crossing?.released();
      handOvers?.tryLeaving();
    },
    nodeGone: (nodeId) => crossing?.nodeGone(nodeId),
    pipeline,
    stats: () => ({
      sessions: entities.sessions.size,
      chats: entities.chats.size,
      streams: entities.streams,
      stanzas: { ...stanzas },
      outbox: outbox.size,
      resent: outbox.resent,
      actors: system.stats(),
      pipeline: pipeline.stats,
      crossing: crossing?.stats,
      handedOver: handOvers?.moved ?? 0,
      tooManyRows,
      indexWordsBytes: recentWords.bytes,
    }),
    sweep,
    quiesce: () => quiesce(),
    async close() {
      clearInterval(sweeper);
      entities.flush();
      await quiesce(cluster && { ...CROSSING_DEFAULTS, ...cluster.options }.closeMs);
      system.stop();
    },
  };
}
