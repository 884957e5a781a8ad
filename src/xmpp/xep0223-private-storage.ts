import type { XmppModule } from './module.ts';

/** A way to use XEP-0060: persistent nodes for the owner's devices alone. It has no namespace of its own. */
export const privateStorageModule: XmppModule = {
  spec: {
    id: 'XEP-0223',
    title: 'Persistent Storage of Private Data via PubSub',
    version: '1.1.1',
    url: 'https://xmpp.org/extensions/xep-0223.html',
    note: 'by publish-options; nodes of other extensions that must be private are so without being told',
  },
};
