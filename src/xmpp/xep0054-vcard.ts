import type { IqHandler, XmppModule } from './module.ts';
import { PERSONAL_LIMITS } from './personal-limits.ts';
import { element, escapeText, xmlOf } from './stanza.ts';
import { readXml, storeXml } from './stored-xml.ts';
import type { Photos } from './xep0398-pep-vcard.ts';

export const NS_VCARD = 'vcard-temp';
const KEY = 'vcard';

/** Section 3.1, 3.3. To a stranger an account without a vCard is one that does not exist. */
function get(photos: Photos): IqHandler {
  return (session, request) => {
    const none = request.stream === undefined ? 'service-unavailable' : 'item-not-found';
    readXml(session, KEY, (card) =>
      photos.show(session, request.from.bare, card, (xml) =>
        xml === undefined ? request.error(none) : request.reply(xml),
      ),
    );
  };
}

/** Section 3.2: always the whole of it. */
function set(photos: Photos, bytesMax: number): IqHandler {
  return (session, request) => {
    if (request.stream === undefined) return request.error('forbidden', 'a vCard is changed by its owner');
    if (Buffer.byteLength(xmlOf(request.payload)) > bytesMax)
      return request.error('policy-violation', `a vCard has at most ${bytesMax} bytes`);
    storeXml(session, KEY, photos.take(session, request.payload));
    request.reply();
  };
}

/**
 * @param name of the server, for its own vCard
 * @param photos where their photos are (XEP-0398)
 * @param bytesMax bytes of UTF-8 of a user's
 */
export function vcardModule(name: string, photos: Photos, bytesMax = PERSONAL_LIMITS.vcardBytesMax): XmppModule {
  const server = element('vCard', { xmlns: NS_VCARD }, `<FN>${escapeText(name)}</FN>`);
  const route = { ns: NS_VCARD, name: 'vCard' };
  return {
    spec: {
      id: 'XEP-0054',
      title: 'vcard-temp',
      version: '1.3.0',
      url: 'https://xmpp.org/extensions/xep-0054.html',
      note: 'of accounts, for everyone to read, and of the server. Photos are the avatars of XEP-0084',
    },
    serverFeatures: [NS_VCARD],
    accountFeatures: [NS_VCARD],
    iq: [
      { ...route, types: ['get'], targets: ['account'], foreign: true, handle: get(photos) },
      { ...route, types: ['set'], targets: ['account'], foreign: true, handle: set(photos, bytesMax) },
      { ...route, types: ['get'], targets: ['server'], handle: (_session, request) => request.reply(server) },
      { ...route, types: ['set'], targets: ['server'], handle: (_session, request) => request.error('forbidden') },
    ],
  };
}
