import { type VoiceForm, voiceForm } from '../xmpp/muc-requests.ts';
import { stanza } from '../xmpp/stanza.ts';
import { answer } from './chat-log.ts';
import { giveRole } from './group-admin.ts';
import { refuse } from './group-answers.ts';
import { resourceOf, tellDevices } from './group-presence.ts';
import { type GroupStep, holdersOf, type Occupant } from './group-state.ts';
import type { Send } from './messages.ts';

/** Voice in a moderated room (XEP-0045 7.13, 8.6): a visitor asks, the moderators who are there decide. Not kept. */

export function onVoiceForm(step: GroupStep, send: Send, occupant: Occupant | undefined, form: VoiceForm): void {
  if (occupant === undefined) return refuse(step, send, 'not-acceptable', 'enter the room first');
  if (form.t === 'bad') return refuse(step, send, 'bad-request', form.text);
  if (form.t === 'decision') return onDecision(step, send, occupant, form);
  if (occupant.role !== 'visitor') return refuse(step, send, 'unexpected-request', 'you have voice');
  const moderators = [...step.group.occupants.values()].filter(({ role }) => role === 'moderator');
  if (moderators.length === 0) return refuse(step, send, 'recipient-unavailable', 'no moderator is in the room');
  const id = step.limits.newId();
  const xml = stanza('message', { from: step.group.id, id }, voiceForm(occupant.jid, occupant.nick));
  for (const { user, jid } of moderators) tellDevices(step, user, [resourceOf(jid)], xml, false);
  answer(send, { ok: true }, step.turn);
}

function onDecision(
  step: GroupStep,
  send: Send,
  moderator: Occupant,
  { allow, nick, jid }: Extract<VoiceForm, { t: 'decision' }>,
): void {
  if (moderator.role !== 'moderator') return refuse(step, send, 'forbidden', 'for moderators');
  // The nick may be somebody else's by now.
  const holders = holdersOf(step.group, nick);
  const visitors = holders.some((holder) => jid === undefined || holder.jid === jid) ? holders : [];
  if (allow && visitors.length === 0) return refuse(step, send, 'item-not-found', 'who asked is not in the room');
  if (allow)
    giveRole(
      step,
      visitors.filter(({ role }) => role === 'visitor'),
      'participant',
      { actor: moderator.nick },
    );
  answer(send, { ok: true }, step.turn);
}
