import type { Element } from 'ltx';
import { tryJid } from '../xmpp/jid.ts';
import type { StanzaCondition } from '../xmpp/module.ts';
import {
  type AdminItem,
  type Affiliation,
  isMember,
  itemXml,
  NS_MUC_ADMIN,
  parseAdminItems,
  type Role,
  STATUS,
  type UserItem,
} from '../xmpp/muc-words.ts';
import { fail, result } from './group-answers.ts';
import { FULL, fits, setAffiliation } from './group-members.ts';
import { bookmark, invite } from './group-messages.ts';
import { broadcast, devicesOf, isBroadcast, seesJids, takeOut, tellOfAbsent } from './group-presence.ts';
import {
  affiliationOf,
  type GroupState,
  type GroupStep,
  holdersOf,
  type Occupant,
  putOccupant,
  type Room,
  roleOf,
} from './group-state.ts';
import type { Send } from './messages.ts';

/** Roles and affiliations (XEP-0045 8, 9, 10.3–10.8): who may see and change them, and what becomes of occupants. */

const RANK: Readonly<Record<Affiliation, number>> = { owner: 4, admin: 3, member: 2, none: 1, outcast: 0 };

/** Items of one request. */
const ITEMS_MAX = 500;

type Fault = readonly [condition: StanzaCondition, text: string];

export function onAdmin(step: GroupStep, room: Room, send: Send, query: Element): void {
  const items = parseAdminItems(query);
  if (items === undefined || items.length === 0) return fail(step, send, 'bad-request', 'unknown affiliation or role');
  if (items.length > ITEMS_MAX) return fail(step, send, 'policy-violation', `at most ${ITEMS_MAX} items`);
  const [first] = items as [AdminItem];
  if (send.type === 'get') return list(step, room, send, first);
  const changes: (() => void)[] = [];
  for (const item of items) {
    const change =
      item.role !== undefined ? planRole(step, send, item, item.role) : planAffiliation(step, room, send, item);
    if (typeof change !== 'function') return fail(step, send, change[0], change[1]);
    changes.push(change);
  }
  const given = givenBy(step, items);
  if (leavesNoOwner(step, given)) return fail(step, send, 'conflict', 'a room keeps an owner');
  if (!fits(step, given)) return fail(step, send, 'resource-constraint', FULL);
  for (const change of changes) change();
  result(step, send);
}

/** XEP-0045 8.5, 9.5, 9.8, 9.10, 10.5, 10.8. */
function list(step: GroupStep, room: Room, send: Send, { affiliation, role }: AdminItem): void {
  const { group } = step;
  const mine = affiliationOf(group, send.sender);
  const own = group.occupants.get(send.from);
  const items: string[] = [];
  if (role !== undefined) {
    if (own?.role !== 'moderator') return fail(step, send, 'forbidden', 'moderators see roles');
    for (const occupant of group.occupants.values()) {
      if (occupant.role !== role) continue;
      const jid = seesJids(group, own) ? occupant.jid : undefined;
      items.push(itemXml({ affiliation: affiliationOf(group, occupant.user), role, nick: occupant.nick, jid }));
    }
    return result(step, send, `<query xmlns='${NS_MUC_ADMIN}'>${items.join('')}</query>`);
  }
  if (affiliation === undefined) return fail(step, send, 'bad-request', 'an affiliation or a role is needed');
  const { memberList, whois } = room.config;
  // The lists name real addresses. Where those are hidden, owners see them, and administrators those whom they rule.
  const open = whois === 'anyone';
  const asksMembers = affiliation !== 'outcast' && affiliation !== 'none';
  const privileged = mine === 'owner' || (mine === 'admin' && RANK[affiliation] < RANK.admin);
  const entitled =
    memberList === 'anyone'
      ? isMember(mine) || own !== undefined
      : memberList === 'participants'
        ? isMember(mine) || own?.role === 'participant'
        : own?.role === 'moderator';
  if (!privileged && !(asksMembers && open && entitled)) return fail(step, send, 'forbidden', 'for administrators');
  for (const [jid, one] of group.affiliates) {
    if (one.affiliation !== affiliation) continue;
    // Without roles, which are optional (9.5, 10.5) and wrong for bans (9.2): Converse 14 takes them for something else.
    if (affiliation === 'outcast') items.push(itemXml({ affiliation, jid, reason: one.reason }));
    else items.push(itemXml({ affiliation, jid, nick: nickOf(group, jid) ?? one.nick }));
  }
  result(step, send, `<query xmlns='${NS_MUC_ADMIN}'>${items.join('')}</query>`);
}

function nickOf({ occupants }: GroupState, user: string): string | undefined {
  for (const occupant of occupants.values()) if (occupant.user === user) return occupant.nick;
  return undefined;
}

/** Affiliations by user, as a request that is allowed sets them. */
function givenBy({ group }: GroupStep, items: readonly AdminItem[]): ReadonlyMap<string, Affiliation> {
  const given = new Map<string, Affiliation>();
  for (const { jid, nick, role, affiliation } of items) {
    if (role !== undefined || affiliation === undefined) continue;
    const user = tryJid(jid ?? holdersOf(group, nick ?? '')[0]?.user ?? '')?.bare;
    if (user !== undefined) given.set(user, affiliation);
  }
  return given;
}

function leavesNoOwner({ group }: GroupStep, given: ReadonlyMap<string, Affiliation>): boolean {
  if ([...given.values()].includes('owner')) return false;
  return ![...group.affiliates].some(([user, { affiliation }]) => (given.get(user) ?? affiliation) === 'owner');
}

/** Kick, voice, moderator (8.2–8.4, 9.6, 9.7). */
function planRole(step: GroupStep, send: Send, item: AdminItem, role: Role): Fault | (() => void) {
  const { group } = step;
  const actor = group.occupants.get(send.from);
  if (actor?.role !== 'moderator') return ['forbidden', 'for moderators'];
  const mine = affiliationOf(group, send.sender);
  const holders = item.nick === undefined ? [] : holdersOf(group, item.nick);
  const [target] = holders;
  if (target === undefined) return ['item-not-found', 'nobody here has this nick'];
  const theirs = affiliationOf(group, target.user);
  if (RANK[theirs] > RANK[mine]) return ['not-allowed', 'of a higher affiliation'];
  if (role === 'none') {
    if (RANK[theirs] >= RANK.admin && RANK[theirs] >= RANK[mine] && target.user !== send.sender)
      return ['not-allowed', 'of the same affiliation'];
    return () => kick(step, holders, STATUS.kicked, actor.nick, item.reason);
  }
  const touchesModerator = role === 'moderator' || target.role === 'moderator';
  if (touchesModerator && RANK[mine] < RANK.admin) return ['forbidden', 'for administrators of the room'];
  if (role !== 'moderator' && RANK[theirs] >= RANK.admin) return ['not-allowed', 'administrators are moderators'];
  return () => giveRole(step, holders, role, { reason: item.reason, actor: actor.nick });
}

/** Devices have a role from now on, and everybody hears why. */
export function giveRole(
  step: GroupStep,
  devices: readonly Occupant[],
  role: Occupant['role'],
  why: Pick<UserItem, 'reason' | 'actor'>,
): void {
  for (const device of devices) {
    const now = { ...device, role };
    const hides = isBroadcast(step, device) && !isBroadcast(step, now);
    putOccupant(step, now);
    broadcast(step, now, { item: why, hides });
  }
}

function kick(
  step: GroupStep,
  holders: readonly Occupant[],
  code: number,
  actor: string | undefined,
  reason: string | undefined,
): void {
  for (const holder of holders)
    takeOut(step, holder, {
      codes: [code],
      item: { reason, actor, affiliation: affiliationOf(step.group, holder.user) },
    });
}

/** Ban, member, administrator, owner (9.1–9.4, 10.3–10.7). */
function planAffiliation(step: GroupStep, room: Room, send: Send, item: AdminItem): Fault | (() => void) {
  const { group, limits } = step;
  const { affiliation, reason } = item;
  const mine = affiliationOf(group, send.sender);
  if (affiliation === undefined) return ['bad-request', 'an affiliation or a role is needed'];
  const named = item.jid ?? (item.nick === undefined ? undefined : holdersOf(group, item.nick)[0]?.user);
  const jid = named === undefined ? undefined : tryJid(named);
  if (jid === undefined)
    return item.jid === undefined ? ['item-not-found', 'nobody here has this nick'] : ['jid-malformed', 'no address'];
  if (jid.local === '' || jid.domain !== limits.domain) return ['not-acceptable', 'users of this server only'];
  const user = jid.bare;
  const was = affiliationOf(group, user);
  if (RANK[mine] < RANK.admin) return ['forbidden', 'for administrators of the room'];
  if (mine !== 'owner' && (RANK[was] >= RANK.admin || RANK[affiliation] >= RANK.admin))
    return user === send.sender && RANK[affiliation] < RANK[was] ? plan() : ['not-allowed', 'for owners of the room'];
  if (user === send.sender && affiliation === 'outcast') return ['conflict', 'nobody bans himself'];
  return plan();

  function plan(): () => void {
    return () => affiliate(step, room, send, { user, affiliation: affiliation as Affiliation, reason });
  }
}

interface NewAffiliation {
  readonly user: string;
  readonly affiliation: Affiliation;
  readonly reason: string | undefined;
}

/** Sets an affiliation that fits, with all that follows; `send` is whose doing it is. */
export function affiliate(
  step: GroupStep,
  room: Room,
  send: Send,
  { user, affiliation, reason }: NewAffiliation,
): void {
  const { group } = step;
  const was = affiliationOf(group, user);
  if (was === affiliation) return;
  setAffiliation(step, user, affiliation, affiliation === 'outcast' ? reason : undefined);
  const actor = group.occupants.get(send.from)?.nick;
  if (isMember(affiliation) && !isMember(was)) {
    invite(step, room, { from: send.from, user, reason });
    bookmark(step, room, user, send.sender);
  }
  const devices = devicesOf(group, user);
  if (devices.length === 0) return tellOfAbsent(step, { affiliation, jid: user, reason, actor });
  if (affiliation === 'outcast') return kick(step, devices, STATUS.banned, actor, reason);
  if (room.config.membersOnly && !isMember(affiliation))
    return kick(step, devices, STATUS.affiliationLost, actor, reason);
  giveRole(step, devices, roleOf(affiliation, room.config), { reason, actor });
}

/** After the configuration changed: those who may not be in any more leave (9.4, 10.1.3), roles follow. */
export function applyToOccupants(step: GroupStep, before: Room, room: Room): void {
  const { group } = step;
  const shown = [...group.occupants.values()].filter((occupant) => isBroadcast(step, occupant, before));
  for (const occupant of [...group.occupants.values()]) {
    const affiliation = affiliationOf(group, occupant.user);
    if (room.config.membersOnly && !isMember(affiliation)) {
      takeOut(step, occupant, { codes: [STATUS.membersOnly] });
      continue;
    }
    if (before.config.moderated === room.config.moderated || affiliation !== 'none' || occupant.role === 'moderator')
      continue;
    giveRole(step, [occupant], roleOf(affiliation, room.config), {});
  }
  if (String(before.config.presenceOf) !== String(room.config.presenceOf)) showAnew(step, shown);
}

/** Other roles than before are shown to the others. @param shown who was */
function showAnew(step: GroupStep, shown: readonly Occupant[]): void {
  const before = new Set(shown.map(({ jid }) => jid));
  for (const occupant of step.group.occupants.values()) {
    const is = isBroadcast(step, occupant);
    if (is !== before.has(occupant.jid)) broadcast(step, occupant, { hides: !is }, occupant.jid);
  }
}
