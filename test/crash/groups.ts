import type { Random } from '../../src/base/random.ts';
import { until } from '../clients/until.ts';
import { roomJid } from '../harness/rooms.ts';
import type { OfGroups } from './ledger.ts';
import type { RoomClient } from './room-client.ts';
import { brokenRoom, inboxItems, type RoomObserved, type Visit } from './room-ledger.ts';

/** Who is a member of a group, and how. The founder changes memberships; it and those who stay are always in the room. */
export interface Group {
  readonly room: string;
  readonly founder: RoomClient;
  readonly members: readonly RoomClient[];
  /** further devices of these people, that may be in the room */
  readonly seconds: readonly RoomClient[];
  /** enters and leaves */
  readonly wanderer: RoomClient | undefined;
  /** is taken out and in again */
  readonly mover: RoomClient | undefined;
}

const FOUNDED_MS_MAX = 90_000;

/**
 * Of the people, the first founds the group, and with five members or more the last ones never enter, enter and leave,
 * and are taken out and in again; with fewer, only the last is.
 */
export function group(name: string, people: readonly RoomClient[], seconds: readonly RoomClient[] = []): Group {
  const room = roomJid(name);
  const mover = people.at(-1);
  const wanderer = people.length < 5 ? undefined : people.at(-2);
  const away = people.length < 5 ? undefined : people.at(-3);
  for (const one of people) if (one !== away) one.follow(room);
  return { room, founder: people[0]!, members: people.slice(1), seconds, wanderer, mover };
}

/** Makes the rooms and their members, who enter when the invitations come. */
export async function found(groups: readonly Group[]): Promise<void> {
  for (const { room, founder, members } of groups) {
    founder.enter(room);
    await until(`${room} to be there`, () => founder.isIn(room), FOUNDED_MS_MAX);
    await founder.found(room);
    for (const { user } of members) founder.change(room, user, true);
  }
  await until('everybody to be a member', () => groups.every(isSettled), FOUNDED_MS_MAX);
}

/** Nobody waits for a word of the room. */
export const isSettled = (group: Group): boolean => awaited(group).length === 0;

export const awaited = ({ founder, members }: Group): string[] => [founder, ...members].flatMap((one) => one.awaited);

/** Somebody comes or goes. */
export function stir(groups: readonly Group[], random: Random): void {
  const { room, wanderer, mover, founder } = groups[random.int(groups.length)]!;
  if (random.int(2) === 0) {
    if (wanderer === undefined) return;
    if (wanderer.isIn(room)) wanderer.leave(room);
    else if (!wanderer.wants(room)) wanderer.enter(room);
  } else if (mover !== undefined && founder.isIn(room)) {
    const last = founder.changes.filter((change) => change.room === room && change.user === mover.user).at(-1);
    if (last?.until !== undefined) founder.change(room, mover.user, !last.member);
  }
}

/** What all its members know of a room. @throws Error when a stream is lost meanwhile */
export async function observe({ room, founder, members, seconds }: Group): Promise<RoomObserved> {
  const archives = new Map<string, Awaited<ReturnType<RoomClient['archive']>>>();
  const people = [founder, ...members];
  const visitsOf = (user: string): Visit[] =>
    [...people, ...seconds].filter((one) => one.user === user).flatMap(({ visits }) => visits.get(room) ?? []);
  for (const one of people) archives.set(one.user, await one.archive(room));
  return {
    room,
    founder: founder.user,
    changes: founder.changes.filter((change) => change.room === room),
    sent: new Map(people.map((one) => [one.user, one.sent.get(room) ?? []])),
    archives,
    visits: new Map(people.map(({ user }) => [user, visitsOf(user)])),
  };
}

/** @returns faults of the rooms, and what is to be in the inbox of each user because of them */
export function judged(observed: readonly RoomObserved[]): { faults: string[]; inboxes: Map<string, OfGroups> } {
  const inboxes = new Map<string, OfGroups>();
  const add = (user: string, min: number, max: number, invitations: number): void => {
    const { items, invitations: before } = inboxes.get(user) ?? { items: { min: 0, max: 0 }, invitations: 0 };
    const both = { min: items.min + min, max: items.max + max };
    inboxes.set(user, { items: both, invitations: before + invitations });
  };
  for (const one of observed) {
    for (const user of one.archives.keys()) {
      const { min, max } = inboxItems(one, user);
      add(user, min, max, 0);
    }
    // An invitation is a message of two: of the founder, and of who is let in.
    for (const { user, member } of one.changes) for (const of of [user, one.founder]) add(of, 0, 0, member ? 1 : 0);
  }
  return { faults: observed.flatMap(brokenRoom), inboxes };
}

/**
 * Who enters sees whoever is there, and nobody who is gone.
 * @returns what does not fit, once the founder has heard; it has entered again for that
 */
export async function ghosts({ room, founder, members, seconds }: Group): Promise<string[]> {
  const people = [founder, ...members, ...seconds];
  for (const one of people) await one.ping();
  await until(`everybody to be in ${room}`, () => people.every((one) => one.awaited.length === 0));
  founder.enter(room);
  await until(`${founder.user} to be in ${room}`, () => founder.isIn(room));
  const there = founder.occupants(room);
  const wanted = new Set(people.filter((one) => one.isIn(room)).map(({ jid }) => jid));
  return [
    ...[...there].filter((jid) => !wanted.has(jid)).map((jid) => `${room}: ${jid} is a ghost`),
    ...[...wanted].filter((jid) => !there.has(jid)).map((jid) => `${room}: ${jid} is there, and not shown`),
  ];
}
