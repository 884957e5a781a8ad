import { fullBucket } from '../base/token-bucket.ts';
import { onStreamGone } from '../xmpp/rfc6121-presence.ts';
import { LAST_SEEN_ROW, lastSeen } from '../xmpp/xep0012-last-activity.ts';
import {
  ACK_REQUEST,
  AckQueue,
  enabledXml,
  failedXml,
  InboundWindow,
  resumedXml,
  tooHighXml,
} from '../xmpp/xep0198-stream-management.ts';
import type { CloseReason, ConnPort, GatewayMessage } from './messages.ts';
import { hasUntold, isUnprobed, sweepCursors } from './session-cursors.ts';
import { noteOnline } from './session-online.ts';
import { nextPage } from './session-pages.ts';
import { sentBefore } from './session-queue.ts';
import { fetchGaps, hasGaps, leaveRooms } from './session-rooms.ts';
import type { SessionState } from './session-state.ts';
import type { Stream, StreamManagement } from './session-types.ts';

/** Streams of a user: bind, resume, detach, end (RFC 6120 7, XEP-0198). Pure parts of the session's step. */

type Bind = Extract<GatewayMessage, { t: 'bind' }>;
type Resume = Extract<GatewayMessage, { t: 'resume' }>;

/** Longest wait for open stanzas before a resumption is refused, ms; well below what the gateway waits for an answer. */
const RESUME_WAIT_MS = 5000;

export function onBind(session: SessionState, bind: Bind): void {
  const { limits } = session.parts;
  const refuse = (condition: 'conflict' | 'resource-constraint' | 'not-allowed'): void => {
    session.turn.always({ t: 'reply', run: () => bind.reply({ ok: false, condition }) });
  };
  if (!session.exists) return refuse('not-allowed');
  let resource = bind.resource ?? session.newId();
  const holder = session.stream(resource);
  if (holder !== undefined) {
    if (limits.conflict === 'refuse' && holder.conn !== undefined) return refuse('conflict');
    if (limits.conflict === 'rename' && holder.conn !== undefined) resource = `${resource}-${session.newId()}`;
    else endStream(session, holder, { t: 'error', condition: 'conflict', text: 'This resource was bound elsewhere' });
  }
  if (session.streams().length >= limits.resourcesMax) {
    const oldest = session.streams().find((stream) => stream.conn === undefined);
    if (oldest === undefined) return refuse('resource-constraint');
    endStream(session, oldest, { t: 'end' });
  }
  const stream = newStream(session, resource, bind.conn);
  const { sid, jid } = stream;
  session.turn.always({ t: 'reply', run: () => bind.reply({ ok: true, sid, resource, jid }) });
}

function newStream(session: SessionState, resource: string, conn: ConnPort): Stream {
  const stream: Stream = {
    sid: session.nextSid++,
    resource,
    jid: `${session.user}/${resource}`,
    conn,
    detachedAt: 0,
    ended: false,
    deaf: false,
    broken: false,
    resuming: undefined,
    presence: undefined,
    directed: undefined,
    carbons: false,
    inactive: false,
    interested: false,
    blocklist: false,
    lastActive: session.now,
    sm: undefined,
    lag: undefined,
    given: 0,
    early: undefined,
    held: undefined,
    rooms: undefined,
    probes: undefined,
    pages: undefined,
    asked: 0,
    iqs: fullBucket(),
    presences: fullBucket(),
  };
  session.addStream(stream);
  return stream;
}

/** XEP-0198 3: turns stream management on. `resume` only as the client asked. */
export function onEnable(session: SessionState, stream: Stream, resume: boolean): void {
  if (stream.sm !== undefined) {
    session.turn.always({ t: 'nonza', stream, xml: failedXml('unexpected-request') });
    return;
  }
  const { limits } = session.parts;
  const id = session.newId();
  stream.sm = {
    id,
    on: false,
    resumable: resume,
    out: new AckQueue({ stanzasMax: limits.unackedStanzasMax, bytesMax: limits.unackedBytesMax }),
    inbound: new InboundWindow(limits.inflightMax),
    refusals: [],
    owed: 0,
    owedNext: 0,
    askedAt: 0,
    sinceAsk: 0,
  };
  const xml = enabledXml(resume ? { resume: { id, maxSeconds: Math.floor(limits.resumeMs / 1000) } } : {});
  session.turn.always({ t: 'enabled', stream, xml });
}

/**
 * XEP-0198 5: the client is back on another socket. What it has not acked is sent again, then it catches up.
 *
 * The answer waits until every stanza that came in is handled. The client sends again what `h` does not count, on the
 * same numbers: were one of them still on its way, it would be counted twice, and a later `h` would acknowledge a
 * stanza that never came.
 */
export function onResume(session: SessionState, resume: Resume): void {
  const stream = session.streams().find((one) => one.sm?.id === resume.smId);
  const sm = stream?.sm;
  const fail = (h: number | undefined): void => {
    session.turn.always({ t: 'reply', run: () => resume.reply({ ok: false, h }) });
  };
  if (stream === undefined || sm === undefined || !sm.resumable) return fail(undefined);
  const acked = sm.out.ack(resume.h);
  if ('error' in acked) {
    endStream(session, stream, { t: 'end' });
    return fail(honestCount(sm));
  }
  refuseResume(session, stream);
  stream.sid = session.nextSid++;
  const old = stream.conn;
  // Let go of first: the end of the old socket must not be taken for the end of the stream.
  stream.conn = undefined;
  stream.detachedAt = session.now;
  if (old !== undefined) old.close({ t: 'error', condition: 'conflict', text: 'The stream was resumed elsewhere' });
  noteSeen(session, acked.lastTag);
  if (stream.lag !== undefined) unblock(session, stream.lag, sm);
  nextPage(session, stream);
  stream.lastActive = session.now;
  stream.resuming = { conn: resume.conn, reply: resume.reply, at: session.now };
  // In an effect, so that nothing of an earlier turn reaches the new socket before <resumed/>.
  session.turn.always({ t: 'resumed', stream });
}

/** A socket that waits to be taken up is told that it will not be. */
function refuseResume(session: SessionState, stream: Stream): void {
  const { resuming } = stream;
  if (resuming === undefined) return;
  stream.resuming = undefined;
  session.turn.always({ t: 'reply', run: () => resuming.reply({ ok: false, h: undefined }) });
}

/**
 * How many stanzas the client may forget: all that are handled, up to the first refusal it may not know of. `<resumed/>`
 * comes before the error that is owed, and would make the refused message look delivered if the error is then lost. So
 * such a stream is not resumed: the client sends what follows again, and what is in its chats already is recognised.
 */
function honestCount(sm: StreamManagement): number {
  let first = Infinity;
  // Chats answer in any order.
  for (const { n, sent } of unknownRefusals(sm)) if (sent !== undefined) first = Math.min(first, n);
  return first === Infinity ? sm.inbound.h : (first - 1) % COUNTS;
}

/** XEP-0198 4: counts start again after 2^32 - 1. */
const COUNTS = 2 ** 32;

/** Refusals whose error the client has not acked. */
export function unknownRefusals({ refusals, out }: StreamManagement): StreamManagement['refusals'] {
  const acked = (out.sent - out.size + COUNTS) % COUNTS;
  for (let sent = refusals[0]?.sent; sent !== undefined; sent = refusals[0]?.sent) {
    if ((acked - sent + COUNTS) % COUNTS >= COUNTS / 2) break;
    refusals.shift();
  }
  return refusals;
}

/**
 * Hands the socket over when nothing is open any more.
 * @param now ms since the epoch: it may be outside of a turn
 * @returns true when the stream has a new socket
 */
export function takeUp(stream: Stream, { domain, parts }: SessionState, now: number): boolean {
  const { resuming, sm, sid, jid } = stream;
  if (resuming === undefined || sm === undefined || sm.inbound.open > 0) return false;
  stream.resuming = undefined;
  const { conn, reply } = resuming;
  if (stream.ended || stream.broken || conn.closing === true) {
    reply({ ok: false, h: undefined });
    return false;
  }
  const h = honestCount(sm);
  if (h !== sm.inbound.h) {
    stream.broken = true;
    reply({ ok: false, h });
    return false;
  }
  stream.conn = conn;
  stream.detachedAt = 0;
  stream.deaf = false;
  // XEP-0352 5: a resumed stream is active until the client says otherwise.
  stream.inactive = false;
  sm.askedAt = 0;
  sm.owed = 0;
  sm.owedNext = 0;
  reply({ ok: true, sid, jid });
  conn.send(resumedXml(sm.id, sm.inbound.h));
  for (const [xml, , ts] of sm.out.entries())
    conn.send(ts > 0 && now - ts > parts.limits.lateMs ? sentBefore(xml, ts, domain) : xml);
  return true;
}

/** The socket is gone: a resumable stream waits for `resumeMs`, any other ends. */
export function onGone(session: SessionState, sid: number, conn: ConnPort, clean: boolean): void {
  const stream = session.streamOf(sid);
  if (stream === undefined || stream.conn !== conn) return;
  stream.conn = undefined;
  stream.detachedAt = session.now;
  if (clean || stream.sm?.resumable !== true) endStream(session, stream, { t: 'end' });
}

/** Ends a stream for good: presence goes unavailable, what it was owed is left to the inbox. */
export function endStream(session: SessionState, stream: Stream, reason: CloseReason): void {
  if (stream.ended) return;
  stream.ended = true;
  session.dropStream(stream);
  noteMissed(session, stream);
  refuseResume(session, stream);
  const available = stream.presence !== undefined;
  const from = session.turn.effects.length;
  onStreamGone(session, stream);
  leaveRooms(session, stream);
  noteOnline(session);
  // True whether the log takes the time of it or not.
  session.turn.onFail.push(...session.turn.effects.slice(from));
  if (available && !session.streams().some((one) => one.presence !== undefined))
    session.putLazily(LAST_SEEN_ROW, lastSeen(session.now));
  if (stream.conn === undefined) return;
  session.closing = [...session.closing, stream];
  session.turn.always({ t: 'close', stream, reason });
}

/**
 * What its client did not acknowledge it gets when it binds again under its name, though another device may have seen it:
 * a message by full JID is for this one. Volatile; the archive has it anyway.
 */
function noteMissed({ missed, parts }: SessionState, { sm, lag, resource }: Stream): void {
  let first = lag?.next ?? Number.POSITIVE_INFINITY;
  for (const [, tag] of sm?.out.entries() ?? []) if (tag > 0) first = Math.min(first, tag);
  missed.delete(resource);
  if (first === Number.POSITIVE_INFINITY) return;
  for (const oldest of missed.keys()) if (missed.size >= parts.limits.resourcesMax) missed.delete(oldest);
  missed.set(resource, first);
}

/** An `<a h='…'/>` of the client. */
export function onAck(session: SessionState, stream: Stream, h: number): void {
  const { sm } = stream;
  if (sm === undefined) return;
  const { size } = sm.out;
  const acked = sm.out.ack(h);
  if ('error' in acked) {
    const app = tooHighXml(acked.h, acked.sendCount);
    endStream(session, stream, { t: 'error', condition: 'undefined-condition', text: acked.error, app });
    return;
  }
  sm.askedAt = 0;
  noteSeen(session, acked.lastTag);
  // Errors went out behind the `<r/>` that this answers: what the client sends to those chats waits for them to be acked.
  // Only when this acked something: a client that counts wrongly would be asked for ever.
  const more = sm.out.size < size && unknownRefusals(sm).length > 0;
  if (more && sm.on && stream.conn !== undefined) askForAck(session, stream, sm);
  nextPage(session, stream, sm.out.size < size);
  if (stream.lag === undefined) return;
  unblock(session, stream.lag, sm);
  session.turn.always({ t: 'catchUp', stream });
}

/** Asks the client how much it has; in its turn. */
export function askForAck(session: SessionState, stream: Stream, sm: StreamManagement): void {
  sm.askedAt = session.now;
  sm.sinceAsk = 0;
  session.turn.always({ t: 'nonza', stream, xml: ACK_REQUEST });
}

/** A stream that waits for acks catches up again when half of its queue is free: not one stanza an ack. */
function unblock(session: SessionState, lag: { blocked: boolean }, { out }: StreamManagement): void {
  const { unackedStanzasMax, unackedBytesMax } = session.parts.limits;
  if (out.size * 2 <= unackedStanzasMax && out.bytes * 2 <= unackedBytesMax) lag.blocked = false;
}

/** Some device has everything up to this inboxSeq: it need not be pushed to the next one that comes. */
export function noteSeen(session: SessionState, seq: number): void {
  if (seq > (session.get<number>('seen') ?? 0)) session.put('seen', seq);
}

/** About once a second for users with streams: resume windows end, silent clients are asked, then detached. */
export function onSweep(session: SessionState): void {
  const { limits } = session.parts;
  sweepCursors(session);
  for (const stream of session.streams()) {
    const { sm } = stream;
    if (stream.broken) endStream(session, stream, { t: 'end' });
    // Its `gone` was lost in a full mailbox.
    if (stream.conn?.closing === true) onGone(session, stream.sid, stream.conn, false);
    if (stream.resuming !== undefined && session.now - stream.resuming.at >= RESUME_WAIT_MS)
      refuseResume(session, stream);
    if (stream.lag !== undefined) session.turn.always({ t: 'catchUp', stream });
    fetchGaps(session, stream);
    if (stream.conn === undefined) {
      if (session.now - stream.detachedAt >= limits.resumeMs) endStream(session, stream, { t: 'end' });
      continue;
    }
    if (sm === undefined || sm.out.size === 0) continue;
    if (sm.askedAt === 0) askForAck(session, stream, sm);
    else if (session.now - sm.askedAt >= limits.ackTimeoutMs) {
      session.turn.always({ t: 'close', stream, reason: { t: 'detached', why: 'no answer to <r/>' } });
    }
  }
}

/** A stream waits for its client, or a send for its chat. Only then a sweep has anything to do (onSweep, sweepSends). */
export function isRestless(session: SessionState): boolean {
  if (session.unanswered.size > 0 && session.parts.crossing !== undefined) return true;
  if (hasUntold(session)) return true;
  for (const stream of session.streams()) {
    const { conn, sm, lag } = stream;
    if (conn === undefined || conn.closing === true || lag !== undefined || (sm !== undefined && sm.out.size > 0))
      return true;
    if (hasGaps(stream) || isUnprobed(stream)) return true;
  }
  return false;
}

/** What was in the inbox behind this place is not: another message may take its number. */
export function backToInbox(stream: Stream, inboxSeq: number): void {
  stream.given = Math.min(stream.given, inboxSeq);
  for (const seq of stream.early ?? []) if (seq > inboxSeq) stream.early?.delete(seq);
}
