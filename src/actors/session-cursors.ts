import type { SessionMessage } from './messages.ts';
import type { JoinedRoom } from './session-rooms.ts';
import type { SessionState } from './session-state.ts';
import type { Stream, UserChatRow } from './session-types.ts';

/**
 * How far this user's devices are in the groups it is a member of, as its groups hear of it (group-cursors.ts).
 *
 * A device has had what it was sent when it acknowledges that (XEP-0198); without stream management, when it is written
 * to its socket: more cannot be known. Nothing is done a message: about once a second each device's place in each of
 * its rooms is looked at; if it has moved on, the number of the stanza that the device has to acknowledge is kept
 * (`Probe`), and once it has, the group is told. What is told is told again until the group says that it is written.
 *
 * Bounds: `PROBES_MAX` a device, one of them a room; `RANGES_MAX` gaps a group; a group's entry goes when it has been
 * told and nothing lies behind a gap.
 */
export interface Probe {
  readonly chat: string;
  /** chatSeqs that the stanzas before it hold */
  readonly from: number;
  to: number;
  /** stanzas sent on the stream by then; undefined until they are written, -1 where none are counted */
  at: number | undefined;
}

/** What the group of a room is to hear. */
export interface UntoldCursors {
  /** chatSeqs that some device has had and the group does not count yet, from … to, apart from each other, rising */
  had: (readonly [from: number, to: number])[];
  /** chatSeq up to which some device said that it is displayed, 0 when none has */
  shown: number;
  /** something in here has not been told */
  dirty: boolean;
  /** under which the group was told and has not answered, 0 when nothing is */
  n: number;
  /** ms since the epoch */
  toldAt: number;
}

/** Pages of archives and places in rooms that a device has not acknowledged; further ones count later or not at all. */
const PROBES_MAX = 256;
/** Pieces of a group's past that a device has without those before them: of more, the oldest is not counted. */
const RANGES_MAX = 16;
/** A group that has not answered for so long is told again, ms. */
const AGAIN_MS = 5000;

/** XEP-0198 4: counts start again after 2^32 - 1. */
const COUNTS = 2 ** 32;

/** What the group knows may be old. @param shown chatSeq up to which a device says that it is displayed */
export function touch(session: SessionState, chat: string, shown = 0): void {
  const untold = untoldOf(session, chat);
  if (untold === undefined) return;
  untold.shown = Math.max(untold.shown, shown);
  untold.dirty = true;
}

/** The device's place in a room has moved on and nobody has looked. */
function isAhead({ next, probed }: JoinedRoom): boolean {
  return next - 1 > probed;
}

/** Something of the device is to be looked at. */
export function isUnprobed({ probes, rooms }: Stream): boolean {
  if (probes !== undefined) return true;
  if (rooms !== undefined) for (const room of rooms.values()) if (isAhead(room)) return true;
  return false;
}

/** About once a second: what devices have acknowledged since is told. */
export function sweepCursors(session: SessionState): void {
  for (const stream of session.streams()) {
    if (stream.probes !== undefined) settle(session, stream, stream.probes);
    for (const [chat, room] of stream.rooms ?? []) {
      if (!isAhead(room) || stream.probes?.some((one) => one.chat === chat) === true) continue;
      if (probe(session, stream, chat, room.from, room.next - 1)) room.probed = room.next - 1;
    }
  }
  for (const [chat, untold] of session.untold) tell(session, chat, untold);
}

/**
 * The device has been sent these messages of a group, by the room or in a page of its archive.
 * @returns false when there is no room for it now
 */
export function probe(session: SessionState, stream: Stream, chat: string, from: number, to: number): boolean {
  // Who was never a member has no row: its group would not count it.
  if (rowOf(session, chat) === undefined || from > to) return true;
  stream.probes ??= [];
  if (stream.probes.length >= PROBES_MAX) return false;
  const one: Probe = { chat, from, to, at: undefined };
  stream.probes.push(one);
  // Behind the stanzas of this turn and of those before it.
  const run = (): void => {
    const { sm, conn, broken } = stream;
    if (sm?.on === true && session.parts.rules.hadWhenAcked) one.at = sm.out.sent;
    else if (conn !== undefined && conn.closing !== true && !broken) one.at = UNCOUNTED;
  };
  session.turn.always({ t: 'reply', run });
  return true;
}

/** The device was not given messages from this one on: the group's log has refused them (ahead.ts). */
export function unprobe(stream: Pick<Stream, 'probes'>, chat: string, seq: number): void {
  if (stream.probes === undefined) return;
  for (const one of stream.probes) if (one.chat === chat) one.to = Math.min(one.to, seq - 1);
  stream.probes = stream.probes.filter(({ from, to }) => from <= to);
}

const UNCOUNTED = -1;

/** An `<a/>` may have come since. */
function settle(session: SessionState, stream: Stream, probes: readonly Probe[]): void {
  const open = probes.filter((one) => !isHad(stream, one));
  if (open.length === probes.length) return;
  for (const one of probes) if (!open.includes(one)) addHad(session, one);
  stream.probes = open.length === 0 ? undefined : open;
}

function isHad({ sm, broken }: Stream, { at }: Probe): boolean {
  if (at === undefined || broken) return false;
  return at === UNCOUNTED || (sm !== undefined && (sm.out.acked - at + COUNTS) % COUNTS < COUNTS / 2);
}

function addHad(session: SessionState, { chat, from, to }: Probe): void {
  const untold = untoldOf(session, chat);
  if (untold === undefined) return;
  untold.had = withRange(untold.had, [from, to]);
  untold.dirty = true;
}

type Range = UntoldCursors['had'][number];

/** Rising and apart from each other again; of too many the oldest goes. */
export function withRange(ranges: readonly Range[], range: Range): Range[] {
  const all = [...ranges, range].sort((a, b) => a[0] - b[0]);
  const apart: Range[] = [];
  for (const [from, to] of all) {
    const last = apart.at(-1);
    if (last !== undefined && from <= last[1] + 1) apart[apart.length - 1] = [last[0], Math.max(last[1], to)];
    else apart.push([from, to]);
  }
  return apart.slice(-RANGES_MAX);
}

function tell(session: SessionState, chat: string, untold: UntoldCursors): void {
  const since = session.now - untold.toldAt;
  if (!untold.dirty && (untold.n === 0 || (since >= 0 && since < AGAIN_MS))) return;
  const row = rowOf(session, chat);
  if (row === undefined) {
    session.untold.delete(chat);
    return;
  }
  untold.dirty = false;
  untold.n = session.nextToken++;
  untold.toldAt = session.now;
  const { had, shown, n } = untold;
  // Not before what is told is on disk: the read cursor is of this user's rows.
  session.turn.effects.push({
    t: 'toChat',
    chat,
    msg: { t: 'cursors', user: session.user, had, shown, read: row.read, n },
  });
}

/** The group has written it. */
export function onNoted(session: SessionState, { chat, n, had }: Extract<SessionMessage, { t: 'noted' }>): void {
  const untold = session.untold.get(chat);
  if (untold === undefined) return;
  untold.had = untold.had.filter(([, to]) => to > had);
  if (untold.shown <= had) untold.shown = 0;
  if (untold.n === n) untold.n = 0;
  if (!untold.dirty && untold.n === 0 && untold.had.length === 0) session.untold.delete(chat);
}

/** Something is to be told, or told again. */
export function hasUntold({ untold }: SessionState): boolean {
  if (untold.size > 0) for (const [, { dirty, n }] of untold) if (dirty || n !== 0) return true;
  return false;
}

function untoldOf(session: SessionState, chat: string): UntoldCursors | undefined {
  const known = session.untold.get(chat);
  if (known !== undefined || rowOf(session, chat) === undefined) return known;
  const untold: UntoldCursors = { had: [], shown: 0, dirty: false, n: 0, toldAt: 0 };
  session.untold.set(chat, untold);
  return untold;
}

function rowOf(session: SessionState, chat: string): UserChatRow | undefined {
  return session.get<UserChatRow>(session.namesOf(chat).rowKey);
}
