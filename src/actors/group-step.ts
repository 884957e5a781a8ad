import { NS_GROUP_RECEIPTS } from '../xmpp/group-receipts.ts';
import { tryJid } from '../xmpp/jid.ts';
import { NS_MAM } from '../xmpp/mam-query.ts';
import { NS_MUC_ADMIN, NS_MUC_OWNER, STATUS } from '../xmpp/muc-words.ts';
import { firstChild } from '../xmpp/stanza.ts';
import { NS_DISCO_INFO, NS_DISCO_ITEMS } from '../xmpp/xep0030-disco.ts';
import { NS_VCARD } from '../xmpp/xep0054-vcard.ts';
import { REGISTER_NS } from '../xmpp/xep0077-registration.ts';
import { NS_PING } from '../xmpp/xep0199-ping.ts';
import { NS_MODERATE } from '../xmpp/xep0425-moderation.ts';
import { parseChecked } from '../xmpp/xml.ts';
import { answer, bareOf, isKnown, isStored, placeOf } from './chat-log.ts';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import { onAdmin } from './group-admin.ts';
import { fail, refuse } from './group-answers.ts';
import { onCard } from './group-card.ts';
import { isWriteDue, onCursors, writeCursors } from './group-cursors.ts';
import { isPostDue, postPointers } from './group-fan-out.ts';
import { endOldIqs, isPassed, onIqAnswer } from './group-iqs.ts';
import { onPresence } from './group-join.ts';
import { onMessage, said } from './group-messages.ts';
import { onModerate } from './group-moderation.ts';
import { destroy, onOwner } from './group-owner.ts';
import { devicesOf, resourceOf, takeOut } from './group-presence.ts';
import { onArchive, onDiscoInfo, onDiscoItems, onNoRoom, onOccupantIq, onUnknownIq } from './group-queries.ts';
import { onReceipts, tellSenders } from './group-receipts.ts';
import { onRegister } from './group-register.ts';
import {
  affiliationOf,
  type GroupEffect,
  type GroupLimits,
  type GroupState,
  type GroupStep,
  putAffiliate,
} from './group-state.ts';
import type { ChatMessage, PostItem, Send } from './messages.ts';
import type { Turn } from './turn.ts';

/** One message to a group, decided. Pure; the shell (group.ts) commits the turn and runs its effects. */
export function groupStep(group: GroupState, message: ChatMessage, turn: Turn<GroupEffect>, limits: GroupLimits): void {
  const step: GroupStep = { group, turn, limits };
  const { rules = ALL_DELIVERY_RULES } = limits;
  const deserted = isDeserted(group);
  take(step, message);
  if (!deserted && isDeserted(group)) destroy(step, {});
  if (isPostDue(group, turn.now, limits)) postPointers(step);
  // Behind the answers: who has just been let in, in place of a ghost, knows that when it is asked.
  if (rules.occupantsAsked && isAskDue(group, turn.now, limits)) askOccupants(step);
  if (isWriteDue(group, turn.now, limits.receiptsMs)) tellSenders(step, writeCursors(step));
}

/**
 * XEP-0045 10.1.2: a room that is not to stay goes with its last occupant, however that one came to leave; and when it is
 * not to stay any more and nobody is there. One that is not configured yet is not there to stay (10.1.3).
 */
function isDeserted({ room, occupants }: GroupState): boolean {
  return occupants.size === 0 && room !== undefined && (!room.config.persistent || room.locked);
}

function take(step: GroupStep, message: ChatMessage): void {
  switch (message.t) {
    case 'send':
      return onArrival(step, message);
    case 'absent':
      return onAbsent(step, message);
    case 'cursors':
      return onCursors(step, message);
    case 'exists':
      return;
    case 'sweep':
      return endOldIqs(step);
    case 'deliver':
      if (message.item.t === 'memberGone') onMemberGone(step, message.item);
      if (message.item.t === 'orphaned') ask(step, jidsOf(step.group, message.item.user));
      step.turn.effects.push({ t: 'ackDelivery', source: message.source });
  }
}

/** A question may be lost between nodes, as may its answer: it is put again after so long, ms. */
const ASK_AGAIN_MS = 5000;

/**
 * Devices may be gone without the room having heard: all are asked right after activation and every `askEveryMs`, those
 * whose sessions have not answered again and again.
 */
export function isAskDue(
  { occupants, asked, askedAt, lastAskAt }: GroupState,
  now: number,
  { askEveryMs }: GroupLimits,
): boolean {
  if (occupants.size === 0) return false;
  return now - askedAt >= askEveryMs || (asked.size > 0 && now - lastAskAt >= ASK_AGAIN_MS);
}

function jidsOf(group: GroupState, user: string): string[] {
  return devicesOf(group, user).map(({ jid }) => jid);
}

function askOccupants(step: GroupStep): void {
  const { group, turn, limits } = step;
  if (turn.now - group.askedAt < limits.askEveryMs) return ask(step, [...group.asked.keys()]);
  group.askedAt = turn.now;
  ask(step, group.occupants.keys());
}

/** The sessions of these occupants, by full JID: are they still here? */
function ask({ group, turn, limits }: GroupStep, jids: Iterable<string>): void {
  const id = limits.newId();
  group.lastAskAt = turn.now;
  const upTo = group.lastSeq;
  const byUser = new Map<string, string[]>();
  for (const jid of jids) {
    group.asked.set(jid, id);
    const user = bareOf(jid);
    const resources = byUser.get(user);
    if (resources === undefined) byUser.set(user, [resourceOf(jid)]);
    else resources.push(resourceOf(jid));
  }
  for (const [to, resources] of byUser)
    turn.effects.push({ t: 'toSession', to, msg: { t: 'present?', chat: group.id, resources, ask: id, upTo } });
}

/**
 * What was said before a device entered (again) is not about where it is now: it is asked anew, unless it has been. Late
 * answers must not call forth one question each, or they would go on for ever.
 */
function onAbsent(step: GroupStep, answer: Extract<ChatMessage, { t: 'absent' }>): void {
  const { group } = step;
  const unsure: string[] = [];
  for (const resource of answer.resources) {
    const jid = `${answer.user}/${resource}`;
    const occupant = group.occupants.get(jid);
    if (occupant === undefined) continue;
    // It hears of that too: its session may have said so before it let it in.
    if (group.asked.get(jid) === answer.ask) takeOut(step, occupant, { codes: [STATUS.technical] });
    else if (!group.asked.has(jid)) unsure.push(jid);
  }
  for (const { jid } of devicesOf(group, answer.user)) if (group.asked.get(jid) === answer.ask) group.asked.delete(jid);
  if (unsure.length > 0) ask(step, unsure);
}

/** The account is gone: whoever has its name next is a stranger here. */
function onMemberGone(step: GroupStep, { member, cur }: Extract<PostItem, { t: 'memberGone' }>): void {
  const { group } = step;
  const affiliate = group.affiliates.get(member);
  if (affiliate === undefined || affiliate.since >= cur) return;
  for (const occupant of devicesOf(group, member)) takeOut(step, occupant, {});
  putAffiliate(step, member, undefined);
}

function onArrival(step: GroupStep, send: Send): void {
  const { group, turn } = step;
  const place = placeOf(group, send);
  switch (place) {
    case 'decide':
      return decide(step, send);
    case 'retry':
      return onRetry(step, send);
    case 'ignore':
      return;
    case 'again': {
      const msg = { t: 'again', chat: group.id, run: send.order?.run } as const;
      turn.immediate.push({ t: 'toSession', to: send.sender, msg });
      return;
    }
    default:
      return send.kind === undefined ? refuse(step, send, place) : fail(step, send, place);
  }
}

/**
 * The answer was lost, or is on its way. A message is answered again; so is presence, with all that the device may have
 * missed, since entering again changes nothing. An iq that asks is asked again, one that changed something is not done
 * twice: others may have changed it since.
 */
function onRetry(step: GroupStep, send: Send): void {
  const { group, turn } = step;
  if (send.kind === 'presence') return decide(step, send);
  if (send.kind === 'iq') {
    if ((send.type === 'get' && !isPassed(group, send)) || isQuestion(send)) return decide(step, send);
    return answer(send, { ok: true }, turn);
  }
  const refused = group.order.refusal(send);
  if (refused !== undefined) return answer(send, refused, turn);
  if (isStored(send) && !isKnown(group, send)) return refuse(step, send, 'resource-constraint');
  answer(send, isStored(send) ? said(step, send) : { ok: true }, turn);
}

function isQuestion(send: Send): boolean {
  return payloadOf(send)?.getNS() === NS_MAM;
}

function payloadOf({ inner }: Send): ReturnType<typeof firstChild> {
  return firstChild(parseChecked(`<iq xmlns='jabber:client'>${inner}</iq>`).el);
}

function decide(step: GroupStep, send: Send): void {
  if (send.kind === 'presence')
    return onPresence(step, send, parseChecked(`<presence xmlns='jabber:client'>${send.inner}</presence>`).el);
  if (send.kind === 'iq') return onIq(step, send);
  onMessage(step, send);
}

function onIq(step: GroupStep, send: Send): void {
  const { room } = step.group;
  const to = tryJid(send.to);
  if (room === undefined) return onNoRoom(step, send);
  if (send.type === 'result' || send.type === 'error') return onIqAnswer(step, send);
  const payload = payloadOf(send);
  if (payload === undefined || to === undefined) return fail(step, send, 'bad-request');
  if (to.resource !== '') return onOccupantIq(step, send, payload, to.resource);
  if (room.locked && affiliationOf(step.group, send.sender) !== 'owner') return onNoRoom(step, send);
  switch (payload.getNS()) {
    case NS_DISCO_INFO:
      return onDiscoInfo(step, room, send, payload);
    case NS_DISCO_ITEMS:
      return onDiscoItems(step, room, send);
    case NS_MUC_ADMIN:
      return onAdmin(step, room, send, payload);
    case NS_MUC_OWNER:
      return onOwner(step, room, send, payload);
    case REGISTER_NS:
      return onRegister(step, room, send, payload);
    case NS_MAM:
      return onArchive(step, room, send, payload);
    case NS_VCARD:
      return onCard(step, send, payload);
    case NS_MODERATE:
      return onModerate(step, room, send, payload);
    case NS_GROUP_RECEIPTS:
      return onReceipts(step, room, send, payload);
    case NS_PING:
      return fail(step, send, 'service-unavailable');
    default:
      return onUnknownIq(step, send);
  }
}
