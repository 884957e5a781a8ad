import type { Element } from 'ltx';
import type { StanzaCondition } from '../xmpp/module.ts';
import { stanza } from '../xmpp/stanza.ts';
import { errorInner } from '../xmpp/stanza-error.ts';
import { fail, taken } from './group-answers.ts';
import { resourceOf } from './group-presence.ts';
import type { GroupState, GroupStep, Occupant, PassedIq } from './group-state.ts';
import type { Send } from './messages.ts';

/**
 * Iqs between occupants, neither of whom learns the other's address (XEP-0045 16.4). A request goes on under an id of the
 * room's, so that its answer is known again. They are no private messages, nobody reads them: what the configuration
 * says of those does not hold here.
 *
 * They change nothing that is kept, so they go on even when the log refuses what else is in their turn.
 *
 * Volatile: in a room that moved nobody knows who asked what, and the asker's client waits in vain.
 * Bound: `iqsMax` requests that wait for an answer, each for `iqTimeoutMs`.
 */

/** What the account answers for its devices: its vCards, and the nodes that all may read (an avatar). */
const OF_ACCOUNTS: readonly (string | undefined)[] = [
  'vcard-temp',
  'urn:ietf:params:xml:ns:vcard-4.0',
  'http://jabber.org/protocol/pubsub',
];

/** @param target the device that is asked, or whose account is */
export function passIq(step: GroupStep, send: Send, payload: Element, own: Occupant, target: Occupant): void {
  const { group, turn, limits } = step;
  const ofAccount = OF_ACCOUNTS.includes(payload.getNS());
  // A subscription would have the room's address, where no event can go.
  if (ofAccount && send.type !== 'get')
    return fail(step, send, 'not-allowed', 'what an account keeps is read only here');
  if (group.passed.size >= limits.iqsMax)
    return fail(step, send, 'resource-constraint', 'too many requests between occupants wait for an answer');
  const id = limits.newId();
  const to = ofAccount ? target.user : target.jid;
  const { from, token, order } = send;
  const asked = { from, id: send.id ?? '', to: send.to, token, run: order?.run };
  group.passed.set(id, { ...asked, answers: to, device: target.jid, since: turn.now });
  const sender = `${group.id}/${own.nick}`;
  const type = send.type as 'get' | 'set';
  const xml = stanza('iq', { from: sender, to, id, type, 'xml:lang': send.lang }, send.inner);
  const msg = { t: 'peer', msg: { t: 'iq', from: sender, to, xml, id, type } } as const;
  turn.always({ t: 'toSession', to: target.user, msg });
  taken(step, send);
}

/** This very request waits for an answer already: it came again, the answer of the room to it was lost. */
export function isPassed({ passed }: GroupState, { from, token, order }: Send): boolean {
  for (const one of passed.values())
    if (one.from === from && one.token === token && one.run === order?.run) return true;
  return false;
}

/** A result or an error: for whoever asked, when it is from who was asked, and both are in the room still. */
export function onIqAnswer(step: GroupStep, send: Send): void {
  const { group } = step;
  const passed = group.passed.get(send.id ?? '');
  if (passed !== undefined && passed.answers === send.from && group.occupants.has(passed.device)) {
    group.passed.delete(send.id ?? '');
    tellAsker(step, passed, send.type as 'result' | 'error', send.inner);
  }
  taken(step, send);
}

/** The requests that nobody will answer any more, now and then. */
export function endOldIqs(step: GroupStep): void {
  const { group, turn, limits } = step;
  for (const [id, passed] of group.passed) {
    let condition: StanzaCondition;
    if (!group.occupants.has(passed.device)) condition = 'recipient-unavailable';
    else if (turn.now - passed.since >= limits.iqTimeoutMs) condition = 'remote-server-timeout';
    else continue;
    group.passed.delete(id);
    tellAsker(step, passed, 'error', errorInner(condition));
  }
}

function tellAsker(step: GroupStep, { from, to, id }: PassedIq, type: 'result' | 'error', inner: string): void {
  const asker = step.group.occupants.get(from);
  if (asker === undefined) return;
  const xml = stanza('iq', { from: to, id, type }, inner);
  const msg = { t: 'room', chat: step.group.id, resources: [resourceOf(from)], xml } as const;
  step.turn.always({ t: 'toSession', to: asker.user, msg });
}
