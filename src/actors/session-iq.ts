import type { Element } from 'ltx';
import { isBlocked } from '../xmpp/blocklist.ts';
import { serviceAt } from '../xmpp/iq-table.ts';
import { type Jid, parseJid, tryJid } from '../xmpp/jid.ts';
import { NS_MAM } from '../xmpp/mam-query.ts';
import type { IqRequest, IqTarget, PeerMessage, StanzaCondition } from '../xmpp/module.ts';
import { isStranger, sharesPresence } from '../xmpp/rfc6121-peer.ts';
import { routeIq } from '../xmpp/rfc6121-routing.ts';
import { stanza } from '../xmpp/stanza.ts';
import { type ErrorDetails, errorInner } from '../xmpp/stanza-error.ts';
import { forbidsLastActivity } from '../xmpp/xep0012-last-activity.ts';
import { REGISTER_NS } from '../xmpp/xep0077-registration.ts';
import { BLOCKED_ERROR } from '../xmpp/xep0191-blocking.ts';
import { NS_INBOX } from '../xmpp/xep0430-inbox.ts';
import { parseChecked } from '../xmpp/xml.ts';
import { removeAccount } from './session-account.ts';
import { askForPage, pageDone } from './session-pages.ts';
import { isBehind } from './session-queue.ts';
import { afterOwnWrites } from './session-reads.ts';
import { iqAnswerToRoom, isRoomAddress, sendToRoom } from './session-rooms.ts';
import { sendError } from './session-stanzas.ts';
import type { SessionState } from './session-state.ts';
import type { SessionEffect, Stream } from './session-types.ts';

/** Iqs (RFC 6120 8.2.3, RFC 6121 8): to the server, to one's own account, to other users and their devices. */

type IqType = 'get' | 'set' | 'result' | 'error';
const TYPES: readonly string[] = ['get', 'set', 'result', 'error'];

/** @returns true when it is handled later: a room answers it */
export function onIq(session: SessionState, stream: Stream, el: Element, inner: string, n: number): boolean {
  const refuse = (condition: StanzaCondition, details?: ErrorDetails): false => {
    sendError(session, stream, el, condition, details);
    return false;
  };
  const { type, id, to: rawTo } = el.attrs;
  if (type === undefined || !TYPES.includes(type) || id === undefined || id === '') return refuse('bad-request');
  const request = type === 'get' || type === 'set';
  if (request && el.getChildElements().length !== 1) return refuse('bad-request');
  const to = rawTo === undefined ? parseJid(session.user) : tryJid(rawTo);
  if (to === undefined) return refuse('jid-malformed');
  if (isRoomAddress(session, to)) {
    if (!request || !readsArchive(el)) return sendToRoom(session, stream, el, inner, n, to);
    // It has no effects, so it is handled: `h` is not to wait for acks of the client's own.
    const page = (): void => {
      if (!sendToRoom(session, stream, el, inner, 0, to, true)) pageDone(session, stream);
    };
    return !askForPage(session, stream, inner.length, page) && refuse('resource-constraint');
  }
  const here = targetOf(session, to);
  if (here === undefined && to.domain !== session.domain) return request && refuse('remote-server-not-found');
  if (here === undefined) {
    if (isBlocked(session, to.full)) return refuse('not-acceptable', BLOCKED_ERROR);
    const xml = stanza('iq', { from: stream.jid, to: to.full, id, type, 'xml:lang': el.attrs['xml:lang'] }, inner);
    session.tell(to.bare, { t: 'iq', from: stream.jid, to: to.full, xml, id, type: type as IqType });
    return false;
  }
  if (!request) {
    if (here === 'account') session.parts.pep?.onAnswer(session, stream, el);
    return false;
  }
  const ask = (done?: () => void): void =>
    answer(session, iqRequest(session, stream, el, type, id, to, done), here, false);
  if (here !== 'account' || !readsArchive(el)) {
    ask();
    return false;
  }
  const done = (): void => pageDone(session, stream);
  const later = (): void => {
    if (!stream.ended) ask(done);
  };
  const page = (): void => {
    if (afterOwnWrites(session, later)) return;
    refuse('resource-constraint');
    done();
  };
  return !askForPage(session, stream, inner.length, page) && refuse('resource-constraint');
}

/** Who of this side answers; undefined: another user, or nobody. */
function targetOf(session: SessionState, to: Jid): IqTarget | undefined {
  const service = serviceAt(to, session.domain);
  if (service !== undefined) return session.parts.services?.includes(service) ? service : undefined;
  if (to.domain !== session.domain) return undefined;
  if (to.local === '') return 'server';
  return to.full === session.user ? 'account' : undefined;
}

/** A query or metadata request of XEP-0313, or a query of XEP-0430. */
function readsArchive(el: Element): boolean {
  const payload = el.getChildElements()[0];
  if (payload?.getNS() === NS_INBOX) return true;
  return payload?.getNS() === NS_MAM && payload.getName() !== 'prefs';
}

function answer(session: SessionState, request: IqRequest, target: IqTarget, foreign: boolean): void {
  if (!foreign && (target === 'server' || target === 'account') && request.payload.getNS() === REGISTER_NS)
    return register(session, request);
  if (!session.parts.dispatchIq(session, request, target, foreign)) request.error('service-unavailable');
}

/** XEP-0077 3.2, 3.3: changes of one's own account. */
function register(session: SessionState, request: IqRequest): void {
  const outcome = session.parts.registration(request, session);
  switch (outcome.t) {
    case 'answered':
      return;
    case 'password':
      session.turn.effects.push({ t: 'setPassword', request, password: outcome.password });
      return;
    case 'remove':
      request.reply();
      removeAccount(session);
  }
}

/**
 * An answer of ours goes through the stream's turn, so it leaves after what it reports is committed.
 * @param done called in the turn that answers, behind it
 */
function iqRequest(
  session: SessionState,
  stream: Stream,
  el: Element,
  type: 'get' | 'set',
  id: string,
  to: Jid,
  done?: () => void,
): IqRequest {
  const from = el.attrs['to'];
  const payload = el.getChildElements()[0] as Element;
  const failed = respond(stream.jid, from, id, 'error', errorInner('resource-constraint', {}));
  session.turn.onFail.push({ t: 'stanza', stream, xml: failed, seq: 0 });
  const respondWith = (outcome: 'result' | 'error', inner: string): void => {
    session.send(stream, respond(stream.jid, from, id, outcome, inner));
    done?.();
  };
  return {
    iq: el,
    payload,
    type,
    id,
    from: parseJid(stream.jid),
    to,
    stream,
    reply: (inner = '') => respondWith('result', inner),
    error: (condition, text, appCondition) => respondWith('error', errorInner(condition, { text, appCondition })),
  };
}

function respond(to: string, from: string | undefined, id: string, type: 'result' | 'error', inner: string): string {
  return stanza('iq', { from, to, id, type }, inner);
}

/** An iq of another user (or of this user's other device) for this account or one of its resources. */
export function onPeerIq(session: SessionState, msg: Extract<PeerMessage, { t: 'iq' }>): void {
  const to = parseJid(msg.to);
  const from = parseJid(msg.from);
  const answerWith = (type: 'result' | 'error', inner: string): SessionEffect => {
    if (isRoomAddress(session, from)) return iqAnswerToRoom(session, from, { id: msg.id, from: msg.to, type, inner });
    const xml = respond(msg.from, msg.to, msg.id, type, inner);
    const answered = { t: 'iq', from: msg.to, to: msg.from, xml, id: msg.id, type } as const;
    return { t: 'toSession', to: from.bare, msg: { t: 'peer', msg: answered } };
  };
  const back = (type: 'result' | 'error', inner: string): void => {
    session.turn.effects.push(answerWith(type, inner));
  };
  const refuse = (condition: StanzaCondition, text?: string, appCondition?: string): void =>
    back('error', errorInner(condition, { text, appCondition }));
  const request = msg.type === 'get' || msg.type === 'set';
  // XEP-0191 3.3: the answer of an account that does not exist.
  if (isBlocked(session, msg.from)) return request ? refuse('service-unavailable') : undefined;
  // An account that does not exist is asked like one that does and has no streams: the answers must not differ.
  const streams = session
    .streams()
    .map((stream) => ({ resource: stream.resource, priority: stream.presence?.priority }));
  const named = session.stream(to.resource);
  const sees =
    named !== undefined && (sharesPresence(session, named, msg.from) || named.rooms?.has(from.bare) === true);
  const route = routeIq(msg.type, to.resource === '' ? 'bare' : 'full', to.resource, streams, sees);
  switch (route.t) {
    case 'deliver': {
      if (request && forbidsLastActivity(session, parseChecked(msg.xml).el.getChildElements()[0], from.bare)) {
        return refuse('forbidden');
      }
      const stream = session.stream(route.resource);
      if (stream === undefined) return;
      if (request && isBehind(stream, session.parts.limits)) return refuse('resource-constraint');
      session.send(stream, msg.xml, !isRoomAddress(session, from) && isStranger(session, from.bare));
      return;
    }
    case 'error':
      return refuse(route.condition);
    case 'drop':
      return;
    case 'account': {
      const iq = parseChecked(msg.xml).el;
      const payload = iq.getChildElements()[0];
      if (payload === undefined || !(msg.type === 'get' || msg.type === 'set')) return refuse('bad-request');
      const { id, type } = msg;
      session.turn.onFail.push(answerWith('error', errorInner('resource-constraint', {})));
      answer(
        session,
        {
          iq,
          payload,
          type,
          id,
          from,
          to,
          stream: undefined,
          reply: (inner = '') => back('result', inner),
          error: refuse,
        },
        'account',
        true,
      );
    }
  }
}
