import type { ArchivedMessage } from '../clients/wire-client.ts';

/** What was sent, in the sender's order, and whether the server has said that it keeps it. */
export interface SentMessage {
  readonly originId: string;
  /** bare JIDs */
  readonly from: string;
  readonly to: string;
  acked: boolean;
}

/** What one user's devices were shown while they were online: archive id → origin-id. */
export type Shown = ReadonlyMap<string, string>;

export interface Observed {
  /** per sender (bare JID), in the order of first sending */
  readonly sent: ReadonlyMap<string, readonly SentMessage[]>;
  /** per user (bare JID), the whole archive in its order */
  readonly archives: ReadonlyMap<string, readonly ArchivedMessage[]>;
  /** per user */
  readonly shown: ReadonlyMap<string, Shown>;
}

/**
 * The promise, as a list of what breaks it; empty when it was kept:
 * - an acknowledged message is in both archives exactly once, any other at most once;
 * - both archives of a chat have the same messages in the same order, and every sender's in the order of sending;
 * - archive ids of a user are dense from 1;
 * - what a device was shown is in the archive, under the id it was shown with.
 */
export function brokenPromises({ sent, archives, shown }: Observed): string[] {
  const faults: string[] = [];
  const known = new Map([...sent].map(([user, own]) => [user, new Set<unknown>(own.map(({ originId }) => originId))]));
  for (const [user, archive] of archives) {
    archive.forEach(({ id }, at) => {
      if (id !== String(at + 1)) faults.push(`${user}: archive id ${id} at place ${at + 1}`);
    });
    const byId = new Map(archive.map(({ id, originId }) => [id, originId]));
    for (const [id, originId] of shown.get(user) ?? [])
      if (byId.get(id) !== originId) faults.push(`${user} was shown ${originId} as ${id}, which is ${byId.get(id)}`);
    for (const message of archive)
      if (!known.get(bare(message.from))?.has(message.originId))
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
