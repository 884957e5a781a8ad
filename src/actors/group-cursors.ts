import { isMember } from '../xmpp/muc-words.ts';
import { type Affiliate, type GroupState, type GroupStep, putCursor } from './group-state.ts';
import type { ChatMessage } from './messages.ts';
import type { Turn } from './turn.ts';

/**
 * How far each member of a group is: one cursor for what its devices have had, one for what it has read, as chatSeqs.
 *
 * Invariants
 * - Cursors never fall during a membership, and are never beyond the group's last message. They begin at `since`.
 * - What came within `receiptsMs` is written in one op, so a message costs no op a member here. A session that is told
 *   nothing (`noted`, behind that op) says it again, so what is lost with this actor's memory is only late.
 *
 * Bounds: one row a member; it goes with the membership.
 */
export interface MemberCursor {
  /** some device of the member has had everything since it became one, up to here */
  readonly had: number;
  /** … and the member has read it; at most `had` */
  readonly read: number;
}

/** Row `r/<bare JID>`. */
export interface CursorRow extends MemberCursor {
  readonly v: 1;
}

/** What has come and is not written. */
export interface MovedCursors {
  /** by bare JID: where the cursor will be */
  readonly to: Map<string, MemberCursor>;
  /** by bare JID: what the member's session is told then */
  readonly noted: Map<string, number>;
  /** ms since the epoch of the last op with cursors; 0: not since activation */
  writtenAt: number;
}

/** One member's move, as it is written. */
export interface Move {
  readonly from: MemberCursor;
  readonly to: MemberCursor;
}

export type Cursors = Extract<ChatMessage, { t: 'cursors' }>;

/** Where a member is, as of what is written. */
export function cursorOf({ cursors }: GroupState, user: string, { since }: Affiliate): MemberCursor {
  return cursors.get(user) ?? { had: since, read: since };
}

/** A member's session says how far its devices are. */
export function onCursors(step: GroupStep, told: Cursors): void {
  const { group } = step;
  const affiliate = group.affiliates.get(told.user);
  // Who is no member (any more) has none.
  if (affiliate === undefined || !isMember(affiliate.affiliation)) return note(step, told.user, told.n, group.lastSeq);
  const known = group.moved.to.get(told.user) ?? cursorOf(group, told.user, affiliate);
  const now = movedBy(known, told, group.lastSeq);
  if (now.had > known.had || now.read > known.read) group.moved.to.set(told.user, now);
  else if (!group.moved.to.has(told.user)) return note(step, told.user, told.n, known.had);
  group.moved.noted.set(told.user, told.n);
}

/**
 * What is behind a gap does not count, until the gap is filled or a device says that it is displayed. Nor does what the
 * user counts as having read, as behind what it said, and no device has had.
 */
export function movedBy(
  known: MemberCursor,
  { had, shown, read }: Pick<Cursors, 'had' | 'shown' | 'read'>,
  last: number,
): MemberCursor {
  let hadTo = Math.max(known.had, Math.min(shown, last));
  for (const [from, to] of [...had].sort((a, b) => a[0] - b[0]))
    if (from <= hadTo + 1) hadTo = Math.max(hadTo, Math.min(to, last));
  return { had: hadTo, read: Math.max(known.read, Math.min(read, hadTo)) };
}

export function isWriteDue({ moved }: GroupState, now: number, everyMs: number): boolean {
  return moved.to.size > 0 && Math.abs(now - moved.writtenAt) >= everyMs;
}

/** All that has come, in this turn's op. @returns who moved from where to where */
export function writeCursors(step: GroupStep): ReadonlyMap<string, Move> {
  const { group, turn } = step;
  const moves = new Map<string, Move>();
  for (const [user, to] of group.moved.to) {
    const affiliate = group.affiliates.get(user);
    if (affiliate === undefined || !isMember(affiliate.affiliation)) continue;
    moves.set(user, { from: cursorOf(group, user, affiliate), to });
    putCursor(step, user, to);
  }
  for (const [user, n] of group.moved.noted) note(step, user, n, moves.get(user)?.to.had ?? group.lastSeq);
  group.moved.to.clear();
  group.moved.noted.clear();
  group.moved.writtenAt = turn.now;
  return moves;
}

function note(
  { group, turn }: Pick<GroupStep, 'group'> & { readonly turn: Turn<unknown> },
  to: string,
  n: number,
  had: number,
): void {
  turn.effects.push({ t: 'toSession', to, msg: { t: 'noted', chat: group.id, n, had } });
}
