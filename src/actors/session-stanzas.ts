import type { Element } from 'ltx';
import { takeToken } from '../base/token-bucket.ts';
import { isBlocked } from '../xmpp/blocklist.ts';
import { tryJid } from '../xmpp/jid.ts';
import type { MessageFlags } from '../xmpp/message-record.ts';
import type { StanzaCondition } from '../xmpp/module.ts';
import { onClientPresence } from '../xmpp/rfc6121-presence.ts';
import { messageType } from '../xmpp/rfc6121-routing.ts';
import { stanza } from '../xmpp/stanza.ts';
import { type ErrorDetails, errorInner, errorReply } from '../xmpp/stanza-error.ts';
import { BLOCKED_ERROR } from '../xmpp/xep0191-blocking.ts';
import { failedXml, NS_SM, parseSm } from '../xmpp/xep0198-stream-management.ts';
import { carbonEligible } from '../xmpp/xep0280-carbons.ts';
import { displayedId } from '../xmpp/xep0333-markers.ts';
import { storeDecision } from '../xmpp/xep0334-hints.ts';
import { parseCsi } from '../xmpp/xep0352-csi.ts';
import { originId, stripRoomIds, stripStanzaIds } from '../xmpp/xep0359-stanza-ids.ts';
import { presenceWithHash } from '../xmpp/xep0398-pep-vcard.ts';
import { fulltextWords } from '../xmpp/xep0431-fulltext.ts';
import { directChatId } from './keys.ts';
import { type Frame, type GroupAnswer, isForNow, type Send, type SendOutcome } from './messages.ts';
import { onMarker, onOccupantMarker } from './session-displayed.ts';
import { mayHaveChat, startCatchUp } from './session-inbox.ts';
import { onIq } from './session-iq.ts';
import { noteOnline } from './session-online.ts';
import { pageDone } from './session-pages.ts';
import { releaseReads } from './session-reads.ts';
import { isRoomAddress, onGroupAnswer, roomErrorXml, sendToRoom } from './session-rooms.ts';
import {
  awaitItem,
  isTaken,
  keepSend,
  nextEarly,
  orderOf,
  takeSend,
  takeUntaken,
  waitsForPresence,
} from './session-sends.ts';
import type { SessionState } from './session-state.ts';
import { endStream, onAck, onEnable, unknownRefusals } from './session-streams.ts';
import type { PendingSend, Refusal, SessionEffect, Stream } from './session-types.ts';

/** What a client sends on a bound stream: XEP-0198 and XEP-0352 nonzas, and the three stanzas. */

const NS_CLIENT = 'jabber:client';

export function onFrame(session: SessionState, sid: number, { el, inner }: Frame): void {
  const stream = session.streamOf(sid);
  if (stream === undefined || stream.deaf) return;
  stream.lastActive = session.now;
  const ns = el.getNS();
  if (ns === NS_SM) return onSmNonza(session, stream, el);
  const csi = parseCsi(el);
  if (csi !== undefined) return onCsi(session, stream, csi);
  if (ns !== NS_CLIENT || !(el.name === 'message' || el.name === 'presence' || el.name === 'iq')) {
    endStream(session, stream, { t: 'error', condition: 'unsupported-stanza-type' });
    return;
  }
  if (!ownFrom(stream, session.user, el.attrs['from'])) {
    endStream(session, stream, { t: 'error', condition: 'invalid-from' });
    return;
  }
  if (stream.sm?.inbound.full === true) {
    // The client sends faster than the disk takes it: it keeps what is not acked and resumes (XEP-0198).
    stream.deaf = true;
    session.turn.always({ t: 'close', stream, reason: { t: 'detached', why: 'too many stanzas are unhandled' } });
    return;
  }
  const n = stream.sm?.inbound.begin() ?? 0;
  const later = onStanza(session, stream, el, inner, n);
  if (n === 0 || later) return;
  // Refused by the log, it has been answered with an error (or was presence, which is never kept): handled as well.
  session.turn.always({ t: 'handled', stream, n });
}

/** RFC 6120 8.1.2.1: nobody sends as someone else. */
function ownFrom(stream: Stream, user: string, from: string | undefined): boolean {
  if (from === undefined || from === stream.jid || from === user) return true;
  const jid = tryJid(from);
  return jid !== undefined && (jid.full === stream.jid || jid.full === user);
}

/** @returns true when the stanza is handled later, by an answer */
function onStanza(session: SessionState, stream: Stream, el: Element, inner: string, n: number): boolean {
  session.parts.stanzas[el.name as 'message'] += 1;
  switch (el.name) {
    case 'message':
      return onMessage(session, stream, el, inner, n);
    case 'iq':
      return mayAsk(session, stream, el) && onIq(session, stream, el, inner, n);
    default: {
      const { presencesPerSecond, presencesBurst } = session.parts.limits;
      if (!takeToken(stream.presences, presencesPerSecond, presencesBurst, session.now)) {
        endStream(session, stream, { t: 'error', condition: 'policy-violation', text: 'Too many presences' });
        return false;
      }
      const to = el.attrs['to'] === undefined ? undefined : tryJid(el.attrs['to']);
      const type = el.attrs['type'];
      const said = type === undefined ? presenceWithHash(session, el, inner) : inner;
      if (to !== undefined && isRoomAddress(session, to) && (type === undefined || type === 'unavailable'))
        return sendToRoom(session, stream, el, said, n, to);
      const outcome = onClientPresence(session, stream, el, said, session.parts.limits.roster);
      noteOnline(session);
      if (outcome.t !== 'initial' && outcome.t !== 'update') return false;
      if (outcome.flush) startCatchUp(session, stream);
      session.parts.pep?.onAvailable(session, stream, el, outcome.t === 'initial');
      return false;
    }
  }
}

/**
 * Over the rate a request is refused; an answer cannot be, and whoever waits for it must not be left to wait. How often a
 * client is asked is up to others, whose rates bound it: only answers that nobody waits for count against its own.
 */
function mayAsk(session: SessionState, stream: Stream, el: Element): boolean {
  const { iqsPerSecond, iqsBurst } = session.parts.limits;
  const { type } = el.attrs;
  const answers = type === 'result' || type === 'error';
  if (answers && stream.asked > 0) {
    stream.asked -= 1;
    return true;
  }
  if (takeToken(stream.iqs, iqsPerSecond, iqsBurst, session.now)) return true;
  if (answers) endStream(session, stream, { t: 'error', condition: 'policy-violation', text: 'Too many iqs' });
  else sendError(session, stream, el, 'resource-constraint', { text: 'You ask faster than this server allows: wait' });
  return false;
}

function onSmNonza(session: SessionState, stream: Stream, el: Element): void {
  const nonza = parseSm(el);
  switch (nonza?.t) {
    case 'r':
      if (stream.sm !== undefined) session.turn.always({ t: 'ackOwed', stream, n: stream.sm.inbound.begun });
      return;
    case 'a':
      return onAck(session, stream, nonza.h);
    case 'enable':
      return onEnable(session, stream, nonza.resume);
    case 'resume':
      session.turn.always({ t: 'nonza', stream, xml: failedXml('unexpected-request') });
      return;
    default:
      endStream(session, stream, { t: 'error', condition: 'policy-violation', text: nonza?.reason });
  }
}

function onCsi(session: SessionState, stream: Stream, state: 'active' | 'inactive'): void {
  stream.inactive = state === 'inactive';
  if (stream.inactive) return;
  for (const xml of stream.held?.flush() ?? []) session.send(stream, xml);
}

function onMessage(session: SessionState, stream: Stream, el: Element, inner: string, n: number): boolean {
  let chat: string | undefined;
  const refuse = (condition: StanzaCondition, text?: string, details: ErrorDetails = {}): false => {
    sendError(session, stream, el, condition, { text, ...details }, { n, condition, chat });
    return false;
  };
  const { to: rawTo, id } = el.attrs;
  const to = tryJid(rawTo ?? session.user);
  if (to === undefined) return refuse('jid-malformed');
  const inRoom = isRoomAddress(session, to);
  if (to.domain !== session.domain && !inRoom) return refuse('remote-server-not-found');
  if (to.local === '') return refuse('service-unavailable');
  const type = messageType(el.attrs['type']);
  if (isBlocked(session, to.full)) return refuse('not-acceptable', undefined, BLOCKED_ERROR);
  if (type === 'groupchat' && !inRoom) return refuse('service-unavailable');
  if (inRoom) chat = to.bare;
  else chat = session.parts.chatOf?.(session.user, to.bare) ?? directChatId(session.user, to.bare);
  if (!inRoom && !mayHaveChat(session, chat)) return refuse('policy-violation', 'You have too many chats');
  const earlier = refusedForNow(session, stream, chat);
  if (earlier !== undefined) return refuse(earlier, 'A message before this one was refused');
  const { sendsPerSecond, sendsBurst } = session.parts.limits;
  if (!takeToken(session.sends, sendsPerSecond, sendsBurst, session.now))
    return refuse('resource-constraint', 'You send faster than this server allows: wait');
  if (session.pendingSends.size + session.marks.size >= session.parts.limits.inflightMax)
    return refuse('resource-constraint', 'Too many messages wait for the disk');
  const token = session.nextToken++;
  const decision = decide(el, type, inRoom && to.resource !== '' ? 'sent' : 'received');
  const send: Send = {
    t: 'send',
    from: stream.jid,
    sender: session.user,
    to: to.full,
    type,
    id,
    oid: originId(el),
    lang: el.attrs['xml:lang'],
    inner: inRoom ? stripRoomIds(el, inner, to) : stripStanzaIds(el, inner, session.domain),
    ...decision,
    words: decision.store ? fulltextWords(el, session.parts.limits.searchWordsMax) : undefined,
    token,
    order: orderOf(session, chat),
  };
  keepSend(session, token, { stream, n, chat, send, since: session.now, sentAt: session.now });
  session.turn.immediate.push({ t: 'toChat', chat, msg: send });
  // Whoever says something has read the chat anyway (session-inbox.ts).
  const displayed = send.flags?.quiet === true ? displayedId(el) : undefined;
  if (displayed === undefined || type === 'error') return true;
  if (inRoom && to.resource !== '') onOccupantMarker(session, chat, displayed);
  else onMarker(session, chat, displayed);
  return true;
}

/** @param direction 'sent' of what a room hands on: to which devices of its receiver is said there (session-inbox.ts) */
function decide(
  el: Element,
  type: ReturnType<typeof messageType>,
  direction: 'sent' | 'received',
): { store: boolean; flags: MessageFlags | undefined } {
  const { store, hidden, quiet } = storeDecision(el, type);
  const nocopy = !carbonEligible(el, type, direction);
  if (!nocopy && !hidden && !quiet) return { store, flags: undefined };
  return { store, flags: { ...(nocopy && { nocopy }), ...(hidden && { hidden }), ...(quiet && { quiet }) } };
}

/** The chat's answer: the stanza has had its effects, or is refused. Either way it is handled. */
export function onSendAnswer(session: SessionState, token: number, outcome: SendOutcome, group?: GroupAnswer): void {
  if (isTaken(session, token) || (outcome.ok && awaitItem(session, token, outcome.upTo))) return;
  if ((group !== undefined || !outcome.ok) && waitsForPresence(session, token, { outcome, group })) return;
  const pending = takeSend(session, token);
  if (pending === undefined) return;
  if (group !== undefined) onGroupAnswer(session, pending, group);
  onDecided(session, pending, outcome);
  if (pending.send.kind === 'presence') onPresenceAnswered(session, pending.chat);
  if (outcome.ok || !isForNow(outcome.condition) || !session.parts.rules.refusalsChained) return;
  // The chat does not take them either (SenderOrder), but it may move, and would be given them as the first ones.
  for (const behind of [...(session.unanswered.get(pending.chat) ?? [])]) {
    const later = behind > token ? takeSend(session, behind) : undefined;
    if (later !== undefined) onDecided(session, later, outcome);
  }
}

/** What the room said to what the device sent behind it is handled. */
function onPresenceAnswered(session: SessionState, chat: string): void {
  for (let next = nextEarly(session, chat); next !== undefined; next = nextEarly(session, chat))
    onSendAnswer(session, next.token, next.answer.outcome, next.answer.group);
}

/** The inbox has more of this chat: what waited for that is handled. */
export function onInboxHas(session: SessionState, chat: string): void {
  for (const pending of takeUntaken(session, chat)) onDecided(session, pending, { ok: true });
}

function onDecided(session: SessionState, pending: PendingSend, outcome: SendOutcome): void {
  releaseReads(session);
  const { stream, n, chat } = pending;
  const { to, id, type } = pending.send;
  if (stream.ended) return;
  const effects: SessionEffect[] = [];
  if (!outcome.ok && pending.send.kind !== undefined) {
    const xml = roomErrorXml(pending.send, errorInner(outcome.condition, { text: outcome.text }));
    if (xml !== undefined) effects.push({ t: 'stanza', stream, xml, seq: 0 });
  } else if (!outcome.ok && type !== 'error') {
    const attrs = { type: 'error', from: to, to: stream.jid, id };
    const xml = stanza('message', attrs, errorInner(outcome.condition, { text: outcome.text }));
    const refusal = noteRefusal(stream, { n, condition: outcome.condition, chat });
    effects.push({ t: 'stanza', stream, xml, seq: 0, ...(refusal && { refusal }) });
  }
  if (n > 0) effects.push({ t: 'handled', stream, n });
  // The chat has decided, whatever becomes of what else is in this turn: what a full disk keeps out of the inbox now comes
  // again, and a client that waited for room would take the server for dead.
  session.turn.effects.push(...effects);
  session.turn.onFail.push(...effects);
  if (pending.page === true) pageDone(session, stream);
}

/** With the effect that sends its error, and only then: it counts until that is acked. @returns undefined when the stream counts no stanzas */
function noteRefusal({ sm }: Stream, refused: Omit<Refusal, 'sent'>): Refusal | undefined {
  if (sm === undefined || refused.n === 0) return undefined;
  const refusal: Refusal = { ...refused, sent: undefined };
  unknownRefusals(sm).push(refusal);
  return refusal;
}

/**
 * The condition with which an earlier message to this chat was refused, as long as its error may not have arrived. A
 * client that is cut off before it does sends that message again, and what was taken behind it would stand before it.
 */
function refusedForNow({ parts }: SessionState, { sm }: Stream, chat: string): StanzaCondition | undefined {
  if (sm === undefined || sm.refusals.length === 0 || !parts.rules.refusalsChained) return undefined;
  return unknownRefusals(sm).find((one) => one.chat === chat && isForNow(one.condition))?.condition;
}

/**
 * Answers a stanza of this stream with an error; an error stanza is never answered (RFC 6120 8.3.1).
 * @param refused the message that the error is about; absent when the stanza is none
 */
export function sendError(
  session: SessionState,
  stream: Stream,
  el: Element,
  condition: StanzaCondition,
  details: ErrorDetails = {},
  refused?: Omit<Refusal, 'sent'>,
): void {
  const xml = errorReply(el, condition, { ...details, to: stream.jid, from: el.attrs['to'] ?? session.user });
  if (xml === undefined) return;
  const refusal = refused && noteRefusal(stream, refused);
  // A refusal holds whatever becomes of this turn's op: the stanza counts as handled either way.
  session.turn.always({ t: 'stanza', stream, xml, seq: 0, ...(refusal && { refusal }) });
}
