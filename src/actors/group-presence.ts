import { type Role, STATUS, type UserItem, userXml } from '../xmpp/muc-words.ts';
import { stanza } from '../xmpp/stanza.ts';
import { occupantId, occupantIdXml } from '../xmpp/xep0421-occupant-id.ts';
import {
  affiliationOf,
  dropOccupant,
  type GroupState,
  type GroupStep,
  holdersOf,
  type Occupant,
} from './group-state.ts';

/** Who hears of whose presence in a room (XEP-0045 7.2.3, 7.4, 7.14), and what it looks like. */

export interface Change {
  readonly type?: 'unavailable';
  readonly codes?: readonly number[];
  /** said in `<item/>` beside affiliation and role */
  readonly item?: Partial<UserItem>;
  /** XML inside muc#user: `<destroy/>` */
  readonly more?: string;
  /** its presence is not told from now on: for the others it is gone */
  readonly hides?: boolean;
  /** XML beside muc#user that it says in going */
  readonly said?: string;
  /** it alone hears of this, its nick goes on */
  readonly quiet?: boolean;
}

/** Presence of an occupant as somebody sees it, without `to`. */
export function presenceXml(
  group: GroupState,
  occupant: Occupant,
  change: Change,
  seesJid: boolean,
  self: boolean,
): string {
  const affiliation = affiliationOf(group, occupant.user);
  const role: Role = change.type === undefined ? occupant.role : 'none';
  const item: UserItem = { affiliation, role, ...(seesJid && { jid: occupant.jid }), ...change.item };
  const codes = [...(change.codes ?? [])];
  if (self) codes.push(STATUS.self);
  const from = `${group.id}/${occupant.nick}`;
  const id = occupantIdXml(occupantId(group.room?.salt ?? '', occupant.user));
  const inner =
    (change.type === undefined ? occupant.inner : (change.said ?? '')) + id + userXml(item, codes, change.more);
  return stanza('presence', change.type === undefined ? { from } : { from, type: change.type }, inner);
}

/** Of one user, in the room. */
export function devicesOf({ occupants }: GroupState, user: string): Occupant[] {
  return [...occupants.values()].filter((occupant) => occupant.user === user);
}

export function seesJids({ room }: GroupState, viewer: Occupant): boolean {
  return room?.config.whois === 'anyone' || viewer.role === 'moderator';
}

/** Presence of others is told: the room is not too large, and its configuration broadcasts that role. */
export function isBroadcast({ group, limits }: GroupStep, { role }: Occupant, room = group.room): boolean {
  return group.occupants.size <= limits.presenceMax && room?.config.presenceOf.includes(role) === true;
}

/**
 * Tells occupants of a change of one of them; the changed device itself first.
 * @param except full JID of a device that is told otherwise
 */
export function broadcast(step: GroupStep, occupant: Occupant, change: Change, except?: string): void {
  const { group } = step;
  if (occupant.jid !== except) {
    const xml = presenceXml(group, occupant, change, true, true);
    tellDevices(
      step,
      occupant.user,
      [resourceOf(occupant.jid)],
      xml,
      change.type === 'unavailable' && change.item?.nick === undefined,
    );
  }
  if (change.quiet === true || !(change.hides === true || isBroadcast(step, occupant))) return;
  // One string for all who see the same, one message a user.
  const devices = new Map<string, { readonly user: string; readonly seesJid: boolean; readonly resources: string[] }>();
  for (const viewer of group.occupants.values()) {
    if (viewer.jid === occupant.jid || viewer.jid === except) continue;
    const seesJid = seesJids(group, viewer);
    const key = `${viewer.user} ${seesJid}`;
    const known = devices.get(key);
    if (known === undefined) devices.set(key, { user: viewer.user, seesJid, resources: [resourceOf(viewer.jid)] });
    else known.resources.push(resourceOf(viewer.jid));
  }
  const seen: Change = change.hides === true ? { type: 'unavailable' } : change;
  const open = lazily(() => presenceXml(group, occupant, seen, true, false));
  const hidden = lazily(() => presenceXml(group, occupant, seen, false, false));
  for (const { user, seesJid, resources } of devices.values())
    tellDevices(step, user, resources, seesJid ? open() : hidden(), false);
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** A stanza without `to` for devices of one user. @param left they are not in the room any more */
export function tellDevices(
  { group, turn }: GroupStep,
  user: string,
  resources: readonly string[],
  xml: string,
  left: boolean,
): void {
  const msg = { t: 'room', chat: group.id, resources, xml, ...(left && { left: true as const }) } as const;
  turn.effects.push({ t: 'toSession', to: user, msg });
}

/**
 * Somebody who is not in the room has another affiliation (9.3, 9.4): those who may know who it is keep their lists of
 * members right, and encrypt for the new one. Where presence is not told, nor is this.
 */
export function tellOfAbsent(step: GroupStep, item: UserItem): void {
  const { group, limits } = step;
  if (group.occupants.size > limits.presenceMax) return;
  const xml = stanza('message', { from: group.id }, userXml({ role: 'none', ...item }, []));
  tellAll(step, xml, (occupant) => seesJids(group, occupant));
}

/** A stanza without `to` for everybody in the room. @param hears … of whom this holds */
export function tellAll(step: GroupStep, xml: string, hears: (occupant: Occupant) => boolean = () => true): void {
  const byUser = new Map<string, string[]>();
  for (const occupant of step.group.occupants.values()) {
    if (!hears(occupant)) continue;
    const { jid, user } = occupant;
    const resources = byUser.get(user);
    if (resources === undefined) byUser.set(user, [resourceOf(jid)]);
    else resources.push(resourceOf(jid));
  }
  for (const [user, resources] of byUser) tellDevices(step, user, resources, xml, false);
}

/**
 * A device is not in the room any more; the others hear that its nick is gone when no other device of that user has it.
 * @param except full JID of a device that is told otherwise
 */
export function takeOut(
  step: GroupStep,
  occupant: Occupant,
  change: Omit<Change, 'type' | 'quiet'>,
  except?: string,
): void {
  const { group } = step;
  const quiet = holdersOf(group, occupant.nick).some(({ jid }) => jid !== occupant.jid);
  broadcast(step, occupant, { ...change, type: 'unavailable', quiet }, except);
  dropOccupant(step, occupant.jid);
}

export function resourceOf(full: string): string {
  return full.slice(full.indexOf('/') + 1);
}
