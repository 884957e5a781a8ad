import type { StanzaCondition } from '../xmpp/module.ts';
import { NS_MUC } from '../xmpp/muc-words.ts';
import { stanza } from '../xmpp/stanza.ts';
import { type ErrorDetails, errorInner } from '../xmpp/stanza-error.ts';
import { answer, answerFailure, answerTo } from './chat-log.ts';
import type { GroupStep } from './group-state.ts';
import type { GroupAnswer, Send, SendOutcome } from './messages.ts';

/** How a room answers presence and iqs: with stanzas, in the one answer that also says that they are handled. */

/** @param xml whole stanzas for the device that asked, in order */
export function ok(
  { turn }: GroupStep,
  send: Send,
  xml: readonly string[],
  become: Pick<GroupAnswer, 'joined' | 'left'> = {},
): void {
  const msg = { ...answerTo(send, { ok: true }), group: { xml, ...become } };
  turn.effects.push({ t: 'toSession', to: send.sender, msg });
  answerFailure(send, turn);
}

/** It is taken, and holds whatever becomes of the turn, which it did not change. */
export function taken({ turn }: Pick<GroupStep, 'turn'>, send: Send): void {
  turn.always({ t: 'toSession', to: send.sender, msg: { ...answerTo(send, { ok: true }), group: { xml: [] } } });
}

/** The result of an iq. */
export function result(step: GroupStep, send: Send, payload = ''): void {
  const attrs = { from: send.to, to: send.from, id: send.id ?? '', type: 'result' };
  ok(step, send, [stanza('iq', attrs, payload)]);
}

/** A message that is refused. */
export function refuse(step: GroupStep, send: Send, condition: StanzaCondition, text?: string): void {
  // RFC 6121 8.5.4: an error is never answered with an error, nor is a headline.
  const silent = send.type === 'error' || send.type === 'headline';
  const outcome: SendOutcome = silent ? { ok: true } : { ok: false, condition, ...(text !== undefined && { text }) };
  if (!silent) step.group.order.refuse(send, outcome);
  answer(send, outcome, step.turn);
}

/** A presence or iq that is refused. It holds whatever becomes of the turn, which it did not change. */
export function fail(
  { turn }: GroupStep,
  send: Send,
  condition: StanzaCondition,
  text?: string,
  details: ErrorDetails = {},
): void {
  const attrs = { from: send.to, to: send.from, type: 'error', ...(send.id !== undefined && { id: send.id }) };
  const error = errorInner(condition, { ...details, ...(text !== undefined && { text }) });
  const xml =
    send.kind === 'iq' ? stanza('iq', attrs, error) : stanza('presence', attrs, `<x xmlns='${NS_MUC}'/>${error}`);
  const said: GroupAnswer = { xml: [xml] };
  turn.always({ t: 'toSession', to: send.sender, msg: { ...answerTo(send, { ok: true }), group: said } });
}
