import type { ArchivedMessage } from '../clients/wire-client.ts';
import { brokenPromises, type Observed, type SentMessage } from '../crash/ledger.ts';

/** A message as a device was shown it. */
export interface Seen {
  /** number of the XEP-0198 stream, from 1; a resumed one keeps its number */
  readonly stream: number;
  /** archive id: inboxSeq */
  readonly id: number;
  /** undefined of an invitation to a group */
  readonly originId: string | undefined;
  /** it bore a delay stamp: it comes from the inbox, not live */
  readonly late: boolean;
}

/** Everything that the clients of a run know. */
export interface Views {
  /** per user (bare JID), in the order of first sending */
  readonly sent: ReadonlyMap<string, readonly SentMessage[]>;
  /** per user, the whole archive in its order */
  readonly archives: ReadonlyMap<string, readonly ArchivedMessage[]>;
  /** per user with one device, in the order in which it was shown */
  readonly seen: ReadonlyMap<string, readonly Seen[]>;
  /** per user in groups */
  readonly groups?: Observed['groups'];
}

/**
 * What the clients' views say against the promise; empty when it was kept. Beside what `brokenPromises` wants of the
 * archives (ids dense from 1 are the inbox without gaps, equal chats are the chats' order):
 * - within a stream, over all its resumptions, a device is shown messages in the order of its inbox, none twice;
 * - a new stream may show again what the device could not acknowledge any more, with a delay stamp, and leaves no gap;
 * - in the end the device was shown everything that others wrote to its user.
 */
export function brokenViews(views: Views): string[] {
  const { sent, archives, seen, groups } = views;
  const faults = brokenPromises({ sent, archives, shown: shownOf(views, []), ...(groups && { groups }) });
  for (const [user, shown] of seen) {
    const theirs = (archives.get(user) ?? []).filter(({ from }) => !from.startsWith(`${user}/`));
    faults.push(
      ...orderFaults(user, shown),
      ...gapFaults(
        user,
        shown,
        theirs.map(({ id }) => Number(id)),
      ),
    );
  }
  shownOf(views, faults);
  return faults;
}

/** @param faults is told of archive ids that stood for two messages */
function shownOf({ seen }: Views, faults: string[]): Observed['shown'] {
  const all = new Map<string, Map<string, string | undefined>>();
  for (const [user, shown] of seen) {
    const byId = new Map<string, string | undefined>();
    for (const { id, originId } of shown) {
      const before = byId.get(String(id));
      if (byId.has(String(id)) && before !== originId)
        faults.push(`${user} was shown ${before} and ${originId} as ${id}`);
      byId.set(String(id), originId);
    }
    all.set(user, byId);
  }
  return all;
}

function orderFaults(user: string, shown: readonly Seen[]): string[] {
  const faults: string[] = [];
  const had = new Set<number>();
  let last: Seen | undefined;
  for (const one of shown) {
    if (last?.stream === one.stream && one.id <= last.id)
      faults.push(`${user} was shown ${one.id} (${one.originId}) after ${last.id} on stream ${one.stream}`);
    if (had.has(one.id) && !one.late)
      faults.push(`${user} was shown ${one.id} (${one.originId}) again on stream ${one.stream}, without a delay stamp`);
    had.add(one.id);
    last = one;
  }
  return faults;
}

/** Whatever the device was shown, everything before it for this user must have been shown by then. */
function gapFaults(user: string, shown: readonly Seen[], theirs: readonly number[]): string[] {
  const faults: string[] = [];
  const had = new Set<number>();
  let next = 0;
  for (const { id, originId, stream } of shown) {
    had.add(id);
    while (next < theirs.length && had.has(theirs[next]!)) next += 1;
    const missing = theirs[next];
    if (missing === undefined || missing > id) continue;
    faults.push(`${user} was shown ${id} (${originId}) on stream ${stream}, and not ${missing} before it`);
    while (next < theirs.length && theirs[next]! <= id) next += 1;
  }
  const never = theirs.filter((id) => !had.has(id));
  if (never.length > 0) faults.push(`${user} was never shown ${never.length} messages, from ${never[0]} on`);
  return faults;
}
