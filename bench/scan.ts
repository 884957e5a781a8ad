/**
 * String scanning of received stanzas. The load generator must be far cheaper than the server it measures, so it
 * never builds a tree. Good for what servers really send: one whole stanza a frame (RFC 7395 3.3.3), attribute values
 * in either kind of quote, any attribute order. Not a validating parser.
 */

/** Local name of the first tag, without a prefix; '' when the text does not start with a tag. */
export function tagName(xml: string): string {
  return /^\s*<([^\s/>]+)/.exec(xml)?.[1]?.replace(/^.*:/, '') ?? '';
}

/** Value of an attribute of the first tag, entities decoded; undefined when it is not there. */
export function attr(xml: string, name: string): string | undefined {
  const start = xml.indexOf('<');
  if (start < 0) return undefined;
  for (let at = start; ; ) {
    at = xml.indexOf(name, at + 1);
    if (at < 0) return undefined;
    const end = xml.indexOf('>', start);
    if (end >= 0 && at > end) return undefined;
    const before = xml.charCodeAt(at - 1);
    const after = at + name.length;
    if (before > 32 || xml[after] !== '=') continue;
    const quote = xml[after + 1];
    if (quote !== '"' && quote !== "'") continue;
    const close = xml.indexOf(quote, after + 2);
    return close < 0 ? undefined : decode(xml.slice(after + 2, close));
  }
}

/** Text of the first element of that local name (with or without a prefix), entities decoded. */
export function text(xml: string, name: string): string | undefined {
  const found = element(xml, name);
  if (found === undefined) return undefined;
  const open = found.indexOf('>');
  if (found[open - 1] === '/') return '';
  return decode(found.slice(open + 1, found.lastIndexOf('</')));
}

/** First element of that local name, from `<` to the end of its closing tag. Not for elements nested in themselves. */
export function element(xml: string, name: string, from = 0): string | undefined {
  const open = new RegExp(`<((?:[\\w.-]+:)?${name})(?=[\\s/>])[^>]*>`, 'g');
  open.lastIndex = from;
  const match = open.exec(xml);
  if (match === null) return undefined;
  if (match[0].endsWith('/>')) return match[0];
  const closing = `</${match[1]}>`;
  const end = xml.indexOf(closing, open.lastIndex);
  return end < 0 ? undefined : xml.slice(match.index, end + closing.length);
}

/** Texts of every element of that local name, in order. */
export function texts(xml: string, name: string): string[] {
  const found = xml.matchAll(new RegExp(`<(?:[\\w.-]+:)?${name}(?:\\s[^>]*)?>([^<]*)</`, 'g'));
  return [...found].map((match) => decode(match[1] ?? ''));
}

/** Text made safe for an attribute value or element content. */
export function escapeXml(value: string): string {
  return value.replace(/[&<>'"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function decode(value: string): string {
  if (!value.includes('&')) return value;
  return value.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal) return String.fromCodePoint(Number(decimal));
    return entities[name] ?? whole;
  });
}
