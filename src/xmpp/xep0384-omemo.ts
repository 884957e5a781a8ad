import type { XmppModule } from './module.ts';
import type { NodeConfig } from './pubsub-config.ts';

/** Nodes with the devices and keys of an account, which strangers read too: in the specification, and as most clients do. */
export const NS_OMEMO_DEVICES = 'urn:xmpp:omemo:2:devices';
export const NS_OMEMO_BUNDLES = 'urn:xmpp:omemo:2:bundles';
export const NS_LEGACY_OMEMO_DEVICES = 'eu.siacs.conversations.axolotl.devicelist';

const open: Partial<NodeConfig> = { access: 'open' };

/** End-to-end encryption is the clients' own; the server keeps their public keys (section 5.3). */
export const omemoModule: XmppModule = {
  spec: {
    id: 'XEP-0384',
    title: 'OMEMO Encryption',
    version: '0.9.1',
    url: 'https://xmpp.org/extensions/xep-0384.html',
    note: 'device lists and bundles of clients, of `urn:xmpp:omemo:2` and of `eu.siacs.conversations.axolotl`',
  },
  pepNodes: {
    [NS_OMEMO_DEVICES]: open,
    [NS_OMEMO_BUNDLES]: { ...open, max: 'max' },
    [NS_LEGACY_OMEMO_DEVICES]: open,
  },
};
