import type { Client } from './client.ts';
import { attr, escapeXml } from './scan.ts';
import { ServerError } from './server-error.ts';

/** Enters a room without its history (XEP-0045 7.2); done when the own presence comes back. @throws ServerError */
export async function enterRoom(client: Client, room: string, nick: string): Promise<void> {
  const self = `${room}/${nick}`;
  const own = client.waitFor((xml) => xml.startsWith('<presence') && isAbout(xml, room, self));
  client.send(
    `<presence xmlns='jabber:client' to='${escapeXml(self)}'><x xmlns='http://jabber.org/protocol/muc'>` +
      "<history maxstanzas='0'/></x></presence>",
  );
  const answer = await own;
  if (attr(answer, 'type') === 'error') throw new ServerError(`entering ${room}`, answer);
}

function isAbout(xml: string, room: string, self: string): boolean {
  const from = attr(xml, 'from');
  return from === self || (from === room && attr(xml, 'type') === 'error');
}

/** Takes the room as it comes (XEP-0045 10.1.2); a room that is there already, of another owner, is left alone. */
export async function unlockRoom(client: Client, room: string): Promise<void> {
  try {
    await client.iq(
      'set',
      "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query>",
      room,
    );
  } catch (error) {
    if (!(error instanceof ServerError) || error.condition !== 'forbidden') throw error;
  }
}

/** Items of one request: servers bound what they take. */
const ITEMS_MAX = 100;

/** Makes users members of the room (XEP-0045 9.3), so that what a member gets is measured, not what a visitor sees. @throws ServerError */
export async function addMembers(client: Client, room: string, users: readonly string[]): Promise<void> {
  for (let from = 0; from < users.length; from += ITEMS_MAX) {
    const items = users
      .slice(from, from + ITEMS_MAX)
      .map((jid) => `<item affiliation='member' jid='${escapeXml(jid)}'/>`);
    await client.iq('set', `<query xmlns='http://jabber.org/protocol/muc#admin'>${items.join('')}</query>`, room);
  }
}
