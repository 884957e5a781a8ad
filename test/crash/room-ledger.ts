import type { ArchivedMessage } from '../clients/wire-client.ts';
import type { SentMessage } from './ledger.ts';

/** What a device was shown from entering a room until it left it, or entered anew. */
export interface Visit {
  readonly shown: { readonly id: number; readonly originId: string | undefined }[];
  /** it is still in the room */
  open: boolean;
}

/** Membership given or taken by the founder. */
export interface Change {
  readonly user: string;
  readonly member: boolean;
  /** how many messages the founder had said in the room before it first asked for this … */
  readonly after: number;
  /** … and when it knew that it is done; undefined as long as it does not */
  until: number | undefined;
}

/** Everything that the clients of a run know of one room with members only. Users are bare JIDs. */
export interface RoomObserved {
  readonly room: string;
  /** a member from the beginning, who alone changes memberships */
  readonly founder: string;
  readonly changes: readonly Change[];
  /** in the order of saying */
  readonly sent: ReadonlyMap<string, readonly SentMessage[]>;
  /** of the room, as each member reads it; undefined: it was not let */
  readonly archives: ReadonlyMap<string, readonly ArchivedMessage[] | undefined>;
  readonly visits: ReadonlyMap<string, readonly Visit[]>;
}

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** A time of membership: chatSeq of its first and of its last message, as narrowly as clients can tell. */
export interface Span {
  readonly from: Range;
  readonly to: Range;
}

/**
 * The promise for a room, as a list of what breaks it:
 * - ids of the archive are dense from 1; an acknowledged message is there exactly once, any other at most once, those
 *   of each sender in the order of saying;
 * - every member reads the same from its first message on, and who is none reads nothing;
 * - that first message, and all that a device was shown, lie within a membership; where one begins and ends is fixed by
 *   what the founder said before and after;
 * - a device is shown the archive's messages by its ids, one after the other without a gap from entering on, and up to
 *   the last one while it stays.
 */
export function brokenRoom(observed: RoomObserved): string[] {
  const { room, founder, archives, sent, visits } = observed;
  const log = archives.get(founder);
  if (log === undefined) return [`${room}: ${founder} may not read the archive`];
  const faults = [...logFaults(log, sent)];
  for (const [user, archive] of archives) faults.push(...memberFaults(observed, log, user, archive));
  for (const [user, theirs] of visits) {
    const spans = spansOf(observed, user);
    for (const visit of theirs) faults.push(...visitFaults(log, spans, user, visit));
  }
  return faults.map((fault) => `${room}: ${fault}`);
}

function logFaults(log: readonly ArchivedMessage[], sent: RoomObserved['sent']): string[] {
  const faults: string[] = [];
  const counts = new Map<string | undefined, number>();
  log.forEach(({ id, originId }, at) => {
    if (id !== String(at + 1)) faults.push(`archive id ${id} at place ${at + 1}`);
    counts.set(originId, (counts.get(originId) ?? 0) + 1);
  });
  const places = new Map(log.map(({ originId }, at) => [originId, at]));
  for (const [user, messages] of sent) {
    let last = -1;
    for (const { originId, acked, from } of messages) {
      const times = counts.get(originId) ?? 0;
      counts.delete(originId);
      if (times > 1) faults.push(`${originId} is ${times} times in the archive`);
      if (times === 0 && acked) faults.push(`${originId} was acknowledged and is lost`);
      const place = places.get(originId) ?? last;
      if (place < last) faults.push(`${originId} of ${from} is out of order`);
      last = Math.max(last, place);
      const nick = log[place]?.from.split('/')[1];
      if (times > 0 && nick !== user.split('@')[0]) faults.push(`${originId} of ${user} is under the name of ${nick}`);
    }
  }
  for (const originId of counts.keys()) faults.push(`${originId} was never said`);
  return faults;
}

function memberFaults(
  observed: RoomObserved,
  log: readonly ArchivedMessage[],
  user: string,
  archive: readonly ArchivedMessage[] | undefined,
): string[] {
  const change = observed.changes.filter((one) => one.user === user).at(-1);
  if (change?.until === undefined && change !== undefined) return [`nobody answered what ${user} is now`];
  const member = user === observed.founder || change?.member === true;
  if (archive === undefined) return member ? [`${user} is a member and may not read the archive`] : [];
  if (!member) return [`${user} is no member and reads the archive`];
  const faults: string[] = [];
  const from = archive.length === 0 ? log.length + 1 : Number(archive[0]!.id);
  const rest = log.slice(from - 1);
  const differs = rest.findIndex(({ id, originId }, at) => archive[at]?.id !== id || archive[at].originId !== originId);
  if (differs >= 0 || rest.length !== archive.length)
    faults.push(
      `${user} reads ${archive.length} messages from ${from} on, not ${rest.length}; the first at ${differs}`,
    );
  if (change === undefined) return faults;
  const { min, max } = placeOf(observed, log, change);
  if (from <= min || from > max + 1)
    faults.push(`${user} reads from ${from} on, but became a member between ${min} and ${max}`);
  return faults;
}

/** chatSeq of the last message before a change. */
function placeOf({ sent, founder }: RoomObserved, log: readonly ArchivedMessage[], { after, until }: Change): Range {
  const ids = new Map(log.map(({ originId, id }) => [originId, Number(id)]));
  const mine = (sent.get(founder) ?? []).map(({ originId }) => ids.get(originId));
  const before = mine.slice(0, after).filter((id) => id !== undefined);
  const behind = until === undefined ? undefined : mine.slice(until).find((id) => id !== undefined);
  return { min: Math.max(0, ...before), max: (behind ?? log.length + 1) - 1 };
}

/** The memberships of a user, by what the founder and, of the one that lasts, the user itself can read. */
export function spansOf(observed: RoomObserved, user: string): Span[] {
  const log = observed.archives.get(observed.founder) ?? [];
  const end = { min: log.length, max: log.length };
  if (user === observed.founder) return [{ from: { min: 1, max: 1 }, to: end }];
  const spans: Span[] = [];
  let from: Range | undefined;
  for (const change of observed.changes) {
    if (change.user !== user) continue;
    const { min, max } = placeOf(observed, log, change);
    if (change.member) from = { min: min + 1, max: max + 1 };
    else if (from !== undefined) {
      spans.push({ from, to: { min, max } });
      from = undefined;
    }
  }
  const first = observed.archives.get(user)?.[0];
  if (from !== undefined && first !== undefined) from = { min: Number(first.id), max: Number(first.id) };
  if (from !== undefined) spans.push({ from, to: end });
  return spans;
}

/** How many of the room's messages were for the user's inbox. */
export function inboxItems(observed: RoomObserved, user: string): Range {
  let min = 0;
  let max = 0;
  for (const { from, to } of spansOf(observed, user)) {
    min += Math.max(0, to.min - from.max + 1);
    max += Math.max(0, to.max - from.min + 1);
  }
  return { min, max };
}

function visitFaults(
  log: readonly ArchivedMessage[],
  spans: readonly Span[],
  user: string,
  { shown, open }: Visit,
): string[] {
  const faults: string[] = [];
  shown.forEach(({ id, originId }, at) => {
    const before = shown[at - 1];
    if (before !== undefined && id !== before.id + 1) faults.push(`${user} was shown ${id} after ${before.id}`);
    const there = log[id - 1];
    if (there === undefined || there.originId !== originId)
      faults.push(`${user} was shown ${originId} as ${id}, which is ${there?.originId}`);
    if (!spans.some(({ from, to }) => id >= from.min && id <= to.max))
      faults.push(`${user} was shown ${id} (${originId}), and was no member then`);
  });
  const last = shown.at(-1);
  if (open && last !== undefined && last.id < log.length)
    faults.push(`${user} is in the room and was shown ${last.id} last, of ${log.length}`);
  return faults;
}
