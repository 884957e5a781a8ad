import type { XmppModule } from './module.ts';
import { PRIVATE_CONFIG } from './pubsub-config.ts';

export const NS_BOOKMARKS = 'urn:xmpp:bookmarks:1';

/** Rooms that a user has joined or keeps: one item a room, its id the room's JID. Nobody else may see them (section 5). */
export const bookmarksModule: XmppModule = {
  spec: {
    id: 'XEP-0402',
    title: 'PEP Native Bookmarks',
    version: '1.2.0',
    url: 'https://xmpp.org/extensions/xep-0402.html',
    note: 'private even when the client does not say so; one with the list in private XML (XEP-0049), not with that in a node',
  },
  accountFeatures: [`${NS_BOOKMARKS}#compat`],
  pepNodes: { [NS_BOOKMARKS]: PRIVATE_CONFIG },
};
