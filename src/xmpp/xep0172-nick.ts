import type { XmppModule } from './module.ts';

export const NS_NICK = 'http://jabber.org/protocol/nick';

/** The nickname that a user gives itself, in a node of the account (section 4.2) and in requests to subscribe. */
export const nickModule: XmppModule = {
  spec: {
    id: 'XEP-0172',
    title: 'User Nickname',
    version: '1.1',
    url: 'https://xmpp.org/extensions/xep-0172.html',
    note: 'the node of the account; in subscription requests it is passed on',
  },
};
