import { createHash } from 'node:crypto';
import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';
import { childOf, escapeAttr } from './stanza.ts';
import { type DiscoInfo, type Identity, NS_DISCO_INFO } from './xep0030-disco.ts';

const NS_CAPS = 'http://jabber.org/protocol/caps';

/** i;octet collation (XEP-0115 section 5.1): by UTF-8 bytes, which differs from UTF-16 order beyond the BMP. */
function byOctets(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function byIdentity(a: Identity, b: Identity): number {
  return byOctets(a.category, b.category) || byOctets(a.type, b.type) || byOctets(a.lang ?? '', b.lang ?? '');
}

/** A form of a disco info (XEP-0128). */
export interface InfoForm {
  readonly formType: string;
  readonly fields: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/** Hash functions by the names that `hash` gives them. */
const HASHES: Readonly<Record<string, string>> = { 'sha-1': 'sha1', 'sha-256': 'sha256', 'sha-512': 'sha512' };

/** The verification string of a disco info: hashed, Base64 (XEP-0115 section 5.1). @param hash a key of HASHES */
export function capsVer(info: DiscoInfo, forms: readonly InfoForm[] = [], hash = 'sha-1'): string {
  const identities = [...info.identities].sort(byIdentity);
  const features = [...new Set(info.features)].sort(byOctets);
  const parts = identities.map(({ category, type, lang, name }) => `${category}/${type}/${lang ?? ''}/${name ?? ''}<`);
  const text =
    parts.join('') + features.map((feature) => `${feature}<`).join('') + forms.map(formText).sort(byOctets).join('');
  return createHash(HASHES[hash] ?? 'sha1')
    .update(text, 'utf8')
    .digest('base64');
}

function formText({ formType, fields }: InfoForm): string {
  const parts = [...fields]
    .sort((a, b) => byOctets(a.name, b.name))
    .map(({ name, values }) => [name, ...[...values].sort(byOctets)].map((part) => `${part}<`).join(''));
  return `${formType}<${parts.join('')}`;
}

/** What a presence says of its sender's capabilities (XEP-0115 section 4). */
export interface PresenceCaps {
  /** name of the hash function, '' in the format before version 1.4 */
  readonly hash: string;
  readonly node: string;
  readonly ver: string;
}

/** Longest node and ver taken notice of, characters. */
const CAPS_CHARS_MAX = 1023;

/** The `<c/>` of a presence stanza; undefined when it has none, or one without a node or ver. */
export function readCaps(presence: Element): PresenceCaps | undefined {
  const c = childOf(presence, 'c', NS_CAPS);
  const { hash = '', node = '', ver = '' } = c?.attrs ?? {};
  if (c === undefined || node === '' || ver === '') return undefined;
  return hash.length + node.length + ver.length > CAPS_CHARS_MAX ? undefined : { hash, node, ver };
}

interface ReadInfo extends DiscoInfo {
  readonly forms: readonly InfoForm[];
  /** nothing is doubled that must not be (section 5.4), nor is there a `<` by which two infos could get one string */
  readonly wellFormed: boolean;
}

/** A `<query/>` of disco info, as a client answers. */
export function readInfo(query: Element): ReadInfo {
  const identities = query.getChildren('identity', NS_DISCO_INFO).map(({ attrs }): Identity => {
    const { category = '', type = '', name, 'xml:lang': lang } = attrs;
    return { category, type, ...(name !== undefined && { name }), ...(lang !== undefined && { lang }) };
  });
  const features = query.getChildren('feature', NS_DISCO_INFO).map(({ attrs }) => attrs['var'] ?? '');
  const forms = query
    .getChildren('x', 'jabber:x:data')
    .map(readForm)
    .filter((form) => form !== undefined);
  const parts = [
    ...identities.flatMap(({ category, type, name = '', lang = '' }) => [category, type, name, lang]),
    ...features,
    ...forms.flatMap(({ formType, fields }) => [formType, ...fields.flatMap(({ name, values }) => [name, ...values])]),
  ];
  const once = (texts: readonly string[]): boolean => new Set(texts).size === texts.length;
  const wellFormed =
    once(identities.map((identity) => JSON.stringify(identity))) &&
    once(features) &&
    once(forms.map(({ formType }) => formType)) &&
    !parts.some((part) => part.includes('<'));
  return { identities, features, forms, wellFormed };
}

/** Undefined when it has no hidden FORM_TYPE: such a form does not count (section 5.4). */
function readForm(form: Element): InfoForm | undefined {
  const fields = form.getChildren('field', 'jabber:x:data').map((field) => ({
    name: field.attrs['var'] ?? '',
    hidden: field.attrs['type'] === 'hidden',
    values: field.getChildren('value', 'jabber:x:data').map((value) => value.getText()),
  }));
  const type = fields.find(({ name, hidden }) => name === 'FORM_TYPE' && hidden)?.values[0];
  if (type === undefined) return undefined;
  return { formType: type, fields: fields.filter(({ name }) => name !== 'FORM_TYPE') };
}

/** The info is what the `ver` of that presence stands for (section 5.4), so it holds for everybody who says the same. */
export function verifies({ hash, ver }: PresenceCaps, info: ReadInfo): boolean {
  return Object.hasOwn(HASHES, hash) && info.wellFormed && capsVer(info, info.forms, hash) === ver;
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
    note: "the server's own, in the stream features; clients' pass through in presence, and tell what events they want",
  },
  serverFeatures: [NS_CAPS],
};
