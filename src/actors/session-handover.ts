import { fullBucket } from '../base/token-bucket.ts';
import type { AvailablePresence, StreamCaps } from '../xmpp/module.ts';
import { AckQueue, InboundWindow } from '../xmpp/xep0198-stream-management.ts';
import { HeldStanzas } from '../xmpp/xep0352-csi.ts';
import type { ConnPort, Send } from './messages.ts';
import { touch } from './session-cursors.ts';
import { fetchGaps } from './session-rooms.ts';
import { keepSend } from './session-sends.ts';
import { onInboxHas } from './session-stanzas.ts';
import type { SessionState } from './session-state.ts';
import { endStream } from './session-streams.ts';
import type { Refusal, SessionLimits, Stream, StreamManagement, UserChatRow } from './session-types.ts';

/**
 * A live session as a plain value, so that it can go on at another node without its clients noticing: its streams with
 * their queues and counts, and its sends that no chat has answered. What is in the log is not in here.
 *
 * What cannot be told as a value cannot move: a question whose answer is a function here (a page being fetched, an
 * archive query behind a send). Such a session is not handed over; its sockets end, and its clients connect again.
 */
export interface SessionBlob {
  readonly v: 1;
  readonly user: string;
  readonly run: string | undefined;
  /** epoch of its shard's leadership there */
  readonly era: number;
  readonly nextToken: number;
  readonly nextSid: number;
  readonly sends: { readonly tokens: number; readonly at: number };
  readonly online: readonly string[] | undefined;
  readonly onlineRooms?: readonly string[];
  /** inboxSeq when it left: live streams have had everything up to here */
  readonly inboxSeq: number;
  readonly streams: readonly StreamBlob[];
  readonly pending: readonly PendingBlob[];
  /** rows that wait for an op */
  readonly lazy: readonly (readonly [key: string, value: unknown])[];
}

interface PendingBlob {
  readonly token: number;
  /** of its stream; 0 when that has ended */
  readonly sid: number;
  readonly n: number;
  readonly chat: string;
  readonly send: Send;
  readonly since: number;
  readonly upTo?: number | undefined;
  readonly sentAt: number;
}

export interface StreamBlob {
  readonly sid: number;
  readonly resource: string;
  readonly detachedAt: number;
  readonly presence: AvailablePresence | undefined;
  readonly directed: readonly string[];
  readonly carbons: boolean;
  readonly inactive: boolean;
  readonly interested: boolean;
  /** absent from a node that does not know block lists */
  readonly blocklist?: boolean;
  readonly lastActive: number;
  readonly caps?: (Omit<StreamCaps, 'wants'> & { readonly wants?: readonly string[] }) | undefined;
  readonly given: number;
  readonly early: readonly number[] | undefined;
  /** next inboxSeq it needs, and whether it waits for acks; undefined when it is not behind */
  readonly lag: { readonly next: number; readonly blocked: boolean } | undefined;
  readonly held: readonly (readonly [key: string, xml: string])[] | undefined;
  readonly sm: ManagementBlob | undefined;
  /** rooms it is in: room, nick, chatSeq it gets next, and first one it got (absent from a node that does not know it) */
  readonly rooms?: readonly (readonly [room: string, nick: string, next: number, from?: number])[];
  /** undefined while detached */
  readonly place: StreamPlace | undefined;
}

/** Where a stream's socket is, and how far its link is. */
export interface StreamPlace {
  readonly node: string;
  readonly cid: number;
  readonly sid: number;
  readonly sent: number;
  readonly got: number;
  readonly units: number;
  readonly took: number;
}

interface ManagementBlob {
  readonly id: string;
  readonly on: boolean;
  readonly resumable: boolean;
  /** stanzas sent and acked, modulo 2^32 */
  readonly acked: number;
  readonly out: readonly (readonly [xml: string, tag: number, ts?: number])[];
  readonly begun: number;
  /** numbers of stanzas that came in and are not handled */
  readonly open: readonly number[];
  readonly refusals: readonly Refusal[];
  readonly owed: number;
  readonly owedNext: number;
  readonly askedAt: number;
  readonly sinceAsk: number;
}

/**
 * The session as a value, or undefined when it cannot be told as one. Nothing of it may be on its way to the log.
 * @param placeOf where a socket is; undefined when it is closed or cannot move
 */
export function exportSession(
  session: SessionState,
  placeOf: (conn: ConnPort, sid: number) => StreamPlace | undefined,
): SessionBlob | undefined {
  if (session.outside > 0 || session.reads.length > 0) return undefined;
  const streams = session.streams();
  if (streams.length === 0 || streams.some(({ resuming, broken }) => resuming !== undefined || broken))
    return undefined;
  if (streams.some(({ pages }) => pages !== undefined && pages.waiting.length > 0)) return undefined;
  const pending = [...session.pendingSends].map(([token, { stream, n, chat, send, since, sentAt, upTo }]) => {
    return { token, sid: stream.ended ? 0 : stream.sid, n, chat, send, since, sentAt, upTo };
  });
  const openOf = (sid: number): number[] =>
    pending
      .filter((one) => one.sid === sid && one.n > 0)
      .map(({ n }) => n)
      .sort((a, b) => a - b);
  const { user, run, era, nextToken, nextSid, sends, online, onlineRooms, inboxSeq } = session;
  return {
    v: 1,
    user,
    run,
    era,
    nextToken,
    nextSid,
    sends: { ...sends },
    online,
    onlineRooms,
    inboxSeq,
    streams: streams.map((stream) => exportStream(stream, openOf(stream.sid), placeOf)),
    pending,
    lazy: [...session.lazyRows.keys()].map((key) => [key, session.rows.get(key)]),
  };
}

function exportStream(
  stream: Stream,
  open: readonly number[],
  placeOf: (conn: ConnPort, sid: number) => StreamPlace | undefined,
): StreamBlob {
  const { sid, resource, presence, carbons, inactive, interested, blocklist, lastActive, caps } = stream;
  const { given, lag, held, sm, conn } = stream;
  const place = conn === undefined || conn.closing === true || stream.deaf ? undefined : placeOf(conn, sid);
  return {
    sid,
    resource,
    detachedAt: stream.detachedAt,
    presence,
    directed: stream.directed === undefined ? [] : [...stream.directed],
    carbons,
    inactive,
    interested,
    blocklist,
    lastActive,
    caps: caps && { ...caps, wants: caps.wants && [...caps.wants] },
    given,
    early: stream.early && [...stream.early],
    lag: lag && { next: lag.next, blocked: lag.blocked },
    held: held?.entries(),
    sm: sm && exportManagement(sm, open),
    ...(stream.rooms && {
      rooms: [...stream.rooms].map(([room, { nick, next, from }]) => [room, nick, next, from] as const),
    }),
    place,
  };
}

function exportManagement(sm: StreamManagement, open: readonly number[]): ManagementBlob {
  const { id, on, resumable, out, inbound, refusals, owed, owedNext, askedAt, sinceAsk } = sm;
  const rest = { refusals: [...refusals], owed, owedNext, askedAt, sinceAsk };
  return { id, on, resumable, acked: out.acked, out: [...out.entries()], begun: inbound.begun, open, ...rest };
}

/**
 * Goes on as the blob says, within a turn. A session that is at work already keeps what it has. Times in the blob are of
 * another node's clock, which may be ahead of this one's: what is later than now counts as now, and sends have all their
 * time again.
 * @param connOf the socket at a place, as a port
 * @returns false when nothing was taken: the sockets are to be let go of
 */
export function importSession(
  session: SessionState,
  blob: SessionBlob,
  connOf: (place: StreamPlace) => ConnPort,
): boolean {
  if (!session.exists) return false;
  if (session.era !== blob.era + 1 && session.parts.rules.latestSessionSends) return false;
  const atWork = session.streams().length > 0 || session.pendingSends.size > 0;
  if (atWork && session.parts.rules.oneSessionAtWork) return false;
  session.run = blob.run;
  session.nextToken = Math.max(session.nextToken, blob.nextToken);
  session.nextSid = Math.max(session.nextSid, blob.nextSid);
  Object.assign(session.sends, blob.sends, { at: Math.min(blob.sends.at, session.now) });
  session.online = blob.online;
  session.onlineRooms = blob.onlineRooms ?? [];
  for (const [key, value] of blob.lazy) session.putLazily(key, value);
  const bySid = new Map(blob.streams.map((one) => [one.sid, importStream(session, one, blob.inboxSeq, connOf)]));
  const since = session.now;
  for (const { token, sid, n, chat, send, sentAt: then, upTo } of blob.pending) {
    const sentAt = Math.min(then, session.now);
    const stream = bySid.get(sid) ?? endedStream(bySid);
    if (stream !== undefined) keepSend(session, token, { stream, n, chat, send, since, sentAt, upTo });
  }
  // Items may have come before the session did.
  for (const chat of [...session.untaken.keys()]) onInboxHas(session, chat);
  // A stream that can be neither reached nor resumed is over.
  for (const stream of bySid.values())
    if (stream.conn === undefined && stream.sm?.resumable !== true) endStream(session, stream, { t: 'end' });
  return true;
}

/** Stands for the stream of a send that outlived it: its answer goes nowhere. */
function endedStream(streams: ReadonlyMap<number, Stream>): Stream | undefined {
  for (const stream of streams.values()) return { ...stream, conn: undefined, sm: undefined, ended: true };
  return undefined;
}

function importStream(
  session: SessionState,
  blob: StreamBlob,
  inboxSeq: number,
  connOf: (place: StreamPlace) => ConnPort,
): Stream {
  const { limits } = session.parts;
  const { sid, resource, presence, carbons, inactive, interested, lastActive, caps, given, place, early } = blob;
  const held = blob.held === undefined ? undefined : new HeldStanzas(limits.heldMax);
  for (const [key, xml] of blob.held ?? []) held?.offer(key, xml);
  const stream: Stream = {
    sid,
    resource,
    jid: `${session.user}/${resource}`,
    conn: place && connOf(place),
    detachedAt: place === undefined ? Math.min(blob.detachedAt || session.now, session.now) : 0,
    ended: false,
    deaf: false,
    broken: false,
    resuming: undefined,
    presence,
    directed: blob.directed.length === 0 ? undefined : new Set(blob.directed),
    carbons,
    inactive,
    interested,
    blocklist: blob.blocklist === true,
    lastActive: Math.min(lastActive, session.now),
    caps: caps && { ...caps, wants: caps.wants && new Set(caps.wants) },
    sm: blob.sm && importManagement(blob.sm, limits, session.now),
    lag: lagOf(session, blob, inboxSeq),
    given,
    early: early && new Set(early),
    held,
    rooms: importRooms(session, blob.rooms),
    probes: undefined,
    pages: undefined,
    asked: 0,
    iqs: fullBucket(),
    presences: fullBucket(),
  };
  session.addStream(stream);
  if (stream.lag !== undefined) session.turn.always({ t: 'catchUp', stream });
  fetchGaps(session, stream);
  return stream;
}

/** What reached the inbox between the nodes was pushed to no device that is in the room. */
function importRooms(session: SessionState, blob: StreamBlob['rooms']): Stream['rooms'] {
  const rooms = blob?.map(([room, nick, next, from = next]) => {
    touch(session, room);
    const upTo = Math.max(next - 1, session.get<UserChatRow>(session.namesOf(room).rowKey)?.cur ?? 0);
    return [room, { nick, next, from, probed: from - 1, upTo, loading: false }] as const;
  });
  return rooms && new Map(rooms);
}

/** What reached the inbox between the nodes was pushed to nobody: a live stream catches up with it. */
function lagOf(session: SessionState, { lag, presence }: StreamBlob, inboxSeq: number): Stream['lag'] {
  if (lag !== undefined) return { ...lag, loading: false };
  const live = presence !== undefined && presence.priority >= 0;
  return live && session.inboxSeq > inboxSeq ? { next: inboxSeq + 1, loading: false, blocked: false } : undefined;
}

function importManagement(blob: ManagementBlob, limits: SessionLimits, now: number): StreamManagement {
  const { id, on, resumable, acked, begun, open, refusals, owed, owedNext, sinceAsk } = blob;
  const askedAt = Math.min(blob.askedAt, now);
  const out = new AckQueue({ stanzasMax: limits.unackedStanzasMax, bytesMax: limits.unackedBytesMax }, acked);
  for (const [xml, tag, ts] of blob.out) out.push(xml, tag, ts);
  const first = open[0] ?? begun + 1;
  const inbound = new InboundWindow(limits.inflightMax, first - 1);
  while (inbound.begun < begun) inbound.begin();
  const waiting = new Set(open);
  for (let n = first; n <= begun; n++) if (!waiting.has(n)) inbound.done(n);
  return { id, on, resumable, out, inbound, refusals: [...refusals], owed, owedNext, askedAt, sinceAsk };
}
