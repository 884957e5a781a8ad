import type { OutboxItem, Write } from '../storage/log-store.ts';

/**
 * What one wake-up of an entity wants: its writes and outbox become ONE op, and `effects` run after that op is
 * committed (at once when nothing was written and nothing of this entity is pending; otherwise in order behind it).
 * `immediate` runs right after the step: only for what may be lost and decides nothing by itself (a message handed to
 * its chat, a question). `onFail` runs instead of `effects` when the log refused the op.
 */
export interface Turn<E> {
  /** ms since the epoch */
  readonly now: number;
  readonly rows: Map<string, unknown>;
  readonly streams: Write[];
  readonly outbox: OutboxItem[];
  /** What goes out for `outbox[i]` while this node still has the message in memory; a replay reads it from the state. */
  readonly live: unknown[];
  readonly effects: E[];
  readonly immediate: E[];
  readonly onFail: E[];
}

/** Marks a deleted row in `Turn.rows`. */
export const DELETED = Symbol('deleted');

export function newTurn<E>(now: number): Turn<E> {
  return { now, rows: new Map(), streams: [], outbox: [], live: [], effects: [], immediate: [], onFail: [] };
}

/** True when the turn changes nothing durable: no op, only order. */
export function isEmpty(turn: Turn<unknown>): boolean {
  return turn.rows.size === 0 && turn.streams.length === 0 && turn.outbox.length === 0;
}

/** The op's writes; a row written several times in the turn is one write. */
export function writesOf(turn: Turn<unknown>): Write[] {
  if (turn.rows.size === 0) return turn.streams;
  const writes = turn.streams.slice();
  for (const [key, value] of turn.rows) writes.push(value === DELETED ? { t: 'del', key } : { t: 'put', key, value });
  return writes;
}
