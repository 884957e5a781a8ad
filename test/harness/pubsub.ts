import type { Element } from 'ltx';
import { capsVer } from '../../src/xmpp/xep0115-caps.ts';
import type { Client } from './client.ts';

/** What tests of XEP-0060 and XEP-0163 say and read. */

export const PUBSUB = 'http://jabber.org/protocol/pubsub';
export const OWNER = `${PUBSUB}#owner`;
export const EVENT = `${PUBSUB}#event`;

export function form(type: 'publish-options' | 'node_config', fields: Readonly<Record<string, string>>): string {
  const inner = Object.entries(fields).map(([name, value]) => {
    return `<field var='pubsub#${name}'><value>${value}</value></field>`;
  });
  const head = `<field var='FORM_TYPE' type='hidden'><value>${PUBSUB}#${type}</value></field>`;
  return `<x xmlns='jabber:x:data' type='submit'>${head}${inner.join('')}</x>`;
}

export const pubsub = (inner: string): string => `<pubsub xmlns='${PUBSUB}'>${inner}</pubsub>`;
export const owner = (inner: string): string => `<pubsub xmlns='${OWNER}'>${inner}</pubsub>`;

/** Options of a node with an item a chat that the user's devices share, as XEP-0402 and XEP-0490 ask for it. */
export const PRIVATE = {
  persist_items: 'true',
  max_items: 'max',
  send_last_published_item: 'never',
  access_model: 'whitelist',
};

export interface Publication {
  /** none: the server makes one */
  readonly id?: string;
  readonly payload?: string;
  readonly options?: Readonly<Record<string, string>>;
}

export const payloadOf = (text: string): string => `<note xmlns='urn:example:note'>${text}</note>`;

export function publishXml(node: string, { id, payload = payloadOf('x'), options }: Publication = {}): string {
  const item = `<item${id === undefined ? '' : ` id='${id}'`}>${payload}</item>`;
  const more = options && `<publish-options>${form('publish-options', options)}</publish-options>`;
  return pubsub(`<publish node='${node}'>${item}</publish>${more ?? ''}`);
}

export function publish(client: Client, node: string, publication?: Publication): Promise<Element> {
  return client.iq('set', publishXml(node, publication));
}

export function getItems(client: Client, node: string, to?: string, inner = '', beside = ''): Promise<Element> {
  return client.iq('get', pubsub(`<items node='${node}'>${inner}</items>${beside}`), to);
}

/** Ids and texts of the payloads in an answer or an event, `id=text`. */
export function itemsOf(stanza: Element): string[] {
  const around = stanza.getChild('pubsub', PUBSUB) ?? stanza.getChild('event', EVENT);
  const items = around?.getChild('items')?.getChildren('item') ?? [];
  return items.map((item) => `${item.attrs['id']}=${textIn(item)}`);
}

function textIn(el: Element): string {
  return el.children.map((child) => (typeof child === 'string' ? child : textIn(child as Element))).join('');
}

/** `result`, or condition and condition in `pubsub#errors` of an error. */
export function outcomeOf(stanza: Element): string {
  if (stanza.attrs['type'] === 'result') return 'result';
  const children = stanza.getChild('error')?.getChildElements() ?? [];
  const names = children.filter((child) => child.getName() !== 'text').map((child) => child.getName());
  return names.join(' ');
}

/** A client that wants events of nodes, as its capabilities say. */
export class Interested {
  readonly client: Client;
  readonly ver: string;
  readonly #info: string;

  constructor(client: Client, nodes: readonly string[], kind = 'pc') {
    this.client = client;
    const identities = [{ category: 'client', type: kind }];
    const features = [`${PUBSUB}#event`, ...nodes.map((node) => `${node}+notify`)];
    this.ver = capsVer({ identities, features });
    this.#info = `<identity category='client' type='${kind}'/>${features.map((one) => `<feature var='${one}'/>`).join('')}`;
  }

  get caps(): string {
    return `<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:example:client' ver='${this.ver}'/>`;
  }

  /** Becomes available; answers when it is asked what it can do. @param asked whether it has to be */
  async available(asked = true): Promise<void> {
    await this.client.available(this.caps);
    if (asked) await this.answer();
  }

  async answer(): Promise<void> {
    const { client } = this;
    const ask = await client.expect((el) => el.name === 'iq' && el.attrs['type'] === 'get', 'a question of disco');
    const query = ask.getChild('query');
    const node = query?.attrs['node'] ?? '';
    client.send(
      `<iq xmlns='jabber:client' type='result' id='${ask.attrs['id']}' to='${ask.attrs['from']}'>` +
        `<query xmlns='http://jabber.org/protocol/disco#info' node='${node}'>${this.#info}</query></iq>`,
    );
  }

  /** The next event of a node. */
  event(node: string): Promise<Element> {
    return this.client.expect(
      (el) => el.name === 'message' && el.getChild('event', EVENT)?.getChildElements()[0]?.attrs['node'] === node,
      `an event of ${node}`,
    );
  }
}

/** Each sees the other's presence. */
export async function befriend(one: Client, other: Client): Promise<void> {
  for (const [asker, asked] of [
    [one, other],
    [other, one],
  ] as const) {
    await asker.iq('get', `<query xmlns='jabber:iq:roster'/>`);
    asker.send(`<presence xmlns='jabber:client' type='subscribe' to='${asked.bare}'/>`);
    await asked.expect('type="subscribe"');
    asked.send(`<presence xmlns='jabber:client' type='subscribed' to='${asker.bare}'/>`);
    await asker.expect('type="subscribed"');
  }
}
