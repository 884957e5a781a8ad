import { createHmac } from 'node:crypto';
import type { XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';

export const NS_OCCUPANT_ID = 'urn:xmpp:occupant-id:0';

/**
 * The id of a user in one room (XEP-0421 section 3): the same whatever nick and device, and not to be reckoned back, nor
 * to be found again in another room.
 * @param salt secret of the room
 */
export function occupantId(salt: string, bareJid: string): string {
  return createHmac('sha256', salt).update(bareJid).digest('base64url');
}

export function occupantIdXml(id: string): string {
  return `<occupant-id xmlns='${NS_OCCUPANT_ID}' id='${escapeAttr(id)}'/>`;
}

export const occupantIdModule: XmppModule = {
  spec: {
    id: 'XEP-0421',
    title: 'Occupant identifiers for semi-anonymous MUCs',
    version: '1.0.1',
    url: 'https://xmpp.org/extensions/xep-0421.html',
    note: 'one a user and room; what a client claims is taken out',
  },
};
