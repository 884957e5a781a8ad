import type { StanzaCondition, XmppModule } from './module.ts';

/**
 * Which resources of an existing account get a stanza (RFC 6121 section 8.5). Every function is a decision with its
 * reason and does nothing else; the reason is for the log and the counters.
 */

export type MessageType = 'normal' | 'chat' | 'headline' | 'groupchat' | 'error';

/** Form of the `to` address: without or with a resourcepart. */
export type RouteTarget = 'bare' | 'full';

/** A bound resource. `priority` is undefined while it is connected but has not sent initial presence. */
export interface RouteStream {
  readonly resource: string;
  readonly priority: number | undefined;
}

export type RouteReason =
  /** the resource that was named gets it (8.5.3.1) */
  | 'full-match'
  /** the available resources of the highest non-negative priority get it (8.5.2.1.1, "most available") */
  | 'most-available'
  /** all non-negative resources get it (8.5.2.1.1) */
  | 'all-non-negative'
  /** nobody is there to take it; the inbox has it (8.5.2.2.1) */
  | 'nobody-available'
  /** the type must not be delivered to this address, and no answer is due */
  | 'ignored'
  /** the type must not be delivered to this address, and the sender is told */
  | 'refused';

export interface MessageRoute {
  /** resources, in the order of `streams` */
  readonly to: readonly string[];
  /** The type is one that the inbox and the archive keep; hints of XEP-0334 can still forbid it. */
  readonly store: boolean;
  /** to be returned to the sender; never set when `to` or `store` says something */
  readonly error?: StanzaCondition;
  readonly reason: RouteReason;
}

const IGNORED: MessageRoute = { to: [], store: false, reason: 'ignored' };
const REFUSED: MessageRoute = { to: [], store: false, error: 'service-unavailable', reason: 'refused' };

/** The type of a message as RFC 6121 5.2.2 reads it: absent and unknown values are `normal`. */
export function messageType(type: string | undefined): MessageType {
  return type === 'chat' || type === 'headline' || type === 'groupchat' || type === 'error' ? type : 'normal';
}

function nonNegative(streams: readonly RouteStream[]): RouteStream[] {
  return streams.filter((stream) => stream.priority !== undefined && stream.priority >= 0);
}

/** Chat and normal messages to the account: the best resources now, and the inbox in any case. */
function toAccount(type: 'chat' | 'normal', streams: readonly RouteStream[]): MessageRoute {
  // One pass: this is on the way of every message.
  let best = -1;
  let to: string[] | undefined;
  for (const { resource, priority = -1 } of streams) {
    if (priority < 0) continue;
    if (to === undefined || (type === 'chat' && priority > best)) to = [resource];
    else if (type === 'normal' || priority === best) to.push(resource);
    best = Math.max(best, priority);
  }
  if (to === undefined) return { to: [], store: true, reason: 'nobody-available' };
  return { to, store: true, reason: type === 'normal' ? 'all-non-negative' : 'most-available' };
}

function toBare(type: MessageType, streams: readonly RouteStream[]): MessageRoute {
  switch (type) {
    case 'chat':
    case 'normal':
      return toAccount(type, streams);
    case 'headline': {
      const to = nonNegative(streams).map((stream) => stream.resource);
      return to.length === 0 ? IGNORED : { to, store: false, reason: 'all-non-negative' };
    }
    case 'groupchat':
      return REFUSED;
    case 'error':
      return IGNORED;
  }
}

/**
 * Table 1 of RFC 6121 8.5.4 for an account that exists.
 *
 * Where the table leaves a choice: chat and normal are stored rather than bounced (O of O/E); normal goes to all
 * non-negative resources (A of M/A) and chat to those of the highest priority (M: the others have carbons); a normal
 * message to a full JID that is gone is treated like a chat message, where the table has only S/E: the sender was
 * answering a device and meant the user, and a silent loss is what this server is built against.
 */
export function routeMessage(
  type: MessageType,
  target: RouteTarget,
  resource: string | undefined,
  streams: readonly RouteStream[],
): MessageRoute {
  if (target === 'bare') return toBare(type, streams);
  const match = streams.find((stream) => stream.resource === resource);
  if (match !== undefined) {
    return { to: [match.resource], store: type === 'chat' || type === 'normal', reason: 'full-match' };
  }
  switch (type) {
    case 'chat':
    case 'normal':
      return toAccount(type, streams);
    case 'groupchat':
      return REFUSED;
    case 'headline':
    case 'error':
      return IGNORED;
  }
}

/** A message to an account that does not exist (8.5.1): bounced, but headlines and errors are never answered. */
export function routeMessageToNobody(type: MessageType): MessageRoute {
  return type === 'headline' || type === 'error' ? IGNORED : REFUSED;
}

/** Presence without type or `unavailable` (8.5.2.1.2, 8.5.3.1, 8.5.3.2.2): resources that get it; none means ignored. */
export function routePresence(
  target: RouteTarget,
  resource: string | undefined,
  streams: readonly RouteStream[],
): readonly string[] {
  const gets =
    target === 'bare'
      ? (stream: RouteStream) => stream.priority !== undefined
      : (stream: RouteStream) => stream.resource === resource;
  return streams.filter(gets).map((stream) => stream.resource);
}

export type IqRoute =
  /** the server answers on behalf of the account (8.5.2.1.3) */
  | { readonly t: 'account' }
  | { readonly t: 'deliver'; readonly resource: string }
  | { readonly t: 'error'; readonly condition: StanzaCondition; readonly reason: 'no-such-resource' | 'presence-leak' }
  /** a result or error nobody waits for; never answered (RFC 6120 8.2.3) */
  | { readonly t: 'drop' };

/**
 * An iq for an account that exists (8.5.2.1.3, 8.5.3.1, 8.5.3.2.3).
 * @param sharesPresence the receiver lets the sender see its presence, by subscription or directed presence. A request
 *   to a full JID is refused without it, with the very error that a resource which is not there gives.
 */
export function routeIq(
  type: 'get' | 'set' | 'result' | 'error',
  target: RouteTarget,
  resource: string | undefined,
  streams: readonly RouteStream[],
  sharesPresence: boolean,
): IqRoute {
  const request = type === 'get' || type === 'set';
  if (target === 'bare') return request ? { t: 'account' } : { t: 'drop' };
  const match = streams.find((stream) => stream.resource === resource);
  if (match === undefined) {
    return request ? { t: 'error', condition: 'service-unavailable', reason: 'no-such-resource' } : { t: 'drop' };
  }
  if (request && !sharesPresence) return { t: 'error', condition: 'service-unavailable', reason: 'presence-leak' };
  return { t: 'deliver', resource: match.resource };
}

export const routingModule: XmppModule = {
  spec: {
    id: 'RFC 6121 section 8',
    title: 'XMPP IM: server rules for processing stanzas',
    url: 'https://www.rfc-editor.org/rfc/rfc6121#section-8',
    note: 'chat and normal messages are always stored, never bounced, when the account exists',
  },
};
