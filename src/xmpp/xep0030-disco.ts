import type { IqHandler, SessionPort, XmppModule } from './module.ts';
import { escapeAttr } from './stanza.ts';
import { seesPresence } from './xep0012-last-activity.ts';

export const NS_DISCO_INFO = 'http://jabber.org/protocol/disco#info';
export const NS_DISCO_ITEMS = 'http://jabber.org/protocol/disco#items';

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
  /** XEP-0128: a form with more about it, as XML. Of services and nodes only, as the server's caps hash none */
  readonly form?: string;
}

export interface DiscoItem {
  readonly jid: string;
  readonly node?: string;
  readonly name?: string;
}

/** Nodes of accounts (XEP-0060 5). What `from` (bare JID) may not see is undefined, as if it were not there. */
export interface AccountNodes {
  nodes(session: SessionPort, from: string): readonly DiscoItem[];
  items(session: SessionPort, from: string, node: string): readonly DiscoItem[] | undefined;
  info(session: SessionPort, from: string, node: string): DiscoInfo | undefined;
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
  return `<query xmlns='${NS_DISCO_INFO}'${at}>${info.identities.map(renderIdentity).join('')}${features.join('')}${info.form ?? ''}</query>`;
}

/** @param more XML behind the items, such as the set of XEP-0059 */
export function renderItems(items: readonly DiscoItem[], node?: string, more = ''): string {
  const attr = (key: string, value: string | undefined): string =>
    value === undefined ? '' : ` ${key}='${escapeAttr(value)}'`;
  const inner = items.map((item) => {
    return `<item jid='${escapeAttr(item.jid)}'${attr('node', item.node)}${attr('name', item.name)}/>`;
  });
  return `<query xmlns='${NS_DISCO_ITEMS}'${attr('node', node)}>${inner.join('')}${more}</query>`;
}

/** XEP-0030 section 8: an account answers only those who may see its presence. */
function onlyForContacts(handle: IqHandler): IqHandler {
  return (session, request) => {
    if (!seesPresence(session, request.from.bare)) return request.error('service-unavailable');
    handle(session, request);
  };
}

/**
 * @param catalogue looked at on each request: the module's own features are part of it
 * @param account what disco tells of an account's nodes
 */
export function discoModule(catalogue: (session: SessionPort) => DiscoCatalogue, account: AccountNodes): XmppModule {
  const serverInfo: IqHandler = (session, request) => {
    const { server, capsNode } = catalogue(session);
    const node = request.payload.attrs['node'];
    if (node !== undefined && node !== capsNode) return request.error('item-not-found', 'no such node');
    request.reply(renderInfo(server, node));
  };
  const accountInfo: IqHandler = (session, request) => {
    const node = request.payload.attrs['node'];
    if (node === undefined) return request.reply(renderInfo(catalogue(session).account));
    const info = account.info(session, request.from.bare, node);
    if (info === undefined) return request.error('item-not-found', 'no such node');
    request.reply(renderInfo(info, node));
  };
  const serverItems: IqHandler = (session, request) => {
    if (request.payload.attrs['node'] !== undefined) return request.error('item-not-found', 'no such node');
    request.reply(renderItems(catalogue(session).serverItems));
  };
  const accountItems: IqHandler = (session, request) => {
    const node = request.payload.attrs['node'];
    const { bare } = request.from;
    const items = node === undefined ? account.nodes(session, bare) : account.items(session, bare, node);
    if (items === undefined) return request.error('item-not-found', 'no such node');
    request.reply(renderItems(items, node));
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
    serverFeatures: [NS_DISCO_INFO, NS_DISCO_ITEMS],
    accountFeatures: [NS_DISCO_INFO, NS_DISCO_ITEMS],
    iq: [
      { ...get, ns: NS_DISCO_INFO, targets: ['server'], handle: serverInfo },
      { ...get, ns: NS_DISCO_ITEMS, targets: ['server'], handle: serverItems },
      { ...get, ns: NS_DISCO_INFO, targets: ['account'], foreign: true, handle: onlyForContacts(accountInfo) },
      { ...get, ns: NS_DISCO_ITEMS, targets: ['account'], foreign: true, handle: onlyForContacts(accountItems) },
    ],
  };
}
