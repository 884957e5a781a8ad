import type { ChatItem, PostItem } from '../../../src/actors/messages.ts';
import type { Check } from '../cluster-world.ts';

/** I14 between shards: a delivery counts as acknowledged only when the op that took it is committed. */
export const releasedIsTaken: Check = {
  name: 'released-is-taken',
  reads: ['posted', 'released'],
  begin(world) {
    const posted = new Map<string, readonly { readonly to: string; readonly body: unknown }[]>();
    return {
      onFact(fact) {
        if (fact.t === 'posted') posted.set(`${fact.shard} ${fact.idx}`, fact.items);
        if (fact.t !== 'released') return undefined;
        for (const [pos, { to, body }] of (posted.get(`${fact.shard} ${fact.idx}`) ?? []).entries()) {
          const item = body as ChatItem | PostItem;
          if (item.t === 'relay') {
            const { oid, id } = item.send;
            const name = oid ?? id ?? `r.${fact.shard}.${fact.idx}.${pos}`;
            if (world.whole?.ledger.placeOf(name) !== undefined) continue;
            return `n${fact.node} lets go of ${name}, which is handed to ${to} and not there`;
          }
          const user = to.slice(to.indexOf(':') + 1);
          if (item.t !== 'msg' || (world.whole?.ledger.cursorOf(user, item.chat) ?? 0) >= item.seq) continue;
          return `n${fact.node} lets go of ${item.chat} ${item.seq}, which ${user} does not have`;
        }
        return undefined;
      },
    };
  },
};
