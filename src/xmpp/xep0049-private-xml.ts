import type { Element } from 'ltx';
import { type BookmarkList, NS_STORAGE } from './bookmark-list.ts';
import type { IqHandler, IqRequest, SessionPort, StanzaCondition, XmppModule } from './module.ts';
import { PERSONAL_LIMITS, type PersonalLimits } from './personal-limits.ts';
import { CLIENT_NS, childElements, element, xmlOf } from './stanza.ts';
import { dropXml, readXml, storedSizes, storeXml } from './stored-xml.ts';

const NS_PRIVATE = 'jabber:iq:private';
const PREFIX = 'private/';
/** UTF-16 units of namespace and name together; longer ones are `policy-violation` */
const NAME_CHARS_MAX = 1000;

type Limits = Pick<PersonalLimits, 'privateItemsMax' | 'privateBytesMax'>;

interface Fault {
  readonly error: StanzaCondition;
  readonly text: string;
}

/** An element is found again by namespace and name. */
function keyOf(el: Element): string {
  return `${PREFIX}${el.getNS() ?? ''} ${el.getName()}`;
}

/** "A proper namespace" is one of its own. */
function hasOwnNamespace(el: Element): boolean {
  const ns = el.getNS() ?? '';
  return ns !== '' && ns !== NS_PRIVATE && ns !== CLIENT_NS;
}

/** The list of bookmarks is not kept here (bookmark-list.ts). */
function isBookmarks(el: Element): boolean {
  return el.is('storage', NS_STORAGE);
}

function get(session: SessionPort, request: IqRequest, bookmarks: BookmarkList | undefined): void {
  const [asked, second] = childElements(request.payload);
  if (asked === undefined) return request.error('bad-request', 'say which element is wanted');
  if (second !== undefined) return request.error('bad-request', 'ask for one element at a time');
  if (!hasOwnNamespace(asked)) return request.error('not-acceptable', 'the element needs a namespace of its own');
  const answer = (xml: string | undefined): void => {
    const found = xml ?? element(asked.getName(), { xmlns: asked.getNS() });
    request.reply(element('query', { xmlns: NS_PRIVATE }, found));
  };
  readXml(session, keyOf(asked), (xml) => {
    if (bookmarks === undefined || !isBookmarks(asked)) return answer(xml);
    bookmarks.show(session, xml, (list) => {
      if (typeof list === 'object') return request.error(list.error, list.text);
      answer(list);
    });
  });
}

/** An element without anything in it is like none: it takes no room. */
function isEmpty(el: Element): boolean {
  return el.children.length === 0 && Object.keys(el.attrs).every((name) => /^xmlns(:|$)/.test(name));
}

/** What is stored when `items` are; undefined for one that is dropped. */
function planOf(
  session: SessionPort,
  items: readonly Element[],
  { privateItemsMax, privateBytesMax }: Limits,
): ReadonlyMap<string, string | undefined> | Fault {
  const plan = new Map<string, string | undefined>();
  const sizes = new Map(storedSizes(session, PREFIX));
  for (const item of items) {
    if (!hasOwnNamespace(item)) return { error: 'not-acceptable', text: 'an element needs a namespace of its own' };
    const key = keyOf(item);
    if (key.length > PREFIX.length + NAME_CHARS_MAX)
      return { error: 'policy-violation', text: 'namespace and name are too long' };
    if (plan.has(key)) return { error: 'bad-request', text: 'an element comes twice' };
    const xml = isEmpty(item) ? undefined : xmlOf(item);
    plan.set(key, xml);
    if (xml === undefined) sizes.delete(key);
    else sizes.set(key, Buffer.byteLength(xml));
  }
  if (sizes.size > privateItemsMax)
    return { error: 'policy-violation', text: `at most ${privateItemsMax} elements are stored` };
  let bytes = 0;
  for (const size of sizes.values()) bytes += size;
  if (bytes > privateBytesMax)
    return { error: 'policy-violation', text: `at most ${privateBytesMax} bytes are stored` };
  return plan;
}

function set(session: SessionPort, request: IqRequest, limits: Limits, bookmarks: BookmarkList | undefined): void {
  const items = childElements(request.payload);
  if (items.length === 0) return request.error('not-acceptable', 'nothing to store');
  const plan = planOf(session, items, limits);
  if ('error' in plan) return request.error(plan.error, plan.text);
  const list = bookmarks && items.find(isBookmarks);
  if (list === undefined || bookmarks === undefined) return store(session, request, plan);
  bookmarks.take(session, list, (fault) => {
    if (fault !== undefined) return request.error(fault.error, fault.text);
    store(session, request, new Map([...plan, [keyOf(list), isEmpty(list) ? undefined : xmlOf(list)]]));
  });
}

function store(session: SessionPort, request: IqRequest, plan: ReadonlyMap<string, string | undefined>): void {
  for (const [key, xml] of plan) {
    if (xml === undefined) dropXml(session, key);
    else storeXml(session, key, xml);
  }
  request.reply();
}

function handler(limits: Limits, bookmarks: BookmarkList | undefined): IqHandler {
  return (session, request) =>
    request.type === 'get' ? get(session, request, bookmarks) : set(session, request, limits, bookmarks);
}

/**
 * Nobody but the owner reaches it: others get the `service-unavailable` of an account that does not exist.
 * @param bookmarks absent: a list of bookmarks is kept like anything
 */
export function privateXmlModule(limits: Limits = PERSONAL_LIMITS, bookmarks?: BookmarkList): XmppModule {
  return {
    spec: {
      id: 'XEP-0049',
      title: 'Private XML Storage',
      version: '1.2',
      url: 'https://xmpp.org/extensions/xep-0049.html',
      note: 'an element is found by its namespace and name',
    },
    serverFeatures: [NS_PRIVATE],
    iq: [
      {
        ns: NS_PRIVATE,
        name: 'query',
        types: ['get', 'set'],
        targets: ['account'],
        handle: handler(limits, bookmarks),
      },
    ],
  };
}
