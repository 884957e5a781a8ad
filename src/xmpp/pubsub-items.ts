import type { Element } from 'ltx';
import type { SessionPort } from './module.ts';
import { itemXml } from './pubsub-events.ts';
import { getNode, type PepParts } from './pubsub-nodes.ts';
import { type ItemIndex, isFault, NS_PUBSUB, type PubsubFault, type StoredItem } from './pubsub-types.ts';
import { element } from './stanza.ts';
import { parseCount, parseRsm, type RsmRequest, type RsmResult, renderRsm } from './xep0059-rsm.ts';

/**
 * Retrieving items (XEP-0060 6.5), in the order of publication, oldest first. What one answer has no room for is left
 * out: without RSM the oldest items, with it what follows in the direction of paging; a `<set/>` says so.
 */

interface ItemsQuery {
  readonly ids: readonly string[];
  /** only the newest so many */
  readonly newest: number | undefined;
  /** undefined when the client did not ask for pages */
  readonly rsm: RsmRequest | undefined;
}

/** A page of ids; `set` when the client is to be told where it stands. */
interface ItemsPage {
  readonly ids: readonly string[];
  readonly set: RsmResult | undefined;
}

/** Reads `<items/>` and the `<set/>` beside it. */
export function readItemsQuery(pubsub: Element, items: Element): ItemsQuery | PubsubFault {
  const max: unknown = items.attrs['max_items'];
  const newest = typeof max === 'string' ? parseCount(max) : undefined;
  if (newest === undefined ? max !== undefined : newest === 0)
    return { error: 'bad-request', text: 'max_items is not a positive count' };
  const ids = items.getChildren('item', NS_PUBSUB).map(({ attrs }) => attrs['id'] ?? '');
  const rsm = parseRsm(pubsub);
  if (typeof rsm === 'string') return { error: 'bad-request', text: rsm };
  const paged = pubsub.getChild('set', 'http://jabber.org/protocol/rsm') !== undefined;
  return { ids: [...new Set(ids)], newest, rsm: paged ? rsm : undefined };
}

/** Which items an answer holds. @returns a fault for a page after or before an item that is not there (XEP-0059 2.2) */
export function planItems(index: ItemIndex, query: ItemsQuery, bytesMax: number): ItemsPage | PubsubFault {
  if (query.ids.length > 0) {
    const found = query.ids.filter((id) => index.has(id));
    if (found.length === 0) return { error: 'item-not-found', text: 'no such item' };
    return { ids: fitting(index, found, false, bytesMax), set: undefined };
  }
  const every = [...index.keys()];
  const all = query.newest === undefined ? every : every.slice(-query.newest);
  const { rsm } = query;
  if (rsm === undefined) {
    const ids = fitting(index, all, true, bytesMax);
    return { ids, set: ids.length < all.length ? setOf(all, ids) : undefined };
  }
  const after = rsm.after === undefined ? -1 : all.indexOf(rsm.after);
  const before = rsm.before === undefined || rsm.before === '' ? all.length : all.indexOf(rsm.before);
  if (before === -1 || (rsm.after !== undefined && after === -1))
    return { error: 'item-not-found', text: 'no such page' };
  const max = rsm.max ?? all.length;
  const back = rsm.before !== undefined;
  const range = all.slice(Math.max(after + 1, rsm.index ?? 0), before);
  const page = back ? range.slice(Math.max(range.length - max, 0)) : range.slice(0, max);
  const ids = fitting(index, page, back, bytesMax);
  return { ids, set: setOf(all, ids) };
}

function setOf(all: readonly string[], ids: readonly string[]): RsmResult {
  const [first] = ids;
  if (first === undefined) return { count: all.length };
  return { first, last: ids.at(-1) as string, index: all.indexOf(first), count: all.length };
}

/** What fits into one answer, one item at least: from the end, or from the beginning. */
function fitting(index: ItemIndex, ids: readonly string[], fromEnd: boolean, bytesMax: number): readonly string[] {
  let bytes = 0;
  const kept: string[] = [];
  for (const id of fromEnd ? ids.toReversed() : ids) {
    bytes += index.get(id)?.bytes ?? 0;
    if (bytes > bytesMax && kept.length > 0) break;
    kept.push(id);
  }
  return fromEnd ? kept.reverse() : kept;
}

/** Items may be replaced between being chosen and being read; after so many rounds who asks is told to ask again. */
const ROUNDS_MAX = 5;

/**
 * Reads the items that a query wants.
 * @param done gets the payload of the answer, or why there is none
 */
export function retrieveItems(
  parts: PepParts,
  session: SessionPort,
  node: string,
  query: ItemsQuery,
  done: (answer: string | PubsubFault) => void,
  round = 1,
): void {
  const row = getNode(session, node);
  if (row === undefined) return done({ error: 'item-not-found', text: 'no such node' });
  const index = parts.port.index(session, row.no);
  const page = planItems(index, query, parts.limits.answerBytesMax);
  if (isFault(page)) return done(page);
  const seqs = page.ids.map((id) => index.get(id)?.seq ?? 0);
  parts.port.load(session, row.no, seqs, (items) => {
    const found = items.filter((item): item is StoredItem => item !== undefined);
    if (found.length === items.length) return done(answerXml(node, found, page.set));
    if (round >= ROUNDS_MAX) return done({ error: 'resource-constraint', text: 'the node changes too fast' });
    retrieveItems(parts, session, node, query, done, round + 1);
  });
}

function answerXml(node: string, items: readonly StoredItem[], set: RsmResult | undefined): string {
  const inner = element('items', { node }, items.map(itemXml).join(''));
  return `<pubsub xmlns='${NS_PUBSUB}'>${inner}${set === undefined ? '' : renderRsm(set)}</pubsub>`;
}
