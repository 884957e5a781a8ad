import type { MessageRecord } from '../xmpp/message-record.ts';

/** How a group's message shows: under its sender's nick, with the room's id of it (XEP-0359). */
export function seenInRoom(
  room: string,
  seq: number,
  { nick }: MessageRecord,
): { readonly from: string; readonly stanzaId: { readonly by: string; readonly id: string } } {
  return { from: nick === undefined ? room : `${room}/${nick}`, stanzaId: { by: room, id: String(seq) } };
}
