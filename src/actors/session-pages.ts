import { BoundedQueue } from '../base/bounded-queue.ts';
import { isFullTo } from './session-queue.ts';
import { askBehind } from './session-reads.ts';
import type { SessionState } from './session-state.ts';
import { askForAck } from './session-streams.ts';
import type { Stream } from './session-types.ts';

/**
 * Pages of archives for a stream with stream management, which keeps what it sends until the client acknowledges it. A
 * client that asks for the archives of all its rooms in one breath could fill that queue before it has read the first
 * page, and the stream would end for want of room; it would come back and ask the same. So such a stream gets one page
 * at a time, in the order of its questions, and the next one when three quarters of its queue are free.
 *
 * Bound: `inflightMax` questions wait, of `unackedBytesMax` characters together; one more is refused.
 */
export interface PageQueue {
  underWay: boolean;
  readonly waiting: BoundedQueue<Question>;
}

interface Question {
  /** of its XML */
  readonly chars: number;
  /** Puts it; `pageDone` is to be called when it is answered, or came to nothing. */
  ask(): void;
}

/** What of the queue may be taken when a page is asked for. */
const TAKEN_MAX = 0.25;

/** @returns false when too much waits already: the caller answers `resource-constraint` */
export function askForPage(session: SessionState, stream: Stream, chars: number, ask: () => void): boolean {
  if (stream.sm === undefined) {
    ask();
    return true;
  }
  const { inflightMax, unackedBytesMax } = session.parts.limits;
  stream.pages ??= {
    underWay: false,
    waiting: new BoundedQueue({ itemsMax: inflightMax, bytesMax: unackedBytesMax, bytesOf: (one) => one.chars }),
  };
  if (!stream.pages.waiting.push({ chars, ask })) return false;
  nextPage(session, stream);
  return true;
}

/**
 * A page is done, or the client has acknowledged something.
 * @param mayAsk when there is no room, the client may be asked what it has
 */
export function nextPage(session: SessionState, stream: Stream, mayAsk = true): void {
  const { pages, sm, ended, conn } = stream;
  if (pages === undefined || sm === undefined || pages.underWay || pages.waiting.length === 0 || ended) return;
  // One that does not fit into an empty queue never will.
  if (sm.out.size > 0 && isFullTo(TAKEN_MAX, sm, session.parts.limits)) {
    if (mayAsk && sm.on && sm.askedAt === 0 && conn !== undefined) askForAck(session, stream, sm);
    return;
  }
  pages.underWay = true;
  pages.waiting.shift()?.ask();
}

/** The answer is in this turn: the next page comes behind it. */
export function pageDone(session: SessionState, stream: Stream): void {
  if (stream.pages === undefined) return;
  askBehind(session, () => {
    if (stream.pages !== undefined) stream.pages.underWay = false;
    nextPage(session, stream);
  });
}
