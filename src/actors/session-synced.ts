import { isBlocked } from '../xmpp/blocklist.ts';
import { tryJid } from '../xmpp/jid.ts';
import type { SessionPort } from '../xmpp/module.ts';
import { element, escapeText } from '../xmpp/stanza.ts';
import { NS_BOOKMARKS } from '../xmpp/xep0402-bookmarks.ts';
import { NS_MDS } from '../xmpp/xep0490-displayed-sync.ts';
import { parseChecked } from '../xmpp/xml.ts';
import { addressOf, directChatId, isDirect, isRoom, roomOfPair } from './keys.ts';
import type { PostItem } from './messages.ts';
import { markOccupantRead, markRead } from './session-displayed.ts';
import type { SessionState } from './session-state.ts';
import type { ReadMoved } from './session-types.ts';

/** What the server itself keeps in a user's nodes, so that all devices know: rooms (XEP-0402), read marks (XEP-0490). */

const NS_SID = 'urn:xmpp:sid:0';

/** The user was made a member of a group: its clients enter it from now on. A bookmark that is there stays as it is. */
export function bookmarkRoom(session: SessionState, { room, name, by }: Extract<PostItem, { t: 'added' }>): void {
  const { pep } = session.parts;
  // Whom the user blocks does not choose rooms for it.
  if (isBlocked(session, room) || (by !== undefined && isBlocked(session, by))) return;
  pep?.read(session, NS_BOOKMARKS, room, (known) => {
    if (known !== undefined) return;
    const nick = `<nick>${escapeText(session.user.slice(0, session.user.indexOf('@')))}</nick>`;
    const attrs = { xmlns: NS_BOOKMARKS, name: name === '' ? undefined : name, autojoin: 'true' };
    // Without room for it the user still has the invitation.
    pep.publish(session, NS_BOOKMARKS, { id: room, xml: element('conference', attrs, nick) });
  });
}

/** A marker (XEP-0333) of one device moved the cursor: the others learn of it by XEP-0490. */
export function publishRead(session: SessionPort, { chat, stanzaId }: ReadMoved): void {
  const { parts, user } = session as SessionState;
  // Of a chat in a room the item would be named by a nick, which the chat does not know.
  if (stanzaId === undefined || roomOfPair(chat) !== undefined) return;
  const id = addressOf(chat, user);
  const by = isDirect(chat) ? user : chat;
  const read = element('stanza-id', { xmlns: NS_SID, by, id: stanzaId });
  parts.pep?.publish(session, NS_MDS, { id, xml: element('displayed', { xmlns: NS_MDS }, read) });
}

/** A device published an item of the user's own: one of XEP-0490 moves the cursor. */
export function onOwnPublished(
  port: SessionPort,
  node: string,
  item: { readonly id: string; readonly xml: string },
): void {
  if (node !== NS_MDS) return;
  const session = port as SessionState;
  const jid = tryJid(item.id);
  const stanzaId = parseChecked(item.xml).el.getChild('stanza-id', NS_SID)?.attrs['id'];
  if (jid === undefined || typeof stanzaId !== 'string') return;
  const inRoom = isRoom(jid.bare, session.parts.roomDomain);
  // The item is there already.
  if (inRoom && jid.resource !== '') return markOccupantRead(session, jid.bare, stanzaId, false);
  markRead(session, inRoom ? jid.bare : directChatId(session.user, jid.bare), stanzaId, false);
}
