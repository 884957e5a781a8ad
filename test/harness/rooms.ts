import type { Element } from 'ltx';
import { type Client, nextId } from './client.ts';

/** What clients do in rooms (XEP-0045), for scripts. */

export const NS_MUC = 'http://jabber.org/protocol/muc';
export const ROOMS = 'conference.localhost';

export const roomJid = (name: string): string => `${name}@${ROOMS}`;

/** Asks to enter and waits for the room's presence of the device itself; what came with it stays in the inbox. */
export async function enter(client: Client, room: string, nick: string, inner = ''): Promise<Element> {
  client.send(`<presence xmlns='jabber:client' to='${room}/${nick}'><x xmlns='${NS_MUC}'>${inner}</x></presence>`);
  return client.expect((el) => el.name === 'presence' && el.attrs['from'] === `${room}/${nick}` && isSelf(el));
}

/** Enters a room that is not there and configures it; `fields` as of the configuration form. */
export async function create(
  client: Client,
  room: string,
  nick: string,
  fields: Readonly<Record<string, string>> = {},
): Promise<void> {
  await enter(client, room, nick);
  await client.expect((el) => el.name === 'message' && el.getChild('subject') !== undefined);
  const answer = await configure(client, room, fields);
  if (answer.attrs['type'] !== 'result') throw new Error(`not configured: ${answer.toString()}`);
}

export function configure(client: Client, room: string, fields: Readonly<Record<string, string>>): Promise<Element> {
  const filled = Object.entries(fields).map(([name, value]) => {
    const full = name.includes('#') || name.startsWith('{') ? name : `muc#roomconfig_${name}`;
    return `<field var='${full}'><value>${value}</value></field>`;
  });
  const form = `<x xmlns='jabber:x:data' type='submit'>${filled.join('')}</x>`;
  return client.iq('set', `<query xmlns='${NS_MUC}#owner'>${form}</query>`, room);
}

/** `<item/>`s of muc#admin, set. */
export function administer(client: Client, room: string, ...items: string[]): Promise<Element> {
  return client.iq('set', `<query xmlns='${NS_MUC}#admin'>${items.join('')}</query>`, room);
}

/** Says something and waits until it is reflected; gives the reflection. */
export async function say(client: Client, room: string, body: string, extra = ''): Promise<Element> {
  const id = nextId('said');
  client.send(groupchat(room, body, id, extra));
  return client.expect((el) => el.name === 'message' && el.attrs['id'] === id, `the reflection of ${body}`);
}

export function groupchat(room: string, body: string, id = nextId('said'), extra = ''): string {
  return `<message xmlns='jabber:client' to='${room}' type='groupchat' id='${id}'><body>${body}</body>${extra}</message>`;
}

export const isMessage =
  (body: string) =>
  (el: Element): boolean =>
    el.name === 'message' && el.getChildText('body') === body;

export function codesOf(el: Element): number[] {
  const x = el.getChild('x', `${NS_MUC}#user`);
  return (x?.getChildren('status') ?? []).map((status) => Number(status.attrs['code']));
}

export function itemOf(el: Element): Record<string, string | undefined> {
  return el.getChild('x', `${NS_MUC}#user`)?.getChild('item')?.attrs ?? {};
}

export function isSelf(el: Element): boolean {
  return codesOf(el).includes(110);
}

/** Archive of a room: bodies and ids of a page. */
export async function archiveOf(
  client: Client,
  room: string,
  fields: Readonly<Record<string, string>> = {},
  set = '',
): Promise<{ readonly answer: Element; readonly bodies: string[]; readonly ids: string[] }> {
  const queryid = nextId('mam');
  const form = Object.entries({ FORM_TYPE: 'urn:xmpp:mam:2', ...fields }).map(
    ([name, value]) => `<field var='${name}'><value>${value}</value></field>`,
  );
  const x = `<x xmlns='jabber:x:data' type='submit'>${form.join('')}</x>`;
  const answer = await client.iq('set', `<query xmlns='urn:xmpp:mam:2' queryid='${queryid}'>${x}${set}</query>`, room);
  const results = client
    .pending((el) => el.getChild('result', 'urn:xmpp:mam:2')?.attrs['queryid'] === queryid)
    .map(({ el }) => el.getChild('result', 'urn:xmpp:mam:2') as Element);
  client.inbox.splice(
    0,
    client.inbox.length,
    ...client.inbox.filter(({ el }) => el.getChild('result', 'urn:xmpp:mam:2')?.attrs['queryid'] !== queryid),
  );
  const messages = results.map((result) => result.getChild('forwarded', 'urn:xmpp:forward:0')?.getChild('message'));
  return {
    answer,
    bodies: messages.map((message) => message?.getChildText('body') ?? ''),
    ids: results.map((result) => result.attrs['id'] ?? ''),
  };
}
