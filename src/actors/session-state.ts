import { SparseMap } from '../base/sparse-map.ts';
import { fullBucket } from '../base/token-bucket.ts';
import { ACCOUNT_KEY } from '../xmpp/account.ts';
import { type Blocklist, withoutBlocked } from '../xmpp/blocklist.ts';
import type { InboxPointer } from '../xmpp/mam-view.ts';
import type { PeerMessage, SessionPort, StreamPort } from '../xmpp/module.ts';
import type { ItemPlace } from '../xmpp/pubsub-types.ts';
import { onPeer, onUnknownAccount } from '../xmpp/rfc6121-peer.ts';
import { type ChatNames, chatNames } from './calls.ts';
import { bareOf } from './chat-log.ts';
import type { InboxOrder } from './inbox-order.ts';
import { inboxStream, sessionKey, userRows } from './keys.ts';
import { POSTS_PER_OP_MAX, type PostItem, type SessionMessage } from './messages.ts';
import { onAccount } from './session-account.ts';
import { blocksPeer, tellChats } from './session-blocking.ts';
import { onNoted, type UntoldCursors } from './session-cursors.ts';
import { importSession } from './session-handover.ts';
import { mayHaveChat, onLive, onMessageItem } from './session-inbox.ts';
import { onPeerIq } from './session-iq.ts';
import { onOrphans } from './session-online.ts';
import { notingNewContact, onPepPeer } from './session-pep.ts';
import { onPulled, type Pull } from './session-pulls.ts';
import { holdKeyOf, isRequest } from './session-queue.ts';
import type { WaitingRead } from './session-reads.ts';
import { onPresentAsk, onRoom, pushToRoom } from './session-rooms.ts';
import { onAgain, sweepSends } from './session-sends.ts';
import { onFrame, onInboxHas, onSendAnswer } from './session-stanzas.ts';
import { putStored, readStored } from './session-stored.ts';
import { backToInbox, onBind, onGone, onResume, onSweep } from './session-streams.ts';
import { bookmarkRoom } from './session-synced.ts';
import {
  isChatRowKey,
  NONE_TAKEN,
  type PendingSend,
  type SessionEffect,
  type SessionParts,
  type Stream,
  TAKEN_ROW,
  type TakenBack,
} from './session-types.ts';
import { DELETED, type Turn } from './turn.ts';

const NAMES_MAX = 64;
const NO_STREAMS: readonly Stream[] = [];

/**
 * A user: account, roster, inbox, presence and streams, as one pure state. `step` changes it and fills the turn; the
 * shell (session.ts) commits and runs effects. It is the SessionPort of the protocol handlers.
 *
 * Invariants
 * - `rows` is the committed state plus what the pending turns wrote, of the account what `rememberedAccount` leaves;
 *   `reset` brings it back to the committed state.
 * - an inbox record and the chat's cursor in 'c/<chat>' are written in one op (I13).
 * - streams are volatile; nothing durable depends on them but 'seen'.
 */
export class SessionState implements SessionPort {
  readonly user: string;
  readonly parts: SessionParts;
  /** name of the inbox stream */
  readonly inboxName: string;
  readonly #rowPrefix: string;
  /** rows of this user, keys relative to the user's prefix */
  rows: Map<string, unknown>;
  inboxSeq = 0;
  /** chats with a row; at `chatsMax` no new one comes into being */
  chats = 0;
  lastPointer: InboxPointer | undefined;
  /** ended, but their sockets are closed only with the turn that ended them */
  closing: readonly Stream[] = NO_STREAMS;
  readonly lazyRows = new SparseMap<string, unknown>();
  /** of nodes (by number) whose items were asked for: where each is, by id (item-port.ts) */
  readonly itemIndexes = new SparseMap<number, Map<string, ItemPlace>>();
  readonly pendingSends = new SparseMap<number, PendingSend>();
  /** where chats may be on other nodes: tokens of `pendingSends` by chat, rising; no chat without any */
  readonly unanswered = new SparseMap<string, number[]>();
  /** of those the tokens that the chat has taken and the inbox does not have yet, by chat, rising; no chat without any */
  readonly untaken = new SparseMap<string, number[]>();
  /** by chat: items that wait for messages before them to be fetched (session-pulls.ts) */
  readonly pulls = new SparseMap<string, Pull[]>();
  /** by resource that is gone: the first inboxSeq it has not acked; at most `resourcesMax` */
  readonly missed = new SparseMap<string, number>();
  /** names this activation to chats (SendOrder); undefined on a node that is alone */
  run: string | undefined;
  /** epoch of its shard's leadership here */
  era = 0;
  /** what it asked for outside and will hear of through a function: pages, a derived password */
  outside = 0;
  /** available resources as the row says (session-online.ts); undefined when that is not known */
  online: readonly string[] | undefined = [];
  /** … and rooms that some device of the user is in */
  onlineRooms: readonly string[] = [];
  /** questions about the archive that wait for sends before them, in order */
  readonly reads: WaitingRead[] = [];
  /** the inbox (XEP-0430); undefined until it is asked for, and again when the rows are loaded anew */
  order: InboxOrder | undefined;
  /** markers whose message is being looked for, by rising numbers */
  readonly marks = new Set<number>();
  nextMark = 1;
  /** how far this user is in groups that have not heard of it, by chat (session-cursors.ts) */
  readonly untold = new SparseMap<string, UntoldCursors>();
  /** the row `TAKEN_ROW`, and what this step adds to it */
  taken: readonly TakenBack[] = NONE_TAKEN;
  /** the turn that is on its way with rows of the index of words: one at a time, since each rests on the one before */
  indexing: Turn<SessionEffect> | undefined;
  /** rate of sends, one for all devices */
  readonly sends = fullBucket();
  nextSid = 1;
  nextToken = 1;
  #turn: Turn<SessionEffect> | undefined;
  /** of chats that had a message lately; at most NAMES_MAX, then all are built anew */
  readonly #names = new SparseMap<string, ChatNames>();
  /** in the order they were bound; replaced when one comes or goes, never changed */
  #streams: readonly Stream[] = NO_STREAMS;

  constructor(user: string, parts: SessionParts, rows: Map<string, unknown>) {
    this.user = user;
    this.inboxName = inboxStream(user);
    this.#rowPrefix = userRows(user);
    this.parts = parts;
    this.rows = rows;
    this.#load();
  }

  /** Back to the committed state; streams stay. */
  reset(rows: Map<string, unknown>): void {
    this.rows = rows;
    this.order = undefined;
    this.itemIndexes.clear();
    this.#turn = undefined;
    this.indexing = undefined;
    this.online = undefined;
    this.#load();
    for (const stream of this.#streams) backToInbox(stream, this.inboxSeq);
  }

  /** Drops all streams without a turn, those that wait for one to be closed too; presence of others is put right when they probe or the user comes back. */
  forgetStreams(): Stream[] {
    const streams = [...this.#streams, ...this.closing];
    this.closing = NO_STREAMS;
    for (const stream of streams) stream.ended = true;
    this.#streams = NO_STREAMS;
    for (const one of [this.pendingSends, this.unanswered, this.untaken, this.marks]) one.clear();
    this.reads.length = 0;
    return streams;
  }

  /** While it idles: what it has for work only goes. */
  trim(): void {
    this.#names.clear();
    const { lazyRows, pendingSends, unanswered, untaken, pulls, missed, untold } = this;
    for (const map of [this.#names, lazyRows, pendingSends, unanswered, untaken, pulls, missed, untold]) map.trim();
  }

  #load(): void {
    this.chats = 0;
    for (const key of this.rows.keys()) if (isChatRowKey(key)) this.chats += 1;
    this.taken = this.get(TAKEN_ROW) ?? NONE_TAKEN;
    this.inboxSeq = this.parts.lastInbox(this.user);
    this.lastPointer = this.inboxSeq === 0 ? undefined : this.parts.readInbox(this.user, this.inboxSeq);
  }

  get domain(): string {
    return this.parts.domain;
  }

  get turn(): Turn<SessionEffect> {
    if (this.#turn === undefined) throw new Error('a session was used outside a turn');
    return this.#turn;
  }

  get now(): number {
    return this.turn.now;
  }

  get exists(): boolean {
    return this.rows.has(ACCOUNT_KEY);
  }

  step(message: SessionMessage, turn: Turn<SessionEffect>): void {
    this.#turn = turn;
    this.#handle(message);
    if (this.lazyRows.size > 0 && (message.t === 'flush' || !turn.isEmpty)) this.#writeLazyRows(turn);
    this.#turn = undefined;
  }

  #writeLazyRows(turn: Turn<SessionEffect>): void {
    for (const [key, value] of this.lazyRows)
      if (this.rows.get(key) === value) turn.rows.set(this.#rowPrefix + key, value);
    this.lazyRows.clear();
  }

  #handle(message: SessionMessage): void {
    switch (message.t) {
      case 'frame':
        return onFrame(this, message.sid, message.frame);
      case 'deliver':
        return this.#onDeliver(message);
      case 'answer':
        if (message.run === this.run) onSendAnswer(this, message.token, message.outcome, message.group);
        return;
      case 'again':
        return onAgain(this, message.chat, message.run);
      case 'adopt':
        return this.#adopt(message);
      case 'orphans':
        return onOrphans(this, message.resources, message.rooms ?? []);
      case 'room':
        return onRoom(this, message);
      case 'said':
        return pushToRoom(this, message.chat, message.seq, message.record);
      case 'present?':
        return onPresentAsk(this, message);
      case 'noted':
        return onNoted(this, message);
      case 'live':
        return onLive(this, message.chat, message.message);
      case 'peer':
        return this.#onPeer(message.msg, 0);
      case 'exists?': {
        const exists = this.exists && !blocksPeer(this, message.chat) && mayHaveChat(this, message.chat);
        this.turn.effects.push({ t: 'toChat', chat: message.chat, msg: { t: 'exists', member: this.user, exists } });
        return;
      }
      case 'bind':
        return onBind(this, message);
      case 'resume':
        return onResume(this, message);
      case 'gone':
        return onGone(this, message.sid, message.conn, message.clean);
      case 'account':
        return onAccount(this, message.ask, message.reply);
      case 'sweep':
        onSweep(this);
        return sweepSends(this);
      case 'pulled':
        return onPulled(this, message);
      case 'flush':
        return;
      case 'run':
        return this.#goOn(message.run);
    }
  }

  #adopt({ blob, connOf }: Extract<SessionMessage, { t: 'adopt' }>): void {
    if (importSession(this, blob, connOf)) return;
    const reason = { t: 'detached', why: 'the session cannot go on here' } as const;
    for (const { place } of blob.streams) {
      const conn = place && connOf(place);
      if (conn !== undefined) this.turn.always({ t: 'reply', run: () => conn.close(reason) });
    }
  }

  /** What comes of a finished load or question rests on committed state: it holds even if this turn's op is refused. */
  #goOn(run: () => void): void {
    const { effects, onFail } = this.turn;
    const from = effects.length;
    const failFrom = onFail.length;
    run();
    onFail.length = failFrom;
    for (let i = from; i < effects.length; i++) onFail.push(effects[i] as SessionEffect);
  }

  #onDeliver({ source, item, record }: Extract<SessionMessage, { t: 'deliver' }>): void {
    if (item.t === 'msg') {
      if (record === undefined || source.ahead?.takenBy(this.turn) === false) return;
      onMessageItem(this, source, item, record);
      if (this.untaken.size > 0) onInboxHas(this, item.chat);
      return;
    }
    if (item.t === 'added' && this.exists) bookmarkRoom(this, item);
    if (item.t === 'peer') this.#onPeer(item.msg, source.idx * POSTS_PER_OP_MAX + source.pos);
    this.turn.effects.push({ t: 'ackDelivery', source });
  }

  #onPeer(msg: PeerMessage, idx: number): void {
    if (msg.t === 'iq') return onPeerIq(this, msg);
    if (msg.t === 'event' || msg.t === 'wants') return onPepPeer(this, msg);
    if (!this.exists) {
      for (const answer of onUnknownAccount(this.domain, msg)) this.post(bareOf(answer.to), answer);
      return;
    }
    notingNewContact(this, msg, () => onPeer(this, msg, idx, this.parts.limits.roster));
  }

  // --- SessionPort ---------------------------------------------------------------------------------------------

  get<T>(key: string): T | undefined {
    return this.rows.get(key) as T | undefined;
  }

  entries<T>(prefix: string): [string, T][] {
    const found: [string, T][] = [];
    for (const [key, value] of this.rows) if (key.startsWith(prefix)) found.push([key, value as T]);
    return found.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  }

  put(key: string, value: unknown): void {
    this.order?.note(key, this.rows.get(key), value);
    if (isChatRowKey(key) && !this.rows.has(key)) this.chats += 1;
    this.rows.set(key, value);
    this.turn.rows.set(this.#rowPrefix + key, value);
  }

  /**
   * A row that need not be on disk at once (last seen): it goes along with the next op of this user, or when the actor
   * goes to sleep. A crash may lose it.
   */
  putLazily(key: string, value: unknown): void {
    this.rows.set(key, value);
    this.lazyRows.set(key, value);
  }

  /** A row that a call of this turn writes: kept in memory here, and nothing older may be written over it. */
  callPut(key: string, inShard: string, value: unknown): void {
    this.order?.note(key, this.rows.get(key), value);
    this.rows.set(key, value);
    this.turn.forget(inShard);
  }

  namesOf(chat: string): ChatNames {
    let names = this.#names.get(chat);
    if (names === undefined) {
      if (this.#names.size >= NAMES_MAX) this.#names.clear();
      names = chatNames(this.user, chat);
      this.#names.set(chat, names);
    }
    return names;
  }

  del(key: string): void {
    this.order?.note(key, this.rows.get(key), undefined);
    if (isChatRowKey(key) && this.rows.has(key)) this.chats -= 1;
    if (this.rows.delete(key)) this.turn.rows.set(this.#rowPrefix + key, DELETED);
  }

  streams(): readonly Stream[] {
    return this.#streams;
  }

  stream(resource: string): Stream | undefined {
    for (const stream of this.#streams) if (stream.resource === resource) return stream;
    return undefined;
  }

  streamOf(sid: number): Stream | undefined {
    for (const stream of this.#streams) if (stream.sid === sid) return stream;
    return undefined;
  }

  addStream(stream: Stream): void {
    this.#streams = [...this.#streams, stream];
  }

  dropStream(stream: Stream): void {
    this.#streams = this.#streams.filter((one) => one !== stream);
  }

  send(stream: StreamPort, xml: string, loose = false): void {
    const one = stream as Stream;
    if (isRequest(xml)) one.asked += 1;
    this.sendHeld(one, xml, one.inactive && xml.startsWith('<presence') ? holdKeyOf(xml) : undefined, loose);
  }

  /** @param hold under which it may wait for an inactive client (XEP-0352), undefined when it must not */
  sendHeld(stream: Stream, xml: string, hold: string | undefined, loose: boolean): void {
    this.turn.effects.push({ t: 'stanza', stream, xml, seq: 0, loose, ...(hold !== undefined && { hold }) });
  }

  tell(bareJid: string, message: PeerMessage): void {
    const msg = withoutBlocked(this, message);
    if (msg !== undefined) this.turn.effects.push({ t: 'toSession', to: bareJid, msg: { t: 'peer', msg } });
  }

  post(bareJid: string, msg: PeerMessage): void {
    this.postItem(sessionKey(bareJid), { t: 'peer', msg });
  }

  /** @throws Error above POSTS_PER_OP_MAX items in one turn: the caller has to spread such work over turns */
  postItem(to: string, body: PostItem): void {
    if (this.turn.outbox.length >= POSTS_PER_OP_MAX) throw new Error('too many posts in one turn');
    this.turn.outbox.push({ to, body });
    this.turn.live.push(undefined);
  }

  putStored(key: string, value: unknown): void {
    putStored(this, key, value);
  }

  readStored(key: string, done: (value: unknown) => void): void {
    readStored(this, key, done);
  }

  blocklistChanges(before: Blocklist, after: Blocklist): boolean {
    return tellChats(this, before, after);
  }

  newId(): string {
    return this.parts.newId();
  }
}
