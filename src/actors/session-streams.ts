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
import type { SessionState } from './session-state.ts';
import type { Stream } from './session-types.ts';

/** Streams of a user: bind, resume, detach, end (RFC 6120 7, XEP-0198). Pure parts of the session's step. */

type Bind = Extract<GatewayMessage, { t: 'bind' }>;
type Resume = Extract<GatewayMessage, { t: 'resume' }>;

export function onBind(session: SessionState, bind: Bind): void {
  const { limits } = session.parts;
  const refuse = (condition: 'conflict' | 'resource-constraint' | 'not-allowed'): void => {
    session.turn.effects.push({ t: 'reply', run: () => bind.reply({ ok: false, condition }) });
  };
  if (!session.exists) return refuse('not-allowed');
  let resource = bind.resource ?? session.newId();
  const holder = session.byResource.get(resource);
  if (holder !== undefined) {
    if (limits.conflict === 'refuse' && holder.conn !== undefined) return refuse('conflict');
    if (limits.conflict === 'rename' && holder.conn !== undefined) resource = `${resource}-${session.newId()}`;
    else endStream(session, holder, { t: 'error', condition: 'conflict', text: 'This resource was bound elsewhere' });
  }
  if (session.byResource.size >= limits.resourcesMax) {
    const oldest = [...session.byResource.values()].find((stream) => stream.conn === undefined);
    if (oldest === undefined) return refuse('resource-constraint');
    endStream(session, oldest, { t: 'end' });
  }
  const stream = newStream(session, resource, bind.conn);
  const { sid, jid } = stream;
  session.turn.effects.push({ t: 'reply', run: () => bind.reply({ ok: true, sid, resource, jid }) });
  session.turn.onFail.push({ t: 'reply', run: () => bind.reply({ ok: false, condition: 'resource-constraint' }) });
}

function newStream(session: SessionState, resource: string, conn: ConnPort): Stream {
  const stream: Stream = {
    sid: session.nextSid++,
    resource,
    jid: `${session.user}/${resource}`,
    conn,
    detachedAt: 0,
    ended: false,
    presence: undefined,
    directed: new Set(),
    carbons: false,
    inactive: false,
    interested: false,
    lastActive: session.now,
    sm: undefined,
    lag: undefined,
    held: undefined,
    tokens: session.parts.limits.sendsBurst,
    tokensAt: session.now,
  };
  session.byResource.set(resource, stream);
  session.bySid.set(stream.sid, stream);
  return stream;
}

/** XEP-0198 3: turns stream management on. `resume` only as the client asked. */
export function onEnable(session: SessionState, stream: Stream, resume: boolean): void {
  if (stream.sm !== undefined) {
    session.turn.effects.push({ t: 'nonza', stream, xml: failedXml('unexpected-request') });
    return;
  }
  const { limits } = session.parts;
  const id = session.newId();
  stream.sm = {
    id,
    resumable: resume,
    out: new AckQueue({ stanzasMax: limits.unackedStanzasMax, bytesMax: limits.unackedBytesMax }),
    inbound: new InboundWindow(limits.inflightMax),
    owed: 0,
    askedAt: 0,
    sinceAsk: 0,
  };
  const xml = enabledXml(resume ? { resume: { id, maxSeconds: Math.floor(limits.resumeMs / 1000) } } : {});
  session.turn.effects.push({ t: 'nonza', stream, xml });
}

/** XEP-0198 5: the client is back on another socket. What it has not acked is sent again, then it catches up. */
export function onResume(session: SessionState, resume: Resume): void {
  const stream = [...session.byResource.values()].find((one) => one.sm?.id === resume.smId);
  const sm = stream?.sm;
  const fail = (h: number | undefined): void => {
    session.turn.effects.push({ t: 'reply', run: () => resume.reply({ ok: false, h }) });
  };
  if (stream === undefined || sm === undefined || !sm.resumable) return fail(undefined);
  const acked = sm.out.ack(resume.h);
  if ('error' in acked) {
    endStream(session, stream, { t: 'end' });
    return fail(sm.inbound.h);
  }
  const old = stream.conn;
  if (old !== undefined) old.close({ t: 'error', condition: 'conflict', text: 'The stream was resumed elsewhere' });
  noteSeen(session, acked.lastTag);
  stream.lastActive = session.now;
  const { sid, jid } = stream;
  // The socket changes hands in the effect, so that nothing of an earlier turn reaches it before <resumed/>.
  session.turn.effects.push({
    t: 'reply',
    run: () => {
      stream.conn = resume.conn;
      stream.detachedAt = 0;
      sm.askedAt = 0;
      sm.owed = 0;
      resume.reply({ ok: true, sid, jid });
      resume.conn.send(resumedXml(sm.id, sm.inbound.h));
      for (const xml of sm.out.unacked()) resume.conn.send(xml);
    },
  });
  session.turn.onFail.push({ t: 'reply', run: () => resume.reply({ ok: false, h: undefined }) });
  if (stream.lag !== undefined) session.turn.effects.push({ t: 'catchUp', stream });
}

/** The socket is gone: a resumable stream waits for `resumeMs`, any other ends. */
export function onGone(session: SessionState, sid: number, conn: ConnPort, clean: boolean): void {
  const stream = session.bySid.get(sid);
  if (stream === undefined || stream.conn !== conn) return;
  stream.conn = undefined;
  stream.detachedAt = session.now;
  if (clean || stream.sm?.resumable !== true) endStream(session, stream, { t: 'end' });
}

/** Ends a stream for good: presence goes unavailable, what it was owed is left to the inbox. */
export function endStream(session: SessionState, stream: Stream, reason: CloseReason): void {
  if (stream.ended) return;
  stream.ended = true;
  session.bySid.delete(stream.sid);
  if (session.byResource.get(stream.resource) === stream) session.byResource.delete(stream.resource);
  const available = stream.presence !== undefined;
  onStreamGone(session, stream);
  if (available && !session.streams().some((one) => one.presence !== undefined))
    session.put(LAST_SEEN_ROW, lastSeen(session.now));
  if (stream.conn !== undefined) session.turn.effects.push({ t: 'close', stream, reason });
}

/** An `<a h='…'/>` of the client. */
export function onAck(session: SessionState, stream: Stream, h: number): void {
  const { sm } = stream;
  if (sm === undefined) return;
  const acked = sm.out.ack(h);
  if ('error' in acked) {
    const app = tooHighXml(acked.h, acked.sendCount);
    endStream(session, stream, { t: 'error', condition: 'undefined-condition', text: acked.error, app });
    return;
  }
  sm.askedAt = 0;
  noteSeen(session, acked.lastTag);
  if (stream.lag !== undefined && !stream.lag.loading) session.turn.effects.push({ t: 'catchUp', stream });
}

/** Some device has everything up to this inboxSeq: it need not be pushed to the next one that comes. */
export function noteSeen(session: SessionState, seq: number): void {
  if (seq > (session.get<number>('seen') ?? 0)) session.put('seen', seq);
}

/** About once a second for users with streams: resume windows end, silent clients are asked, then detached. */
export function onSweep(session: SessionState): void {
  const { limits } = session.parts;
  for (const stream of session.streams()) {
    const { sm } = stream;
    if (stream.conn === undefined) {
      if (session.now - stream.detachedAt >= limits.resumeMs) endStream(session, stream, { t: 'end' });
      continue;
    }
    if (sm === undefined || sm.out.size === 0) continue;
    if (sm.askedAt === 0) {
      sm.askedAt = session.now;
      sm.sinceAsk = 0;
      session.turn.effects.push({ t: 'nonza', stream, xml: ACK_REQUEST });
    } else if (session.now - sm.askedAt >= limits.ackTimeoutMs) {
      session.turn.effects.push({ t: 'close', stream, reason: { t: 'detached', why: 'no answer to <r/>' } });
    }
  }
}
