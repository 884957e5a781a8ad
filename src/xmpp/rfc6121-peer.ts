import { isBlocked } from './blocklist.ts';
import { bareOf, resourceIn } from './jid.ts';
import type { PeerMessage, SessionPort, StreamPort } from './module.ts';
import { getContact, seenByUs, seesUs } from './rfc6121-contacts.ts';
import { ROSTER_LIMITS, type RosterLimits } from './rfc6121-limits.ts';
import { type RouteStream, routePresence } from './rfc6121-routing.ts';
import { onSubscription, type SubscriptionReason, unavailableXml } from './rfc6121-subscription.ts';
import { stanza, withTo } from './stanza.ts';

/** What sessions say to each other about presence and subscriptions; iqs and events are routed elsewhere. */
export type PresencePeerMessage = Extract<PeerMessage, { t: 'presence' | 'probe' | 'subscription' }>;

export type PeerReason =
  /** handed to at least one resource */
  | 'delivered'
  /** the user blocks the sender, who hears nothing (XEP-0191 3.3) */
  | 'blocked'
  /** nobody here to take it; presence is never kept (8.5.2.2.2, 8.5.3.2.2) */
  | 'nobody'
  | 'probe-answered'
  /** the prober was told that it is not subscribed */
  | 'probe-refused'
  /** the prober has asked to subscribe and the user has not answered yet */
  | 'probe-pending'
  | SubscriptionReason;

/**
 * A message of another session, or of this user's own.
 * @param idx the sender's number of a posted message, from 1, which only rises; 0 for what was only told
 * @returns what became of it, for logs and counters
 */
export function onPeer(
  session: SessionPort,
  msg: PresencePeerMessage,
  idx: number,
  limits: RosterLimits = ROSTER_LIMITS,
): PeerReason {
  if (isBlocked(session, msg.from)) return 'blocked';
  switch (msg.t) {
    case 'presence':
      return onPresence(session, msg);
    case 'probe':
      return onProbe(session, msg.from, msg.to);
    case 'subscription':
      return onSubscription(session, msg, idx, limits);
  }
}

/** This user's streams as the routing rules see them. */
export function routeStreams(session: SessionPort): RouteStream[] {
  return session.streams().map(({ resource, presence }) => ({ resource, priority: presence?.priority }));
}

/**
 * Inbound presence (4.2.3, 4.4.3, 4.5.3, 4.6.4). It is not checked against the roster: the sender's session decides
 * who sees it, and a check here would drop the first presence when it overtakes the `subscribed` that allows it.
 */
function onPresence(session: SessionPort, msg: Extract<PeerMessage, { t: 'presence' }>): PeerReason {
  const resource = resourceIn(msg.to);
  const to = routePresence(resource === undefined ? 'bare' : 'full', resource, routeStreams(session));
  if (to.length === 0) return 'nobody';
  const xml = withTo(msg.xml, msg.to);
  const loose = isStranger(session, bareOf(msg.from));
  for (const name of to) {
    if (msg.except?.includes(name) === true) continue;
    const stream = session.stream(name);
    if (stream !== undefined) session.send(stream, xml, loose);
  }
  return 'delivered';
}

/** Neither the user, nor anybody whose presence the user sees or has asked to see. */
export function isStranger(session: SessionPort, bareJid: string): boolean {
  const contact = getContact(session, bareJid);
  return bareJid !== session.user && (contact === undefined || !(seenByUs(contact) || contact.ask !== undefined));
}

/** The resource has sent directed presence to this JID, bare or full (4.6.6). */
function isDirectedTo(stream: StreamPort, jid: string): boolean {
  return stream.directed !== undefined && (stream.directed.has(jid) || stream.directed.has(bareOf(jid)));
}

/**
 * May `from` (full or bare JID) see the presence of a stream: by subscription, by directed presence, or as the same
 * user? The rule of 8.5.3.1 for iq requests to a full JID.
 */
export function sharesPresence(session: SessionPort, stream: StreamPort, from: string): boolean {
  const bare = bareOf(from);
  return bare === session.user || seesUs(getContact(session, bare)) || isDirectedTo(stream, from);
}

/** 4.3.2 and 4.6.6. `from` gets the answers: a full JID keeps them from its user's other resources. */
function onProbe(session: SessionPort, from: string, to: string): PeerReason {
  const bare = bareOf(from);
  const resource = resourceIn(to);
  const contact = getContact(session, bare);
  const tell = (jid: string, xml: string, available: boolean) =>
    session.tell(bare, { t: 'presence', from: jid, to: from, xml, available, directed: true });

  if (bare === session.user || seesUs(contact)) {
    if (resource === undefined) {
      let answers = 0;
      for (const stream of session.streams()) {
        if (stream.presence === undefined) continue;
        tell(stream.jid, stream.presence.xml, true);
        answers += 1;
      }
      if (answers === 0) tell(session.user, unavailableXml(session.user), false);
    } else {
      const there = session.stream(resource)?.presence !== undefined;
      tell(to, there ? mereXml(to) : unavailableXml(to), there);
    }
    return 'probe-answered';
  }
  const named = resource === undefined ? undefined : session.stream(resource);
  if (named !== undefined && isDirectedTo(named, from)) {
    tell(named.jid, mereXml(named.jid), true);
    return 'probe-answered';
  }
  // the RFC's `unsubscribed` would cancel the very request that waits for the user here
  if (contact?.pendingIn !== undefined) return 'probe-pending';
  session.post(bare, { t: 'subscription', from: session.user, to: bare, type: 'unsubscribed', inner: '' });
  return 'probe-refused';
}

/** The fact of availability, without details (4.3.2, 4.6.6). */
function mereXml(from: string): string {
  return stanza('presence', { from });
}

/**
 * What an account that does not exist answers (8.5.1, 3.1.3): a probe and a subscription request are told
 * `unsubscribed`, everything else is ignored. Answers are to be posted as from that account. Requests to the bare
 * domain are not an account's.
 */
export function onUnknownAccount(domain: string, msg: PresencePeerMessage): PeerMessage[] {
  const account = bareOf(msg.to);
  if (account === domain) return [];
  if (msg.t !== 'probe' && !(msg.t === 'subscription' && msg.type === 'subscribe')) return [];
  return [{ t: 'subscription', from: account, to: bareOf(msg.from), type: 'unsubscribed', inner: '' }];
}
