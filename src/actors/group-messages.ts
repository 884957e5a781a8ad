import type { Element } from 'ltx';
import { type Jid, tryJid } from '../xmpp/jid.ts';
import { parseApproval, parseVoiceForm } from '../xmpp/muc-requests.ts';
import { type Affiliation, isMember, NS_MUC_USER } from '../xmpp/muc-words.ts';
import { escapeAttr, escapeText, stanza } from '../xmpp/stanza.ts';
import { occupantId, occupantIdXml } from '../xmpp/xep0421-occupant-id.ts';
import { retractedIdOf, tombstone } from '../xmpp/xep0424-retraction.ts';
import { parseChecked } from '../xmpp/xml.ts';
import { answer, append, bareOf, isStored, type StoredSend } from './chat-log.ts';
import { backTo, findSent, mayLookBack, messageAt, type Sent, takeBack } from './chat-retract.ts';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import { refuse } from './group-answers.ts';
import { fanOut } from './group-fan-out.ts';
import { FULL, fits, setAffiliation } from './group-members.ts';
import { tellAll, tellOfAbsent } from './group-presence.ts';
import { onApproval } from './group-register.ts';
import {
  affiliationOf,
  type GroupState,
  type GroupStep,
  holdersOf,
  noteRecent,
  type Occupant,
  putRoom,
  type Room,
  readableFrom,
} from './group-state.ts';
import { onVoiceForm } from './group-voice.ts';
import { chatKey, directChatId, occupantsChatId, sessionKey } from './keys.ts';
import type { LiveMessage, MessageType, Send, SendOutcome } from './messages.ts';

/** Messages to a room: to all of it, to one occupant, invitations (XEP-0045 7.4, 7.5, 7.8, 8.1). */

/** Most invitations in one message. */
const INVITES_MAX = 50;

export function onMessage(step: GroupStep, send: Send): void {
  const { room } = step.group;
  if (room === undefined) return refuse(step, send, 'item-not-found', 'there is no such room');
  const to = tryJid(send.to);
  if (to === undefined) return refuse(step, send, 'jid-malformed');
  // A client's error about something of the room's is for nobody (RFC 6120 8.3.1).
  if (send.type === 'error' || send.type === 'headline') return answer(send, { ok: true }, step.turn);
  const occupant = step.group.occupants.get(send.from);
  if (to.resource !== '') return toOccupant(step, room, send, occupant, to);
  if (send.type !== 'groupchat') return toRoom(step, room, send, occupant);
  if (occupant === undefined) return refuse(step, send, 'not-acceptable', 'enter the room first');
  if (occupant.role === 'visitor') return refuse(step, send, 'forbidden', 'visitors have no voice in a moderated room');
  if (newSubject(send) !== undefined && occupant.role !== 'moderator' && !room.config.changeSubject)
    return refuse(step, send, 'forbidden', 'only moderators change the subject');
  say(step, room, send, occupant);
}

/** The message's place in the room: logged, to every member's inbox, live to occupants who are no members. */
function say(step: GroupStep, room: Room, send: Send, { nick }: Occupant): void {
  const { group, turn, limits } = step;
  const { rules = ALL_DELIVERY_RULES } = limits;
  const inner = send.inner + occupantIdXml(occupantId(room.salt, send.sender));
  const named: Send = { ...send, inner };
  if (!isStored(named)) {
    const { id, lang } = send;
    const attrs = { from: `${group.id}/${nick}`, type: 'groupchat', ...(id !== undefined && { id }) };
    // The turn's messages leave before its effects: one that comes behind this must not overtake it.
    turn.sealed = true;
    changeSubject(step, room, send, nick);
    tellAll(step, stanza('message', { ...attrs, ...(lang !== undefined && { 'xml:lang': lang }) }, inner));
    return answer(send, { ok: true }, turn);
  }
  const target = takenBack(step, room, named);
  if (target === 'busy') return refuse(step, send, 'resource-constraint', 'too many retractions of what is long ago');
  if (target !== undefined && bareOf(target.record.from) !== send.sender)
    return refuse(step, send, 'forbidden', 'only who sent a message takes it back');
  const taken = rules.retractedIsGone ? target : undefined;
  const extras = send.words === undefined ? { nick } : { nick, w: send.words };
  const more = taken === undefined ? extras : { ...extras, ...backTo(taken) };
  const record = append(group, named as StoredSend, turn, rules.resendsJoin, more);
  if (record !== undefined) {
    changeSubject(step, room, send, nick);
    if (taken !== undefined) {
      const beside = occupantIdXml(occupantId(room.salt, send.sender));
      const { id, ts } = record;
      takeBack(group, taken.seq, tombstone(taken.record, { id, ts, beside }), turn);
    }
    noteRecent(group, group.lastSeq, record);
    fanOut(step, record, send.sender);
  }
  answer(send, said(step, send), turn);
}

/**
 * The message that this one takes back: by the room's id of it, as it should be named (XEP-0424 section 3), else by the
 * id that its sender gave it, as Converse names it.
 */
function takenBack({ group, turn, limits }: GroupStep, room: Room, send: Send): Sent | 'busy' | undefined {
  const id = retractedIdOf(send);
  if (id === undefined) return undefined;
  let target = messageOf(group, room, id);
  if (target === undefined) {
    const max = limits.retractLookBackMax;
    if (!mayLookBack(group, max, turn.now)) return 'busy';
    target = findSent(group, send.sender, id, group.lastSeq + 1, Math.min(max, group.lastSeq - room.first));
  }
  // What its sender may not read any more is out of its reach: it was out of the room since, or is of another account.
  if (target === undefined || target.seq < readableFrom(group, send.sender)) return undefined;
  if (target.record.gone === true) return undefined;
  return retractedIdOf(target.record) === undefined ? target : undefined;
}

/** The message of the room that has this stanza-id. */
export function messageOf(group: GroupState, room: Room, stanzaId: string): Sent | undefined {
  if (!/^[1-9][0-9]{0,14}$/.test(stanzaId)) return undefined;
  const seq = Number(stanzaId);
  // What was said in an earlier room of this name is nobody's any more.
  if (seq <= room.first || seq > group.lastSeq) return undefined;
  const record = messageAt(group, seq);
  return record && { seq, record };
}

/**
 * The inbox of a member has to have it before the stanza counts as handled. Who was taken out meanwhile, and perhaps let
 * in again, gets what was said before that all the same.
 */
export function said({ group }: GroupStep, { sender }: Send): SendOutcome {
  const affiliate = group.affiliates.get(sender);
  if (affiliate === undefined) return { ok: true };
  const { affiliation, since, before } = affiliate;
  const upTo = isMember(affiliation) && group.lastSeq > since ? group.lastSeq : before;
  return upTo > 0 ? { ok: true, upTo } : { ok: true };
}

/** With the message that says so, and only then: one that comes again is no news. */
function changeSubject(step: GroupStep, room: Room, send: Send, nick: string): void {
  const text = newSubject(send);
  if (text !== undefined) putRoom(step, { ...room, subject: { text, nick, ts: step.turn.now } });
}

/** The room's new subject, when that is what a message is for (XEP-0045 8.1: it has neither a body nor a thread). */
export function newSubject(message: Pick<Send, 'inner'>): string | undefined {
  if (!message.inner.includes('<subject')) return undefined;
  const { el } = parseMessage(message);
  if (el.getChild('body') !== undefined || el.getChild('thread') !== undefined) return undefined;
  return el.getChild('subject')?.getText();
}

/** The send as an element, for the few that have to be looked into. */
function parseMessage({ inner }: Pick<Send, 'inner'>): { readonly el: Element } {
  return parseChecked(`<message xmlns='jabber:client'>${inner}</message>`);
}

/** XEP-0045 7.5: handed to the chat of the two in this room, where it is kept for both; each sees the room's address. */
function toOccupant(step: GroupStep, room: Room, send: Send, occupant: Occupant | undefined, to: Jid): void {
  if (occupant === undefined) return refuse(step, send, 'not-acceptable', 'enter the room first');
  if (send.type === 'groupchat') return refuse(step, send, 'bad-request', 'groupchat goes to the room itself');
  const [target] = holdersOf(step.group, to.resource);
  if (target === undefined) return refuse(step, send, 'item-not-found', 'nobody here has this nick');
  const { privateMessages: may } = room.config;
  const voiced =
    may === 'anyone' || occupant.role === 'moderator' || (may === 'participants' && occupant.role !== 'visitor');
  if (!voiced) return refuse(step, send, 'forbidden', 'private messages are not allowed in this room');
  const inner = `${send.inner}<x xmlns='${NS_MUC_USER}'/>`;
  const via = { from: `${step.group.id}/${occupant.nick}`, to: send.to };
  relay(step, { ...send, inner, to: target.jid, via }, target.user);
  answer(send, { ok: true }, step.turn);
}

/** To the chat of two users; what is not kept goes to the receiver's devices only. */
export function relay({ group, turn }: GroupStep, send: Send, user: string): void {
  const { order: _order, ...plain } = send;
  // What the room itself passes on names both of them anyway.
  const apart = send.via !== undefined && send.via.from !== group.id;
  const chat = apart ? occupantsChatId(send.sender, user, group.id) : directChatId(send.sender, user);
  if (isStored(send)) {
    turn.outbox.push({ to: chatKey(chat), body: { t: 'relay', send: { ...plain, token: 0 } } });
    turn.live.push(undefined);
    return;
  }
  const { to, id, lang, inner, flags } = send;
  const from = send.via?.from ?? send.from;
  const message: LiveMessage = { from, to, type: send.type as MessageType, id, lang, inner, flags };
  turn.effects.push({ t: 'toSession', to: user, msg: { t: 'live', chat, message } });
}

/** For the room itself: forms, and invitations that it passes on. */
function toRoom(step: GroupStep, room: Room, send: Send, occupant: Occupant | undefined): void {
  const { el } = parseMessage(send);
  const form = parseVoiceForm(el);
  if (form !== undefined) return onVoiceForm(step, send, occupant, form);
  const approval = parseApproval(el);
  if (approval !== undefined) return onApproval(step, room, send, approval);
  onMediated(step, room, send, occupant, el.getChild('x', NS_MUC_USER));
}

/** XEP-0045 7.8.2: an invitation, or the refusal of one. */
function onMediated(
  step: GroupStep,
  room: Room,
  send: Send,
  occupant: Occupant | undefined,
  x: Element | undefined,
): void {
  const invites = x?.getChildren('invite', NS_MUC_USER) ?? [];
  const decline = x?.getChild('decline', NS_MUC_USER);
  if (decline !== undefined) return passDecline(step, send, decline);
  if (invites.length === 0) return refuse(step, send, 'bad-request', 'a room takes groupchat messages and invitations');
  if (invites.length > INVITES_MAX) return refuse(step, send, 'policy-violation', `at most ${INVITES_MAX} invitations`);
  if (occupant === undefined) return refuse(step, send, 'not-acceptable', 'enter the room first');
  const affiliation = affiliationOf(step.group, send.sender);
  const privileged = affiliation === 'owner' || affiliation === 'admin';
  if (!privileged && (!room.config.invites || (room.config.membersOnly && affiliation !== 'member')))
    return refuse(step, send, 'forbidden', 'only administrators of this room invite');
  const users: { readonly user: string; readonly reason: string | undefined }[] = [];
  for (const invite of invites) {
    const jid = tryJid(invite.attrs['to'] ?? '');
    if (jid === undefined || jid.local === '') return refuse(step, send, 'jid-malformed');
    if (jid.domain !== step.limits.domain) return refuse(step, send, 'remote-server-not-found');
    users.push({ user: jid.bare, reason: invite.getChild('reason', NS_MUC_USER)?.getText() });
  }
  const added = new Map<string, Affiliation>();
  for (const { user } of users) {
    const theirs = affiliationOf(step.group, user);
    if (theirs === 'outcast') return refuse(step, send, 'not-allowed', 'banned from this room');
    // In a members-only room an invitation that lets nobody in would be none.
    if (room.config.membersOnly && !isMember(theirs)) added.set(user, 'member');
  }
  if (!fits(step, added)) return refuse(step, send, 'resource-constraint', FULL);
  for (const user of added.keys()) {
    setAffiliation(step, user, 'member');
    tellOfAbsent(step, { affiliation: 'member', jid: user });
  }
  for (const { user, reason } of users) {
    invite(step, room, { from: send.from, user, reason, id: send.id });
    if (isMember(affiliationOf(step.group, user))) bookmark(step, room, user, send.sender);
  }
  answer(send, { ok: true }, step.turn);
}

export interface Invitation {
  /** full JID of who invites */
  readonly from: string;
  readonly user: string;
  readonly reason?: string | undefined;
  readonly id?: string | undefined;
}

/** Kept for the invited user like any message, with the form of XEP-0249 beside it. */
export function invite(step: GroupStep, room: Room, { from, user, reason, id }: Invitation): void {
  const { group } = step;
  const { password } = room.config;
  const why = reason === undefined || reason === '' ? '' : `<reason>${escapeText(reason)}</reason>`;
  const secret = password === '' ? '' : `<password>${escapeText(password)}</password>`;
  const by = escapeAttr(bareOf(from));
  const mediated = `<x xmlns='${NS_MUC_USER}'><invite from='${by}'>${why}</invite>${secret}</x>`;
  const said = reason === undefined || reason === '' ? '' : ` reason='${escapeAttr(reason)}'`;
  const key = password === '' ? '' : ` password='${escapeAttr(password)}'`;
  const direct = `<x xmlns='jabber:x:conference' jid='${escapeAttr(group.id)}'${said}${key}/>`;
  const send: Send = {
    t: 'send',
    from,
    sender: bareOf(from),
    to: user,
    type: 'normal',
    id,
    oid: undefined,
    lang: undefined,
    inner: mediated + direct,
    flags: { nocopy: true },
    store: true,
    token: 0,
    via: { from: group.id, to: group.id },
  };
  relay(step, send, user);
}

/** The member's clients enter the group from now on, on all devices (XEP-0402). @param by bare JID of who made it one */
export function bookmark({ group, turn }: GroupStep, { config }: Room, user: string, by: string): void {
  turn.outbox.push({ to: sessionKey(user), body: { t: 'added', room: group.id, name: config.name, by } });
  turn.live.push(undefined);
}

function passDecline(step: GroupStep, send: Send, decline: Element): void {
  const jid = tryJid(decline.attrs['to'] ?? '');
  if (jid === undefined || jid.local === '') return refuse(step, send, 'jid-malformed');
  if (jid.domain !== step.limits.domain) return refuse(step, send, 'remote-server-not-found');
  const text = decline.getChild('reason', NS_MUC_USER)?.getText();
  const why = text === undefined ? '' : `<reason>${escapeText(text)}</reason>`;
  const inner = `<x xmlns='${NS_MUC_USER}'><decline from='${escapeAttr(send.sender)}'>${why}</decline></x>`;
  const via = { from: step.group.id, to: step.group.id };
  relay(step, { ...send, to: jid.bare, inner, flags: { nocopy: true }, store: true, via }, jid.bare);
  answer(send, { ok: true }, step.turn);
}
