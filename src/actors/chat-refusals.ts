import type { Blocked } from '../xmpp/blocklist.ts';
import type { Member } from './chat-state.ts';
import type { PostItem, Send } from './messages.ts';

/** Whom a member of a direct chat blocks (XEP-0191), as its session told: the chat refuses those messages for it. */
export interface Refusal {
  /** of the member's block list; what is told out of order is older */
  readonly ver: number;
  /** of the other member */
  readonly whom: Blocked;
}

type Refuses = Extract<PostItem, { t: 'refuses' }>;

/** @returns the members as they are now, undefined when nothing changed */
export function withRefusal(members: readonly Member[], { member, cur, ver, whom }: Refuses): Member[] | undefined {
  const before = members.find(({ jid }) => jid === member);
  // Who joined at or after this cursor is another account of the name.
  if (before?.here !== true || before.since >= cur || ver <= (before.refuses?.ver ?? 0)) return undefined;
  return members.map((one) => (one === before ? { ...one, refuses: { ver, whom } } : one));
}

/** Does the other member of this direct chat refuse it? */
export function isRefused(members: readonly Member[], { sender, from, via }: Send): boolean {
  // What a room relays comes from the room: a refusal would tell who is behind a nick. The receiver's session decides.
  if (via !== undefined) return false;
  for (const { jid, here, refuses } of members) {
    if (refuses === undefined || !here || jid === sender) continue;
    return refuses.whom === 'all' || refuses.whom.includes(from.slice(sender.length + 1));
  }
  return false;
}
