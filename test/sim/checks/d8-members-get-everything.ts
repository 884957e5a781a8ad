import type { ChatItem, PostItem } from '../../../src/actors/messages.ts';
import type { Check } from '../cluster-world.ts';

interface Membership {
  readonly member: boolean;
  readonly since: number;
  /** idx of the op that said so */
  readonly idx: number;
}

interface Last {
  /** chatSeq of the last message, and the op it is in */
  readonly seq: number;
  readonly idx: number;
  /** chatSeq of the last message of the ops before that */
  readonly before: number;
}

/**
 * D8: who becomes a member of a room, or ceases to be one, does so at one place in the room's order, for all alike: each
 * message is posted to everybody who is a member behind the one before it, and to nobody else. Of a large room a pointer
 * may stand for several, some time later (that it comes is seen when all is healed); who goes has all by then.
 */
export const membersGetEverything: Check = {
  name: 'members-get-everything',
  reads: ['numbered', 'affiliated', 'posted'],
  begin(world) {
    const rooms = new Map<string, Map<string, Membership>>();
    const lasts = new Map<string, Last>();
    /** `room user` → chatSeq up to which messages were posted */
    const upTo = new Map<string, number>();
    /** rooms that have pointed: a message may be posted to nobody for a while, and later it is pointed to */
    const large = new Set<string>();
    /** of the last op with messages of a room: the room, and their chatSeqs */
    let numbered: { readonly at: string; readonly room: string; readonly seqs: number[] } | undefined;
    /** of the last op that ended memberships: who had to have what */
    let ended: { readonly at: string; readonly owed: [key: string, seq: number][] } | undefined;
    const unpaid = (): string | undefined => {
      const lacks = ended?.owed.find(([key, seq]) => (upTo.get(key) ?? 0) < seq);
      ended = undefined;
      return lacks && `${lacks[0]} is taken out without ${lacks[1]} posted`;
    };
    return {
      onFact(fact) {
        const at = 'idx' in fact ? `${fact.shard} ${fact.idx}` : '';
        if (ended !== undefined && ended.at !== at) {
          const fault = unpaid();
          if (fault !== undefined) return fault;
        }
        if (fact.t === 'affiliated') {
          const { chat, user, member, since, idx } = fact;
          const known = rooms.get(chat) ?? new Map<string, Membership>();
          const was = known.get(user);
          rooms.set(chat, known.set(user, { member, since, idx }));
          // Within one op the order is not known: what was said in ops before is owed for certain.
          const last = lasts.get(chat);
          const seq = last?.idx === idx ? last.before : (last?.seq ?? 0);
          if (was?.member !== true || was.idx === idx || member || seq <= was.since) return undefined;
          ended ??= { at, owed: [] };
          ended.owed.push([`${chat} ${user}`, seq]);
        } else if (fact.t === 'numbered' && world.whole?.isRoom(fact.chat)) {
          const last = lasts.get(fact.chat);
          const before = last?.idx === fact.idx ? last.before : (last?.seq ?? 0);
          lasts.set(fact.chat, { seq: fact.seq, idx: fact.idx, before });
          if (numbered?.at === at) numbered.seqs.push(fact.seq);
          else if (numbered !== undefined && !large.has(numbered.room))
            return `${numbered.seqs} of ${numbered.room} are posted to nobody`;
          else numbered = { at, room: fact.chat, seqs: [fact.seq] };
        } else if (fact.t === 'posted') {
          const posted = new Set<string>();
          for (const { to, body } of fact.items) {
            const item = body as ChatItem | PostItem;
            if (item.t !== 'msg' || !world.whole?.isRoom(item.chat)) continue;
            const user = to.slice(to.indexOf(':') + 1);
            const key = `${item.chat} ${user}`;
            upTo.set(key, Math.max(upTo.get(key) ?? 0, item.seq));
            if (item.since === undefined) posted.add(`${item.seq} ${user}`);
            else {
              large.add(item.chat);
              const fault = wrongPointer(item, user, rooms.get(item.chat)?.get(user), lasts.get(item.chat), fact.idx);
              if (fault !== undefined) return fault;
            }
          }
          if (numbered?.at !== at) return unpaid();
          const { room, seqs } = numbered;
          numbered = undefined;
          return wrong(room, rooms.get(room) ?? new Map(), seqs, posted, fact.idx) ?? unpaid();
        }
        return undefined;
      },
    };
  },
};

function wrongPointer(
  { chat, seq, since }: ChatItem,
  user: string,
  known: Membership | undefined,
  last: Last | undefined,
  op: number,
): string | undefined {
  // Who is taken out in this op was a member until then.
  if (known === undefined || (!known.member && known.idx !== op)) return `${chat} points a stranger to ${seq}: ${user}`;
  if (known.member && known.idx !== op && known.since !== since)
    return `${chat} points ${user} to what is behind ${since}, a member since ${known.since}`;
  return seq <= (last?.seq ?? 0) ? undefined : `${chat} points to ${seq}, which nobody said`;
}

function wrong(
  room: string,
  members: ReadonlyMap<string, Membership>,
  seqs: readonly number[],
  posted: Set<string>,
  op: number,
): string | undefined {
  for (const seq of seqs) {
    // A large room: what is not posted each by itself is pointed to.
    if (![...posted].some((one) => one.startsWith(`${seq} `))) continue;
    for (const [user, { member, since, idx }] of members) {
      const has = posted.delete(`${seq} ${user}`);
      // Within one op the row says what it came to; what was before that is not known here.
      if (seq <= since && idx === op) continue;
      const due = member && seq > since;
      if (has !== due) return `${seq} of ${room} is ${due ? 'not ' : ''}posted to ${user}`;
    }
  }
  const [other] = posted;
  return other === undefined ? undefined : `${room} posts to a stranger: ${other}`;
}
