import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';

export const NS_MARKERS = 'urn:xmpp:chat-markers:0';

/** A displayed marker: `id` names the message up to which the sender has seen the chat. */
export interface Marker {
  readonly t: 'received' | 'displayed' | 'acknowledged';
  readonly id: string;
}

/**
 * The marker that a message carries. Version 1.0 knows only `displayed`; `received` and `acknowledged` are of the
 * versions before it, which clients in the field still send. `<markable/>` is a wish, not a marker.
 */
export function marker(message: Element): Marker | undefined {
  for (const t of ['displayed', 'acknowledged', 'received'] as const) {
    const id = message.getChild(t, NS_MARKERS)?.attrs['id'];
    if (id !== undefined && id !== '') return { t, id };
  }
  return undefined;
}

/** Id of the message that is displayed: `acknowledged` says as much (XEP-0430 section 4), `received` does not. */
export function displayedId(message: Element): string | undefined {
  const found = marker(message);
  return found === undefined || found.t === 'received' ? undefined : found.id;
}

export const markersModule: XmppModule = {
  spec: {
    id: 'XEP-0333',
    title: 'Displayed Markers',
    version: '1.0.0',
    url: 'https://xmpp.org/extensions/xep-0333.html',
    note: 'between clients; stored and copied like messages; one of the user moves what the inbox counts as unread',
  },
};
