import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';
import { NS_CHAT_STATES } from './xep0085-chat-states.ts';
import { NS_HINTS } from './xep0334-hints.ts';

const NS_CSI = 'urn:xmpp:csi:0';

/** For the stream features, after authentication. */
export const CSI_FEATURE = `<csi xmlns='${NS_CSI}'/>`;

/** The state that a nonza indicates, undefined when it is not one of XEP-0352. There is no answer to either. */
export function parseCsi(el: Element): 'active' | 'inactive' | undefined {
  if (el.getNS() !== NS_CSI) return undefined;
  const name = el.getName();
  return name === 'active' || name === 'inactive' ? name : undefined;
}

/**
 * Under which key a presence may wait for an inactive client; undefined when it must go now. A later presence of the
 * same key makes the earlier one pointless. Subscription requests, errors and a room's status codes are for people.
 * @param type undefined for available
 * @param xml the whole stanza
 */
export function presenceHoldKey(from: string, type: string | undefined, xml: string): string | undefined {
  if (type !== undefined && type !== 'unavailable') return undefined;
  if (xml.includes('http://jabber.org/protocol/muc#user') && xml.includes('<status code=')) return undefined;
  return `p ${from}`;
}

const CARELESS: ReadonlySet<string> = new Set([NS_CHAT_STATES, NS_HINTS, 'urn:xmpp:sid:0']);

/** Under which key a message may wait: only one that is nothing but a chat state, the latest of each sender. */
export function messageHoldKey(from: string, message: Element): string | undefined {
  const children = message.getChildElements();
  const state = children.some((child) => child.getNS() === NS_CHAT_STATES);
  // A <thread/> accompanies chat states (XEP-0085 section 5.6).
  const nothingElse = children.every(
    (child) => CARELESS.has(child.getNS() ?? '') || child.is('thread', 'jabber:client'),
  );
  return state && nothingElse ? `s ${from}` : undefined;
}

/** UTF-16 units; a presence has some hundreds, but may have as many as a stanza. */
const HELD_CHARS_MAX = 262_144;

/**
 * What waits for one inactive client: at most `heldMax` stanzas of `charsMax` together, of each key the latest. When full,
 * everything goes out at once; so does it before a stanza that must not wait, which keeps the order between any two entities (RFC 6120 10.1).
 */
export class HeldStanzas {
  readonly #heldMax: number;
  readonly #charsMax: number;
  #held = new Map<string, string>();
  #chars = 0;

  constructor(heldMax = 200, charsMax = HELD_CHARS_MAX) {
    this.#heldMax = heldMax;
    this.#charsMax = charsMax;
  }

  get length(): number {
    return this.#held.size;
  }

  /**
   * Takes a stanza for an inactive client and tells what is to be sent now, in order.
   * @param key undefined for a stanza that must not wait
   */
  offer(key: string | undefined, xml: string): readonly string[] {
    if (key === undefined) return this.#held.size === 0 ? [xml] : [...this.flush(), xml];
    // Deleted first, so that the later one takes its place at the end.
    this.#chars += xml.length - (this.#held.get(key)?.length ?? 0);
    this.#held.delete(key);
    this.#held.set(key, xml);
    return this.#held.size >= this.#heldMax || this.#chars >= this.#charsMax ? this.flush() : [];
  }

  /** What waits, in order, with its keys: to be offered to a queue elsewhere. */
  entries(): readonly (readonly [key: string, xml: string])[] {
    return [...this.#held];
  }

  /** All that waits, in order: the client is active again, or its stream is resumed (which starts active). */
  flush(): readonly string[] {
    if (this.#held.size === 0) return [];
    const stanzas = [...this.#held.values()];
    this.#held = new Map();
    this.#chars = 0;
    return stanzas;
  }
}

export const csiModule: XmppModule = {
  spec: {
    id: 'XEP-0352',
    title: 'Client State Indication',
    version: '1.0.0',
    url: 'https://xmpp.org/extensions/xep-0352.html',
    note: 'presence and chat states wait for an inactive client, the latest of each sender',
  },
};
