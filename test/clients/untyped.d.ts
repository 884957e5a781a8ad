/** The parts that the tests use of packages that ship no types. */
declare module 'ltx' {
  export function parse(xml: string): Element;
}

declare module '@xmpp/client' {
  import type { EventEmitter } from 'node:events';
  import type { Element } from 'ltx';

  type Content = Element | string | undefined | readonly Content[];
  export function xml(
    name: string,
    attrs?: Readonly<Record<string, string | undefined>> | string,
    ...content: Content[]
  ): Element;

  export interface IqCaller {
    get(payload: Element, to?: string): Promise<Element>;
    set(payload: Element, to?: string): Promise<Element>;
    request(iq: Element): Promise<Element>;
  }
  export type Authenticate = (credentials: { username: string; password: string }, mechanism: string) => Promise<void>;

  export interface XmppClient extends EventEmitter {
    readonly status: string;
    readonly iqCaller: IqCaller;
    readonly reconnect: { delay: number };
    readonly streamManagement: EventEmitter & { readonly enabled: boolean; requestAckDebounce: number };
    start(): Promise<{ toString(): string }>;
    stop(): Promise<unknown>;
    send(element: Element): Promise<void>;
  }
  export function client(options: {
    readonly service: string;
    readonly domain?: string;
    readonly resource?: string;
    readonly username?: string;
    readonly password?: string;
    readonly credentials?: (authenticate: Authenticate, mechanisms: readonly string[]) => Promise<void>;
  }): XmppClient;
}
