import type { XmppModule } from './module.ts';
import { PRIVATE_CONFIG } from './pubsub-config.ts';

export const NS_MDS = 'urn:xmpp:mds:displayed:0';

/** How far a user has read each chat, for all its devices: one item a chat. */
export const displayedSyncModule: XmppModule = {
  spec: {
    id: 'XEP-0490',
    title: 'Message Displayed Synchronization',
    version: '1.0.1',
    url: 'https://xmpp.org/extensions/xep-0490.html',
    note: 'one cursor with markers (XEP-0333) and the inbox (XEP-0430); no server assist',
  },
  pepNodes: { [NS_MDS]: PRIVATE_CONFIG },
};
