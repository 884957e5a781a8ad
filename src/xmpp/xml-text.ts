/** Characters, references and line ends of XML 1.0 (sections 2.2, 2.11, 3.3.3 and 4.1), for the frame parser. */

declare global {
  interface String {
    /** ES2024, in Node since 20.0; our `lib` is ES2023. */
    isWellFormed(): boolean;
  }
}

/** What a well-formed string may hold and XML may not: controls but tab, LF and CR; U+FFFE, U+FFFF. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what it looks for
export const ILLEGAL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

/** True for the code points of production 2 (Char): no controls but tab, LF, CR, no surrogates, no U+FFFE, U+FFFF. */
export function isXmlChar(code: number): boolean {
  if (code < 0x20) return code === 0x09 || code === 0x0a || code === 0x0d;
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff);
}

/** Line ends as a parser must report them (section 2.11). */
export function normaliseLineEnds(raw: string): string {
  return raw.replace(/\r\n?/g, '\n');
}

/** Literal white space of an attribute value as spaces (section 3.3.3); references to it are not touched. */
export function normaliseAttribute(raw: string): string {
  return raw.replace(/\r\n|[\t\n\r]/g, ' ');
}

export type ReferenceFault = 'malformed' | 'undefined-entity' | 'illegal-character';

/** A reference that XML or RFC 6120 11.1 forbids. The message must not quote it: it is part of a body. */
export class BadReference extends Error {
  override readonly name = 'BadReference';
  readonly fault: ReferenceFault;
  constructor(fault: ReferenceFault) {
    super(`reference: ${fault}`);
    this.fault = fault;
  }
}

const NUMERIC = /^#(?:[0-9]+|x[0-9a-fA-F]+)$/;
const ENTITY_NAME = /^[^\s&<>#;'"]+$/;

function decodeOne(reference: string): string {
  switch (reference) {
    case 'amp':
      return '&';
    case 'lt':
      return '<';
    case 'gt':
      return '>';
    case 'quot':
      return '"';
    case 'apos':
      return "'";
  }
  if (!NUMERIC.test(reference)) {
    throw new BadReference(ENTITY_NAME.test(reference) ? 'undefined-entity' : 'malformed');
  }
  const code = reference[1] === 'x' ? Number.parseInt(reference.slice(2), 16) : Number.parseInt(reference.slice(1), 10);
  if (!isXmlChar(code)) throw new BadReference('illegal-character');
  return String.fromCodePoint(code);
}

/**
 * Text with its references replaced: the five predefined entities and character references, nothing else.
 * @throws BadReference
 */
export function decodeReferences(raw: string): string {
  let out = '';
  let done = 0;
  for (let at = raw.indexOf('&'); at >= 0; at = raw.indexOf('&', done)) {
    const end = raw.indexOf(';', at + 1);
    if (end < 0) throw new BadReference('malformed');
    out += raw.slice(done, at) + decodeOne(raw.slice(at + 1, end));
    done = end + 1;
  }
  return out + raw.slice(done);
}

/** A copy of a well-formed string that shares no memory with the frame it was cut from. */
export function detached(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
