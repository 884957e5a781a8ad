import type { XmppModule } from './module.ts';

/** A way to use XEP-0060: persistent nodes that others may read. It has no namespace of its own. */
export const publicStorageModule: XmppModule = {
  spec: {
    id: 'XEP-0222',
    title: 'Persistent Storage of Public Data via PubSub',
    version: '1.0',
    url: 'https://xmpp.org/extensions/xep-0222.html',
    note: 'by publish-options',
  },
};
