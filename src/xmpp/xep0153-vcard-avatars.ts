import type { Element } from 'ltx';
import type { XmppModule } from './module.ts';
import { childElements, element, escapeText, xmlOf } from './stanza.ts';

/** The hash of a user's photo in presence (XEP-0153 3.1): where clients in rooms learn that there is one. */

const NS_UPDATE = 'vcard-temp:x:update';

const isUpdate = (child: Element): boolean => child.getName() === 'x' && child.getNS() === NS_UPDATE;

/** The client says that there is no photo to be shown. */
export function saysNoPhoto(presence: Element): boolean {
  const photo = presence.getChild('x', NS_UPDATE)?.getChild('photo', NS_UPDATE);
  return photo !== undefined && photo.getText().trim() === '';
}

/** Children of the presence, with this hash in place of any other. @param hash '': there is no photo any more */
export function withPhotoHash(presence: Element, hash: string): string {
  const others = childElements(presence).filter((child) => !isUpdate(child));
  const photo = element('photo', {}, escapeText(hash));
  return others.map((child) => xmlOf(child)).join('') + element('x', { xmlns: NS_UPDATE }, photo);
}

export const vcardAvatarsModule: XmppModule = {
  spec: {
    id: 'XEP-0153',
    title: 'vCard-Based Avatars',
    version: '1.1.1',
    url: 'https://xmpp.org/extensions/xep-0153.html',
    note: 'the server says the hash for its users, as XEP-0398 has it',
  },
};
