import { ACCOUNT_KEY } from '../xmpp/account.ts';
import { type Blocklist, withoutBlocked } from '../xmpp/blocklist.ts';
import type { InboxPointer } from '../xmpp/mam-view.ts';
import type { PeerMessage, SessionPort, StreamPort } from '../xmpp/module.ts';
import { onPeer, onUnknownAccount } from '../xmpp/rfc6121-peer.ts';
import { type ChatNames, chatNames } from './calls.ts';
import { accountIndexRow, inboxStream, sessionKey, userRows } from './keys.ts';
import {
  type AccountAnswer,
  type AccountAsk,
  POSTS_PER_OP_MAX,
  type PostItem,
  type Send,
  type SessionMessage,
  type Source,
} from './messages.ts';
import { removeAccount } from './session-account.ts';
import { blocksPeer, tellChats } from './session-blocking.ts';
import { importSession } from './session-handover.ts';
import { onLive, onMessageItem } from './session-inbox.ts';
import { onPeerIq } from './session-iq.ts';
import { onOrphans } from './session-online.ts';
import { holdKeyOf } from './session-queue.ts';
import type { WaitingRead } from './session-reads.ts';
import { putStored, readStored } from './session-rows.ts';
import { onAgain, sweepSends } from './session-sends.ts';
import { onFrame, onInboxHas, onSendAnswer } from './session-stanzas.ts';
import { onBind, onGone, onResume, onSweep } from './session-streams.ts';
import type { SessionEffect, SessionParts, Stream } from './session-types.ts';
import { DELETED, type Turn } from './turn.ts';

const NAMES_MAX = 64;

/** A send whose chat has not answered yet. */
export interface PendingSend {
  readonly stream: Stream;
  /** its number in the stream's inbound window, 0 without stream management */
  readonly n: number;
  readonly chat: string;
  readonly send: Send;
  /** chatSeq that the inbox has to have before the stanza is handled; undefined while the chat has not answered */
  readonly upTo?: number | undefined;
  /** ms since the epoch when it came, and when it was last sent to the chat */
  readonly since: number;
  sentAt: number;
}

/**
 * A user: account, roster, inbox, presence and streams, as one pure state. `step` changes it and fills the turn; the
 * shell (session.ts) commits and runs effects. It is the SessionPort of the protocol handlers.
 *
 * Invariants
 * - `rows` is the committed state plus what the pending turns wrote; `reset` brings it back to the committed state.
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
  lastPointer: InboxPointer | undefined;
  readonly byResource = new Map<string, Stream>();
  readonly bySid = new Map<number, Stream>();
  /** ended, but their sockets are closed only with the turn that ended them */
  readonly closing = new Set<Stream>();
  readonly lazyRows = new Map<string, unknown>();
  readonly pendingSends = new Map<number, PendingSend>();
  /** where chats may be on other nodes: tokens of `pendingSends` by chat, rising; no chat without any */
  readonly unanswered = new Map<string, number[]>();
  /** of those the tokens that the chat has taken and the inbox does not have yet, by chat, rising; no chat without any */
  readonly untaken = new Map<string, number[]>();
  /** names this activation to chats (SendOrder); undefined on a node that is alone */
  run: string | undefined;
  /** epoch of its shard's leadership here */
  era = 0;
  /** what it asked for outside and will hear of through a function: pages, a derived password */
  outside = 0;
  /** available resources as the row says (session-online.ts); undefined when that is not known */
  online: readonly string[] | undefined = [];
  /** questions about the archive that wait for sends before them, in order */
  readonly reads: WaitingRead[] = [];
  /** Token bucket of sends, one for all devices: tokens left, and when that was true (ms since the epoch, 0 = never). */
  readonly sends = { tokens: 0, at: 0 };
  nextSid = 1;
  nextToken = 1;
  #turn: Turn<SessionEffect> | undefined;
  /** of chats that had a message lately; at most NAMES_MAX, then all are built anew */
  readonly #names = new Map<string, ChatNames>();

  constructor(user: string, parts: SessionParts, rows: Map<string, unknown>) {
    this.user = user;
    this.inboxName = inboxStream(user);
    this.#rowPrefix = userRows(user);
    this.parts = parts;
    this.rows = rows;
    this.loadInbox();
  }

  /** Back to the committed state; streams stay. */
  reset(rows: Map<string, unknown>): void {
    this.rows = rows;
    this.#turn = undefined;
    this.online = undefined;
    this.loadInbox();
    for (const stream of this.byResource.values()) stream.given = Math.min(stream.given, this.inboxSeq);
  }

  /** Drops all streams without a turn, those that wait for one to be closed too; presence of others is put right when they probe or the user comes back. */
  forgetStreams(): Stream[] {
    const streams = [...this.bySid.values(), ...this.closing];
    this.closing.clear();
    for (const stream of streams) stream.ended = true;
    this.bySid.clear();
    this.byResource.clear();
    this.pendingSends.clear();
    this.unanswered.clear();
    this.untaken.clear();
    this.reads.length = 0;
    return streams;
  }

  loadInbox(): void {
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

  /** Runs `work` as part of a turn; for the shell, when something it waited for arrives. */
  within(turn: Turn<SessionEffect>, work: () => void): void {
    this.#turn = turn;
    work();
    this.#turn = undefined;
  }

  #handle(message: SessionMessage): void {
    switch (message.t) {
      case 'frame':
        return onFrame(this, message.sid, message.frame);
      case 'deliver':
        return this.#onDeliver(message.source, message.item, message);
      case 'answer':
        if (message.run === this.run) onSendAnswer(this, message.token, message.outcome);
        return;
      case 'again':
        return onAgain(this, message.chat, message.run);
      case 'adopt':
        return this.#adopt(message);
      case 'orphans':
        return onOrphans(this, message.resources);
      case 'live':
        return onLive(this, message.chat, message.message);
      case 'peer':
        return this.#onPeer(message.msg, 0);
      case 'exists?': {
        const exists = this.exists && !blocksPeer(this, message.chat);
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
        return this.#onAccount(message.ask, message.reply);
      case 'sweep':
        onSweep(this);
        return sweepSends(this);
      case 'flush':
        return;
      case 'run':
        return this.#goOn(message.run);
    }
  }

  #adopt({ blob, connOf }: Extract<SessionMessage, { t: 'adopt' }>): void {
    if (importSession(this, blob, connOf)) return;
    const reason = { t: 'detached', why: 'the session was at work here already' } as const;
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

  #onDeliver(
    source: Source,
    item: PostItem | import('./messages.ts').ChatItem,
    message: Extract<SessionMessage, { t: 'deliver' }>,
  ): void {
    if (item.t === 'msg') {
      if (message.record === undefined) return;
      onMessageItem(this, source, item, message.record);
      if (this.untaken.size > 0) onInboxHas(this, item.chat);
      return;
    }
    if (item.t === 'peer') this.#onPeer(item.msg, source.idx * POSTS_PER_OP_MAX + source.pos);
    this.turn.effects.push({ t: 'ackDelivery', source });
  }

  #onPeer(msg: PeerMessage, idx: number): void {
    if (msg.t === 'iq') return onPeerIq(this, msg);
    if (!this.exists) {
      for (const answer of onUnknownAccount(this.domain, msg)) this.post(bareOf(answer.to), answer);
      return;
    }
    onPeer(this, msg, idx, this.parts.limits.roster);
  }

  #onAccount(ask: AccountAsk, reply: (answer: AccountAnswer) => void): void {
    const failed: AccountAnswer = { t: 'failed', condition: 'resource-constraint' };
    this.turn.onFail.push({ t: 'reply', run: () => reply(failed) });
    const answer = this.#doAccount(ask);
    this.turn.effects.push({ t: 'reply', run: () => reply(answer) });
  }

  #doAccount(ask: AccountAsk): AccountAnswer {
    const row = this.rows.get(ACCOUNT_KEY);
    switch (ask.t) {
      case 'lookup':
        return row === undefined ? { t: 'none' } : { t: 'account', row };
      case 'create':
        if (row !== undefined) return { t: 'conflict' };
        this.put(ACCOUNT_KEY, ask.row);
        this.turn.rows.set(accountIndexRow(this.user), this.now);
        return { t: 'done' };
      case 'setCredentials':
        if (row === undefined) return { t: 'none' };
        this.put(ACCOUNT_KEY, ask.row);
        return { t: 'done' };
      case 'remove':
        if (row === undefined) return { t: 'none' };
        removeAccount(this);
        return { t: 'done' };
    }
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
    if (this.rows.delete(key)) this.turn.rows.set(this.#rowPrefix + key, DELETED);
  }

  streams(): readonly Stream[] {
    return [...this.byResource.values()];
  }

  stream(resource: string): Stream | undefined {
    return this.byResource.get(resource);
  }

  send(stream: StreamPort, xml: string): void {
    const one = stream as Stream;
    this.sendHeld(one, xml, one.inactive && xml.startsWith('<presence') ? holdKeyOf(xml) : undefined);
  }

  /** @param hold under which it may wait for an inactive client (XEP-0352), undefined when it must not */
  sendHeld(stream: Stream, xml: string, hold: string | undefined): void {
    this.turn.effects.push({ t: 'stanza', stream, xml, seq: 0, ...(hold !== undefined && { hold }) });
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

function bareOf(jid: string): string {
  const slash = jid.indexOf('/');
  return slash === -1 ? jid : jid.slice(0, slash);
}
