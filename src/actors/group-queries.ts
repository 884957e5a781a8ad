import type { Element } from 'ltx';
import { findPage } from '../xmpp/fulltext-page.ts';
import { NS_GROUP_RECEIPTS } from '../xmpp/group-receipts.ts';
import { tryJid } from '../xmpp/jid.ts';
import { cutPage, type MamPage, type PageLimits, planPage } from '../xmpp/mam-page.ts';
import { type MamFault, type MamQuery, NS_MAM, parseMamQuery, renderMamForm } from '../xmpp/mam-query.ts';
import type { ArchiveReader, InboxPointer } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import { roomInfo } from '../xmpp/muc-config.ts';
import { REGISTER_FORM, REQUEST_FORM } from '../xmpp/muc-requests.ts';
import { isMember, NS_MUC, type UserItem } from '../xmpp/muc-words.ts';
import { escapeAttr, stanza } from '../xmpp/stanza.ts';
import { errorInner } from '../xmpp/stanza-error.ts';
import { NS_DISCO_INFO, NS_DISCO_ITEMS, renderInfo } from '../xmpp/xep0030-disco.ts';
import { NS_VCARD } from '../xmpp/xep0054-vcard.ts';
import { NS_PING } from '../xmpp/xep0199-ping.ts';
import { renderFin, renderMetadata, renderResult } from '../xmpp/xep0313-mam.ts';
import { NS_OCCUPANT_ID } from '../xmpp/xep0421-occupant-id.ts';
import { NS_RETRACT, NS_TOMBSTONE } from '../xmpp/xep0424-retraction.ts';
import { NS_MODERATE } from '../xmpp/xep0425-moderation.ts';
import { NS_FULLTEXT } from '../xmpp/xep0431-fulltext.ts';
import { answerFailure, answerTo, bareOf } from './chat-log.ts';
import { fail, ok, result } from './group-answers.ts';
import { passIq } from './group-iqs.ts';
import { archivedInRoom } from './group-seen.ts';
import { affiliationOf, type GroupLog, type GroupStep, holdersOf, type Room, readableFrom } from './group-state.ts';
import type { Send } from './messages.ts';

/** What a room is asked: what it is, who is there, am I there (XEP-0410), what was said (XEP-0313). */

/**
 * Features of every room; those of its configuration come on top (XEP-0045 6.4). Without `jabber:iq:register`, though it
 * is answered: where Converse 14 sees that, it registers its user unasked in every room it enters.
 */
const FEATURES: readonly string[] = [
  NS_MUC,
  `${NS_MUC}#stable_id`,
  `${NS_MUC}#self-ping-optimization`,
  REQUEST_FORM,
  REGISTER_FORM,
  NS_DISCO_INFO,
  NS_DISCO_ITEMS,
  NS_MAM,
  `${NS_MAM}#extended`,
  NS_FULLTEXT,
  NS_OCCUPANT_ID,
  NS_PING,
  NS_RETRACT,
  NS_TOMBSTONE,
  NS_MODERATE,
  NS_GROUP_RECEIPTS,
  NS_VCARD,
  'urn:xmpp:sid:0',
];

export function onDiscoInfo(step: GroupStep, room: Room, send: Send, query: Element): void {
  const { group } = step;
  const node = query.attrs['node'];
  // XEP-0045 7.12: the nick that is kept for the asker.
  if (node === 'x-roomuser-item') {
    const nick = group.affiliates.get(send.sender)?.nick;
    const identities = nick === undefined ? [] : [{ category: 'conference', type: 'text', name: nick }];
    return result(step, send, renderInfo({ identities, features: [] }, node));
  }
  if (node !== undefined) return fail(step, send, 'item-not-found', 'no such node');
  // What is said inside is for those who may enter.
  const { membersOnly, password } = room.config;
  const inside = isMember(affiliationOf(group, send.sender)) || group.occupants.has(send.from);
  const { features, form } = roomInfo(room.config, {
    subject: inside || (!membersOnly && password === '') ? (room.subject?.text ?? '') : '',
    occupants: group.occupants.size,
    avatar: group.card?.hashes ?? [],
  });
  const name = room.config.name === '' ? group.id.slice(0, group.id.indexOf('@')) : room.config.name;
  const identities = [{ category: 'conference', type: 'text', name }];
  result(step, send, renderInfo({ identities, features: [...FEATURES, ...features], form }));
}

/** XEP-0045 6.5: nicks, for those in the room, or to whom it is public. */
export function onDiscoItems(step: GroupStep, room: Room, send: Send): void {
  const { group } = step;
  const shows = (room.config.public && !room.config.membersOnly) || isMember(affiliationOf(group, send.sender));
  const nicks = shows ? new Set([...group.occupants.values()].map(({ nick }) => nick)) : [];
  const items = [...nicks].map((nick) => `<item jid='${escapeAttr(`${group.id}/${nick}`)}'/>`);
  result(step, send, `<query xmlns='${NS_DISCO_ITEMS}'>${items.join('')}</query>`);
}

/** Iqs to an occupant: of a device's own nick the room answers whether it is still there (XEP-0410 3). */
export function onOccupantIq(step: GroupStep, send: Send, payload: Element, nick: string): void {
  const own = step.group.occupants.get(send.from);
  // XEP-0045 6.6 for disco, XEP-0410 for everything else.
  const asksWhat = payload.getNS() === NS_DISCO_INFO || payload.getNS() === NS_DISCO_ITEMS;
  if (own === undefined) return fail(step, send, asksWhat ? 'bad-request' : 'not-acceptable', 'enter the room first');
  if (own.nick === nick && payload.getNS() === NS_PING) return result(step, send);
  const [target] = holdersOf(step.group, nick);
  if (target === undefined) return fail(step, send, 'item-not-found', 'nobody here has this nick');
  passIq(step, send, payload, own, target);
}

/** XEP-0313 on the room: for members, and in a room that everybody may enter for those who have. */
export function onArchive(step: GroupStep, room: Room, send: Send, payload: Element): void {
  const { group, limits, turn } = step;
  const mine = affiliationOf(group, send.sender);
  const present = group.occupants.has(send.from) && mine !== 'outcast';
  if (!isMember(mine) && (room.config.membersOnly || !present)) return fail(step, send, 'forbidden', 'for members');
  const upTo = group.lastSeq;
  const from = readableFrom(group, send.sender);
  const own = group.occupants.get(send.from);
  const seesAll = mine === 'owner' || mine === 'admin' || room.config.whois === 'anyone' || own?.role === 'moderator';
  // What the room itself said is of no nick.
  const realOf = ({ from: jid, nick }: MessageRecord): Pick<UserItem, 'affiliation' | 'jid'> | undefined =>
    seesAll && nick !== undefined ? { affiliation: affiliationOf(group, bareOf(jid)), jid } : undefined;
  const read = (log: GroupLog): ArchiveReader => archiveReader(log, group.id, from, upTo);
  if (payload.getName() === 'metadata') {
    turn.effects.push({
      t: 'read',
      to: send.sender,
      answer: (log) => reply(send, [iqResult(send, renderMetadata(read(log)))]),
    });
    return answerFailure(send, turn);
  }
  if (payload.getName() !== 'query') return fail(step, send, 'feature-not-implemented');
  if (send.type === 'get') return result(step, send, renderMamForm());
  const query = parseMamQuery(payload);
  if ('error' in query) return fail(step, send, query.error, query.text);
  if (query.with !== undefined)
    return fail(step, send, 'feature-not-implemented', 'a room is one conversation: "with" is not supported');
  turn.effects.push({
    t: 'read',
    to: send.sender,
    answer(log) {
      const page = pageOf(log, read(log), query, { from, user: send.sender, room: group.id, ...limits.page });
      if ('error' in page) {
        const attrs = { from: send.to, to: send.from, id: send.id ?? '', type: 'error' };
        return reply(send, [stanza('iq', attrs, errorInner(page.error, { text: page.text }))]);
      }
      const results = page.entries.map((entry) => {
        const record = log.read(entry.seq, entry.seq, 1)[0]?.record;
        const message = record && archivedInRoom(group.id, entry.seq, record, realOf(record));
        return renderResult({ entry, message, queryid: query.queryid, from: group.id, to: send.from });
      });
      const back = query.rsm.before !== undefined;
      const cut = cutPage(
        page,
        back,
        results.map((xml) => xml.length),
        limits.page.pageUnitsMax,
      );
      const kept = back ? results.slice(results.length - cut.entries.length) : results.slice(0, cut.entries.length);
      const xml = [...(query.flip ? kept.reverse() : kept), iqResult(send, renderFin(cut))];
      const gave = rangeOf(cut.entries.map(({ seq }) => seq));
      return { ...answerTo(send, { ok: true }), group: { xml, ...(gave && { gave }) } };
    },
  });
  answerFailure(send, turn);
}

interface RoomPage extends PageLimits {
  /** first chatSeq that the asker may read */
  readonly from: number;
  readonly user: string;
  readonly room: string;
}

function pageOf(log: GroupLog, reader: ArchiveReader, query: MamQuery, options: RoomPage): MamPage | MamFault {
  const { fulltext } = query;
  const chatOf = (): string => options.room;
  if (fulltext === undefined) return planPage(reader, query, { ...options, chatIdOf: chatOf });
  const last = reader.last();
  const finding = findPage({ ...log.fulltext(), last: () => last }, query, fulltext, { ...options, chatOf });
  let step = finding.next([]);
  while (!step.done) step = finding.next(step.value.map(({ seq }) => log.read(seq, seq, 1)[0]?.record));
  return 'error' in step.value ? step.value : step.value.page;
}

function reply(send: Send, xml: readonly string[]): ReturnType<typeof answerTo> {
  return { ...answerTo(send, { ok: true }), group: { xml } };
}

/** First and last, when none between them is left out. */
function rangeOf(seqs: readonly number[]): readonly [from: number, to: number] | undefined {
  const [from, to] = [seqs[0], seqs.at(-1)];
  return from !== undefined && to === from + seqs.length - 1 ? [from, to] : undefined;
}

function iqResult(send: Send, payload: string): string {
  return stanza('iq', { from: send.to, to: send.from, id: send.id ?? '', type: 'result' }, payload);
}

/** The log as an archive whose ids are chatSeqs; what the asker may not read is hidden in it. */
function archiveReader(log: GroupLog, room: string, from: number, upTo: number): ArchiveReader {
  const hidden = Math.min(from - 1, upTo);
  return {
    last: () => upTo,
    read(range) {
      const found: { seq: number; record: InboxPointer }[] = [];
      const until = Math.min(range.to, upTo);
      for (let seq = range.from; seq <= Math.min(until, hidden) && found.length < range.limit; seq++)
        found.push({ seq, record: { c: room, q: seq, ts: 0, h: 1, s: seq } });
      const first = Math.max(range.from, hidden + 1);
      if (first > until || found.length >= range.limit) return found;
      for (const { seq, record } of log.read(first, until, range.limit - found.length))
        found.push({ seq, record: { c: room, q: seq, ts: record.ts, n: seq, ...(hidden > 0 && { s: hidden }) } });
      return found;
    },
    chatLast: () => 0,
    chatRead: () => [],
  };
}

/** An iq that a room does not know. */
export function onUnknownIq(step: GroupStep, send: Send): void {
  fail(step, send, 'service-unavailable');
}

/** To a room that is not there. */
export function onNoRoom(step: GroupStep, send: Send): void {
  if (send.type === 'result' || send.type === 'error') return ok(step, send, []);
  const there = tryJid(send.to)?.resource === '';
  fail(step, send, there ? 'item-not-found' : 'not-acceptable', 'there is no such room');
}
