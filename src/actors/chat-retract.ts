import { fullBucket, takeToken } from '../base/token-bucket.ts';
import type { StreamRange } from '../storage/log-store.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { bareOf, type ChatLog, type LogTurn } from './chat-log.ts';
import { messageStream } from './keys.ts';

/**
 * How a chat finds what is taken back (XEP-0424, XEP-0425), and puts a tombstone in its place: in the op that has the
 * retraction, so that both are there or neither. Pure but for `History`, which reads what the log has committed.
 */

/** The committed messages of the chat. Synchronous. */
export interface History {
  read(range: StreamRange): readonly { readonly seq: number; readonly record: MessageRecord }[];
}

export interface Sent {
  /** chatSeq */
  readonly seq: number;
  readonly record: MessageRecord;
}

/** Messages looked at in one read. */
const PAGE = 256;

/** Seconds in which a chat that looked at as many messages as it may has that leave again. */
const REFILL_SECONDS = 10;

/** @returns false when it has looked at so many messages of late that it has to be asked again later */
export function mayLookBack(log: ChatLog, max: number, now: number): boolean {
  log.lookBack ??= fullBucket();
  return takeToken(log.lookBack, max / REFILL_SECONDS, max, now);
}

/** The message of that chatSeq, committed or on its way to the log. */
export function messageAt(log: ChatLog, seq: number): MessageRecord | undefined {
  return log.fresh.get(seq) ?? log.history.read({ from: seq, to: seq, limit: 1 })[0]?.record;
}

/**
 * The sender's newest message of this id before `seq`, among the `max` messages before it; `mayLookBack` was true.
 * @returns undefined when there is none, or it has been taken back already
 */
export function findSent(log: ChatLog, sender: string, id: string, seq: number, max: number): Sent | undefined {
  const least = Math.max(1, seq - max);
  const { lookBack } = log;
  for (let to = seq - 1; to >= least; to -= PAGE) {
    for (const one of pageOf(log, Math.max(least, to - PAGE + 1), to)) {
      // Below zero it takes so much longer until the chat looks again.
      if (lookBack !== undefined) lookBack.tokens -= 1;
      const { record } = one;
      if ((record.id !== id && record.oid !== id) || bareOf(record.from) !== sender) continue;
      return record.gone === true ? undefined : one;
    }
  }
  return undefined;
}

/** Newest first. */
function* pageOf(log: ChatLog, from: number, to: number): Generator<Sent> {
  for (let seq = to; seq >= from; seq -= 1) {
    const record = log.fresh.get(seq);
    if (record !== undefined) {
      yield { seq, record };
      continue;
    }
    // What is on its way is newer than what is committed, but for tombstones.
    for (const one of log.history.read({ from, to: seq, limit: PAGE, reverse: true }))
      yield { seq: one.seq, record: log.fresh.get(one.seq) ?? one.record };
    return;
  }
}

/** What a retraction's record says of what it takes back: inboxes find it by that. */
export function backTo({ seq, record }: Sent): Required<Pick<MessageRecord, 'back'>> {
  return { back: { q: seq, ts: record.ts } };
}

/** The tombstone takes the message's place, with the turn's op. */
export function takeBack(log: ChatLog, seq: number, tombstone: MessageRecord, turn: LogTurn): void {
  log.fresh.set(seq, tombstone);
  turn.streams.push({ t: 'replace', stream: messageStream(log.id), seq, record: tombstone });
}
