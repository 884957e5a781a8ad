import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';

export const NS_CHAT_STATES = 'http://jabber.org/protocol/chatstates';

export type ChatState = 'active' | 'composing' | 'paused' | 'inactive' | 'gone';

const STATES: ReadonlySet<string> = new Set(['active', 'composing', 'paused', 'inactive', 'gone']);

/** The chat state that a message carries, undefined when none (XEP-0085 section 4). */
export function chatState(message: Element): ChatState | undefined {
  for (const child of message.getChildElements()) {
    const name = child.getName();
    if (STATES.has(name) && child.getNS() === NS_CHAT_STATES) return name as ChatState;
  }
  return undefined;
}

export const chatStatesModule: XmppModule = {
  spec: {
    id: 'XEP-0085',
    title: 'Chat State Notifications',
    version: '2.1',
    url: 'https://xmpp.org/extensions/xep-0085.html',
    note: 'standalone notifications are delivered at most once and never stored',
  },
};
