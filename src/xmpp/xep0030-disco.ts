import type { IqHandler, SessionPort, XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';
import { seesPresence } from './xep0012-last-activity.ts';

const NS_INFO = 'http://jabber.org/protocol/disco#info';
const NS_ITEMS = 'http://jabber.org/protocol/disco#items';

export interface Identity {
  readonly category: string;
  readonly type: string;
  readonly name?: string;
  readonly lang?: string;
}

export interface DiscoInfo {
  readonly identities: readonly Identity[];
  /** in any order; disco and caps sort them */
  readonly features: readonly string[];
  /** XEP-0128: a form with more about it, as XML. Of services only, as caps hash none */
  readonly form?: string;
}

export interface DiscoItem {
  readonly jid: string;
  readonly name?: string;
}

/** What disco answers with. */
export interface DiscoCatalogue {
  readonly server: DiscoInfo;
  readonly account: DiscoInfo;
  /** services beside the server itself, such as a room service */
  readonly serverItems: readonly DiscoItem[];
  /** XEP-0115 node, `<caps node>#<ver>`, under which the server's own info can be asked for too */
  readonly capsNode: string;
}

function renderIdentity(identity: Identity): string {
  const lang = identity.lang === undefined ? '' : ` xml:lang='${escapeAttr(identity.lang)}'`;
  const name = identity.name === undefined ? '' : ` name='${escapeAttr(identity.name)}'`;
  return `<identity category='${escapeAttr(identity.category)}' type='${escapeAttr(identity.type)}'${name}${lang}/>`;
}

/** The `<query/>` of an info result; `node` is repeated when the request had one (XEP-0030 section 3.2). */
export function renderInfo(info: DiscoInfo, node?: string): string {
  const at = node === undefined ? '' : ` node='${escapeAttr(node)}'`;
  const features = [...new Set(info.features)].sort().map((feature) => `<feature var='${escapeAttr(feature)}'/>`);
  const inner = info.identities.map(renderIdentity).join('') + features.join('') + (info.form ?? '');
  return `<query xmlns='${NS_INFO}'${at}>${inner}</query>`;
}

function renderItems(items: readonly DiscoItem[]): string {
  const inner = items.map(({ jid, name }) => {
    return `<item jid='${escapeAttr(jid)}'${name === undefined ? '' : ` name='${escapeAttr(name)}'`}/>`;
  });
  return `<query xmlns='${NS_ITEMS}'>${inner.join('')}</query>`;
}

/** XEP-0030 section 8: an account answers only those who may see its presence. */
function onlyForContacts(handle: IqHandler): IqHandler {
  return (session, request) => {
    if (!seesPresence(session, request.from.bare)) return request.error('service-unavailable');
    handle(session, request);
  };
}

/** @param catalogue looked at on each request: the module's own features are part of it */
export function discoModule(catalogue: (session: SessionPort) => DiscoCatalogue): XmppModule {
  const serverInfo: IqHandler = (session, request) => {
    const { server, capsNode } = catalogue(session);
    const node = request.payload.attrs['node'];
    if (node !== undefined && node !== capsNode) return request.error('item-not-found', 'no such node');
    request.reply(renderInfo(server, node));
  };
  const accountInfo: IqHandler = (session, request) => {
    if (request.payload.attrs['node'] !== undefined) return request.error('item-not-found', 'no such node');
    request.reply(renderInfo(catalogue(session).account));
  };
  const items =
    (of: (session: SessionPort) => readonly DiscoItem[]): IqHandler =>
    (session, request) => {
      if (request.payload.attrs['node'] !== undefined) return request.error('item-not-found', 'no such node');
      request.reply(renderItems(of(session)));
    };
  const get = { name: 'query', types: ['get'] } as const;
  return {
    spec: {
      id: 'XEP-0030',
      title: 'Service Discovery',
      version: '2.5.0',
      url: 'https://xmpp.org/extensions/xep-0030.html',
      note: 'of the server, and of accounts to their subscribers',
    },
    serverFeatures: [NS_INFO, NS_ITEMS],
    accountFeatures: [NS_INFO, NS_ITEMS],
    iq: [
      { ...get, ns: NS_INFO, targets: ['server'], handle: serverInfo },
      { ...get, ns: NS_ITEMS, targets: ['server'], handle: items((session) => catalogue(session).serverItems) },
      { ...get, ns: NS_INFO, targets: ['account'], foreign: true, handle: onlyForContacts(accountInfo) },
      { ...get, ns: NS_ITEMS, targets: ['account'], foreign: true, handle: onlyForContacts(items(() => [])) },
    ],
  };
}
