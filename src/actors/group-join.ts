import type { Element } from 'ltx';
import { asksForReceipts, NS_GROUP_RECEIPTS } from '../xmpp/group-receipts.ts';
import { tryJid } from '../xmpp/jid.ts';
import type { StanzaCondition } from '../xmpp/module.ts';
import { defaultConfig } from '../xmpp/muc-config.ts';
import {
  type HistoryRequest,
  isMember,
  type JoinRequest,
  NS_MUC,
  NS_MUC_USER,
  parseJoin,
  STATUS,
  subjectXml,
  userXml,
} from '../xmpp/muc-words.ts';
import { CLIENT_NS, childElements, stanza, withTo, xmlOf } from '../xmpp/stanza.ts';
import type { ErrorDetails } from '../xmpp/stanza-error.ts';
import { NS_OCCUPANT_ID } from '../xmpp/xep0421-occupant-id.ts';
import { answerFailure, answerTo } from './chat-log.ts';
import { fail, ok } from './group-answers.ts';
import { newSubject } from './group-messages.ts';
import { broadcast, isBroadcast, presenceXml, seesJids, takeOut } from './group-presence.ts';
import { lateInRoom } from './group-seen.ts';
import {
  affiliationOf,
  type GroupLog,
  type GroupStep,
  holdersOf,
  isTaken,
  type Occupant,
  putAffiliate,
  putOccupant,
  putRoom,
  type Room,
  readableFrom,
  roleOf,
} from './group-state.ts';
import type { GroupAnswer, Send } from './messages.ts';

/** Presence sent to a room (XEP-0045 7.2, 7.6, 7.7, 7.14): entering, a new nick, a new status, leaving. */

/** Most UTF-16 units of what an occupant's presence says, kept in memory for those who come later. */
const PRESENCE_MAX = 4096;

/** What presence changes of an occupant. Once it has asked for receipts it gets them until it leaves. */
type Said = Pick<Occupant, 'inner' | 'receipts'>;

export function onPresence(step: GroupStep, send: Send, el: Element): void {
  const { group } = step;
  const to = tryJid(send.to);
  const occupant = group.occupants.get(send.from);
  if (send.type === 'unavailable') return onLeave(step, send, occupant, el);
  if (send.type !== 'available') return ok(step, send, []);
  if (to === undefined || to.resource === '') return fail(step, send, 'jid-malformed', 'a nick is needed');
  // 16.1: none that nobody sees.
  if (to.resource.trim() === '') return fail(step, send, 'jid-malformed', 'a nick is more than spaces');
  const said: Said = { inner: presenceInner(el), ...(asksForReceipts(el) && { receipts: true }) };
  const join = parseJoin(el);
  if (occupant === undefined) {
    if (join === undefined) return notHere(step, send, to.resource);
    return enter(step, send, to.resource, said, join);
  }
  // It asks to enter though it is here: it lost its state, and gets all of it again (7.2.1).
  if (join !== undefined && occupant.nick === to.resource)
    return enterAgain(step, send, { ...occupant, ...said }, join);
  if (occupant.nick !== to.resource) return changeNick(step, send, occupant, { nick: to.resource, ...said }, join);
  const now = { ...occupant, ...said };
  putOccupant(step, now);
  broadcast(step, now, {}, now.jid);
  ok(step, send, [withTo(presenceXml(group, now, {}, true, true), send.from)]);
}

/** What others see of it: not what is for the room alone, nor what only the room may say. */
function presenceInner(el: Element): string {
  let inner = '';
  for (const child of childElements(el)) {
    const ns = child.getNS();
    if (ns === NS_MUC || ns === NS_MUC_USER || ns === NS_OCCUPANT_ID || ns === NS_GROUP_RECEIPTS) continue;
    const xml = xmlOf(child);
    if (inner.length + xml.length <= PRESENCE_MAX) inner += xml;
  }
  return inner;
}

/** It takes itself for an occupant, and is none (any more): it is told, so that it enters again. */
function notHere({ group, ...step }: GroupStep, send: Send, nick: string): void {
  const xml = stanza(
    'presence',
    { from: `${group.id}/${nick}`, to: send.from, type: 'unavailable' },
    userXml({ affiliation: affiliationOf(group, send.sender), role: 'none' }, [STATUS.self, STATUS.technical]),
  );
  ok({ group, ...step }, send, [xml], { left: true });
}

/** 7.14: the others are told with the words that it says in going. */
function onLeave(step: GroupStep, send: Send, occupant: Occupant | undefined, el: Element): void {
  if (occupant === undefined) return ok(step, send, [], { left: true });
  const status = el
    .getChildren('status', CLIENT_NS)
    .map((one) => xmlOf(one))
    .join('');
  const change = status !== '' && status.length <= PRESENCE_MAX ? { said: status } : {};
  const xml = presenceXml(step.group, occupant, { ...change, type: 'unavailable' }, true, true);
  takeOut(step, occupant, change, occupant.jid);
  ok(step, send, [withTo(xml, send.from)], { left: true });
}

function enter(step: GroupStep, send: Send, nick: string, said: Said, join: JoinRequest): void {
  const { group, limits } = step;
  if (group.room === undefined) {
    if (!limits.mayCreate) return fail(step, send, 'not-allowed', 'rooms are created by administrators');
    create(step, send.sender);
  } else {
    const refusal = mayNotEnter(step, group.room, send.sender, nick, join);
    if (refusal !== undefined) return fail(step, send, ...refusal);
  }
  const room = group.room as Room | undefined;
  if (room === undefined) return;
  // Devices under one nick are one occupant to the others: what a moderator gave or took holds for the next one, too.
  const [same] = holdersOf(group, nick);
  const role = same?.role ?? roleOf(affiliationOf(group, send.sender), room.config);
  const occupant: Occupant = { jid: send.from, user: send.sender, nick, role, ...said };
  group.asked.delete(occupant.jid);
  putOccupant(step, occupant);
  rememberNick(step, occupant);
  broadcast(step, occupant, {}, occupant.jid);
  welcome(step, send, occupant, join.history);
}

function enterAgain(step: GroupStep, send: Send, occupant: Occupant, join: JoinRequest): void {
  // Whoever asked before this heard of an earlier life of the device.
  step.group.asked.delete(occupant.jid);
  putOccupant(step, occupant);
  welcome(step, send, occupant, join.history);
}

/** XEP-0045 7.2.4–7.2.9, 7.2.14. */
function mayNotEnter(
  { group, limits }: GroupStep,
  { config, locked }: Room,
  user: string,
  nick: string,
  { password }: JoinRequest,
): readonly [condition: StanzaCondition, text?: string, details?: ErrorDetails] | undefined {
  const affiliation = affiliationOf(group, user);
  const privileged = affiliation === 'owner' || affiliation === 'admin';
  if (locked && affiliation !== 'owner') return ['item-not-found', 'the room is not configured yet'];
  if (affiliation === 'outcast') return ['forbidden'];
  if (config.membersOnly && !isMember(affiliation)) return ['registration-required'];
  if (config.password !== '' && password !== config.password && affiliation !== 'owner') return ['not-authorized'];
  if (isTaken(group, nick, user)) return ['conflict', 'somebody else has this nick'];
  if (group.occupants.size >= limits.occupantsMax || (group.occupants.size >= config.maxUsers && !privileged))
    return ['service-unavailable', 'the room is full', { type: 'wait' }];
  return undefined;
}

/** A member is called so to those who meet it when it is away, and nobody else is; unless it has chosen (7.10). */
function rememberNick(step: GroupStep, { user, nick }: Occupant): void {
  const affiliate = step.group.affiliates.get(user);
  if (affiliate === undefined || affiliate.registered || affiliate.nick === nick) return;
  putAffiliate(step, user, { ...affiliate, nick });
}

/** XEP-0045 10.1: the first to come is the owner, and the room is locked until it is configured. */
function create(step: GroupStep, owner: string): void {
  const { group, limits, turn } = step;
  putRoom(step, {
    v: 1,
    config: defaultConfig(limits.occupantsMax),
    locked: true,
    salt: limits.newId(),
    first: group.lastSeq,
    created: turn.now,
  });
  putAffiliate(step, owner, { v: 1, affiliation: 'owner', since: group.lastSeq, before: 0, beforeMs: 0 });
}

/** @param join it asks to enter though it is here, under another nick: it gets all that one does who enters */
function changeNick(
  step: GroupStep,
  send: Send,
  occupant: Occupant,
  become: Said & Pick<Occupant, 'nick'>,
  join: JoinRequest | undefined,
): void {
  const { group } = step;
  const { nick } = become;
  if (isTaken(group, nick, occupant.user)) return fail(step, send, 'conflict', 'somebody else has this nick');
  const gone = { type: 'unavailable', codes: [STATUS.nickChanged], item: { role: occupant.role, nick } } as const;
  const quiet = holdersOf(group, occupant.nick).length > 1;
  const was = withTo(presenceXml(group, occupant, gone, true, true), send.from);
  broadcast(step, occupant, { ...gone, quiet }, occupant.jid);
  const now = { ...occupant, ...become };
  putOccupant(step, now);
  rememberNick(step, now);
  broadcast(step, now, {}, now.jid);
  if (join !== undefined) {
    group.asked.delete(now.jid);
    return welcome(step, send, now, join.history, [was]);
  }
  ok(step, send, [was, withTo(presenceXml(group, now, {}, true, true), send.from)], { joined: { nick } });
}

/**
 * What a device gets that enters, in the order of XEP-0045 7.2: who is here, itself, what was said, the subject. All of
 * it is one answer, so that none of it can be lost alone; from `had` on messages reach the device as they come.
 * @param first what it gets before that
 */
function welcome(
  step: GroupStep,
  send: Send,
  occupant: Occupant,
  history: HistoryRequest,
  first: readonly string[] = [],
): void {
  const { group, turn, limits } = step;
  const { room } = group;
  if (room === undefined) return;
  const seesAll = seesJids(group, occupant);
  const xml = [...first];
  for (const other of group.occupants.values()) {
    if (other.jid === occupant.jid || !isBroadcast(step, other)) continue;
    xml.push(withTo(presenceXml(group, other, {}, seesAll, false), send.from));
  }
  // Until it is configured: the answer that said so first may have been lost, and nobody else comes in before.
  const created = room.locked ? [STATUS.created] : [];
  const mine = [...created, STATUS.logged, ...(room.config.whois === 'anyone' ? [STATUS.nonAnonymous] : [])];
  xml.push(withTo(presenceXml(group, occupant, { codes: mine }, true, true), send.from));
  const had = group.lastSeq;
  const from = readableFrom(group, send.sender);
  const { now } = turn;
  const subject = subjectXml(group.id, send.from, room.subject);
  turn.effects.push({
    t: 'read',
    to: send.sender,
    answer: (log) => {
      const past = historyOf(
        log,
        { from, to: had, now, max: limits.historyMax, usual: limits.historyDefault },
        history,
      );
      const messages = past.map((one) => lateInRoom(group.id, one.seq, one.record, send.from));
      const joined = { nick: occupant.nick, had, from: past[0]?.seq ?? had + 1 };
      const said: GroupAnswer = { xml: [...xml, ...messages, subject], joined };
      return { ...answerTo(send, { ok: true }), group: said };
    },
  });
  answerFailure(send, turn);
}

interface Past {
  readonly from: number;
  readonly to: number;
  readonly now: number;
  readonly max: number;
  readonly usual: number;
}

/** The newest messages that all of the request's bounds allow, oldest first. */
export function historyOf(
  log: GroupLog,
  { from, to, now, max, usual }: Past,
  wanted: HistoryRequest,
): ReturnType<GroupLog['read']> {
  const unbounded = wanted.maxStanzas === undefined && wanted.since === undefined && wanted.seconds === undefined;
  const count = Math.min(max, wanted.maxStanzas ?? (unbounded ? usual : max));
  const first = Math.max(from, to - count + 1);
  if (count === 0 || first > to) return [];
  const oldest = Math.max(wanted.since ?? 0, wanted.seconds === undefined ? 0 : now - wanted.seconds * 1000);
  let chars = wanted.maxChars ?? Number.POSITIVE_INFINITY;
  const kept: { readonly seq: number; readonly record: Parameters<typeof lateInRoom>[2] }[] = [];
  for (const one of [...log.read(first, to, count)].reverse()) {
    // Subjects are no part of it (7.2.13): the one of now comes behind it.
    if (newSubject(one.record) !== undefined) continue;
    chars -= one.record.inner.length;
    if (one.record.ts < oldest || chars < 0) break;
    kept.push(one);
  }
  return kept.reverse();
}
