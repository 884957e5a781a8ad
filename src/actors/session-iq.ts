import type { Element } from 'ltx';
import { serviceAt } from '../xmpp/iq-table.ts';
import { type Jid, parseJid, tryJid } from '../xmpp/jid.ts';
import { NS_MAM } from '../xmpp/mam-query.ts';
import type { IqRequest, IqTarget, PeerMessage } from '../xmpp/module.ts';
import { sharesPresence } from '../xmpp/rfc6121-peer.ts';
import { routeIq } from '../xmpp/rfc6121-routing.ts';
import { stanza } from '../xmpp/stanza.ts';
import { errorInner } from '../xmpp/stanza-error.ts';
import { forbidsLastActivity } from '../xmpp/xep0012-last-activity.ts';
import { REGISTER_NS } from '../xmpp/xep0077-registration.ts';
import { parseChecked } from '../xmpp/xml.ts';
import { removeAccount } from './session-account.ts';
import { afterOwnWrites } from './session-reads.ts';
import { sendError } from './session-stanzas.ts';
import type { SessionState } from './session-state.ts';
import type { Stream } from './session-types.ts';

/** Iqs (RFC 6120 8.2.3, RFC 6121 8): to the server, to one's own account, to other users and their devices. */

type IqType = 'get' | 'set' | 'result' | 'error';
const TYPES: readonly string[] = ['get', 'set', 'result', 'error'];

export function onIq(session: SessionState, stream: Stream, el: Element, inner: string): void {
  const { type, id, to: rawTo } = el.attrs;
  if (type === undefined || !TYPES.includes(type) || id === undefined || id === '')
    return sendError(session, stream, el, 'bad-request');
  const request = type === 'get' || type === 'set';
  if (request && el.getChildElements().length !== 1) return sendError(session, stream, el, 'bad-request');
  const to = rawTo === undefined ? parseJid(session.user) : tryJid(rawTo);
  if (to === undefined) return sendError(session, stream, el, 'jid-malformed');
  const service = serviceAt(to, session.domain);
  if (to.domain !== session.domain && (service === undefined || !session.parts.services?.includes(service)))
    return request ? sendError(session, stream, el, 'remote-server-not-found') : undefined;
  const here = service ?? (to.local === '' ? 'server' : to.full === session.user ? 'account' : undefined);
  if (here === undefined) {
    const xml = stanza('iq', { from: stream.jid, to: to.full, id, type, 'xml:lang': el.attrs['xml:lang'] }, inner);
    return session.tell(to.bare, { t: 'iq', from: stream.jid, to: to.full, xml, id, type: type as IqType });
  }
  if (!request) return;
  const ask = (): void => answer(session, iqRequest(session, stream, el, type, id, to), here, false);
  if (here !== 'account' || !readsArchive(el)) return ask();
  const later = (): void => {
    if (!stream.ended) ask();
  };
  if (!afterOwnWrites(session, later)) sendError(session, stream, el, 'resource-constraint');
}

/** A query or metadata request of XEP-0313. */
function readsArchive(el: Element): boolean {
  const payload = el.getChildElements()[0];
  return payload?.getNS() === NS_MAM && payload.getName() !== 'prefs';
}

function answer(session: SessionState, request: IqRequest, target: IqTarget, foreign: boolean): void {
  if (!foreign && target !== 'upload' && request.payload.getNS() === REGISTER_NS) return register(session, request);
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

/** An answer of ours goes through the stream's turn, so it leaves after what it reports is committed. */
function iqRequest(
  session: SessionState,
  stream: Stream,
  el: Element,
  type: 'get' | 'set',
  id: string,
  to: Jid,
): IqRequest {
  const from = el.attrs['to'];
  const payload = el.getChildElements()[0] as Element;
  const failed = respond(stream.jid, from, id, 'error', errorInner('resource-constraint', {}));
  session.turn.onFail.push({ t: 'stanza', stream, xml: failed, seq: 0 });
  return {
    iq: el,
    payload,
    type,
    id,
    from: parseJid(stream.jid),
    to,
    stream,
    reply: (inner = '') => session.send(stream, respond(stream.jid, from, id, 'result', inner)),
    error: (condition, text, appCondition) =>
      session.send(stream, respond(stream.jid, from, id, 'error', errorInner(condition, { text, appCondition }))),
  };
}

function respond(to: string, from: string | undefined, id: string, type: 'result' | 'error', inner: string): string {
  return stanza('iq', { from, to, id, type }, inner);
}

/** An iq of another user (or of this user's other device) for this account or one of its resources. */
export function onPeerIq(session: SessionState, msg: Extract<PeerMessage, { t: 'iq' }>): void {
  const to = parseJid(msg.to);
  const from = parseJid(msg.from);
  const back = (type: 'result' | 'error', inner: string): void => {
    const xml = respond(msg.from, msg.to, msg.id, type, inner);
    session.tell(from.bare, { t: 'iq', from: msg.to, to: msg.from, xml, id: msg.id, type });
  };
  const refuse: IqRequest['error'] = (condition, text, appCondition) =>
    back('error', errorInner(condition, { text, appCondition }));
  const request = msg.type === 'get' || msg.type === 'set';
  // An account that does not exist is asked like one that does and has no streams: the answers must not differ.
  const streams = session
    .streams()
    .map((stream) => ({ resource: stream.resource, priority: stream.presence?.priority }));
  const named = session.stream(to.resource);
  const sees = named !== undefined && sharesPresence(session, named, msg.from);
  const route = routeIq(msg.type, to.resource === '' ? 'bare' : 'full', to.resource, streams, sees);
  switch (route.t) {
    case 'deliver': {
      if (request && forbidsLastActivity(session, parseChecked(msg.xml).el.getChildElements()[0], from.bare)) {
        return refuse('forbidden');
      }
      const stream = session.stream(route.resource);
      if (stream !== undefined) session.send(stream, msg.xml);
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
