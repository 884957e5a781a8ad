import type { Element } from 'ltx';
import { type Jid, tryJid } from './jid.ts';
import type { XmppModule } from './module.ts';
import { NS_MUC_USER } from './muc-words.ts';

const NS_SID = 'urn:xmpp:sid:0';

/** The sender's `<origin-id/>`, undefined when there is none or it is empty. The first counts. */
export function originId(message: Element): string | undefined {
  for (const child of message.children) {
    if (typeof child === 'string' || !child.is('origin-id', NS_SID)) continue;
    const { id } = child.attrs;
    return id === undefined || id === '' ? undefined : id;
  }
  return undefined;
}

/** Where a top-level element of an inner XML begins and ends. */
interface Segment {
  readonly start: number;
  readonly end: number;
}

/** Index after the `>` that ends the tag begun at `open`; a `>` inside an attribute value does not. */
function endOfTag(xml: string, open: number): number {
  let quote = '';
  for (let at = open + 1; at < xml.length; at++) {
    const char = xml.charAt(at);
    if (quote !== '') {
      if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '>') return at + 1;
  }
  return xml.length;
}

/**
 * The top-level elements of an inner XML, in order. It only has to find tags: `parseFrame` has checked that the text is
 * well-formed and free of comments and processing instructions, so `<` begins a tag or a CDATA section.
 */
function topLevel(inner: string): Segment[] {
  const segments: Segment[] = [];
  let depth = 0;
  let start = 0;
  let at = inner.indexOf('<');
  while (at >= 0) {
    let end: number;
    if (inner.startsWith('<![CDATA[', at)) {
      end = inner.indexOf(']]>', at) + 3;
    } else {
      end = endOfTag(inner, at);
      if (depth === 0) start = at;
      if (inner.charAt(at + 1) === '/') depth--;
      else if (inner.charAt(end - 2) !== '/') depth++;
      if (depth === 0) segments.push({ start, end });
    }
    at = inner.indexOf('<', end);
  }
  return segments;
}

/** True when `by` is an address this server speaks for: the domain, or an account of it. */
function isOurs(by: string | undefined, domain: string): boolean {
  return by !== undefined && tryJid(by)?.domain === domain;
}

/**
 * Takes out the `<stanza-id/>`s that claim to be this server's (XEP-0359 section 6, rule 2), so that nobody can plant
 * an archive id. The rest of the raw XML stays byte for byte; a message without such an element returns `inner` itself.
 * @param message the parsed stanza that `inner` belongs to
 */
export function stripStanzaIds(message: Element, inner: string, domain: string): string {
  return strip(message, inner, (child) => child.is('stanza-id', NS_SID) && isOurs(child.attrs['by'], domain));
}

/**
 * The same for a room: ids of its archive, and of its occupants (XEP-0421 section 3), which only the room gives. Nor does
 * anybody but the room speak of occupants in what others are shown (muc#user, XEP-0313 8.2); what is for the room itself
 * are invitations.
 */
export function stripRoomIds(message: Element, inner: string, { domain, resource }: Jid): string {
  const shown = resource !== '' || message.attrs['type'] === 'groupchat';
  return strip(
    message,
    inner,
    (child) =>
      (child.is('stanza-id', NS_SID) && isOurs(child.attrs['by'], domain)) ||
      child.is('occupant-id', 'urn:xmpp:occupant-id:0') ||
      (shown && child.is('x', NS_MUC_USER)),
  );
}

function strip(message: Element, inner: string, claims: (child: Element) => boolean): string {
  let drop: Set<number> | undefined;
  let at = 0;
  for (const child of message.children) {
    if (typeof child === 'string') continue;
    if (claims(child)) {
      drop ??= new Set();
      drop.add(at);
    }
    at += 1;
  }
  if (drop === undefined) return inner;
  const dropped = drop;
  let kept = '';
  let from = 0;
  topLevel(inner).forEach((segment, at) => {
    if (!dropped.has(at)) return;
    kept += inner.slice(from, segment.start);
    from = segment.end;
  });
  return kept + inner.slice(from);
}

export const stanzaIdModule: XmppModule = {
  spec: {
    id: 'XEP-0359',
    title: 'Unique and Stable Stanza IDs',
    version: '0.7.0',
    url: 'https://xmpp.org/extensions/xep-0359.html',
    note: 'the same (sender, origin-id) twice is one message; forged ids of this server are taken out',
  },
  serverFeatures: [NS_SID],
  accountFeatures: [NS_SID],
};
