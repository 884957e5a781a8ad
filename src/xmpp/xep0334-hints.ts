import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';
import { NS_CHAT_STATES } from './xep0085-chat-states.ts';
import { NS_RECEIPTS } from './xep0184-receipts.ts';
import { NS_MARKERS } from './xep0333-markers.ts';
import { NS_RETRACT } from './xep0424-retraction.ts';

const NS_REACTIONS = 'urn:xmpp:reactions:0';
const NS_CORRECT = 'urn:xmpp:message-correct:0';

/** What is about an earlier message, which has been counted: a body beside it is that message's, or a fallback. */
const ABOUT_EARLIER: ReadonlySet<string> = new Set([NS_REACTIONS, NS_CORRECT, NS_RETRACT]);

export const NS_HINTS = 'urn:xmpp:hints';

export interface StoreDecision {
  /** goes through the chat's log and the receivers' inboxes; otherwise delivered at most once to who is online */
  readonly store: boolean;
  /** stored, but the archive (XEP-0313) does not show it: it only waits in the inbox */
  readonly hidden: boolean;
  /** nothing in it for people to read: does not raise the unread count */
  readonly quiet: boolean;
  readonly reason: string;
}

/** Payloads that say something of a moment or of the stanza itself: alone they are not worth keeping. */
const PASSING: ReadonlySet<string> = new Set([
  NS_CHAT_STATES,
  NS_HINTS,
  'urn:xmpp:sid:0',
  'urn:xmpp:carbons:2',
  'urn:xmpp:delay',
  'jabber:x:delay',
  'jabber:x:event',
  'http://jabber.org/protocol/nick',
  'http://jabber.org/protocol/address',
  'http://jabber.org/protocol/rosterx',
  'http://jabber.org/protocol/ibb',
  'http://jabber.org/protocol/pubsub#event',
  'urn:xmpp:attention:0',
]);

/** Kept by their namespace, with the reason that metrics show. */
const KEPT: ReadonlyMap<string, string> = new Map([
  ['urn:xmpp:eme:0', 'encrypted'],
  [NS_RECEIPTS, 'receipt'],
  [NS_MARKERS, 'marker'],
  ['jabber:x:conference', 'invite'],
  ['http://jabber.org/protocol/muc#user', 'invite'],
  ['urn:xmpp:jingle-message:0', 'call'],
  ['urn:xmpp:jingle-message:1', 'call'],
  [NS_REACTIONS, 'reaction'],
  [NS_CORRECT, 'correction'],
  [NS_RETRACT, 'retraction'],
]);

/** What a message's children say, gathered in one pass: this is on the way of every message. */
interface Contents {
  readonly hints: ReadonlySet<string>;
  /** has a body or an encrypted one */
  readonly loud: boolean;
  /** why it is worth keeping, undefined when nothing in it is */
  readonly reason: string | undefined;
  readonly empty: boolean;
  /** takes back an earlier message (XEP-0424) */
  readonly retracts: boolean;
}

const NO_HINTS: ReadonlySet<string> = new Set();

function contentsOf(message: Element): Contents {
  let hints: Set<string> | undefined;
  let loud = false;
  let reason: string | undefined;
  let empty = true;
  let early = false;
  let retracts = false;
  for (const child of message.children) {
    if (typeof child === 'string') continue;
    empty = false;
    const ns = child.getNS() ?? '';
    if (ns === 'jabber:client') {
      const name = child.getName();
      if (name === 'body') {
        loud = true;
        reason = 'body';
      } else if (name === 'subject') reason ??= 'subject';
    } else if (ns === NS_HINTS) {
      hints ??= new Set();
      hints.add(child.getName());
    } else if (!PASSING.has(ns)) {
      const why = KEPT.get(ns) ?? 'payload';
      if (why === 'encrypted') loud = true;
      reason ??= why;
      if (!ABOUT_EARLIER.has(ns)) continue;
      early = true;
      if (ns === NS_RETRACT && child.getName() === 'retract') retracts = true;
    }
  }
  return { hints: hints ?? NO_HINTS, loud: loud && !early, reason, empty, retracts };
}

function notStored(loud: boolean, reason: string): StoreDecision {
  return { store: false, hidden: false, quiet: !loud, reason };
}

/**
 * Whether a message is kept for its receivers, and why.
 *
 * By the hints first (XEP-0334 section 4; no-store wins over store: the sender's wish for privacy is the stricter one),
 * then by what it carries. XEP-0313 section 6.1 asks for what has a body and allows more. Here everything is kept that
 * is not known to be passing, since a message that is not kept can be lost: an unknown payload costs some archive, a
 * dropped one the promise. (Prosody keeps only what it knows.)
 * @param type of the message; anything else than the five of RFC 6121 5.2.2 counts as normal
 */
export function storeDecision(message: Element, type: string): StoreDecision {
  const { hints, loud, reason, empty, retracts } = contentsOf(message);
  if (type === 'error' || type === 'headline') return notStored(loud, type);
  // XEP-0424 section 5: kept whatever the sender hints, for those who were away.
  if (retracts) return { store: true, hidden: false, quiet: true, reason: 'retraction' };
  if (hints.has('no-store')) return notStored(loud, 'hint no-store');
  const why = hints.has('store') ? 'hint store' : reason;
  if (why === undefined) return notStored(loud, empty ? 'empty' : 'passing');
  const hidden = hints.has('no-permanent-store');
  return { store: true, hidden, quiet: !loud, reason: hidden ? 'hint no-permanent-store' : why };
}

export const hintsModule: XmppModule = {
  spec: {
    id: 'XEP-0334',
    title: 'Message Processing Hints',
    version: '1.0.0',
    url: 'https://xmpp.org/extensions/xep-0334.html',
    note: 'no-store wins over store; no-permanent-store is delivered through the inbox and not archived',
  },
  serverFeatures: [NS_HINTS],
};
