import type { Element } from 'ltx';
import { occupantId, occupantIdXml } from '../xmpp/xep0421-occupant-id.ts';
import { tombstone } from '../xmpp/xep0424-retraction.ts';
import { moderatedXml, moderationXml, parseModeration } from '../xmpp/xep0425-moderation.ts';
import { append, bareOf, type StoredSend } from './chat-log.ts';
import { backTo, takeBack } from './chat-retract.ts';
import { ALL_DELIVERY_RULES } from './delivery-rules.ts';
import { fail, result } from './group-answers.ts';
import { fanOut } from './group-fan-out.ts';
import { messageOf } from './group-messages.ts';
import type { GroupStep, Room } from './group-state.ts';
import type { Send } from './messages.ts';

/**
 * XEP-0425: a moderator takes back what somebody said. The room's own message says so to all, and is kept like any; the
 * tombstone is of the same op. What is taken back already stays as it is: a repeated request changes nothing.
 */
export function onModerate(step: GroupStep, room: Room, send: Send, payload: Element): void {
  const { group, turn, limits } = step;
  const { rules = ALL_DELIVERY_RULES } = limits;
  const asked = parseModeration(payload);
  if (send.type !== 'set' || asked === undefined) return fail(step, send, 'bad-request');
  const occupant = group.occupants.get(send.from);
  if (occupant?.role !== 'moderator')
    return fail(step, send, 'forbidden', 'only moderators take back what others said');
  const target = messageOf(group, room, asked.id);
  if (target === undefined) return fail(step, send, 'item-not-found', 'no message of this room has that id');
  if (target.record.gone === true) return result(step, send);
  const idOf = (user: string): string => occupantId(room.salt, user);
  const moderator = { by: `${group.id}/${occupant.nick}`, occupantId: idOf(occupant.user) };
  const told: StoredSend = {
    t: 'send',
    from: group.id,
    sender: group.id,
    to: group.id,
    type: 'groupchat',
    id: limits.newId(),
    oid: undefined,
    lang: undefined,
    inner: moderationXml(asked, moderator),
    flags: { quiet: true },
    store: true,
    token: 0,
  };
  const record = append(group, told, turn, false, rules.retractedIsGone ? backTo(target) : undefined);
  if (record === undefined) throw new Error('a message without a sender cannot be known');
  // What the room itself said is of no occupant.
  const beside = target.record.nick === undefined ? '' : occupantIdXml(idOf(bareOf(target.record.from)));
  const content = moderatedXml(moderator, asked.reason);
  const { id, ts } = record;
  if (rules.retractedIsGone) takeBack(group, target.seq, tombstone(target.record, { id, ts, content, beside }), turn);
  fanOut(step, record, send.sender);
  result(step, send);
}
