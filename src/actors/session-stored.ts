import { storedRow } from './keys.ts';
import type { SessionState } from './session-state.ts';
import { DELETED } from './turn.ts';

/**
 * Rows of a user that are not loaded with its session: a vCard has 100 KB. They are written in the session's op, and
 * read in an effect of the turn that asks. Effects run in the order of turns and behind their commits, so a read finds
 * what was written before it (and what was committed together with it, a little later, too).
 */
export function putStored(session: SessionState, key: string, value: unknown): void {
  session.turn.rows.set(storedRow(session.user, key), value === undefined ? DELETED : value);
}

export function readStored(session: SessionState, key: string, done: (value: unknown) => void): void {
  const keys = [storedRow(session.user, key)];
  session.turn.effects.push({ t: 'loadRows', keys, done: ([value]) => done(value) });
}
