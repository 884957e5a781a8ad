import type { ArchivedMessage } from '../clients/wire-client.ts';
import { ROOMS } from '../harness/rooms.ts';
import type { Range } from './room-ledger.ts';

/** What was sent, in the sender's order, and whether the server has said that it keeps it. */
export interface SentMessage {
  readonly originId: string;
  /** bare JIDs */
  readonly from: string;
  readonly to: string;
  acked: boolean;
  /** condition of the error that came back in its place */
  refused?: string | undefined;
}

/** What one user's devices were shown while they were online: archive id → origin-id, which invitations have none of. */
export type Shown = ReadonlyMap<string, string | undefined>;

/** What groups add to a user's inbox. Their messages have ids of it, and are in the rooms' archives. */
export interface OfGroups {
  /** groups' messages */
  readonly items: Range;
  /** invitations that came and that went, by rooms; each is in the user's archive */
  readonly invitations: number;
}

export interface Observed {
  /** per sender (bare JID), in the order of first sending */
  readonly sent: ReadonlyMap<string, readonly SentMessage[]>;
  /** per user (bare JID), the whole archive in its order */
  readonly archives: ReadonlyMap<string, readonly ArchivedMessage[]>;
  /** per user */
  readonly shown: ReadonlyMap<string, Shown>;
  /** per user; who is in no group is left out */
  readonly groups?: ReadonlyMap<string, OfGroups>;
}

/**
 * The promise, as a list of what breaks it; empty when it was kept:
 * - an acknowledged message is in both archives exactly once, any other at most once;
 * - both archives of a chat have the same messages in the same order, and every sender's in the order of sending;
 * - archive ids of a user are dense from 1, but for as many as are those of groups' messages, up to the last in the archive;
 * - each invitation to a group is there once;
 * - what a device was shown is in the archive, under the id it was shown with.
 */
export function brokenPromises({ sent, archives, shown, groups }: Observed): string[] {
  const faults: string[] = [];
  const known = new Map([...sent].map(([user, own]) => [user, new Set<unknown>(own.map(({ originId }) => originId))]));
  for (const [user, archive] of archives) {
    faults.push(...inboxFaults(user, archive, groups?.get(user)));
    const byId = new Map(archive.map(({ id, originId }) => [id, originId]));
    for (const [id, originId] of shown.get(user) ?? [])
      if (byId.get(id) !== originId) faults.push(`${user} was shown ${originId} as ${id}, which is ${byId.get(id)}`);
    for (const message of archive)
      if (!isOfRoom(message) && !known.get(bare(message.from))?.has(message.originId))
        faults.push(`${user}: ${message.originId} from ${message.from} was never sent`);
  }
  for (const messages of sent.values())
    for (const message of messages)
      for (const user of new Set([message.from, message.to])) {
        const times = count(archives.get(user) ?? [], message.originId);
        if (times > 1) faults.push(`${message.originId} is ${times} times in the archive of ${user}`);
        if (times === 0 && message.acked) faults.push(`${message.originId} was acknowledged and is lost to ${user}`);
      }
  const users = [...archives.keys()];
  for (const [i, one] of users.entries())
    for (const other of users.slice(i + 1)) faults.push(...chatFaults(one, other, sent, archives));
  return faults;
}

const NO_GROUPS: OfGroups = { items: { min: 0, max: 0 }, invitations: 0 };

function inboxFaults(user: string, archive: readonly ArchivedMessage[], { items, invitations } = NO_GROUPS): string[] {
  const faults: string[] = [];
  archive.forEach(({ id }, at) => {
    const least = Number(archive[at - 1]?.id ?? 0) + 1;
    if (!(Number(id) >= least)) faults.push(`${user}: archive id ${id} at place ${at + 1}, behind ${least - 1}`);
  });
  const between = Number(archive.at(-1)?.id ?? 0) - archive.length;
  if (between < items.min || between > items.max)
    faults.push(`${user}: ${between} ids are not in the archive, groups' messages are ${items.min} to ${items.max}`);
  const invited = archive.filter(isOfRoom).length;
  if (invited !== invitations) faults.push(`${user}: ${invited} invitations, not ${invitations}`);
  return faults;
}

const isOfRoom = ({ from, to }: ArchivedMessage): boolean => [from, to].some((jid) => bare(jid).endsWith(`@${ROOMS}`));

function chatFaults(one: string, other: string, sent: Observed['sent'], archives: Observed['archives']): string[] {
  const [ours, theirs] = [
    [one, other],
    [other, one],
  ].map(([user, peer]) => (archives.get(user!) ?? []).filter(({ from, to }) => [bare(from), bare(to)].includes(peer!)));
  const faults: string[] = [];
  const differs = ours!.findIndex(({ originId }, at) => originId !== theirs![at]?.originId);
  if (differs >= 0 || ours!.length !== theirs!.length)
    faults.push(`${one} and ${other}: ${ours!.length} and ${theirs!.length} messages, different from ${differs} on`);
  for (const sender of [one, other]) {
    const order = new Map((sent.get(sender) ?? []).map(({ originId }, at) => [originId, at]));
    const places = ours!.filter(({ from }) => bare(from) === sender).map(({ originId }) => order.get(originId!) ?? -1);
    const wrong = places.findIndex((place, at) => at > 0 && place < places[at - 1]!);
    if (wrong >= 0) faults.push(`${one} and ${other}: message ${wrong} of ${sender} is out of order`);
  }
  return faults;
}

const bare = (jid: string): string => jid.split('/')[0]!;

const counts = new WeakMap<readonly ArchivedMessage[], Map<string, number>>();

function count(archive: readonly ArchivedMessage[], originId: string): number {
  let found = counts.get(archive);
  if (found === undefined) {
    found = new Map();
    for (const { originId: id = '' } of archive) found.set(id, (found.get(id) ?? 0) + 1);
    counts.set(archive, found);
  }
  return found.get(originId) ?? 0;
}
