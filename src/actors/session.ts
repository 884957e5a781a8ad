import type { LogStore } from '../storage/log-store.ts';
import { ACCOUNT_KEY } from '../xmpp/account.ts';
import type { ArchiveEntry, InboxPointer } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { ACK_REQUEST, ackXml } from '../xmpp/xep0198-stream-management.ts';
import { HeldStanzas } from '../xmpp/xep0352-csi.ts';
import { type Entity, type EntityBehaviour, type EntityRuntime, EntityShell } from './entity.ts';
import { inboxStream, userRows } from './keys.ts';
import type { AccountAnswer, ChatMessage, SessionMessage, Source } from './messages.ts';
import { forgetTaken, growInboxIndex } from './session-fulltext.ts';
import { exportSession, type SessionBlob } from './session-handover.ts';
import { entriesOf, onCaughtUp } from './session-inbox.ts';
import { answerThatFits, isBehind, isFullTo } from './session-queue.ts';
import { loadRows } from './session-rows.ts';
import { SessionState } from './session-state.ts';
import { endStream, isRestless, takeUp } from './session-streams.ts';
import type { Refusal, SessionEffect, SessionParts, Stream, StreamManagement } from './session-types.ts';
import type { Turn } from './turn.ts';

/** Shell of a session actor: loads its rows, runs its effects, owns what the streams have in flight. */
export interface SessionShellParts extends SessionParts {
  readonly store: LogStore;
  /** rows of one user (roster, chats, settings) above which some bound cannot have held */
  readonly rowsMax: number;
  /** … and who is told of it */
  tooManyRows(user: string, rows: number): void;
  toChat(chatId: string, message: ChatMessage): void;
  toSession(bareJid: string, message: SessionMessage): void;
  ackDelivery(source: Source): void;
  nackDelivery(source: Source): void;
  /** names an activation, unlike any other's of the cluster; undefined when the node is alone */
  newRun(): string | undefined;
  /** epoch of this node's leadership of a shard; 0 when it is alone */
  epochOf(shard: number): number;
  dispatch(shard: number, idx: number, turn: Turn<SessionEffect>): void;
  /** messages of these entries, in their order; rejects when a chat cannot be reached */
  fetch(entries: readonly ArchiveEntry[]): (MessageRecord | undefined)[] | Promise<(MessageRecord | undefined)[]>;
  /** derives and stores a new password for this session's user; resolves with what to answer */
  setPassword(user: string, password: string): Promise<'done' | 'busy'>;
}

type PlaceOf = Parameters<typeof exportSession>[1];

export interface SessionEntity extends Entity<SessionMessage> {
  /** streams bound, connected or resumable; a session with any is not passivated */
  readonly streams: number;
  /** rows wait for an op: `flush` before it sleeps */
  readonly unwritten: boolean;
  /**
   * The session as a value for the shard's next leader, and what waited for it; undefined when it cannot move. After
   * this it is as good as discarded, but its sockets stay.
   */
  handOver(placeOf: PlaceOf): { readonly blob: SessionBlob; readonly left: readonly SessionMessage[] } | undefined;
  /** The shard is led elsewhere: streams let go of their sockets, whose clients connect again. */
  discard(why: string): readonly SessionMessage[];
  /** some stream of it needs the sweep; idle ones are left alone, waking 10,000 a second would cost a tenth of a core */
  readonly restless: boolean;
}

export function spawnSession(
  user: string,
  shard: number,
  parts: SessionShellParts,
  runtime: EntityRuntime,
): SessionEntity {
  const session = new SessionState(user, parts, loadRows(parts, shard, user));
  // What is under way for this user's session before it slept must not be taken for an answer to what it sends now.
  session.nextToken = runtime.now() * NUMBERS_PER_MS;
  session.nextSid = session.nextToken;
  session.run = parts.newRun();
  session.era = parts.epochOf(shard);
  return new SessionActor(session, new SessionShell(session, shard, parts, runtime), runtime);
}

class SessionActor extends EntityShell<SessionMessage, SessionEffect> implements SessionEntity {
  readonly #session: SessionState;

  constructor(session: SessionState, shell: SessionShell, runtime: EntityRuntime) {
    super('session', shell.shard, shell, runtime);
    this.#session = session;
    shell.actor = this;
  }

  handOver(placeOf: PlaceOf): { readonly blob: SessionBlob; readonly left: readonly SessionMessage[] } | undefined {
    if (!this.settled && this.#session.parts.rules.settledBeforeHandOver) return undefined;
    const blob = exportSession(this.#session, placeOf);
    return blob && { blob, left: super.discard('') };
  }

  override discard(why: string): readonly SessionMessage[] {
    const left = super.discard(why);
    const reason = { t: 'detached', why } as const;
    for (const stream of this.#session.forgetStreams()) {
      stream.resuming?.conn.close(reason);
      stream.conn?.close(reason);
    }
    return left;
  }

  override rest(): void {
    super.rest();
    this.#session.trim();
  }

  get streams(): number {
    return this.#session.streams().length;
  }

  get unwritten(): boolean {
    return this.#session.lazyRows.size > 0 || this.#session.taken.length > 0;
  }

  get restless(): boolean {
    return isRestless(this.#session);
  }
}

/** Numbers that an active session may give out in a millisecond; a later activation begins above them. */
const NUMBERS_PER_MS = 1024;

class SessionShell implements EntityBehaviour<SessionMessage, SessionEffect> {
  readonly shard: number;
  /** set by the actor that it is the shell of */
  actor: SessionActor | undefined;
  readonly #session: SessionState;
  readonly #parts: SessionShellParts;
  readonly #runtime: EntityRuntime;

  constructor(session: SessionState, shard: number, parts: SessionShellParts, runtime: EntityRuntime) {
    this.shard = shard;
    this.actor = undefined;
    this.#session = session;
    this.#parts = parts;
    this.#runtime = runtime;
  }

  step(message: SessionMessage, turn: Turn<SessionEffect>): void {
    const had = this.#session.inboxSeq;
    this.#session.step(message, turn);
    if (this.#session.inboxSeq > had) growInboxIndex(this.#session, had, turn, this.#parts.store, this.shard);
    const asked = message.t === 'flush';
    if (this.#session.taken.length > 0 && (asked || !turn.isEmpty))
      forgetTaken(this.#session, had, turn, this.#parts.store, this.shard, asked);
  }

  dispatch(turn: Turn<SessionEffect>, idx: number): void {
    this.#parts.dispatch(this.shard, idx, turn);
  }

  reset(): void {
    this.#session.reset(loadRows(this.#parts, this.shard, this.#session.user));
  }

  abandon(batch: readonly SessionMessage[]): void {
    this.#endStreams();
    for (const message of batch) this.#refuse(message);
  }

  urgent({ t }: SessionMessage): boolean {
    return t === 'answer' || t === 'gone' || t === 'run';
  }

  /** Frames were lost: `h` cannot be right any more, so no stream of this user goes on, nor can it be resumed. */
  #endStreams(): void {
    for (const stream of this.#session.forgetStreams()) {
      stream.resuming?.reply({ ok: false, h: undefined });
      stream.conn?.close({ t: 'error', condition: 'internal-server-error' });
    }
  }

  /** Tells who waits for the answer to a message that came to nothing. */
  #refuse(message: SessionMessage): void {
    if (message.t === 'bind') message.reply({ ok: false, condition: 'internal-server-error' });
    else if (message.t === 'resume') message.reply({ ok: false, h: undefined });
    else if (message.t === 'account') message.reply({ t: 'failed', condition: 'internal-server-error' });
  }

  run(effect: SessionEffect): void {
    switch (effect.t) {
      case 'stanza':
        return this.#stanza(effect);
      case 'nonza':
        effect.stream.conn?.send(effect.xml);
        return;
      case 'handled':
        return this.#handled(effect.stream, effect.n);
      case 'ackOwed':
        return this.#oweAck(effect.stream, effect.n);
      case 'enabled':
        if (effect.stream.sm !== undefined) effect.stream.sm.on = true;
        effect.stream.conn?.send(effect.xml);
        return;
      case 'resumed':
        return this.#takeUp(effect.stream);
      case 'toChat':
        return this.#parts.toChat(effect.chat, effect.msg);
      case 'toSession':
        return this.#parts.toSession(effect.to, effect.msg);
      case 'ackDelivery':
        return this.#parts.ackDelivery(effect.source);
      case 'nackDelivery':
        return this.#parts.nackDelivery(effect.source);
      case 'reply':
        return effect.run();
      case 'close':
        this.#session.closing = this.#session.closing.filter((stream) => stream !== effect.stream);
        return effect.stream.conn?.close(effect.reason);
      case 'load':
        return this.#load(effect.entries, effect.done);
      case 'loadRows':
        return this.#loadRows(effect);
      case 'catchUp':
        return this.#catchUp(effect.stream);
      case 'lookup':
        return this.#lookup(effect.reply);
      case 'setPassword':
        return this.#setPassword(effect);
      case 'outside':
        return this.#outside(effect.work);
    }
  }

  #stanza(effect: Extract<SessionEffect, { t: 'stanza' }>): void {
    const { stream, xml, seq, at = seq, refusal, hold, loose, ts } = effect;
    // It was decided before the stream began to lag; the inbox brings it again, in its place.
    if (at > 0 && stream.lag !== undefined && at >= stream.lag.next) {
      stream.early?.delete(at);
      return;
    }
    if (refusal !== undefined) return this.#refusal(stream, xml, refusal);
    if (loose === true && isBehind(stream, this.#parts.limits)) return;
    if (hold === undefined && stream.held === undefined) return this.#write(stream, xml, seq, at, ts);
    stream.held ??= new HeldStanzas(this.#parts.limits.heldMax);
    for (const one of stream.held.offer(stream.inactive ? hold : undefined, xml))
      this.#write(stream, one, one === xml ? seq : 0, one === xml ? at : 0, one === xml ? ts : 0);
  }

  /** In no particular place among what is held back: nothing of that is about the sender's own messages. */
  #refusal(stream: Stream, xml: string, refusal: Refusal): void {
    this.#write(stream, xml, 0, 0);
    const { sm } = stream;
    if (sm === undefined) return;
    refusal.sent = sm.out.sent;
    // Until the client has heard of it, what it sends to that chat is refused as well.
    if (sm.on && sm.askedAt === 0) this.#askForAck(stream, sm);
  }

  #write(stream: Stream, stanza: string, seq: number, at: number, ts = 0): void {
    if (stream.broken) return;
    const { conn } = stream;
    const sm = stream.sm?.on === true ? stream.sm : undefined;
    const { limits } = this.#parts;
    const xml = sm === undefined ? stanza : answerThatFits(stanza, sm, limits);
    if (sm !== undefined) {
      // A message can be had again from the inbox: it leaves room for what cannot, such as presence.
      const full = at > 0 && isFullTo(0.75, sm, limits);
      if (full || sm.out.push(xml, seq, ts) === 'full') return this.#overflow(stream, at);
      sm.sinceAsk += 1;
    }
    if (conn === undefined) return;
    conn.send(xml);
    // At half of the queue at the latest, or it would fill before the client is asked.
    if (sm !== undefined && sm.askedAt === 0 && (sm.sinceAsk >= limits.ackEvery || isFullTo(0.5, sm, limits))) {
      this.#askForAck(stream, sm);
    }
    if (conn.queuedBytes > limits.outQueueBytesMax) conn.close({ t: 'detached', why: 'the client reads too slowly' });
  }

  #askForAck(stream: Stream, sm: StreamManagement): void {
    if (stream.conn === undefined) return;
    sm.askedAt = this.#runtime.now();
    sm.sinceAsk = 0;
    stream.conn.send(ACK_REQUEST);
  }

  /**
   * The client has not acked for long. A message is in the inbox: from here on the stream gets what it lacks from
   * there, when it acks. Anything else cannot be had again, so the stream ends instead of losing it silently.
   */
  #overflow(stream: Stream, at: number): void {
    // A stanza that does not fit into an empty queue never will.
    if (at > 0 && stream.sm !== undefined && stream.sm.out.size > 0) {
      stream.lag = { next: at, loading: false, blocked: true };
      return;
    }
    const reason = {
      t: 'error',
      condition: 'resource-constraint',
      text: 'Too many stanzas were not acknowledged',
    } as const;
    // At once, not with the step that ends it: an `<a/>` or a resumption in between would hide what was lost.
    stream.broken = true;
    stream.conn?.close(reason);
    this.#end(stream);
  }

  #end(stream: Stream): void {
    this.actor?.tell({ t: 'run', run: () => endStream(this.#session, stream, { t: 'end' }) });
  }

  #handled(stream: Stream, n: number): void {
    stream.sm?.inbound.done(n);
    this.#acknowledge(stream);
    if (stream.resuming !== undefined) this.#takeUp(stream);
  }

  #oweAck(stream: Stream, n: number): void {
    const { sm } = stream;
    if (sm === undefined) return;
    if (sm.owed === 0) sm.owed = Math.max(n, 1);
    else sm.owedNext = n;
    this.#acknowledge(stream);
  }

  /**
   * `<a/>` leaves when everything before the `<r/>` has had its effects, so one request is one honest answer. Requests
   * that come meanwhile share the next one.
   */
  #acknowledge(stream: Stream): void {
    const { sm, conn } = stream;
    if (sm === undefined || conn === undefined || sm.owed === 0 || stream.broken) return;
    if (sm.inbound.open > 0 && sm.inbound.h < sm.owed) return;
    sm.owed = sm.inbound.open > 0 && sm.inbound.h < sm.owedNext ? sm.owedNext : 0;
    sm.owedNext = 0;
    conn.send(ackXml(sm.inbound.h));
  }

  #takeUp(stream: Stream): void {
    const taken = takeUp(stream, this.#session, this.#runtime.now());
    if (!taken) return stream.broken && !stream.ended ? this.#end(stream) : undefined;
    for (const xml of stream.held?.flush() ?? []) this.#write(stream, xml, 0, 0);
    this.#catchUp(stream);
  }

  #load(entries: readonly ArchiveEntry[], done: Extract<SessionEffect, { t: 'load' }>['done']): void {
    const arrived = (records: readonly (MessageRecord | undefined)[] | undefined): void =>
      this.#comeBack(() => done(this.#session, records));
    this.#session.outside += 1;
    const found = this.#parts.fetch(entries);
    if (Array.isArray(found)) arrived(found);
    else found.then(arrived, () => arrived(undefined));
  }

  #loadRows({ keys, done }: Extract<SessionEffect, { t: 'loadRows' }>): void {
    this.#session.outside += 1;
    const rows = keys.map((key) => this.#parts.store.get(this.shard, key));
    this.#comeBack(() => done(rows));
  }

  /** What was asked for outside is there: goes on within a turn. */
  #comeBack(run: () => void): void {
    this.actor?.tell({
      t: 'run',
      run: () => {
        this.#session.outside -= 1;
        run();
      },
    });
  }

  #catchUp(stream: Stream): void {
    const { lag } = stream;
    if (lag === undefined || lag.loading || lag.blocked || stream.ended || stream.conn === undefined) return;
    lag.loading = true;
    const { store, limits } = this.#parts;
    const stored = store.last(this.shard, inboxStream(this.#session.user));
    const upto = Math.min(stored, lag.next + limits.catchUpPage - 1);
    const pointers = store.read(this.shard, inboxStream(this.#session.user), {
      from: lag.next,
      to: upto,
      limit: limits.catchUpPage,
    });
    const entries = entriesOf(pointers as { seq: number; record: InboxPointer }[], this.#parts.roomDomain);
    this.#load(entries, (_session, records) => {
      // It overflowed meanwhile: this page is not the next one any more.
      if (stream.lag !== lag) return;
      const page = entries.map(({ seq, shown }, at) => ({ seq, shown, record: records?.[at] }));
      if (records !== undefined) onCaughtUp(this.#session, stream, page, Math.max(upto, lag.next - 1));
      else lag.loading = false;
    });
  }

  #lookup(reply: (answer: AccountAnswer) => void): void {
    const row = this.#parts.store.get(this.shard, userRows(this.#session.user) + ACCOUNT_KEY);
    reply(row === undefined ? { t: 'none' } : { t: 'account', row });
  }

  #setPassword({ request, password }: Extract<SessionEffect, { t: 'setPassword' }>): void {
    this.#outside(async () => {
      const outcome = await this.#parts.setPassword(this.#session.user, password).catch(() => 'busy');
      return () => (outcome === 'done' ? request.reply() : request.error('resource-constraint'));
    });
  }

  #outside(work: () => Promise<() => void>): void {
    this.#session.outside += 1;
    work().then((then) => this.#comeBack(then));
  }
}
