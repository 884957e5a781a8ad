/** A position in a frame, and what is read there: white space, names, attribute values, references. */
import { FrameError, malformed } from './frame-error.ts';
import { inName, isQName, sharedName, startsName } from './xml-names.ts';
import { BadReference, decodeReferences, ILLEGAL, normaliseAttribute } from './xml-text.ts';

const EQUALS = 0x3d;
const QUOTATION = 0x22;
const APOSTROPHE = 0x27;

/** Looks ahead with `indexOf` and remembers what it found, so that no part of a frame is searched twice. */
export class Cursor {
  protected readonly text: string;
  protected pos = 0;
  /** offset of the first colon in the name read last, from its start, or -1 */
  protected colon = -1;
  /** the first `<`, `&` and `]]>` at or after where the scan last asked; the frame's length when there is none */
  private nextLt = -1;
  private nextAmp = -1;
  private nextCdataEnd = -1;
  protected readonly hasReturn: boolean;
  private readonly hasTabOrBreak: boolean;

  /** @throws FrameError when a character stands anywhere in the frame that XML does not allow */
  constructor(text: string) {
    this.text = text;
    if (!text.isWellFormed() || ILLEGAL.test(text)) throw malformed('character that XML does not allow');
    this.hasReturn = text.includes('\r');
    this.hasTabOrBreak = this.hasReturn || text.includes('\n') || text.includes('\t');
  }

  /** Goes past white space (production 3); true when there was some. */
  protected skipSpace(): boolean {
    const { text } = this;
    const from = this.pos;
    for (let code = text.charCodeAt(this.pos); code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09; ) {
      code = text.charCodeAt(++this.pos);
    }
    return this.pos > from;
  }

  /** Reads a qualified name, and notes its colon. */
  protected readName(lengthMax: number): string {
    const { text } = this;
    const from = this.pos;
    let code = text.charCodeAt(from);
    if (!startsName(code)) throw malformed('a name was expected');
    let at = from;
    let hash = 0;
    let colon = -1;
    do {
      if (code === 0x3a && colon < 0) colon = at - from;
      hash = (hash * 31 + code) | 0;
      code = text.charCodeAt(++at);
    } while (inName(code));
    if (at - from > lengthMax) throw new FrameError('policy-violation', 'name too long');
    this.pos = at;
    this.colon = colon;
    const name = sharedName(text, from, at, hash);
    if (colon >= 0 && !isQName(name, colon)) throw malformed('not a qualified name');
    return name;
  }

  /** Reads `= 'value'`, normalised and decoded. */
  protected attributeValue(): string {
    const { text } = this;
    this.skipSpace();
    if (text.charCodeAt(this.pos) !== EQUALS) throw malformed('= expected after an attribute name');
    this.pos += 1;
    this.skipSpace();
    const quote = text.charCodeAt(this.pos);
    if (quote !== QUOTATION && quote !== APOSTROPHE) throw malformed('attribute value without quotes');
    const from = this.pos + 1;
    const to = text.indexOf(quote === QUOTATION ? '"' : "'", from);
    if (to < 0) throw malformed('attribute value that does not end');
    if (this.ltFrom(from) < to) throw malformed('< in an attribute value');
    this.pos = to + 1;
    const raw = text.slice(from, to);
    const value = this.hasTabOrBreak ? normaliseAttribute(raw) : raw;
    return this.ampFrom(from) < to ? this.decode(value) : value;
  }

  protected ltFrom(from: number): number {
    if (this.nextLt < from) this.nextLt = this.find('<', from);
    return this.nextLt;
  }

  protected ampFrom(from: number): number {
    if (this.nextAmp < from) this.nextAmp = this.find('&', from);
    return this.nextAmp;
  }

  protected cdataEndFrom(from: number): number {
    if (this.nextCdataEnd < from) this.nextCdataEnd = this.find(']]>', from);
    return this.nextCdataEnd;
  }

  private find(what: string, from: number): number {
    const at = this.text.indexOf(what, from);
    return at < 0 ? this.text.length : at;
  }

  /** Text with its references replaced. */
  protected decode(raw: string): string {
    try {
      return decodeReferences(raw);
    } catch (error) {
      if (!(error instanceof BadReference)) throw error;
      throw new FrameError(error.fault === 'undefined-entity' ? 'restricted-xml' : 'not-well-formed', error.message);
    }
  }
}
