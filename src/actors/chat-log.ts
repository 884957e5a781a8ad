import { SparseMap } from '../base/sparse-map.ts';
import type { TokenBucket } from '../base/token-bucket.ts';
import type { Write } from '../storage/log-store.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import type { StanzaCondition } from '../xmpp/module.ts';
import type { History } from './chat-retract.ts';
import { Dedupe, type DedupeLimits, dedupeKey, goneKey, retryKey } from './dedupe.ts';
import { SenderOrder } from './dedupe-order.ts';
import type { DeliveryRules } from './delivery-rules.ts';
import { messageStream } from './keys.ts';
import { isForNow, type Send, type SendOutcome, type SessionMessage, type Source } from './messages.ts';

/** What direct chats and groups share: one dense sequence of messages, dedupe, the order of each sender. Pure. */
export interface ChatLog {
  readonly id: string;
  /** counts proposed messages, so the record of `lastSeq + 1` is always the next append of the stream */
  lastSeq: number;
  /** ms since the epoch of the last message, never falling */
  lastTs: number;
  readonly dedupe: Dedupe;
  /** of sends that may have been lost or come twice */
  order: SenderOrder;
  readonly history: History;
  /** by chatSeq, what is proposed and not known to be committed: `history` may not have it yet */
  readonly fresh: SparseMap<number, MessageRecord>;
  /** what it may look at for retractions; undefined before the first */
  lookBack: TokenBucket | undefined;
}

export type ChatEffect =
  | { readonly t: 'toSession'; readonly to: string; readonly msg: SessionMessage }
  | { readonly t: 'ackDelivery'; readonly source: Source };

/** What these functions need of a turn, of direct chats and of groups. */
export interface LogTurn {
  readonly now: number;
  readonly streams: Write[];
  readonly effects: { push(effect: ChatEffect): unknown };
  readonly onFail: { push(effect: ChatEffect): unknown };
}

export interface LogLimits extends DedupeLimits {
  /** all of them when absent; the simulation takes one out at a time */
  readonly rules?: DeliveryRules;
  /** messages before a retraction among which the one is looked for that it takes back; an older one stays */
  readonly retractLookBackMax: number;
}

/** @param tail newest messages of the log, oldest first: what dedupe needs */
export function newChatLog(
  id: string,
  lastSeq: number,
  tail: readonly MessageRecord[],
  limits: LogLimits,
  history: History,
): ChatLog {
  const dedupe = new Dedupe(limits);
  for (const record of tail) {
    const key = loggedKey(record) ?? (record.tok && retryKey(record.tok));
    if (key !== undefined) dedupe.add(bareOf(record.from), key, record.ts);
  }
  const order = new SenderOrder(limits.rules);
  const lastTs = tail.at(-1)?.ts ?? 0;
  return { id, lastSeq, lastTs, dedupe, order, history, fresh: new SparseMap(), lookBack: undefined };
}

function loggedKey({ oid, id, inner, gone }: MessageRecord): string | undefined {
  return gone === true && oid === undefined ? goneKey(id) : dedupeKey(oid, id, inner);
}

/** What the turn proposed is committed. */
export function committed(log: ChatLog, turn: Pick<LogTurn, 'streams'>): void {
  if (log.fresh.size === 0) return;
  for (const write of turn.streams) {
    if (write.t !== 'append' && write.t !== 'replace') continue;
    // A later turn may have proposed a tombstone for it.
    if (log.fresh.get(write.seq) === write.record) log.fresh.delete(write.seq);
  }
}

/**
 * A send may come late, twice, or before one that was lost: it is decided once, in its place.
 * @returns 'decide' now; 'retry': it was decided, the answer is given again; 'again': its session is to send all again;
 *   'ignore'; or the condition it is refused with
 */
export function placeOf(log: ChatLog, send: Send): 'decide' | 'retry' | 'again' | 'ignore' | StanzaCondition {
  switch (log.order.take(send)) {
    case 'next':
      return log.order.brokenBy(send) ?? 'decide';
    case 'gap':
      return 'again';
    case 'broken':
      return 'resource-constraint';
    case 'had':
      return 'retry';
    default:
      return 'ignore';
  }
}

export type StoredSend = Send & { readonly type: MessageRecord['type'] };

export function isStored(send: Send): send is StoredSend {
  return send.store && (send.type === 'chat' || send.type === 'normal' || send.type === 'groupchat');
}

/** Has the log this message already? */
export function isKnown(log: ChatLog, send: StoredSend): boolean {
  const key = keyOf(send);
  return (key !== undefined && log.dedupe.has(send.sender, key)) || isKnownGone(log, send);
}

/** … as a tombstone that was read from the log? */
function isKnownGone({ dedupe }: ChatLog, { sender, oid, id }: StoredSend): boolean {
  const key = oid === undefined ? goneKey(id) : undefined;
  return key !== undefined && dedupe.has(sender, key);
}

/** Under what a message is known again. */
function keyOf(send: Send): string | undefined {
  const tok = tokOf(send);
  return dedupeKey(send.oid, send.id, send.inner) ?? (tok && retryKey(tok));
}

function tokOf({ order, token, source }: Send): string | undefined {
  if (source !== undefined) return `r.${source.shard}.${source.idx}.${source.pos}`;
  return order?.run === undefined ? undefined : `${order.run}.${token.toString(36)}`;
}

/**
 * Messages of a chat on their way to the log that are kept at hand at most. Beyond it a retraction of one of them finds
 * nothing and is only passed on.
 */
const FRESH_MAX = 10_000;

/** What only some messages carry. */
export type Extras = Pick<MessageRecord, 'nick' | 'via' | 'w' | 'back'>;

/**
 * The message takes the next place.
 * @param joins a known one joins the first one's answer: the turn's order holds it back until the first is committed
 * @returns its record under `log.lastSeq`, undefined when it is known
 */
export function append(
  log: ChatLog,
  send: StoredSend,
  turn: LogTurn,
  joins: boolean,
  extras?: Extras,
): MessageRecord | undefined {
  if (joins && isKnownGone(log, send)) return undefined;
  const ts = Math.max(turn.now, log.lastTs);
  const named = dedupeKey(send.oid, send.id, send.inner);
  const tok = named === undefined ? tokOf(send) : undefined;
  const key = tok === undefined ? named : retryKey(tok);
  const known = key !== undefined && !log.dedupe.add(send.sender, key, ts);
  if (known && joins) return undefined;
  log.lastSeq += 1;
  log.lastTs = ts;
  const { from, to, type, id, oid, lang, inner, flags } = send;
  let record: MessageRecord =
    flags === undefined
      ? { v: 1, from, to, type, id, oid, ts, lang, inner }
      : { v: 1, from, to, type, id, oid, ts, lang, inner, x: flags };
  if (tok !== undefined) record = { ...record, tok };
  if (extras !== undefined) record = { ...record, ...extras };
  if (log.fresh.size >= FRESH_MAX) forgetOldest(log.fresh);
  log.fresh.set(log.lastSeq, record);
  turn.streams.push({ t: 'append', stream: messageStream(log.id), seq: log.lastSeq, record });
  return record;
}

function forgetOldest(fresh: SparseMap<number, MessageRecord>): void {
  for (const seq of fresh.keys()) {
    fresh.delete(seq);
    break;
  }
}

/** Tells the sender, behind the turn's commit; when the log refuses that, that it is refused for now. */
export function answer(send: Send, outcome: SendOutcome, turn: LogTurn): void {
  // A relayed one that is refused for now comes again.
  if (send.source !== undefined && (outcome.ok || !isForNow(outcome.condition)))
    turn.effects.push({ t: 'ackDelivery', source: send.source });
  if (send.token === 0) return;
  const told = { t: 'toSession', to: send.sender, msg: answerTo(send, outcome) } as const;
  turn.effects.push(told);
  if (outcome.ok) answerFailure(send, turn);
  // A refusal holds, whatever becomes of the others' op in this turn.
  else turn.onFail.push(told);
}

/** What the sender hears instead when the log refuses the turn's op. */
export function answerFailure(send: Send, turn: LogTurn): void {
  const failed: SendOutcome = {
    ok: false,
    condition: 'resource-constraint',
    text: 'The server cannot store messages right now',
  };
  turn.onFail.push({ t: 'toSession', to: send.sender, msg: answerTo(send, failed) });
}

export function answerTo({ token, order }: Send, outcome: SendOutcome): Extract<SessionMessage, { t: 'answer' }> {
  const run = order?.run;
  return run === undefined ? { t: 'answer', token, outcome } : { t: 'answer', token, outcome, run };
}

export function bareOf(jid: string): string {
  const slash = jid.indexOf('/');
  return slash === -1 ? jid : jid.slice(0, slash);
}
