/** Namespaces of one frame while it is scanned (Namespaces in XML 1.0), and what its inner XML needs to stand alone. */
import { FrameError, type FrameLimits, malformed } from './frame-error.ts';

/** A prefix in scope. Newest first; `count` is the length of the list from here. */
interface Binding {
  readonly prefix: string;
  readonly uri: string;
  readonly byRoot: boolean;
  readonly count: number;
  readonly next: Binding | undefined;
}

/** A child of the root that is in need of declarations which the root carried. */
interface Patch {
  /** offset in the frame, after the child's name */
  readonly at: number;
  readonly bindings: Binding[];
  attrs: number;
}

const XML_NS = 'http://www.w3.org/XML/1998/namespace';
const XMLNS_NS = 'http://www.w3.org/2000/xmlns/';
const CLIENT_NS = 'jabber:client';
/** Never in a URI or IRI; Expat refuses some of them in a namespace name, since it joins names with them. */
const NOT_IN_URI = /[\s"<>\\^`{|}]/;

export class NamespaceScope {
  private readonly limits: FrameLimits;
  /** of unprefixed elements, '' when none */
  defaultNs = '';
  private bindings: Binding | undefined;
  /** elements that are open, the one whose tag is being read included */
  private depth = 0;
  /** default namespace and bindings around the element of each depth */
  private readonly outerDefaults: string[] = [];
  private readonly outerBindings: (Binding | undefined)[] = [];
  private rootPrefixed = false;
  /** offset after the name of the root's child that is being read, and the number of its attributes */
  private childNameEnd = 0;
  private childAttrs = 0;
  private patches: Patch[] | undefined;

  constructor(limits: FrameLimits) {
    this.limits = limits;
  }

  /** A start tag begins; its name ends at an offset. */
  enter(nameEnd: number): void {
    this.outerDefaults[this.depth] = this.defaultNs;
    this.outerBindings[this.depth] = this.bindings;
    this.depth += 1;
    if (this.depth === 2) this.childNameEnd = nameEnd;
  }

  /** The attributes are read and declared: gives the element's namespace. `colon` as in its name, or -1. */
  settle(
    name: string,
    colon: number,
    attrCount: number,
    hasDefault: boolean,
    prefixed: readonly string[] | undefined,
  ): string {
    if (this.depth === 1) this.rootPrefixed = colon >= 0;
    else if (this.depth === 2) this.childAttrs = attrCount;
    const ns = colon < 0 ? this.defaultNs : this.resolve(name.slice(0, colon));
    if (prefixed !== undefined) this.checkPrefixed(prefixed);
    if (this.depth === 2 && this.rootPrefixed && !hasDefault) this.keepDefault();
    return ns;
  }

  /** The element of this depth has ended. */
  leave(): void {
    this.depth -= 1;
    this.defaultNs = this.outerDefaults[this.depth] ?? '';
    this.bindings = this.outerBindings[this.depth];
  }

  declareDefault(uri: string): void {
    if (uri === XML_NS || uri === XMLNS_NS) throw malformed('reserved namespace');
    if (uri !== CLIENT_NS && NOT_IN_URI.test(uri)) throw malformed('namespace name is no URI');
    this.defaultNs = uri;
  }

  declare(prefix: string, uri: string): void {
    if (prefix === 'xmlns' || uri === XMLNS_NS) throw malformed('reserved prefix or namespace');
    if ((prefix === 'xml') !== (uri === XML_NS)) throw malformed('reserved prefix or namespace');
    if (uri === '' || NOT_IN_URI.test(uri)) throw malformed('namespace name is no URI');
    if (prefix === 'xml') return;
    const count = (this.bindings?.count ?? 0) + 1;
    if (count > this.limits.prefixesMax) throw new FrameError('policy-violation', 'too many namespace prefixes');
    this.bindings = { prefix, uri, byRoot: this.depth === 1, count, next: this.bindings };
  }

  private resolve(prefix: string): string {
    if (prefix === 'xml') return XML_NS;
    let binding = this.bindings;
    while (binding !== undefined && binding.prefix !== prefix) binding = binding.next;
    if (binding === undefined) throw malformed('namespace prefix is not bound');
    if (binding.byRoot && this.depth > 1) this.need(binding);
    return binding.uri;
  }

  /** Attributes must differ by expanded name too (Namespaces in XML 1.0, section 6.3). */
  private checkPrefixed(names: readonly string[]): void {
    const only = names[0] ?? '';
    if (names.length === 1) {
      this.resolve(only.slice(0, only.indexOf(':')));
      return;
    }
    const seen = new Set<string>();
    for (const name of names) {
      const colon = name.indexOf(':');
      seen.add(`${this.resolve(name.slice(0, colon))} ${name.slice(colon + 1)}`);
    }
    if (seen.size < names.length) throw malformed('attribute given twice, by two prefixes');
  }

  private need(binding: Binding): void {
    this.patches ??= [];
    let patch = this.patches[this.patches.length - 1];
    if (patch?.at !== this.childNameEnd) {
      patch = { at: this.childNameEnd, bindings: [], attrs: this.childAttrs };
      this.patches.push(patch);
    }
    if (patch.bindings.includes(binding)) return;
    patch.bindings.push(binding);
    patch.attrs += 1;
    // So that what is spliced passes this parser too.
    if (patch.attrs > this.limits.attrsMax) throw new FrameError('policy-violation', 'too many attributes');
  }

  /** Under a prefixed root, children that took its default namespace (or none) must not fall into jabber:client. */
  private keepDefault(): void {
    const around = this.outerDefaults[1] ?? '';
    if (around !== CLIENT_NS) this.need({ prefix: '', uri: around, byRoot: true, count: 0, next: undefined });
  }

  /** The frame's text between two offsets with what the root declared for it declared again. */
  inner(text: string, from: number, to: number): string {
    const { patches } = this;
    if (patches === undefined) return text.slice(from, to);
    let out = '';
    let done = from;
    for (const { at, bindings } of patches) {
      out += text.slice(done, at);
      for (const { prefix, uri } of bindings) {
        out += `${prefix === '' ? ' xmlns' : ` xmlns:${prefix}`}="${uri.replaceAll('&', '&amp;')}"`;
      }
      done = at;
    }
    return out + text.slice(done, to);
  }
}
