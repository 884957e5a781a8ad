import type { ChatItem, PostItem } from '../../../src/actors/messages.ts';
import type { Check } from '../cluster-world.ts';

interface Membership {
  readonly member: boolean;
  readonly since: number;
  /** idx of the op that said so */
  readonly idx: number;
}

/**
 * D8: who becomes a member of a room, or ceases to be one, does so at one place in the room's order, for all alike: each
 * message is posted to everybody who is a member behind the one before it, and to nobody else.
 */
export const membersGetEverything: Check = {
  name: 'members-get-everything',
  reads: ['numbered', 'affiliated', 'posted'],
  begin(world) {
    const rooms = new Map<string, Map<string, Membership>>();
    /** of the last op with messages of a room: the room, and their chatSeqs */
    let numbered: { readonly at: string; readonly room: string; readonly seqs: number[] } | undefined;
    return {
      onFact(fact) {
        if (fact.t === 'affiliated') {
          const { chat, user, member, since, idx } = fact;
          const known = rooms.get(chat) ?? new Map<string, Membership>();
          rooms.set(chat, known.set(user, { member, since, idx }));
        } else if (fact.t === 'numbered' && world.whole?.isRoom(fact.chat)) {
          const at = `${fact.shard} ${fact.idx}`;
          if (numbered?.at === at) numbered.seqs.push(fact.seq);
          else if (numbered !== undefined) return `${numbered.seqs} of ${numbered.room} are posted to nobody`;
          else numbered = { at, room: fact.chat, seqs: [fact.seq] };
        } else if (fact.t === 'posted' && numbered?.at === `${fact.shard} ${fact.idx}`) {
          const { room, seqs } = numbered;
          numbered = undefined;
          const posted = new Set<string>();
          for (const { to, body } of fact.items) {
            const item = body as ChatItem | PostItem;
            if (item.t === 'msg') posted.add(`${item.seq} ${to.slice(to.indexOf(':') + 1)}`);
          }
          return wrong(room, rooms.get(room) ?? new Map(), seqs, posted, fact.idx);
        }
        return undefined;
      },
    };
  },
};

function wrong(
  room: string,
  members: ReadonlyMap<string, Membership>,
  seqs: readonly number[],
  posted: Set<string>,
  op: number,
): string | undefined {
  for (const seq of seqs) {
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
