import type { Element } from 'ltx';
import { tryJid } from '../xmpp/jid.ts';
import { applyForm, configForm, type RoomConfig } from '../xmpp/muc-config.ts';
import { NS_MUC_OWNER, STATUS, userXml } from '../xmpp/muc-words.ts';
import { element, escapeText, stanza } from '../xmpp/stanza.ts';
import { formOf, readForm } from '../xmpp/xep0004-forms.ts';
import { applyToOccupants } from './group-admin.ts';
import { fail, result } from './group-answers.ts';
import { broadcast, tellAll } from './group-presence.ts';
import {
  affiliationOf,
  CONFIG_KEY,
  dropOccupant,
  type FormerRoom,
  type GroupStep,
  putAffiliate,
  putCard,
  putPosted,
  putRoom,
  type Room,
} from './group-state.ts';
import { groupRows, messageStream, roomIndexRow } from './keys.ts';
import type { Send } from './messages.ts';
import { DELETED } from './turn.ts';

/** What owners do with a room: configure it, destroy it (XEP-0045 10.1, 10.2, 10.9). */

export function onOwner(step: GroupStep, room: Room, send: Send, query: Element): void {
  if (affiliationOf(step.group, send.sender) !== 'owner')
    return fail(step, send, 'forbidden', 'for owners of the room');
  const { limits, group } = step;
  if (send.type === 'get') {
    const form = configForm(room.config, group.id, limits.occupantsMax);
    return result(step, send, `<query xmlns='${NS_MUC_OWNER}'>${form}</query>`);
  }
  const ending = query.getChild('destroy', NS_MUC_OWNER);
  if (ending !== undefined) return onDestroy(step, send, ending);
  const form = formOf(query);
  if (form === undefined) return fail(step, send, 'bad-request', 'a form or <destroy/> is needed');
  if (form.attrs['type'] === 'cancel') {
    // XEP-0045 10.1.3: who cancels the first configuration does not want the room.
    if (room.locked) destroy(step, {});
    return result(step, send);
  }
  if (form.attrs['type'] !== 'submit') return fail(step, send, 'bad-request', 'the form must be of type submit');
  const config = applyForm(room.config, readForm(form), limits.occupantsMax);
  if (typeof config === 'string') return fail(step, send, 'not-acceptable', config);
  configure(step, room, { ...room, config, locked: false });
  result(step, send);
}

function configure(step: GroupStep, before: Room, room: Room): void {
  putRoom(step, room);
  if (before.locked) return;
  const codes = codesOf(before.config, room.config);
  if (codes.length > 0)
    tellAll(step, stanza('message', { from: step.group.id, type: 'groupchat' }, userXml(undefined, codes)));
  applyToOccupants(step, before, room);
}

/** XEP-0045 10.2.1: who sees real addresses has codes of its own, all else shares one. */
function codesOf(before: RoomConfig, now: RoomConfig): number[] {
  const codes: number[] = [];
  if (before.whois !== now.whois) codes.push(now.whois === 'anyone' ? STATUS.nowNonAnonymous : STATUS.nowSemiAnonymous);
  const differs = (name: keyof RoomConfig): boolean => String(before[name]) !== String(now[name]);
  const others = (Object.keys(now) as (keyof RoomConfig)[]).filter((name) => name !== 'whois');
  if (others.some(differs)) codes.push(STATUS.configChanged);
  return codes;
}

function onDestroy(step: GroupStep, send: Send, ending: Element): void {
  const named = ending.attrs['jid'];
  const venue = named === undefined ? undefined : tryJid(named);
  if (named !== undefined && venue === undefined) return fail(step, send, 'jid-malformed');
  const reason = ending.getChild('reason', NS_MUC_OWNER)?.getText();
  destroy(step, { ...(venue && { venue: venue.bare }), ...(reason !== undefined && { reason }) });
  result(step, send);
}

/** The room and its archive are gone; the numbers of its messages are not given out again. */
export function destroy(
  step: GroupStep,
  { venue, reason }: { readonly venue?: string; readonly reason?: string },
): void {
  const { group, turn } = step;
  const why = reason === undefined ? '' : `<reason>${escapeText(reason)}</reason>`;
  const more = element('destroy', { jid: venue }, why);
  // Each hears of itself alone (10.9).
  for (const occupant of [...group.occupants.values()]) {
    broadcast(step, occupant, { type: 'unavailable', more, item: { affiliation: 'none' }, quiet: true });
    dropOccupant(step, occupant.jid);
  }
  for (const user of [...group.affiliates.keys()]) putAffiliate(step, user, undefined);
  group.room = undefined;
  putCard(step, undefined);
  group.posted = group.lastSeq;
  putPosted(step, false);
  turn.streams.push({ t: 'drop', stream: messageStream(group.id) });
  turn.rows.set(groupRows(group.id) + CONFIG_KEY, { v: 1, gone: true, lastSeq: group.lastSeq } satisfies FormerRoom);
  turn.rows.set(roomIndexRow(group.id), DELETED);
}
