import { wordHash } from '../base/words.ts';
import { candidates, type FulltextReader, type Meter } from './fulltext-scan.ts';
import { type MamPage, type PageLimits, pageOf } from './mam-page.ts';
import type { MamFault, MamQuery } from './mam-query.ts';
import { type ArchiveEntry, firstSeqFrom } from './mam-view.ts';
import { addressesFor, type MessageRecord } from './message-record.ts';
import { type Fulltext, matchesFulltext } from './xep0431-fulltext.ts';

export interface FoundPage {
  readonly page: MamPage;
  /** in the order of `page.entries` */
  readonly messages: readonly MessageRecord[];
}

export interface SearchOptions extends PageLimits {
  /** bare JID of who asks */
  readonly user: string;
  /** chatId of the conversation with a bare JID, a contact's or a room's */
  readonly chatOf: (bareJid: string) => string;
  /** what comes before this seq is not for the one who asks */
  readonly from: number;
}

/** Messages read at once to see whether they match. */
const BATCH_MIN = 16;

/**
 * A page of the messages that match (XEP-0431). Yields entries whose messages are to be read, wants them in their order,
 * undefined for one that is gone, and returns the page or the condition to answer. Pages like `planPage`; the size of
 * the whole result is not known, and no `index` can be asked for.
 *
 * At most `searchScanMax` pointers and words of spans, and `searchFetchMax` messages are looked at; a page that is cut
 * short by that is not complete. If nothing at all was found by then the answer is resource-constraint.
 */
export function* findPage(
  reader: FulltextReader,
  query: MamQuery,
  fulltext: Fulltext,
  options: SearchOptions,
): Generator<readonly ArchiveEntry[], FoundPage | MamFault, readonly (MessageRecord | undefined)[]> {
  if (query.ids !== undefined) return { error: 'bad-request', text: 'either ids or fulltext' };
  if (query.rsm.index !== undefined) return { error: 'feature-not-implemented', text: 'a search has no index' };
  const range = rangeOf(reader, query, options.from);
  if ('error' in range) return range;
  const back = query.rsm.before !== undefined;
  const max = Math.min(query.rsm.max ?? options.pageDefault, options.pageMax);
  const chat = query.with && options.chatOf(query.with.bare);
  const phrases = fulltext.phrases.filter(({ length }) => length > 1).map((phrase) => phrase.map(wordHash));
  const wanted = { hashes: fulltext.hashes, phrases, ...(chat !== undefined && { chat }) };
  const meter: Meter = { left: options.searchScanMax };
  let fetches = options.searchFetchMax;
  const walk = candidates(reader, wanted, range, back, meter);
  const found: { entry: ArchiveEntry; message: MessageRecord }[] = [];
  let ended = false;
  // One more than the page is looked for: whether it exists decides `complete`.
  while (!ended && found.length <= max && fetches > 0) {
    const entries: ArchiveEntry[] = [];
    const size = Math.min(fetches, Math.max(BATCH_MIN, max + 1 - found.length));
    while (entries.length < size) {
      const { value, done } = walk.next();
      ended = done === true;
      if (value === undefined) break;
      const { seq, record } = value;
      entries.push({ seq, chat: record.c, chatSeq: record.q, ts: record.ts });
    }
    fetches -= entries.length;
    if (entries.length === 0) break;
    const messages = yield entries;
    for (const [i, entry] of entries.entries()) {
      const message = messages[i];
      if (found.length > max || message === undefined || message.x?.hidden === true) continue;
      if (isWith(message, query, options.user) && matchesFulltext(fulltext, message)) found.push({ entry, message });
    }
  }
  const complete = ended && meter.left >= 1 && found.length <= max;
  if (found.length === 0 && !complete && max > 0)
    return { error: 'resource-constraint', text: 'nothing found yet: narrow by start and end, or by with' };
  const kept = found.slice(0, max);
  if (back) kept.reverse();
  const page = pageOf(
    kept.map(({ entry }) => entry),
    complete,
  );
  return { page, messages: kept.map(({ message }) => message) };
}

/** A resource is that of the other party; in a room, its nick. */
function isWith(message: MessageRecord, query: MamQuery, user: string): boolean {
  if (query.with === undefined || query.with.resource === '') return true;
  const seen = addressesFor(message, user);
  return (seen?.from ?? message.from) === query.with.full || (seen?.to ?? message.to) === query.with.full;
}

/** Seqs, inclusive. */
function rangeOf(
  reader: FulltextReader,
  query: MamQuery,
  lowest: number,
): { readonly from: number; readonly to: number } | MamFault {
  const last = reader.last();
  let from = lowest;
  let to = last;
  if (query.start !== undefined) from = Math.max(from, firstSeqFrom(reader, query.start));
  if (query.end !== undefined) to = Math.min(to, firstSeqFrom(reader, query.end + 1) - 1);
  const { after, before } = query.rsm;
  for (const id of [query.afterId, after]) {
    if (id === undefined || id === '') continue;
    const seq = seqOf(id, lowest, last);
    if (seq === undefined) return UNKNOWN_ID;
    from = Math.max(from, seq + 1);
  }
  for (const id of [query.beforeId, before]) {
    if (id === undefined || id === '') continue;
    const seq = seqOf(id, lowest, last);
    if (seq === undefined) return UNKNOWN_ID;
    to = Math.min(to, seq - 1);
  }
  return { from, to };
}

const UNKNOWN_ID: MamFault = { error: 'item-not-found', text: 'no such id in this archive' };

/** Ids are canonical decimals. A group's messages have one in a search, though the archive itself hides them. */
function seqOf(id: string, lowest: number, last: number): number | undefined {
  if (!/^[1-9]\d{0,15}$/.test(id)) return undefined;
  const seq = Number(id);
  return seq >= lowest && seq <= last ? seq : undefined;
}
