import { ACCOUNT_KEY, type RememberedAccount } from '../xmpp/account.ts';
import { parseJid, resourceIn } from '../xmpp/jid.ts';
import { archivesFor, PREFS_ROW } from '../xmpp/mam-prefs.ts';
import type { ArchiveEntry, InboxPointer } from '../xmpp/mam-view.ts';
import { addressesFor, type MessageRecord, renderMessage } from '../xmpp/message-record.ts';
import { type RouteStream, routeMessage } from '../xmpp/rfc6121-routing.ts';
import { stanza } from '../xmpp/stanza.ts';
import { wrapCarbon } from '../xmpp/xep0280-carbons.ts';
import { nextPointer } from '../xmpp/xep0313-mam.ts';
import { messageHoldKey } from '../xmpp/xep0352-csi.ts';
import { fulltextWordsOf } from '../xmpp/xep0431-fulltext.ts';
import { parseChecked } from '../xmpp/xml.ts';
import { type ChatNames, inboxWrite } from './calls.ts';
import { addressOf, chatKey, isRoom } from './keys.ts';
import type { ChatItem, LiveMessage, Source } from './messages.ts';
import { blocksInviter, blocksSender, onBlockedItem, onBlockedLive } from './session-blocking.ts';
import { noteTaken } from './session-fulltext.ts';
import { pullMissing } from './session-pulls.ts';
import { endStaysBefore, pushToRoom } from './session-rooms.ts';
import type { SessionState } from './session-state.ts';
import { chatRowKey, SEEN_ROW, type Stream, type UserChatRow } from './session-types.ts';

/** Step 6 of the way of a message: inbox, archive index, unread; then the live streams. */

const NO_CHAT: UserChatRow = { v: 1, cur: 0, n: 0, unread: 0, read: 0, last: 0, loud: 0 };

export function onMessageItem(session: SessionState, source: Source, item: ChatItem, record: MessageRecord): void {
  const { turn } = session;
  const { rules } = session.parts;
  // The account went while the message was on its way: there is no inbox to put it in. The chat may not have heard, for
  // an account only tells the chats it knows; whoever has the name next would take its messages for gaps.
  if (!session.exists) {
    session.postItem(chatKey(item.chat), { t: 'memberGone', member: session.user, cur: item.seq });
    turn.effects.push({ t: 'ackDelivery', source });
    return;
  }
  const names = session.namesOf(item.chat);
  const row = session.get<UserChatRow>(names.rowKey);
  if (row !== undefined && item.seq <= row.cur && rules.knownIsDropped) {
    turn.effects.push({ t: 'ackDelivery', source });
    return;
  }
  // It was on its way to an account of this name that has been removed: this one has never been in that chat.
  if (row === undefined && !item.first && isOlderThanAccount(session, record)) {
    turn.effects.push({ t: 'ackDelivery', source });
    return;
  }
  // A gap: an earlier item was lost on the way. The source sends both again, in order.
  const had = Math.max(row?.cur ?? 0, item.since ?? 0);
  const gap = item.since === undefined ? isGap(session, item, row) : had === item.since && lacks(session, item, row);
  if (rules.deliveriesChained && gap) {
    turn.immediate.push({ t: 'nackDelivery', source });
    return;
  }
  // The first that this inbox has of the membership, by an item of its own or by a pointer.
  const begins = item.since === undefined ? item.first : (row?.cur ?? 0) < item.since;
  if (begins && (item.before ?? 0) > 0) endStaysBefore(session, item.chat, (item.since ?? item.seq - 1) + 1);
  if (item.since !== undefined && had < item.seq - 1) return pullMissing(session, { source, item, record }, had + 1);
  deliver(session, item, record, row ?? NO_CHAT, names, source.ahead !== undefined);
  (rules.ackAfterCommit ? turn.effects : turn.immediate).push({ t: 'ackDelivery', source });
}

/** A message that was fetched goes into the inbox, behind all that it has of the chat. */
export function takeItem(session: SessionState, item: ChatItem, record: MessageRecord): void {
  const names = session.namesOf(item.chat);
  deliver(session, item, record, session.get<UserChatRow>(names.rowKey) ?? NO_CHAT, names);
}

/** A member who was taken out of a group and in again goes on with the first message since, once it has those before. */
function isGap(session: SessionState, item: ChatItem, row: UserChatRow | undefined): boolean {
  const { seq, first, before } = item;
  if (!first || before === undefined) return row === undefined ? !first : seq > row.cur + 1;
  return lacks(session, item, row);
}

/** Something of an earlier membership, which was this account's, has not come. */
function lacks(session: SessionState, { before = 0, beforeMs = 0 }: ChatItem, row: UserChatRow | undefined): boolean {
  if (!session.parts.rules.membershipsChained) return false;
  return row === undefined ? before > 0 && !isOlderThanAccount(session, { ts: beforeMs }) : row.cur < before;
}

/**
 * Between nodes the clock that dated the message may be behind the one that dated the account. What is taken for too old
 * is lost, what is not is sent again until the chat's next message, which is this account's first: so in doubt it is not.
 */
export function isOlderThanAccount(session: SessionState, { ts }: Pick<MessageRecord, 'ts'>): boolean {
  const createdMs = session.get<RememberedAccount>(ACCOUNT_KEY)?.createdMs ?? 0;
  return ts < createdMs - (session.parts.crossing === undefined ? 0 : CLOCKS_APART_MS);
}

/** No two nodes' clocks are as far apart, ms. */
const CLOCKS_APART_MS = 600_000;

function deliver(
  session: SessionState,
  item: ChatItem,
  record: MessageRecord,
  before: UserChatRow,
  names: ChatNames,
  ahead = false,
): void {
  const { user } = session;
  const { chat } = item;
  const mine = isFrom(record, user);
  const inRoom = record.type === 'groupchat';
  // A group has an archive of its own (XEP-0313 on the room); the user's has direct chats.
  const blocked =
    !mine && (blocksSender(session, chat, record.via?.from ?? record.from) || blocksInviter(session, chat, record));
  const n = !inRoom && !blocked && isShown(session, chat, record) ? before.n + 1 : undefined;
  const seq = session.inboxSeq + 1;
  const next = nextPointer(session.lastPointer, { chat, chatSeq: item.seq, ts: record.ts, n });
  const found = n !== undefined || (inRoom && !blocked && isShown(session, chat, record));
  const pointer = blocked ? { ...next, b: 1 as const } : found ? withWords(next, wordsOf(session, record)) : next;
  const row = nextRow(before, {
    cur: item.seq,
    seq,
    n,
    mine,
    said: record.x?.quiet !== true,
    shown: n !== undefined || (inRoom && !blocked),
  });
  if (before === NO_CHAT) session.chats += 1;
  const taken = blocked ? passOver(session, seq) : inRoom || push(session, record, seq, mine, n !== undefined);
  if (blocked) onBlockedItem(session, chat, item.seq, record);
  else if (inRoom) pushToRoom(session, chat, item.seq, record, ahead);
  const seen = taken && (session.get<number>(SEEN_ROW) ?? 0) === seq - 1;
  session.inboxSeq = seq;
  session.lastPointer = next;
  session.parts.recentWords.note(user, session.rows, seq, chat, pointer.w);
  const resource = resourceIn(mine ? record.to : record.from);
  const write = inboxWrite({ user, chat, seq, pointer, resource, row, seen }, names);
  if (session.parts.rules.cursorWithItem) {
    // The call's arguments do not say `b`.
    if (blocked) session.turn.streams.push(...(write.writes ?? []));
    else session.turn.streams.push(write);
    session.callPut(names.rowKey, names.row, row);
  } else {
    for (const one of write.writes ?? []) if (one.t !== 'put' || one.key !== names.row) session.turn.streams.push(one);
    session.rows.set(names.rowKey, row);
  }
  if (seen) session.callPut(SEEN_ROW, names.seen, seq);
  if (record.back !== undefined && session.parts.rules.wordsForgotten) noteTaken(session, chat, record.back, seq);
}

/** A record that was read from its chat's log may come without them. */
function wordsOf({ parts }: SessionState, record: MessageRecord): string {
  return record.w ?? fulltextWordsOf(record, parts.limits.searchWordsMax);
}

/** One more object a delivery, of few shapes as those of `nextPointer`, whose they are. */
function withWords(pointer: InboxPointer, w: string): InboxPointer {
  if (w === '') return pointer;
  const { c, q, ts, n, s } = pointer;
  if (s === undefined) return { c, q, ts, n, w };
  return n === undefined ? { c, q, ts, h: 1, s, w } : { c, q, ts, n, s, w };
}

interface NewMessage {
  /** chatSeq */
  readonly cur: number;
  /** inboxSeq */
  readonly seq: number;
  /** its place in the chat's index of the user's archive; a group's messages have none */
  readonly n: number | undefined;
  readonly mine: boolean;
  /** it has something to read in it */
  readonly said: boolean;
  /** some archive shows it */
  readonly shown: boolean;
}

/**
 * The chat's row with one more message. What the user says has read what is before it; a receipt or a marker, which
 * clients send by themselves, has not. What the archive hides cannot be asked for, so it is not unread either.
 */
function nextRow(before: UserChatRow, { cur, seq, n, mine, said, shown }: NewMessage): UserChatRow {
  const { unread, read, last = 0, loud = 0 } = before;
  const place = !shown || (!said && last > 0) ? last : seq;
  const kept = n ?? before.n;
  if (mine) return { v: 1, cur, n: kept, unread: said ? 0 : unread, read: said ? cur : read, last: place, loud };
  const more = said && shown ? 1 : 0;
  return { v: 1, cur, n: kept, unread: unread + more, read, last: place, loud: loud + more };
}

/** Has the chat, or room for one more. */
export function mayHaveChat(session: SessionState, chat: string): boolean {
  return session.chats < session.parts.limits.chatsMax || session.rows.has(chatRowKey(chat));
}

/** Does the archive show it: hints (XEP-0334) and the user's preferences (XEP-0441)? */
function isShown(session: SessionState, chat: string, record: MessageRecord): boolean {
  if (record.x?.hidden === true) return false;
  return !session.rows.has(PREFS_ROW) || archivesFor(session, parseJid(addressOf(chat, session.user)));
}

/** `from` of a record is the full JID of its sender. */
export function isFrom(record: { readonly from: string }, user: string): boolean {
  return record.from.startsWith(user) && record.from.charCodeAt(user.length) === SLASH;
}

const SLASH = 47;

/**
 * To the live streams: the addressed ones get the message, the others a carbon (XEP-0280).
 * @returns true when no device is owed it any more: without stream management what is written counts as received
 *   (RFC 6120 knows no more), and what the user sent is on the device that sent it
 */
function push(session: SessionState, record: MessageRecord, seq: number, mine: boolean, shown: boolean): boolean {
  const streams = session.streams();
  if (streams.length === 0) return mine;
  const others = mine && !isToSelf(record, session.user);
  const underNick = others || record.via === undefined ? undefined : devicesUnder(session, record.via.to);
  const addressed = others ? NOBODY : (underNick ?? recipients(session, record.type, record.to));
  let xml: string | undefined;
  const late = session.now - record.ts > session.parts.limits.lateMs;
  let delivered = false;
  let taken = false;
  for (const stream of streams) {
    if (stream.lag !== undefined) continue;
    const live = isLive(stream);
    if (live) stream.given = seq;
    const isAddressed = addressed.includes(stream.resource);
    const copies = stream.carbons && underNick === undefined && record.x?.nocopy !== true;
    if (!isAddressed && !(copies && stream.jid !== record.from)) continue;
    if (isAddressed && !live && !noteEarly(stream, seq)) continue;
    if (underNick !== undefined) xml = undefined;
    const to = underNick === undefined ? record.to : stream.jid;
    xml ??= renderFor(session, record, seq, shown, late, to);
    if (isAddressed) {
      delivered = true;
      if (stream.sm === undefined) taken = true;
      // What a stream gets before it is live says nothing of what waits in the inbox before it.
      session.turn.effects.push({ t: 'stanza', stream, xml, seq: live ? seq : 0, at: seq, ts: late ? 0 : record.ts });
    } else {
      const carbon = wrapCarbon(mine ? 'sent' : 'received', session.user, stream.jid, xml, record.type);
      session.turn.effects.push({ t: 'stanza', stream, xml: carbon, seq: 0, at: seq });
    }
  }
  return taken || (mine && !delivered);
}

/**
 * A message to an occupant is for all devices that are in the room under that nick (XEP-0045 7.2.9), and for no other
 * (XEP-0280 6.1). @param to as it was addressed. @returns undefined when none of them is
 */
function devicesUnder(session: SessionState, to: string): readonly string[] | undefined {
  const nick = resourceIn(to);
  if (nick === undefined) return undefined;
  const room = to.slice(0, -nick.length - 1);
  const found: string[] = [];
  for (const { rooms, resource } of session.streams()) if (rooms?.get(room)?.nick === nick) found.push(resource);
  return found.length === 0 ? undefined : found;
}

/** Nobody gets it: live streams count it as had. */
function passOver(session: SessionState, seq: number): true {
  for (const stream of session.streams()) if (stream.lag === undefined && isLive(stream)) stream.given = seq;
  return true;
}

const NOBODY: readonly string[] = [];

/** Takes messages to the bare JID (RFC 6121 8.5.2.1). */
function isLive(stream: Stream): boolean {
  return stream.presence !== undefined && stream.presence.priority >= 0;
}

/** Messages by full JID that a stream may get before it is live; further ones wait for its catch-up. */
const EARLY_MAX = 1000;

/** @returns false when the message has to wait */
function noteEarly(stream: Stream, seq: number): boolean {
  stream.early ??= new Set();
  if (stream.early.size >= EARLY_MAX) return false;
  stream.early.add(seq);
  return true;
}

function isToSelf(message: { readonly to: string }, user: string): boolean {
  return message.to === user || isFrom({ from: message.to }, user);
}

/** What the archive does not show has no archive id (XEP-0313 5.1.3), so no stanza-id either. */
function renderFor(
  session: SessionState,
  record: MessageRecord,
  seq: number,
  shown: boolean,
  delayed = false,
  to = record.to,
): string {
  const { user, domain } = session;
  const seen = addressesFor(record, user);
  return renderMessage(record, {
    from: seen?.from,
    to: seen?.to ?? to,
    stanzaId: shown ? { by: user, id: String(seq) } : undefined,
    delay: delayed ? { from: domain } : undefined,
  });
}

/** Moves 'seen' on only when nothing before is still owed. */
function markSeen(session: SessionState, seq: number): void {
  if ((session.get<number>(SEEN_ROW) ?? 0) === seq - 1) session.put(SEEN_ROW, seq);
}

/** Resources that get a message of that type addressed to this user (RFC 6121 8.5). */
export function recipients(
  session: SessionState,
  type: Parameters<typeof routeMessage>[0],
  to: string,
): readonly string[] {
  const resource = resourceIn(to);
  const streams: RouteStream[] = [];
  for (const stream of session.streams()) {
    streams.push({ resource: stream.resource, priority: stream.presence?.priority });
  }
  return routeMessage(type, resource === undefined ? 'bare' : 'full', resource, streams).to;
}

/** A message that is not logged: to whom it reaches now, with carbons. */
export function onLive(session: SessionState, chat: string, message: LiveMessage): void {
  if (!session.exists) return;
  const { user } = session;
  const mine = isFrom(message, user);
  if (!mine && blocksSender(session, chat, message.from)) return onBlockedLive(session, chat, message);
  const xml = renderLive(message);
  const addressed = mine && !isToSelf(message, user) ? NOBODY : recipients(session, message.type, message.to);
  for (const stream of session.streams()) {
    // XEP-0352: who types is no news for a client that nobody looks at.
    const hold = stream.inactive ? messageHoldKey(message.from, parseChecked(xml).el) : undefined;
    if (addressed.includes(stream.resource)) session.sendHeld(stream, xml, hold, !mine);
    else if (stream.carbons && stream.jid !== message.from && message.flags?.nocopy !== true) {
      const carbon = wrapCarbon(mine ? 'sent' : 'received', user, stream.jid, xml, message.type);
      session.sendHeld(stream, carbon, hold, !mine);
    }
  }
}

function renderLive(message: LiveMessage): string {
  const { from, to, type, id, lang, inner } = message;
  const attrs = { from, to, type: type === 'normal' ? undefined : type, id, 'xml:lang': lang };
  return stanza('message', attrs, inner);
}

/** After initial presence: a stream that may get what waits in the inbox catches up with it, then goes live. */
export function startCatchUp(session: SessionState, stream: Stream): void {
  const seen = session.get<number>(SEEN_ROW) ?? 0;
  const had = Math.min(seen, (session.missed.get(stream.resource) ?? Number.POSITIVE_INFINITY) - 1);
  const first = Math.max(had, stream.given, session.inboxSeq - session.parts.limits.catchUpMax) + 1;
  session.missed.delete(stream.resource);
  if (first > session.inboxSeq || stream.lag !== undefined) return;
  stream.lag = { next: first, loading: false, blocked: false };
  session.turn.always({ t: 'catchUp', stream });
}

/** What a page of the inbox is to be fetched for: not what was blocked, nor what devices get in a room (session-rooms.ts). */
export function entriesOf(
  page: readonly { readonly seq: number; readonly record: InboxPointer }[],
  roomDomain: string | undefined,
): (ArchiveEntry & { readonly shown: boolean })[] {
  const kept = page.filter(({ record }) => record.b === undefined && !isRoom(record.c, roomDomain));
  return kept.map(({ seq, record: { c, q, ts, h } }) => ({ seq, chat: c, chatSeq: q, ts, shown: h === undefined }));
}

export interface CaughtUp {
  readonly seq: number;
  /** undefined when the message is gone */
  readonly record: MessageRecord | undefined;
  /** the archive shows it */
  readonly shown: boolean;
}

/** A page for a stream that catches up: sends it, and either goes live or asks for more. */
export function onCaughtUp(session: SessionState, stream: Stream, page: readonly CaughtUp[], upto: number): void {
  const { lag } = stream;
  if (lag === undefined || stream.ended) return;
  lag.loading = false;
  lag.next = upto + 1;
  stream.given = upto;
  for (const { seq, record, shown } of page) {
    if (record === undefined || stream.early?.delete(seq) === true) continue;
    if (isFrom(record, session.user) && !isToSelf(record, session.user)) {
      if (!stream.carbons || record.from === stream.jid || record.x?.nocopy === true) continue;
      const copy = renderFor(session, record, seq, shown, true);
      const xml = wrapCarbon('sent', session.user, stream.jid, copy, record.type);
      session.turn.effects.push({ t: 'stanza', stream, xml, seq: 0, at: seq });
      continue;
    }
    session.turn.effects.push({ t: 'stanza', stream, xml: renderFor(session, record, seq, shown, true), seq });
    if (stream.sm === undefined) markSeen(session, seq);
  }
  if (lag.next > session.inboxSeq) {
    stream.lag = undefined;
    stream.early = undefined;
    if (stream.sm === undefined) session.put(SEEN_ROW, session.inboxSeq);
  } else session.turn.always({ t: 'catchUp', stream });
}
