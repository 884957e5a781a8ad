import type { Element } from 'ltx';
import type { StanzaCondition } from './module.ts';
import { element } from './stanza.ts';
import { parseRsm, type RsmRequest, type RsmResult, renderRsm } from './xep0059-rsm.ts';

/**
 * How far the members of a group are: which of them have had a message, and which have read it. An element of this
 * project's own (docs/group-receipts.md): XEP-0184 is not for groupchat, and a marker of XEP-0333 from each reader is a
 * message to everybody.
 */
export const NS_GROUP_RECEIPTS = 'urn:rookery:receipts:0';

/** How many of those entitled to a message, its sender left out, have had and have read it. */
export interface ReceiptCounts {
  readonly total: number;
  /** includes those who have read it */
  readonly delivered: number;
  readonly read: number;
}

/** One member as the answer shows it. */
export interface MemberReceipt {
  /** XEP-0421; also its place in the list */
  readonly occupantId: string;
  readonly nick: string | undefined;
  /** bare JID; undefined for who may not see it */
  readonly jid: string | undefined;
  readonly state: 'read' | 'delivered' | 'pending';
}

export interface ReceiptsQuery {
  /** chatSeq that the stanza-id names */
  readonly seq: number;
  readonly rsm: RsmRequest;
}

export function parseReceiptsQuery(
  payload: Element,
): ReceiptsQuery | { readonly error: StanzaCondition; readonly text: string } {
  const { id } = payload.attrs;
  if (typeof id !== 'string' || id === '') return { error: 'bad-request', text: 'the id of a message is needed' };
  const rsm = parseRsm(payload);
  if (typeof rsm === 'string') return { error: 'bad-request', text: rsm };
  if (!/^[1-9]\d{0,14}$/.test(id)) return { error: 'item-not-found', text: 'there is no such message' };
  return { seq: Number(id), rsm };
}

/** Presence to a room with this in it asks for notices, until the device leaves. */
export function asksForReceipts(presence: Element): boolean {
  return presence.getChild('receipts', NS_GROUP_RECEIPTS) !== undefined;
}

/** @param page members, in the order of their ids */
export function renderReceipts(
  seq: number,
  counts: ReceiptCounts,
  page: readonly MemberReceipt[],
  rsm: RsmResult,
): string {
  const members = page.map(({ occupantId, nick, jid, state }) =>
    element('member', { 'occupant-id': occupantId, nick, jid, state }),
  );
  return receipts(attrsOf(seq, counts), members.join('') + renderRsm(rsm));
}

/** What a sender hears of its own messages. @param messages by chatSeq, rising */
export function renderNotice(messages: readonly (readonly [seq: number, counts: ReceiptCounts])[]): string {
  return receipts({}, messages.map(([seq, counts]) => element('message', attrsOf(seq, counts))).join(''));
}

function receipts(attrs: Readonly<Record<string, string>>, inner: string): string {
  return element('receipts', { xmlns: NS_GROUP_RECEIPTS, ...attrs }, inner);
}

function attrsOf(seq: number, { total, delivered, read }: ReceiptCounts): Record<string, string> {
  return { id: String(seq), total: String(total), delivered: String(delivered), read: String(read) };
}

/**
 * A page of a list that is sorted by id (XEP-0059 2): an id that is not in it any more still says where to go on.
 * @param usual length of a page when the request does not say, `most` whatever it says
 */
export function pageById<T>(
  sorted: readonly T[],
  idOf: (one: T) => string,
  { max, before, after, index }: RsmRequest,
  { usual, most }: { readonly usual: number; readonly most: number },
): { readonly page: readonly T[]; readonly rsm: RsmResult } {
  const count = sorted.length;
  const length = Math.min(max ?? usual, most);
  let from = Math.min(index ?? 0, count);
  let to = count;
  if (after !== undefined) from = placeOf(sorted, (one) => idOf(one) > after);
  if (before !== undefined && before !== '') to = placeOf(sorted, (one) => idOf(one) >= before);
  if (before === undefined) to = Math.min(to, from + length);
  else from = Math.max(from, to - length);
  const page = sorted.slice(from, Math.max(from, to));
  const [first, last] = [page[0], page.at(-1)];
  if (first === undefined || last === undefined) return { page, rsm: { count } };
  return { page, rsm: { first: idOf(first), last: idOf(last), index: from, count } };
}

function placeOf<T>(sorted: readonly T[], isBehind: (one: T) => boolean): number {
  const at = sorted.findIndex(isBehind);
  return at === -1 ? sorted.length : at;
}
