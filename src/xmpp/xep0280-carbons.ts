import type { Element } from 'ltx';
import type { IqHandler, XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';
import { NS_CHAT_STATES } from './xep0085-chat-states.ts';
import { NS_RECEIPTS } from './xep0184-receipts.ts';
import { NS_MARKERS } from './xep0333-markers.ts';
import { NS_HINTS } from './xep0334-hints.ts';

const NS_CARBONS = 'urn:xmpp:carbons:2';
const NS_CONFERENCE = 'jabber:x:conference';
const NS_MUC_USER = 'http://jabber.org/protocol/muc#user';

export interface CarbonDecision {
  readonly eligible: boolean;
  readonly reason: string;
}

/** What section 6.1 calls payloads typically used in IM. */
const IM_PAYLOADS: ReadonlySet<string> = new Set([NS_RECEIPTS, NS_CHAT_STATES, NS_MARKERS]);

function yes(reason: string): CarbonDecision {
  return { eligible: true, reason };
}

function no(reason: string): CarbonDecision {
  return { eligible: false, reason };
}

/**
 * Whether a message is copied to the user's other carbons-enabled resources (XEP-0280 section 6.1).
 * @param direction as seen from the user whose resources get the copy
 * @param answersEligible for type error: was the message that failed eligible? When unknown, a bounce is copied: to
 *   learn that a message failed is worth a needless copy.
 */
export function carbonDecision(
  message: Element,
  type: string,
  direction: 'sent' | 'received' = 'received',
  answersEligible = true,
): CarbonDecision {
  let fromRoom = false;
  let invite: string | undefined;
  let payload: string | undefined;
  for (const child of message.children) {
    if (typeof child === 'string') continue;
    const ns = child.getNS() ?? '';
    if (ns === 'jabber:client') {
      if (child.getName() === 'body') payload = 'body';
    } else if (IM_PAYLOADS.has(ns)) payload ??= 'im payload';
    else if (ns === NS_CARBONS) {
      if (child.getName() === 'private') return no('private');
    } else if (ns === NS_HINTS) {
      if (child.getName() === 'no-copy') return no('hint no-copy');
    } else if (ns === NS_CONFERENCE) invite = 'direct invite';
    else if (ns === NS_MUC_USER && child.getName() === 'x') {
      fromRoom = true;
      if (child.getChild('invite', NS_MUC_USER) !== undefined) invite = 'mediated invite';
    }
  }
  if (type === 'groupchat') return no('groupchat');
  if (type === 'error') return answersEligible ? yes('bounce') : no('bounce of an ineligible message');
  if (invite !== undefined) return yes(invite);
  // A room sends its private messages to every joined resource itself.
  if (fromRoom && direction === 'received') return no('private message of a room');
  if (type === 'chat') return yes('chat');
  if (payload === 'im payload' || (payload === 'body' && type === 'normal')) return yes(payload);
  return no(type);
}

/** `carbonDecision` without its reason. */
export function carbonEligible(message: Element, type: string, direction: 'sent' | 'received' = 'received'): boolean {
  return carbonDecision(message, type, direction).eligible;
}

/**
 * A forwarded copy (XEP-0280 sections 7 and 8).
 * @param user bare JID whose resources share the copy
 * @param to full JID of the resource that gets it
 * @param messageXml the whole `<message xmlns='jabber:client' …>` as it was sent or received
 * @param type of that message
 */
export function wrapCarbon(
  direction: 'sent' | 'received',
  user: string,
  to: string,
  messageXml: string,
  type = 'chat',
): string {
  const attrs = `from='${escapeAttr(user)}' to='${escapeAttr(to)}' type='${escapeAttr(type)}'`;
  return (
    `<message xmlns='jabber:client' ${attrs}><${direction} xmlns='${NS_CARBONS}'>` +
    `<forwarded xmlns='urn:xmpp:forward:0'>${messageXml}</forwarded></${direction}></message>`
  );
}

/** Enable and disable are idempotent and last as long as the stream (sections 4 and 5). */
function switchTo(on: boolean): IqHandler {
  return (_session, request) => {
    if (request.stream === undefined) return request.error('forbidden');
    request.stream.carbons = on;
    request.reply();
  };
}

export const carbonsModule: XmppModule = {
  spec: {
    id: 'XEP-0280',
    title: 'Message Carbons',
    version: '1.0.1',
    url: 'https://xmpp.org/extensions/xep-0280.html',
    note: 'rules of section 6.1',
  },
  serverFeatures: [NS_CARBONS, 'urn:xmpp:carbons:rules:0'],
  accountFeatures: [NS_CARBONS],
  iq: [
    { ns: NS_CARBONS, name: 'enable', types: ['set'], targets: ['account', 'server'], handle: switchTo(true) },
    { ns: NS_CARBONS, name: 'disable', types: ['set'], targets: ['account', 'server'], handle: switchTo(false) },
  ],
};
