import type { XmppModule } from './module.ts';

export const NS_AVATAR_DATA = 'urn:xmpp:avatar:data';
export const NS_AVATAR_METADATA = 'urn:xmpp:avatar:metadata';

/** Avatars are items of two nodes of the account; who wants to see them asks for the metadata's events. */
export const avatarModule: XmppModule = {
  spec: {
    id: 'XEP-0084',
    title: 'User Avatar',
    version: '1.1.4',
    url: 'https://xmpp.org/extensions/xep-0084.html',
    note: 'data and metadata nodes; images up to `pep.itemBytesMax`',
  },
  // Who gets the data asks for it when the metadata names it, so nobody is sent it unasked.
  pepNodes: { [NS_AVATAR_DATA]: { sendLast: 'never' } },
};
