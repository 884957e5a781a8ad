import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';
import { childElements, xmlOf } from './stanza.ts';
import { NS_VCARD } from './xep0054-vcard.ts';
import { imageBytes, sha1 } from './xep0398-pep-vcard.ts';

/** Longest vCard of a room, UTF-16 units: a room that is awake has it in memory. */
export const ROOM_CARD_MAX = 65_536;

/** Row `v` of a room: what its owners say of it, most often an avatar alone. */
export interface RoomCard {
  readonly v: 1;
  readonly xml: string;
  /** SHA-1 in hex of each photo */
  readonly hashes: readonly string[];
}

/** @returns undefined for an empty one, which takes away what was there; 'too large' above `ROOM_CARD_MAX` */
export function roomCard(card: Element): RoomCard | 'too large' | undefined {
  if (childElements(card).length === 0) return undefined;
  const xml = xmlOf(card);
  if (xml.length > ROOM_CARD_MAX) return 'too large';
  const hashes = card.getChildren('PHOTO', NS_VCARD).flatMap((photo) => {
    const bytes = imageBytes(photo.getChildText('BINVAL', NS_VCARD) ?? '');
    return bytes === undefined ? [] : [sha1(bytes)];
  });
  return { v: 1, xml, hashes };
}

export const mucAvatarsModule: XmppModule = {
  spec: {
    id: 'XEP-0486',
    title: 'MUC Avatars',
    version: '0.1.0',
    url: 'https://xmpp.org/extensions/xep-0486.html',
    note: 'set by owners; the hash is in what the room says of itself',
  },
};
