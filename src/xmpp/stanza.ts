/** Writing stanzas as strings, splicing what came in under a new outer tag, and reading the parts of an element. */
import type { Element } from 'ltx';

export const CLIENT_NS = 'jabber:client';

/** Attribute values by qualified name, not escaped. One that is undefined is left out. */
export type Attrs = Readonly<Record<string, string | undefined>>;

/** What an outer tag of a stanza may carry (RFC 6120 8.1). */
export interface StanzaAttrs {
  readonly from?: string;
  readonly to?: string;
  readonly id?: string;
  readonly type?: string;
  readonly 'xml:lang'?: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it looks for
const TEXT_SPECIAL = /[&<>\r\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it looks for
const ATTR_SPECIAL = /[&<>"'\u0000-\u001f\ud800-\udfff\ufffe\uffff]/;
const ESCAPED = /[&<>"'\t\n\r]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it looks for
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

const ENTITY: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

function entity(char: string): string {
  return ENTITY[char] ?? char;
}

/** Text for between tags. What XML cannot carry (controls, lone surrogates) becomes U+FFFD. */
export function escapeText(text: string): string {
  if (!TEXT_SPECIAL.test(text)) return text;
  return text.replace(NOT_XML, '\ufffd').replace(/[&<>\r]/g, entity);
}

/** A value for between quotes of either kind; white space in it survives a parser's normalisation. */
export function escapeAttr(value: string): string {
  if (!ATTR_SPECIAL.test(value)) return value;
  return value.replace(NOT_XML, '\ufffd').replace(ESCAPED, entity);
}

function attrsXml(attrs: Attrs): string {
  let out = '';
  for (const name in attrs) {
    const value = attrs[name];
    if (value !== undefined) out += ` ${name}="${escapeAttr(value)}"`;
  }
  return out;
}

/** `<name a="v">`, to be closed by the caller. */
export function openTag(name: string, attrs: Attrs = {}): string {
  return `<${name}${attrsXml(attrs)}>`;
}

/** A whole element. `inner` is XML and goes in as it is. */
export function element(name: string, attrs: Attrs = {}, inner = ''): string {
  return inner === '' ? `<${name}${attrsXml(attrs)}/>` : `<${name}${attrsXml(attrs)}>${inner}</${name}>`;
}

/** A whole stanza in xmlns='jabber:client'. `inner` is XML and goes in as it is. */
export function stanza(name: 'message' | 'presence' | 'iq', attrs: StanzaAttrs, inner = ''): string {
  let head = `<${name} xmlns="jabber:client"`;
  if (attrs.from !== undefined) head += ` from="${escapeAttr(attrs.from)}"`;
  if (attrs.to !== undefined) head += ` to="${escapeAttr(attrs.to)}"`;
  if (attrs.id !== undefined) head += ` id="${escapeAttr(attrs.id)}"`;
  if (attrs.type !== undefined) head += ` type="${escapeAttr(attrs.type)}"`;
  const lang = attrs['xml:lang'];
  if (lang !== undefined) head += ` xml:lang="${escapeAttr(lang)}"`;
  return inner === '' ? `${head}/>` : `${head}>${inner}</${name}>`;
}

/**
 * A received stanza again, for another reader: its inner XML as it came, under an outer tag with the stanza's own id,
 * type and xml:lang and the `from` and `to` given. Other attributes of the client's are not passed on.
 * @param overrides replace id, type or xml:lang
 */
export function splice(
  el: Element,
  inner: string,
  from: string | undefined,
  to: string | undefined,
  overrides?: StanzaAttrs,
): string {
  const { id, type, 'xml:lang': lang } = el.attrs;
  const attrs = { from, to, id, type, 'xml:lang': lang };
  return stanza(el.getName() as 'message', overrides === undefined ? attrs : { ...attrs, ...overrides }, inner);
}

/**
 * A serialised stanza of {@link stanza} that has no `to`, addressed: one string for all receivers, one insertion each.
 */
export function withTo(xml: string, to: string): string {
  const at = xml.indexOf(' ');
  return `${xml.slice(0, at)} to="${escapeAttr(to)}"${xml.slice(at)}`;
}

/** The first child element by name and namespace. */
export function childOf(el: Element, name: string, ns: string): Element | undefined {
  for (const child of el.children) {
    if (typeof child !== 'string' && child.getName() === name && child.getNS() === ns) return child;
  }
  return undefined;
}

/** The first child element in a namespace, whatever its name. */
export function childInNs(el: Element, ns: string): Element | undefined {
  for (const child of el.children) if (typeof child !== 'string' && child.getNS() === ns) return child;
  return undefined;
}

/** The first child element: the payload of an iq. */
export function firstChild(el: Element): Element | undefined {
  for (const child of el.children) if (typeof child !== 'string') return child;
  return undefined;
}

/** All child elements, text left out. */
export function childElements(el: Element): Element[] {
  return el.children.filter((child) => typeof child !== 'string');
}

/** Text of a child by name and namespace, undefined when there is no such child. */
export function childText(el: Element, name: string, ns: string): string | undefined {
  return childOf(el, name, ns)?.getText();
}

/** Language of an element: its own xml:lang or that of the nearest one around it. */
export function langOf(el: Element): string | undefined {
  for (let at: Element | null = el; at !== null; at = at.parent) {
    const lang = at.attrs['xml:lang'];
    if (lang !== undefined) return lang;
  }
  return undefined;
}

interface Around {
  readonly ns: string;
  /** prefix → namespace, as declared by what has been written around */
  readonly prefixes: Readonly<Record<string, string>>;
}

function write(el: Element, around: Around): string {
  const attrs: Record<string, string | undefined> = { ...el.attrs };
  let prefixes: Record<string, string> = around.prefixes;
  for (const name in attrs) {
    const uri = attrs[name];
    if (name.startsWith('xmlns:') && uri !== undefined) prefixes = { ...prefixes, [name.slice(6)]: uri };
  }
  for (const name of [el.name, ...Object.keys(el.attrs)]) {
    const colon = name.indexOf(':');
    const prefix = name.slice(0, Math.max(colon, 0));
    if (colon < 0 || prefix === 'xml' || prefix === 'xmlns' || prefixes[prefix] !== undefined) continue;
    const uri = el.findNS(prefix);
    if (uri === undefined) continue;
    attrs[`xmlns:${prefix}`] = uri;
    prefixes = { ...prefixes, [prefix]: uri };
  }
  const ns = el.name.includes(':') ? (attrs['xmlns'] ?? around.ns) : (el.getNS() ?? '');
  if (ns !== around.ns || attrs['xmlns'] !== undefined) attrs['xmlns'] = ns;
  let inner = '';
  for (const child of el.children)
    inner += typeof child === 'string' ? escapeText(child) : write(child, { ns, prefixes });
  return element(el.name, attrs, inner);
}

/**
 * An element as XML that stands alone under an outer tag in namespace `ns`: what it inherited from elements around it
 * is declared on it. (ltx's own toString loses that.) Recursive, as deep as the element is: only for parsed elements.
 */
export function xmlOf(el: Element, ns = CLIENT_NS): string {
  return write(el, { ns, prefixes: {} });
}
