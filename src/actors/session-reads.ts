import type { SessionState } from './session-state.ts';

/**
 * Read your own writes: a question about the archive or the inbox is put when all that this user had sent before it is
 * decided and committed, and markers among it have moved their cursors, so a client may send and ask in one breath (RFC 6120 10.1: stanzas of a stream are handled in order).
 *
 * Order. A send counts as decided when this inbox has the message (`awaitItem`), and effects run in the order of turns. So
 * an effect of the turn that decides the last of them runs after the inbox has the messages.
 *
 * Bound: `inflightMax` questions wait; one more is refused.
 */
export interface WaitingRead {
  /** token of the last send before it */
  readonly after: number;
  /** … and number of the last marker */
  readonly afterMark: number;
  ask(): void;
}

/** @returns false when too many questions wait already: the caller answers `resource-constraint` */
export function afterOwnWrites(session: SessionState, ask: () => void): boolean {
  if (session.pendingSends.size === 0 && session.marks.size === 0) {
    askBehind(session, ask);
    return true;
  }
  if (session.reads.length >= session.parts.limits.inflightMax) return false;
  session.reads.push({ after: session.nextToken - 1, afterMark: session.nextMark - 1, ask });
  return true;
}

/** After a send was decided, or a marker's message found or not: questions that no earlier send holds back any more are put. */
export function releaseReads(session: SessionState): void {
  const { reads } = session;
  if (reads.length === 0) return;
  // Tokens rise, and a map keeps the order of insertion.
  const oldest: number = session.pendingSends.keys().next().value ?? Infinity;
  const oldestMark: number = session.marks.values().next().value ?? Infinity;
  while (reads[0] !== undefined && reads[0].after < oldest && reads[0].afterMark < oldestMark)
    askBehind(session, (reads.shift() as WaitingRead).ask);
}

/** Behind the commit of this turn and of those before it. */
export function askBehind(session: SessionState, run: () => void): void {
  session.turn.always({ t: 'toSession', to: session.user, msg: { t: 'run', run } });
}
