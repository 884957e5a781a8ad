import type { XmppModule } from './module.ts';
import { PRIVATE_CONFIG } from './pubsub-config.ts';
import { element } from './stanza.ts';

export const NS_MDS = 'urn:xmpp:mds:displayed:0';

/**
 * Payload of the item that says up to where a chat is displayed; the item's id is the chat's bare JID (section 4.1).
 * @param stanzaId of the last message displayed, as given by `by`: the room of a group, else the user's own account
 */
export function displayedXml(stanzaId: string, by: string): string {
  return element('displayed', { xmlns: NS_MDS }, element('stanza-id', { xmlns: 'urn:xmpp:sid:0', by, id: stanzaId }));
}

/** How far a user has read each chat, for all its devices: one item a chat. */
export const displayedSyncModule: XmppModule = {
  spec: {
    id: 'XEP-0490',
    title: 'Message Displayed Synchronization',
    version: '1.0.1',
    url: 'https://xmpp.org/extensions/xep-0490.html',
    note: 'the node, private even when the client does not say so; no server assist',
  },
  pepNodes: { [NS_MDS]: PRIVATE_CONFIG },
};
