/** The part of ltx that Rookery uses; the package ships no types. */
declare module 'ltx' {
  export type Node = Element | string;

  export class Element {
    constructor(name: string, attrs?: string | Record<string, string | number | null | undefined>);
    name: string;
    parent: Element | null;
    children: Node[];
    /** Decoded values by qualified name; a name that is absent gives undefined. */
    attrs: Record<string, string | undefined>;
    is(name: string, xmlns?: string): boolean;
    /** without prefix */
    getName(): string;
    getNS(): string | undefined;
    findNS(prefix?: string): string | undefined;
    getChild(name: string, xmlns?: string): Element | undefined;
    getChildren(name: string, xmlns?: string): Element[];
    getChildText(name: string, xmlns?: string): string | null;
    getChildElements(): Element[];
    getText(): string;
    root(): Element;
    up(): Element;
    c(name: string, attrs?: string | Record<string, string | number | null | undefined>): Element;
    cnode(child: Element): Element;
    t(text: string): this;
    append(...nodes: Node[]): void;
    toString(): string;
  }
}
