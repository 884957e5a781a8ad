import { createHash } from 'node:crypto';
import type { XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';
import type { DiscoInfo, Identity } from './xep0030-disco.ts';

const NS_CAPS = 'http://jabber.org/protocol/caps';

/** i;octet collation (XEP-0115 section 5.1): by UTF-8 bytes, which differs from UTF-16 order beyond the BMP. */
function byOctets(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function byIdentity(a: Identity, b: Identity): number {
  return byOctets(a.category, b.category) || byOctets(a.type, b.type) || byOctets(a.lang ?? '', b.lang ?? '');
}

/** The verification string of a disco info without forms: SHA-1, Base64 (XEP-0115 section 5.1). */
export function capsVer(info: DiscoInfo): string {
  const identities = [...info.identities].sort(byIdentity);
  const features = [...new Set(info.features)].sort(byOctets);
  const parts = identities.map(({ category, type, lang, name }) => `${category}/${type}/${lang ?? ''}/${name ?? ''}<`);
  const text = parts.join('') + features.map((feature) => `${feature}<`).join('');
  return createHash('sha1').update(text, 'utf8').digest('base64');
}

/** The server's `<c/>`, for its stream features (XEP-0115 section 6.3). */
export function capsElement(node: string, ver: string): string {
  return `<c xmlns='${NS_CAPS}' hash='sha-1' node='${escapeAttr(node)}' ver='${escapeAttr(ver)}'/>`;
}

export const capsModule: XmppModule = {
  spec: {
    id: 'XEP-0115',
    title: 'Entity Capabilities',
    version: '1.6.0',
    url: 'https://xmpp.org/extensions/xep-0115.html',
    note: "the server's own, in the stream features; clients' pass through in presence",
  },
  serverFeatures: [NS_CAPS],
};
