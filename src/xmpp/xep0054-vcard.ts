import type { IqHandler, XmppModule } from './module.ts';
import { PERSONAL_LIMITS } from './personal-limits.ts';
import { element, escapeText, xmlOf } from './stanza.ts';
import { readXml, storeXml } from './stored-xml.ts';

const NS_VCARD = 'vcard-temp';
const KEY = 'vcard';

/** Section 3.1, 3.3. To a stranger an account without a vCard is one that does not exist. */
const get: IqHandler = (session, request) => {
  const none = request.stream === undefined ? 'service-unavailable' : 'item-not-found';
  readXml(session, KEY, (xml) => (xml === undefined ? request.error(none) : request.reply(xml)));
};

/** Section 3.2: always the whole of it. */
function set(bytesMax: number): IqHandler {
  return (session, request) => {
    if (request.stream === undefined) return request.error('forbidden', 'a vCard is changed by its owner');
    const xml = xmlOf(request.payload);
    if (Buffer.byteLength(xml) > bytesMax)
      return request.error('policy-violation', `a vCard has at most ${bytesMax} bytes`);
    storeXml(session, KEY, xml);
    request.reply();
  };
}

/**
 * @param name of the server, for its own vCard
 * @param bytesMax bytes of UTF-8 of a user's
 */
export function vcardModule(name: string, bytesMax = PERSONAL_LIMITS.vcardBytesMax): XmppModule {
  const server = element('vCard', { xmlns: NS_VCARD }, `<FN>${escapeText(name)}</FN>`);
  const route = { ns: NS_VCARD, name: 'vCard' };
  return {
    spec: {
      id: 'XEP-0054',
      title: 'vcard-temp',
      version: '1.3.0',
      url: 'https://xmpp.org/extensions/xep-0054.html',
      note: 'of accounts, for everyone to read, and of the server. The photo hash in presence (XEP-0153) is the client’s',
    },
    serverFeatures: [NS_VCARD],
    accountFeatures: [NS_VCARD],
    iq: [
      { ...route, types: ['get'], targets: ['account'], foreign: true, handle: get },
      { ...route, types: ['set'], targets: ['account'], foreign: true, handle: set(bytesMax) },
      { ...route, types: ['get'], targets: ['server'], handle: (_session, request) => request.reply(server) },
      { ...route, types: ['set'], targets: ['server'], handle: (_session, request) => request.error('forbidden') },
    ],
  };
}
