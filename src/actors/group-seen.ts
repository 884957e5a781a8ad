import {
  type MessageRecord,
  type RenderedAround,
  renderAround,
  renderMessage,
  renderUnaddressed,
} from '../xmpp/message-record.ts';
import { type UserItem, userXml } from '../xmpp/muc-words.ts';
import { escapeAttr } from '../xmpp/stanza.ts';
import { detached } from '../xmpp/xml-text.ts';

/** How a group's message shows: under its sender's nick, with the room's id of it (XEP-0359). */
export function seenInRoom(
  room: string,
  seq: number,
  { nick }: MessageRecord,
): { readonly from: string; readonly stanzaId: { readonly by: string; readonly id: string } } {
  return { from: nick === undefined ? room : `${room}/${nick}`, stanzaId: { by: room, id: String(seq) } };
}

/** A group's message as a device in the room gets it; `to` is its full JID. */
export function liveInRoom(room: string, seq: number, record: MessageRecord, to: string): string {
  let around = rendered.get(record);
  if (around === undefined) {
    const { before, after } = renderAround(record, seenInRoom(room, seq, record));
    around = { before: detached(before), after: detached(after) };
    rendered.set(record, around);
  }
  return around.before + escapeAttr(to) + around.after;
}

/** Of records that are on their way to members: a record is of one room and chatSeq, and reaches each with the same text. */
const rendered = new WeakMap<MessageRecord, RenderedAround>();

/**
 * As the room's archive shows it. @param real of its sender, for those who may see real addresses: clients need them of
 * what was said while they were away, to decrypt it (XEP-0313 6.1.2)
 */
export function archivedInRoom(
  room: string,
  seq: number,
  record: MessageRecord,
  real: Pick<UserItem, 'affiliation' | 'jid'> | undefined,
): string {
  const more = real === undefined ? '' : userXml(real, []);
  return renderUnaddressed({ ...record, inner: record.inner + more }, seenInRoom(room, seq, record));
}

/** The same, late. */
export function lateInRoom(room: string, seq: number, record: MessageRecord, to: string): string {
  return renderMessage(record, { ...seenInRoom(room, seq, record), to, delay: { from: room } });
}
