import type { Element } from 'ltx';
import { tryJid } from '../xmpp/jid.ts';
import { approvalForm, type parseApproval, parseRegisterForm, registerForm } from '../xmpp/muc-requests.ts';
import { isMember } from '../xmpp/muc-words.ts';
import { escapeText, stanza } from '../xmpp/stanza.ts';
import { REGISTER_NS } from '../xmpp/xep0077-registration.ts';
import { answer } from './chat-log.ts';
import { affiliate, giveRole } from './group-admin.ts';
import { fail, refuse, result } from './group-answers.ts';
import { FULL, fits, setAffiliation } from './group-members.ts';
import { bookmark } from './group-messages.ts';
import { devicesOf, resourceOf, tellDevices } from './group-presence.ts';
import { affiliationOf, type GroupStep, isTaken, putAffiliate, type Room, roleOf } from './group-state.ts';
import type { Send } from './messages.ts';

/**
 * Who registers with a room is a member whose nick is kept (XEP-0045 7.10): at once where that gives nothing but what
 * everybody has who enters, else when an administrator in the room approves (9.9). Of such a request nothing is kept: the
 * form that the administrator sends back says all of it, and says nothing that an administrator may not do.
 */
export function onRegister(step: GroupStep, room: Room, send: Send, query: Element): void {
  const { group } = step;
  const known = group.affiliates.get(send.sender);
  const mine = affiliationOf(group, send.sender);
  if (mine === 'outcast') return fail(step, send, 'forbidden', 'banned from this room');
  if (send.type === 'get') {
    const { nick = '', registered } = known ?? {};
    const inner = registered ? `<registered/><username>${escapeText(nick)}</username>` : registerForm(nick);
    return result(step, send, `<query xmlns='${REGISTER_NS}'>${inner}</query>`);
  }
  if (query.getChild('remove', REGISTER_NS) !== undefined) return onRemove(step, room, send);
  const wanted = parseRegisterForm(query);
  if (wanted === undefined) return fail(step, send, 'bad-request', 'a form with a nick is needed');
  const nick = nickOf(step, wanted);
  if (nick === undefined) return fail(step, send, 'jid-malformed', 'this is no nick');
  if (isTaken(group, nick, send.sender)) return fail(step, send, 'conflict', 'somebody else has this nick');
  if (!isMember(mine) && !isOpen(step, room, send)) return askAdministrators(step, send, nick);
  if (!fits(step, isMember(mine) ? new Map() : new Map([[send.sender, 'member']])))
    return fail(step, send, 'resource-constraint', FULL);
  if (!isMember(mine)) {
    setAffiliation(step, send.sender, 'member');
    bookmark(step, room, send.sender, send.sender);
    giveRole(step, devicesOf(group, send.sender), roleOf('member', room.config), {});
  }
  reserve(step, send.sender, nick);
  result(step, send);
}

/** Members of this room have nothing that others have not who may enter it, but the inbox. */
function isOpen({ group }: GroupStep, { config }: Room, { from }: Send): boolean {
  return !config.membersOnly && !config.moderated && (config.password === '' || group.occupants.has(from));
}

/** As an address has it; undefined when it cannot be one. */
function nickOf({ group }: GroupStep, wanted: string): string | undefined {
  const nick = tryJid(`${group.id}/${wanted}`)?.resource;
  return nick === '' ? undefined : nick;
}

/** Its nick is kept whatever it is called now. */
function reserve(step: GroupStep, user: string, nick: string): void {
  const known = step.group.affiliates.get(user);
  if (known !== undefined) putAffiliate(step, user, { ...known, nick, registered: true });
}

/** XEP-0077 3.2: who is more than a member stays it. */
function onRemove(step: GroupStep, room: Room, send: Send): void {
  const known = step.group.affiliates.get(send.sender);
  if (known === undefined || !isMember(known.affiliation))
    return fail(step, send, 'registration-required', 'you are no member');
  const { registered: _registered, ...rest } = known;
  putAffiliate(step, send.sender, rest);
  if (known.affiliation === 'member')
    affiliate(step, room, send, { user: send.sender, affiliation: 'none', reason: undefined });
  result(step, send);
}

function askAdministrators(step: GroupStep, send: Send, nick: string): void {
  const { group, limits } = step;
  const administrators = [...group.occupants.values()].filter(({ user }) => {
    const affiliation = affiliationOf(group, user);
    return affiliation === 'owner' || affiliation === 'admin';
  });
  if (administrators.length === 0)
    return fail(step, send, 'not-allowed', 'an administrator has to approve, and none is in the room');
  const xml = stanza('message', { from: group.id, id: limits.newId() }, approvalForm(send.sender, nick));
  for (const { user, jid } of administrators) tellDevices(step, user, [resourceOf(jid)], xml, false);
  result(step, send);
}

export function onApproval(
  step: GroupStep,
  room: Room,
  send: Send,
  { allow, jid, nick: wanted }: NonNullable<ReturnType<typeof parseApproval>>,
): void {
  const { group, limits } = step;
  const mine = affiliationOf(group, send.sender);
  if (mine !== 'owner' && mine !== 'admin') return refuse(step, send, 'forbidden', 'for administrators of the room');
  if (!allow) return answer(send, { ok: true }, step.turn);
  const user = tryJid(jid);
  const nick = nickOf(step, wanted);
  if (user === undefined || user.local === '' || nick === undefined) return refuse(step, send, 'jid-malformed');
  if (user.domain !== limits.domain) return refuse(step, send, 'not-acceptable', 'users of this server only');
  if (affiliationOf(group, user.bare) === 'outcast') return refuse(step, send, 'not-allowed', 'banned from this room');
  if (isTaken(group, nick, user.bare)) return refuse(step, send, 'conflict', 'somebody else has this nick');
  if (!isMember(affiliationOf(group, user.bare))) {
    if (!fits(step, new Map([[user.bare, 'member']]))) return refuse(step, send, 'resource-constraint', FULL);
    affiliate(step, room, send, { user: user.bare, affiliation: 'member', reason: undefined });
  }
  reserve(step, user.bare, nick);
  answer(send, { ok: true }, step.turn);
}
