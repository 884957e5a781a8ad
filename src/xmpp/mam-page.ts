import type { Jid } from './jid.ts';
import type { MamFault, MamQuery } from './mam-query.ts';
import {
  type ArchiveEntry,
  type ArchiveReader,
  type ArchiveView,
  chatView,
  inboxPointer,
  inboxView,
  listView,
} from './mam-view.ts';

export interface PageOptions {
  /** id of the chat with this bare JID, in which the asking user is the other party */
  readonly chatIdOf: (bareJid: string) => string;
  /** entries of a page when the query names no `<max/>` */
  readonly pageDefault: number;
  /** most entries of a page; a larger `<max/>` is clamped to it */
  readonly pageMax: number;
  /** most index pointers looked at for one page of a `with` query that names a resource */
  readonly scanMax: number;
  /** most UTF-16 units of rendered results in a page; a page is cut to it, but never to nothing */
  readonly pageUnitsMax: number;
  /** most pointers, and spans of one word of the index, looked at for one page of a search */
  readonly searchScanMax: number;
  /** most messages read for one page of a search, to see whether they match */
  readonly searchFetchMax: number;
}

/** Paging without the chats: what an operator may set. */
export type PageLimits = Omit<PageOptions, 'chatIdOf'>;

export const PAGE_DEFAULTS: PageLimits = {
  pageDefault: 50,
  pageMax: 250,
  scanMax: 5000,
  pageUnitsMax: 1_048_576,
  searchScanMax: 16_384,
  searchFetchMax: 1000,
};

export interface MamPage {
  /** oldest first, whatever the direction of paging */
  readonly entries: readonly ArchiveEntry[];
  /** archive ids of the first and last entry, absent on an empty page */
  readonly first?: string;
  readonly last?: string;
  /** size of the whole result set; absent where counting would mean scanning (`with` a full JID) */
  readonly count?: number;
  /** place of `first` in the whole result set, from 0 */
  readonly index?: number;
  /** nothing more lies in the direction of paging */
  readonly complete: boolean;
}

/** Ranks [from, to) of a view. */
interface Span {
  readonly from: number;
  readonly to: number;
}

const UNKNOWN_ID: MamFault = { error: 'item-not-found', text: 'no such id in this archive' };

function isFault(value: unknown): value is MamFault {
  return typeof value === 'object' && value !== null && 'error' in value;
}

/** The inboxSeq of an archive id; undefined when the archive holds no such message. Ids are canonical decimals. */
function seqOfId(reader: ArchiveReader, id: string): number | undefined {
  if (!/^[1-9]\d{0,15}$/.test(id)) return undefined;
  const seq = Number(id);
  const pointer = inboxPointer(reader, seq);
  return pointer === undefined || pointer.h !== undefined ? undefined : seq;
}

/** The entries that an `ids` query names, restricted to the chat asked for. One unknown id fails the query (4.1.3). */
function entriesOfIds(reader: ArchiveReader, ids: readonly string[], chatId: string | undefined) {
  const view = chatId === undefined ? inboxView(reader) : chatView(reader, chatId);
  const entries: ArchiveEntry[] = [];
  for (const id of ids) {
    const seq = seqOfId(reader, id);
    if (seq === undefined) return UNKNOWN_ID;
    const rank = view.rankOfSeq(seq);
    // In a chat's view the nearest entry may be another one: the id is then a message of some other chat.
    const entry = rank === 0 ? undefined : view.slice(rank - 1, rank)[0];
    if (entry?.seq === seq) entries.push(entry);
  }
  return entries.sort((a, b) => a.seq - b.seq);
}

function viewOf(reader: ArchiveReader, query: MamQuery, options: PageOptions): ArchiveView | MamFault {
  const chatId = query.with === undefined ? undefined : options.chatIdOf(query.with.bare);
  if (query.ids !== undefined) {
    const entries = entriesOfIds(reader, query.ids, chatId);
    return isFault(entries) ? entries : listView(entries);
  }
  return chatId === undefined ? inboxView(reader) : chatView(reader, chatId);
}

/** The result set: what is left of the view between the query's times and ids. */
function resultSpan(reader: ArchiveReader, view: ArchiveView, query: MamQuery): Span | MamFault {
  let from = query.start === undefined ? 0 : view.rankBefore(query.start);
  let to = query.end === undefined ? view.size : view.rankBefore(query.end + 1);
  if (query.afterId !== undefined) {
    const seq = seqOfId(reader, query.afterId);
    if (seq === undefined) return UNKNOWN_ID;
    from = Math.max(from, view.rankOfSeq(seq));
  }
  if (query.beforeId !== undefined) {
    const seq = seqOfId(reader, query.beforeId);
    if (seq === undefined) return UNKNOWN_ID;
    to = Math.min(to, view.rankOfSeq(seq - 1));
  }
  return { from, to: Math.max(from, to) };
}

/** Where paging starts inside the result set, by the RSM ids or index. */
function pagingSpan(reader: ArchiveReader, view: ArchiveView, query: MamQuery, set: Span): Span | MamFault {
  const { after, before, index } = query.rsm;
  let { from, to } = set;
  if (after !== undefined && after !== '') {
    const seq = seqOfId(reader, after);
    if (seq === undefined) return UNKNOWN_ID;
    from = Math.max(from, view.rankOfSeq(seq));
  }
  if (before !== undefined && before !== '') {
    const seq = seqOfId(reader, before);
    if (seq === undefined) return UNKNOWN_ID;
    to = Math.min(to, view.rankOfSeq(seq - 1));
  }
  if (index !== undefined) from = Math.min(to, from + index);
  return { from, to: Math.max(from, to) };
}

/** @param entries oldest first */
export function pageOf(
  entries: readonly ArchiveEntry[],
  complete: boolean,
  counted?: { count: number; index: number },
): MamPage {
  const first = entries[0];
  const last = entries.at(-1);
  return {
    entries,
    ...(first === undefined || last === undefined ? {} : { first: String(first.seq), last: String(last.seq) }),
    ...(counted === undefined ? {} : { count: counted.count }),
    ...(counted === undefined || first === undefined ? {} : { index: counted.index }),
    complete,
  };
}

/**
 * A page of the messages that name one resource of the other party. No index exists for that, so pointers are looked
 * at in the direction of paging, in chunks, at most `scanMax` of them. A page cut short by that bound is not complete
 * and the client goes on from its last id; when not even one entry was found there is no id to go on from, and the
 * answer is resource-constraint: ask for the bare JID, or within start and end.
 */
function scanResource(view: ArchiveView, span: Span, max: number, with_: Jid, options: PageOptions, back: boolean) {
  const found: ArchiveEntry[] = [];
  let { from, to } = span;
  let budget = options.scanMax;
  // One more than the page is looked for: whether it exists decides `complete`.
  while (from < to && budget > 0 && found.length <= max) {
    const size = Math.min(to - from, budget, Math.max(64, max));
    const chunk = back ? view.slice(to - size, to).reverse() : view.slice(from, from + size);
    for (const entry of chunk) {
      if (entry.resource === with_.resource && found.length <= max) found.push(entry);
    }
    if (back) to -= size;
    else from += size;
    budget -= size;
  }
  const exhausted = from >= to && found.length <= max;
  const entries = found.slice(0, max);
  if (entries.length === 0 && max > 0 && !exhausted) {
    const text = `nothing found in ${options.scanMax} messages: narrow by start and end, or ask for the bare JID`;
    return { error: 'resource-constraint', text } satisfies MamFault;
  }
  return pageOf(back ? entries.reverse() : entries, exhausted);
}

/**
 * Answers an archive query with the pointers of one page. Cost: O(log n) single reads for ids and times, then the page
 * itself; it does not depend on how many messages the archive holds (except `with` a full JID: see `scanMax`).
 *
 * `before` pages backwards from the end of the result set, or from the id; `after`, `index` and neither page forwards.
 * Both ids together, which RSM leaves open, mean the range between them, paged backwards. Ids that the archive does
 * not hold are item-not-found (XEP-0313 4.1.3, 4.3.2); ids of another chat are fine and stand for their place in time.
 */
export function planPage(reader: ArchiveReader, query: MamQuery, options: PageOptions): MamPage | MamFault {
  const view = viewOf(reader, query, options);
  if (isFault(view)) return view;
  const set = resultSpan(reader, view, query);
  if (isFault(set)) return set;
  const span = pagingSpan(reader, view, query, set);
  if (isFault(span)) return span;
  const max = Math.min(query.rsm.max ?? options.pageDefault, options.pageMax);
  const back = query.rsm.before !== undefined;
  if (query.with !== undefined && query.with.resource !== '') {
    return scanResource(view, span, max, query.with, options, back);
  }
  const from = back ? Math.max(span.from, span.to - max) : span.from;
  const to = back ? span.to : Math.min(span.to, span.from + max);
  const complete = back ? from <= span.from : to >= span.to;
  return pageOf(view.slice(from, to), complete, { count: set.to - set.from, index: from - set.from });
}

/**
 * Cuts a page to the entries that fit into `unitsMax`, counted in the direction of paging, at least one. What is left
 * over is on the next page: the ids, the index and `complete` are those of the shorter page.
 * @param units size of each entry's rendered result, by place in `page.entries`
 */
export function cutPage(whole: MamPage, back: boolean, units: readonly number[], unitsMax: number): MamPage {
  const { length } = whole.entries;
  const kept = fitting(units, back, unitsMax);
  if (kept === length) return whole;
  const entries = back ? whole.entries.slice(length - kept) : whole.entries.slice(0, kept);
  if (whole.count === undefined || whole.index === undefined) return pageOf(entries, false);
  return pageOf(entries, false, { count: whole.count, index: whole.index + (back ? length - kept : 0) });
}

/** How many entries of these sizes fit into `unitsMax`, counted from the end when `back`; one always does. */
export function fitting(units: readonly number[], back: boolean, unitsMax: number): number {
  const { length } = units;
  let kept = 0;
  let sum = 0;
  while (kept < length) {
    sum += units[back ? length - 1 - kept : kept] ?? 0;
    if (sum > unitsMax && kept > 0) break;
    kept++;
  }
  return kept;
}

/** First and last entry of the whole archive, for the metadata query (XEP-0313 section 5). */
export function archiveEnds(reader: ArchiveReader): { first: ArchiveEntry; last: ArchiveEntry } | undefined {
  const view = inboxView(reader);
  if (view.size === 0) return undefined;
  const first = view.slice(0, 1)[0];
  const last = view.slice(view.size - 1, view.size)[0];
  return first === undefined || last === undefined ? undefined : { first, last };
}
