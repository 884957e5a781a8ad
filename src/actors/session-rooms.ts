import type { Element } from 'ltx';
import type { Jid } from '../xmpp/jid.ts';
import type { ArchiveEntry } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { STATUS, userXml } from '../xmpp/muc-words.ts';
import { stanza, withTo } from '../xmpp/stanza.ts';
import { lateInRoom, liveInRoom } from './group-seen.ts';
import { chatKey } from './keys.ts';
import type { GroupAnswer, Send, SessionMessage } from './messages.ts';
import { probe, touch, unprobe } from './session-cursors.ts';
import { noteOnline } from './session-online.ts';
import { keepSend, orderOf } from './session-sends.ts';
import { sendError } from './session-stanzas.ts';
import type { SessionState } from './session-state.ts';
import type { PendingSend, SessionEffect, Stream, UserChatRow } from './session-types.ts';

/**
 * The rooms that this user's devices are in (XEP-0045). The group knows its occupants; the session knows what each
 * device has had. A device gets a room's messages by chatSeq, one after the other: what does not follow is fetched from
 * the group first, so a message that was lost between nodes is late, not missing.
 *
 * Bound: `roomsMax` rooms a device; a page of `catchUpPage` messages at once is fetched for it.
 */
export interface JoinedRoom {
  nick: string;
  /** chatSeq that the device gets next */
  next: number;
  /** … and the first one it got: it lacks none between */
  from: number;
  /** chatSeq up to which it is known, or waited for, that the device has acknowledged them (session-cursors.ts) */
  probed: number;
  /** highest chatSeq known */
  upTo: number;
  loading: boolean;
}

export function isRoomAddress(session: SessionState, { domain, local }: Jid): boolean {
  return domain === session.parts.roomDomain && local !== '';
}

/**
 * Presence or an iq for a room: in order with the messages to it, and answered like them.
 * @param n its number on the stream, 0 without stream management
 * @param page it asks for a page of the archive (session-pages.ts)
 * @returns true when it is handled later, by the answer
 */
export function sendToRoom(
  session: SessionState,
  stream: Stream,
  el: Element,
  inner: string,
  n: number,
  to: Jid,
  page = false,
): boolean {
  const { limits } = session.parts;
  if (session.pendingSends.size >= limits.inflightMax) {
    sendError(session, stream, el, 'resource-constraint', { text: 'Too many stanzas wait for an answer' });
    return false;
  }
  const kind = el.getName() === 'iq' ? 'iq' : 'presence';
  const type = (el.attrs['type'] ?? 'available') as Send['type'];
  const rooms = stream.rooms?.size ?? 0;
  if (kind === 'presence' && type === 'available' && rooms >= limits.roomsMax && !stream.rooms?.has(to.bare)) {
    sendError(session, stream, el, 'resource-constraint', { text: 'This device is in as many rooms as it may' });
    return false;
  }
  send(
    session,
    stream,
    n,
    { kind, to: to.full, type, id: el.attrs['id'], lang: el.attrs['xml:lang'], inner },
    to.bare,
    page,
  );
  return true;
}

type What = Pick<Send, 'kind' | 'to' | 'type' | 'id' | 'lang' | 'inner'>;

function send(session: SessionState, stream: Stream, n: number, what: What, chat: string, page = false): void {
  const token = session.nextToken++;
  const msg: Send = {
    t: 'send',
    ...what,
    from: stream.jid,
    sender: session.user,
    oid: undefined,
    flags: undefined,
    store: false,
    token,
    order: orderOf(session, chat),
  };
  const { now } = session;
  keepSend(session, token, { stream, n, chat, send: msg, since: now, sentAt: now, ...(page && { page }) });
  session.turn.immediate.push({ t: 'toChat', chat, msg });
}

/** What the account answers to an occupant, who asked through the room: best effort, as between sessions. */
export function iqAnswerToRoom(
  { user }: SessionState,
  to: Jid,
  { from, id, type, inner }: Pick<Send, 'from' | 'id' | 'inner'> & { readonly type: 'result' | 'error' },
): SessionEffect {
  const what = { kind: 'iq', from, sender: user, to: to.full, type, id, inner, store: false, token: 0 } as const;
  const msg: Send = { t: 'send', ...what, oid: undefined, lang: undefined, flags: undefined };
  return { t: 'toChat', chat: to.bare, msg };
}

/** The device goes: every room it is in hears of it, for certain. */
export function leaveRooms(session: SessionState, stream: Stream): void {
  const { rooms } = stream;
  if (rooms === undefined) return;
  stream.rooms = undefined;
  for (const [room, { nick }] of rooms) {
    const what = { kind: 'presence', type: 'unavailable', to: `${room}/${nick}`, inner: '' } as const;
    send(session, stream, 0, { ...what, id: undefined, lang: undefined }, room);
  }
}

/** What the group says to the device that sent it something. */
export function onGroupAnswer(
  session: SessionState,
  { stream, chat }: PendingSend,
  { xml, joined, left, gave }: GroupAnswer,
): void {
  if (stream.ended) {
    // It went while it was being let in: the room hears of that now.
    if (joined !== undefined) leaveLate(session, stream, chat, joined.nick);
    return;
  }
  if (left === true) stream.rooms?.delete(chat);
  if (joined !== undefined) {
    stream.rooms ??= new Map();
    const known = stream.rooms.get(chat);
    const { nick, had, from = (had ?? 0) + 1 } = joined;
    if (had !== undefined)
      stream.rooms.set(chat, { nick, next: had + 1, from, probed: from - 1, upTo: had, loading: false });
    else if (known !== undefined) known.nick = nick;
  }
  for (const one of xml) session.turn.always({ t: 'stanza', stream, xml: one, seq: 0 });
  if (gave !== undefined) probe(session, stream, chat, gave[0], gave[1]);
  if (joined === undefined && left !== true) return;
  noteOnline(session);
  const room = stream.rooms?.get(chat);
  if (room === undefined) return;
  touch(session, chat);
  // What the inbox has had since the group answered.
  room.upTo = Math.max(room.upTo, session.get<UserChatRow>(session.namesOf(chat).rowKey)?.cur ?? 0);
  fetchMissing(session, stream, chat, room);
}

function leaveLate(session: SessionState, stream: Stream, chat: string, nick: string): void {
  const what = { kind: 'presence', type: 'unavailable', to: `${chat}/${nick}`, inner: '' } as const;
  send(session, stream, 0, { ...what, id: undefined, lang: undefined }, chat);
}

/**
 * The next message of a group, for the devices that are in it.
 * @param ahead the group's log may not take it: then it has never been (ahead.ts)
 */
export function pushToRoom(
  session: SessionState,
  chat: string,
  seq: number,
  record: MessageRecord,
  ahead = false,
): void {
  if (ahead) session.turn.onFail.push({ t: 'reply', run: () => backBefore(session, chat, seq) });
  for (const stream of session.streams()) {
    const room = stream.rooms?.get(chat);
    if (room === undefined || seq < room.next) continue;
    room.upTo = Math.max(room.upTo, seq);
    if (room.loading) continue;
    if (!session.parts.rules.roomGapsFetched) room.next = seq;
    if (seq === room.next) pass(session, stream, chat, room, record, ahead ? 'ahead' : 'said');
    else fetchMissing(session, stream, chat, room);
  }
}

/**
 * The user is a member again, from message `seq` on. A device that has not come so far was in the group as the member of
 * before, and is out of it: that it was taken out was lost on its way. It is told now. What was said between the two is not
 * for it, and what is said from now on is when it has entered again.
 */
export function endStaysBefore(session: SessionState, chat: string, seq: number): void {
  let ended = false;
  for (const stream of session.streams()) {
    const room = stream.rooms?.get(chat);
    if (room === undefined || room.next >= seq) continue;
    stream.rooms?.delete(chat);
    const attrs = { from: `${chat}/${room.nick}`, to: stream.jid, type: 'unavailable' };
    const why = userXml({ affiliation: 'member', role: 'none' }, [STATUS.self, STATUS.technical]);
    session.turn.always({ t: 'stanza', stream, xml: stanza('presence', attrs, why), seq: 0 });
    ended = true;
  }
  if (ended) noteOnline(session);
}

function pass(
  session: SessionState,
  stream: Stream,
  chat: string,
  room: JoinedRoom,
  record: MessageRecord | undefined,
  how: 'said' | 'ahead' | 'fetched',
): void {
  const seq = room.next;
  room.next += 1;
  if (record === undefined) return;
  const late = how === 'fetched' && session.now - record.ts > session.parts.limits.lateMs;
  const xml = late ? lateInRoom(chat, seq, record, stream.jid) : liveInRoom(chat, seq, record, stream.jid);
  const effect = { t: 'stanza', stream, xml, seq: 0, ts: late ? 0 : record.ts } as const;
  if (how === 'ahead') session.turn.effects.push(effect);
  // The group has it, whether this user's log takes what else is in the turn or not; it does not come here again.
  else session.turn.always(effect);
}

/** No device was given this message: if it has been, it comes again. */
function backBefore(session: SessionState, chat: string, seq: number): void {
  for (const stream of session.streams()) {
    const room = stream.rooms?.get(chat);
    if (room === undefined) continue;
    room.next = Math.min(room.next, seq);
    room.upTo = Math.min(room.upTo, seq - 1);
    room.probed = Math.min(room.probed, seq - 1);
    unprobe(stream, chat, seq);
  }
}

/** About once a second for streams with gaps, and whenever a message shows one. */
export function fetchMissing(session: SessionState, stream: Stream, chat: string, room: JoinedRoom): void {
  if (room.loading || room.next > room.upTo) return;
  room.loading = true;
  const to = Math.min(room.upTo, room.next + session.parts.limits.catchUpPage - 1);
  const done = (_session: unknown, records: readonly (MessageRecord | undefined)[] | undefined): void => {
    room.loading = false;
    if (stream.ended || stream.rooms?.get(chat) !== room || records === undefined) return;
    for (const record of records) {
      // The rest was asked for while it was on its way to the group's log, which refused it (`backBefore`).
      if (room.next > room.upTo) break;
      pass(session, stream, chat, room, record, 'fetched');
    }
    fetchMissing(session, stream, chat, room);
  };
  session.turn.always({ t: 'load', entries: messagesOf(chat, room.next, to), done });
}

/** What is to be fetched for messages of a chat, by chatSeq: of no place in the archive. */
export function messagesOf(chat: string, from: number, to: number): ArchiveEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({ seq: 0, chat, chatSeq: from + i, ts: 0 }));
}

export function hasGaps({ rooms }: Stream): boolean {
  if (rooms !== undefined) for (const room of rooms.values()) if (room.next <= room.upTo) return true;
  return false;
}

export function fetchGaps(session: SessionState, stream: Stream): void {
  for (const [chat, room] of stream.rooms ?? []) fetchMissing(session, stream, chat, room);
}

/** Presence, typing and the like of a room. */
export function onRoom(
  session: SessionState,
  { chat, resources, xml, left }: Extract<SessionMessage, { t: 'room' }>,
): void {
  for (const resource of resources) {
    const stream = session.stream(resource);
    if (stream?.rooms?.has(chat) !== true) continue;
    if (left === true) stream.rooms.delete(chat);
    session.turn.always({ t: 'stanza', stream, xml: withTo(xml, stream.jid), seq: 0 });
  }
  if (left === true) noteOnline(session);
}

/** The group asks who of its occupants is still in it, and tells how far it is: its last message may have been lost. */
export function onPresentAsk(
  session: SessionState,
  { chat, resources, ask, upTo }: Extract<SessionMessage, { t: 'present?' }>,
): void {
  const absent: string[] = [];
  for (const resource of resources) {
    const stream = session.stream(resource);
    const room = stream?.rooms?.get(chat);
    const entering = stream !== undefined && isEntering(session, stream, chat);
    if (stream === undefined || (room === undefined && !entering)) absent.push(resource);
    else if (room !== undefined && !entering) {
      // One that enters while it is in may have been taken out without hearing of it: the answer says where it begins.
      room.upTo = Math.max(room.upTo, upTo);
      touch(session, chat);
      fetchMissing(session, stream, chat, room);
    }
  }
  // Not behind the log: a device of that name that enters next would be overtaken, and taken out without knowing.
  session.turn.immediate.push({ t: 'toChat', chat, msg: { t: 'absent', user: session.user, resources: absent, ask } });
}

/** It has asked to enter, and is not answered: the group may have let it in. */
function isEntering({ unanswered, pendingSends }: SessionState, stream: Stream, chat: string): boolean {
  return (unanswered.get(chat) ?? []).some((token) => {
    const pending = pendingSends.get(token);
    return pending?.stream === stream && pending.send.kind === 'presence' && pending.send.type === 'available';
  });
}

/** After a failover: the room knows which devices of this user were in it, also those that were not available. */
export function tellOrphaned(session: SessionState, chat: string): void {
  session.postItem(chatKey(chat), { t: 'orphaned', user: session.user });
}

/** What a device hears of a presence or iq that no room answered. */
export function roomErrorXml({ kind, to, from, id, type }: Send, error: string): string | undefined {
  const attrs = { from: to, to: from, type: 'error', ...(id !== undefined && { id }) };
  if (kind === 'presence') return stanza('presence', attrs, userXml(undefined, []) + error);
  return type === 'get' || type === 'set' ? stanza('iq', attrs, error) : undefined;
}
