/** XMPP addresses, RFC 7622. Parts are normalised, so equal addresses are equal strings. */
import { domainToASCII, domainToUnicode } from 'node:url';
import { opaqueString, usernameCaseMapped } from './precis.ts';
import { detached } from './xml-text.ts';

export interface Jid {
  /** '' when absent */
  readonly local: string;
  readonly domain: string;
  /** '' when absent */
  readonly resource: string;
  /** local@domain, or the domain alone */
  readonly bare: string;
  /** bare/resource, or bare alone */
  readonly full: string;
}

export type JidFault =
  | 'local-empty'
  | 'local-invalid'
  | 'local-too-long'
  | 'domain-empty'
  | 'domain-invalid'
  | 'domain-too-long'
  | 'resource-empty'
  | 'resource-invalid'
  | 'resource-too-long'
  | 'too-long';

/** A text that is no address. Answered with jid-malformed (RFC 6120 8.3.3.8). */
export class JidError extends Error {
  override readonly name = 'JidError';
  readonly reason: JidFault;
  constructor(reason: JidFault) {
    super(`malformed address: ${reason}`);
    this.reason = reason;
  }
}

/** Bytes of UTF-8 in each part, RFC 7622 3.1 */
const PART_BYTES_MAX = 1023;
const TEXT_LENGTH_MAX = 3 * PART_BYTES_MAX + 2;

/** Parsed addresses that are remembered, in two generations of half as many each. */
export const JID_CACHE_ENTRIES_MAX = 16_384;
/** Longer addresses are parsed anew each time (UTF-16 units). */
const CACHED_LENGTH_MAX = 200;

/** Already in normal form: printable ASCII in lower case without `"&'/:<>@` and space (RFC 7622 3.3.1). */
const LOCAL_PLAIN = /^[!#$%()*+,\-.0-9;=?[\\\]^_`a-z{|}~]+$/;
const LOCAL_FORBIDDEN = /["&'/:<>@]/;
const DOMAIN_PLAIN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** ASCII that no domain name has; the URL parser behind domainToASCII would cut at some of it. */
const DOMAIN_FORBIDDEN = /[^a-z0-9.\-\u0080-\uffff]/;
const IPV6 = /^\[[0-9a-f:.]{2,45}\]$/;
const RESOURCE_PLAIN = /^[ -~]+$/;

function normalLocal(text: string): string {
  if (text === '') throw new JidError('local-empty');
  let local: string | undefined = text;
  if (!LOCAL_PLAIN.test(text)) local = usernameCaseMapped(text);
  if (local === undefined || LOCAL_FORBIDDEN.test(local)) throw new JidError('local-invalid');
  if (Buffer.byteLength(local) > PART_BYTES_MAX) throw new JidError('local-too-long');
  return local;
}

/** RFC 7622 3.2: a name of LDH labels or U-labels (A-labels become U-labels), or an IP address; no final dot. */
function normalDomain(text: string): string {
  const lower = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase();
  if (lower === '') throw new JidError('domain-empty');
  if (lower.length > PART_BYTES_MAX) throw new JidError('domain-too-long');
  if (DOMAIN_PLAIN.test(lower) && !lower.includes('xn--')) return limitedDomain(lower);
  if (IPV6.test(lower)) {
    const address = domainToASCII(lower);
    if (address === '') throw new JidError('domain-invalid');
    return address;
  }
  if (DOMAIN_FORBIDDEN.test(lower)) throw new JidError('domain-invalid');
  const ascii = domainToASCII(lower);
  const dotless = ascii.endsWith('.') ? ascii.slice(0, -1) : ascii;
  if (!DOMAIN_PLAIN.test(dotless)) throw new JidError('domain-invalid');
  const unicode = domainToUnicode(dotless);
  if (domainToASCII(unicode) !== dotless) throw new JidError('domain-invalid');
  return limitedDomain(unicode);
}

function limitedDomain(domain: string): string {
  if (Buffer.byteLength(domain) > PART_BYTES_MAX) throw new JidError('domain-too-long');
  return domain;
}

function normalResource(text: string): string {
  if (text === '') throw new JidError('resource-empty');
  const resource = RESOURCE_PLAIN.test(text) ? text : opaqueString(text);
  if (resource === undefined) throw new JidError('resource-invalid');
  if (Buffer.byteLength(resource) > PART_BYTES_MAX) throw new JidError('resource-too-long');
  return resource;
}

function assemble(local: string, domain: string, resource: string): Jid {
  const bare = local === '' ? domain : `${local}@${domain}`;
  return { local, domain, resource, bare, full: resource === '' ? bare : `${bare}/${resource}` };
}

function parse(text: string): Jid {
  const slash = text.indexOf('/');
  const bare = slash < 0 ? text : text.slice(0, slash);
  const at = bare.indexOf('@');
  const local = at < 0 ? '' : normalLocal(bare.slice(0, at));
  const domain = normalDomain(bare.slice(at + 1));
  return assemble(local, domain, slash < 0 ? '' : normalResource(text.slice(slash + 1)));
}

/** Remembers results by text. When the young half is full it becomes the old half, and the old half is dropped. */
let young = new Map<string, Jid>();
let old = new Map<string, Jid>();

function remember(text: string, jid: Jid): void {
  if (young.size >= JID_CACHE_ENTRIES_MAX / 2) {
    old = young;
    young = new Map();
  }
  young.set(text, jid);
}

/** Entries held now, for the test of the bound and for metrics. */
export function jidCacheSize(): number {
  return young.size + old.size;
}

/**
 * An address from its text (RFC 7622 3.1), normalised.
 * @throws JidError
 */
export function parseJid(text: string): Jid {
  const hit = young.get(text);
  if (hit !== undefined) return hit;
  if (text.length > TEXT_LENGTH_MAX) throw new JidError('too-long');
  if (!text.isWellFormed()) return parse(text);
  // The text is often a slice of a frame, which neither the cache nor a Jid may keep alive.
  const own = detached(text);
  if (own.length > CACHED_LENGTH_MAX) return parse(own);
  const jid = old.get(own) ?? parse(own);
  remember(own, jid);
  return jid;
}

/** The address, or undefined when the text is none. */
export function tryJid(text: string): Jid | undefined {
  try {
    return parseJid(text);
  } catch (error) {
    if (error instanceof JidError) return undefined;
    throw error;
  }
}

/**
 * The bare address in a text, normalised.
 * @throws JidError
 */
export function bareOf(text: string): string {
  return parseJid(text).bare;
}

/** The resourcepart of a normalised address, undefined when it has none. */
export function resourceIn(jid: string): string | undefined {
  const slash = jid.indexOf('/');
  return slash === -1 ? undefined : jid.slice(slash + 1);
}

/**
 * An address from its parts, each normalised; '' for a part that is absent.
 * @throws JidError
 */
export function makeJid(local: string, domain: string, resource = ''): Jid {
  return assemble(
    local === '' ? '' : normalLocal(local),
    normalDomain(domain),
    resource === '' ? '' : normalResource(resource),
  );
}
