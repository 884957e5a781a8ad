import type { Element } from 'ltx';
import { STATUS, userXml } from '../xmpp/muc-words.ts';
import { stanza } from '../xmpp/stanza.ts';
import { roomCard } from '../xmpp/xep0486-muc-avatars.ts';
import { fail, result } from './group-answers.ts';
import { tellAll } from './group-presence.ts';
import { affiliationOf, type GroupStep, putCard } from './group-state.ts';
import type { Send } from './messages.ts';

/** The room's own vCard, for its avatar (XEP-0486): who may ask what the room is may ask what it looks like. */
export function onCard(step: GroupStep, send: Send, payload: Element): void {
  const { group } = step;
  if (payload.getName() !== 'vCard') return fail(step, send, 'bad-request');
  if (send.type === 'get') {
    if (group.card === undefined) return fail(step, send, 'item-not-found', 'the room has no vCard');
    return result(step, send, group.card.xml);
  }
  if (affiliationOf(group, send.sender) !== 'owner') return fail(step, send, 'forbidden', 'for owners of the room');
  const card = roomCard(payload);
  if (card === 'too large') return fail(step, send, 'policy-violation', 'the vCard is too large');
  putCard(step, card);
  const changed = userXml(undefined, [STATUS.configChanged]);
  tellAll(step, stanza('message', { from: group.id, type: 'groupchat' }, changed));
  result(step, send);
}
