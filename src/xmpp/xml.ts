import { Element } from 'ltx';
import { FRAME_LIMITS, FrameError, type FrameLimits, malformed } from './frame-error.ts';
import { Cursor } from './xml-cursor.ts';
import { NamespaceScope } from './xml-namespaces.ts';
import { normaliseLineEnds } from './xml-text.ts';

export { FRAME_LIMITS, FrameError, type FrameLimits } from './frame-error.ts';

/**
 * One WebSocket frame as one XML document (RFC 7395 3.3.3), in a single pass.
 *
 * What is accepted here is spliced, as it came, into what other clients receive, and a strict client drops its stream
 * at the first fault. So the check is that of a namespace-aware XML 1.0 parser, less what RFC 6120 11.1 forbids.
 */

export interface ParsedFrame {
  readonly el: Element;
  /**
   * The raw XML between the root's tags, '' when there is none. Right under any outer tag in
   * xmlns='jabber:client' when the root was in that namespace: prefixes bound by the root are declared again.
   */
  readonly inner: string;
}

/** An element that knows its namespace, `xmlns=''` included (ltx takes that for "as the parent"). */
class FrameElement extends Element {
  readonly ns: string;
  constructor(name: string, attrs: Record<string, string>, ns: string) {
    super(name);
    this.attrs = attrs;
    this.ns = ns;
  }
  override getNS(): string | undefined {
    return this.ns === '' ? undefined : this.ns;
  }
}

const SLASH = 0x2f;
const GT = 0x3e;
const BANG = 0x21;
const QUESTION = 0x3f;

class Scanner extends Cursor {
  private readonly limits: FrameLimits;
  private elements = 0;
  private root: FrameElement | undefined;
  private current: FrameElement | undefined;
  private depth = 0;
  private readonly scope: NamespaceScope;
  private innerFrom = 0;
  private innerTo = 0;
  /** attributes of the tag read last */
  private attrCount = 0;

  constructor(text: string, limits: FrameLimits) {
    super(text);
    this.limits = limits;
    this.scope = new NamespaceScope(limits);
  }

  run(): ParsedFrame {
    this.skipSpace();
    this.refuseDeclaration();
    do {
      const code = this.text.charCodeAt(this.pos + 1);
      if (code === SLASH) this.endTag();
      else if (code === BANG) this.bang();
      else if (code === QUESTION) throw new FrameError('restricted-xml', 'processing instruction');
      else this.startTag();
      if (this.depth > 0) this.characters();
    } while (this.depth > 0);
    this.skipSpace();
    if (this.pos < this.text.length) this.refuseTrailer();
    if (this.root === undefined) throw malformed('no element');
    return { el: this.root, inner: this.scope.inner(this.text, this.innerFrom, this.innerTo) };
  }

  private refuseDeclaration(): void {
    if (this.pos >= this.text.length) throw malformed('no element');
    if (this.text[this.pos] !== '<') throw malformed('text outside the root element');
    if (this.text[this.pos + 1] === '/') throw malformed('end tag without a start tag');
    if (this.text.charCodeAt(this.pos + 1) !== QUESTION) return;
    const encoding = /^<\?xml\s[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']/.exec(
      this.text.slice(this.pos, this.pos + 200),
    )?.[1];
    if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8') {
      throw new FrameError('unsupported-encoding', 'an encoding other than UTF-8 is declared');
    }
  }

  private refuseTrailer(): never {
    const two = this.text.slice(this.pos, this.pos + 2);
    if (two === '<!' || two === '<?') throw new FrameError('restricted-xml', 'comment, DTD or processing instruction');
    throw malformed('more than one root element, or text after it');
  }

  private startTag(): void {
    this.pos += 1;
    const name = this.readName(this.limits.nameLengthMax);
    const colon = this.colon;
    if (this.depth >= this.limits.depthMax) throw new FrameError('policy-violation', 'elements nested too deep');
    if (++this.elements > this.limits.elementsMax) throw new FrameError('policy-violation', 'too many elements');
    this.depth += 1;
    this.scope.enter(this.pos);

    const attrs: Record<string, string> = {};
    const prefixed = this.attributes(attrs);
    const ns = this.scope.settle(name, colon, this.attrCount, attrs['xmlns'] !== undefined, prefixed);

    const el = new FrameElement(name, attrs, ns);
    const parent = this.current;
    if (parent === undefined) {
      this.root = el;
    } else {
      el.parent = parent;
      parent.children.push(el);
    }
    this.current = el;
    const empty = this.text.charCodeAt(this.pos) === SLASH;
    this.pos += empty ? 2 : 1;
    if (this.depth === 1) this.innerFrom = this.innerTo = this.pos;
    if (empty) this.leave(el);
  }

  /** Reads attributes into `attrs` up to the tag's `>` or `/>`. Gives the names with a prefix, declarations not. */
  private attributes(attrs: Record<string, string>): string[] | undefined {
    const { text } = this;
    let prefixed: string[] | undefined;
    let count = 0;
    for (;;) {
      const spaced = this.skipSpace();
      const code = text.charCodeAt(this.pos);
      if (code === GT) break;
      if (code === SLASH) {
        if (text.charCodeAt(this.pos + 1) === GT) break;
        throw malformed('stray / in a tag');
      }
      if (!spaced) throw malformed('white space expected in a tag');
      const name = this.readName(this.limits.nameLengthMax);
      const colon = this.colon;
      if (++count > this.limits.attrsMax) throw new FrameError('policy-violation', 'too many attributes');
      // `attrs` has Object's prototype, as ltx expects, hence the second question.
      if (attrs[name] !== undefined && Object.hasOwn(attrs, name)) throw malformed('attribute given twice');
      const value = this.attributeValue();
      if (name === '__proto__') Object.defineProperty(attrs, name, { value, enumerable: true });
      else attrs[name] = value;
      if (name === 'xmlns') this.scope.declareDefault(value);
      else if (colon < 0) continue;
      else if (name.startsWith('xmlns:')) this.scope.declare(name.slice(6), value);
      else if (prefixed === undefined) prefixed = [name];
      else prefixed.push(name);
    }
    this.attrCount = count;
    return prefixed;
  }

  /** Reads text up to the next `<`, which must come. */
  private characters(): void {
    const from = this.pos;
    const to = this.ltFrom(from);
    if (to === this.text.length) throw malformed('element that does not end');
    if (to === from) return;
    if (this.cdataEndFrom(from) < to) throw malformed(']]> in text');
    this.pos = to;
    const raw = this.text.slice(from, to);
    const value = this.hasReturn ? normaliseLineEnds(raw) : raw;
    this.addText(this.ampFrom(from) < to ? this.decode(value) : value);
  }

  /** Neighbouring pieces (text, CDATA) become one child, as XML's infoset has it. */
  private addText(value: string): void {
    const children = this.current?.children;
    if (children === undefined || value === '') return;
    const last = children.length - 1;
    const before = children[last];
    if (typeof before === 'string') children[last] = before + value;
    else children.push(value);
  }

  private bang(): void {
    const { text } = this;
    if (!text.startsWith('<![CDATA[', this.pos)) {
      if (/^<!(?:--|[A-Z])/.test(text.slice(this.pos, this.pos + 4))) {
        throw new FrameError('restricted-xml', 'comment or DTD');
      }
      throw malformed('stray <!');
    }
    if (this.depth === 0) throw malformed('CDATA outside the root element');
    const from = this.pos + 9;
    const to = this.cdataEndFrom(from);
    if (to === text.length) throw malformed('CDATA that does not end');
    this.addText(normaliseLineEnds(text.slice(from, to)));
    this.pos = to + 3;
  }

  private endTag(): void {
    const { current, text } = this;
    const from = this.pos;
    if (current === undefined || !text.startsWith(current.name, from + 2)) throw malformed('end tag does not match');
    this.pos = from + 2 + current.name.length;
    this.skipSpace();
    if (text.charCodeAt(this.pos) !== GT) throw malformed('end tag does not match');
    this.pos += 1;
    if (this.depth === 1) this.innerTo = from;
    this.leave(current);
  }

  private leave(el: FrameElement): void {
    this.depth -= 1;
    this.scope.leave();
    this.current = (el.parent as FrameElement | null) ?? undefined;
  }
}

/**
 * Parses one text frame: exactly one element, white space around it allowed (RFC 7395 3.3.3).
 *
 * `el` holds decoded text. Strings in `el` and `inner` may be slices of `text` and keep it alive: what outlives the
 * turn and is small should be copied with `detached`.
 * @throws FrameError with not-well-formed (namespace rules included), restricted-xml (comment, DTD, processing
 *   instruction, entity: RFC 6120 11.1), unsupported-encoding, or policy-violation (over a limit)
 */
export function parseFrame(text: string, limits: FrameLimits = FRAME_LIMITS): ParsedFrame {
  return new Scanner(text, limits).run();
}

const NO_LIMITS: FrameLimits = {
  depthMax: Infinity,
  attrsMax: Infinity,
  nameLengthMax: Infinity,
  elementsMax: Infinity,
  prefixesMax: Infinity,
};

/**
 * Parses a stanza again that a gateway has let in, whatever limits that gateway has: a stanza that its sender's side
 * took must not break its receiver's.
 * @throws FrameError when it is no XML, which is a fault of ours
 */
export function parseChecked(text: string): ParsedFrame {
  return parseFrame(text, NO_LIMITS);
}
