import type { MessageRecord } from '../../../src/xmpp/message-record.ts';
import type { Fact } from '../cluster-facts.ts';
import type { Check } from '../cluster-world.ts';

/**
 * D11: what its sender takes back is replaced in the op that has the retraction, by something without a body. In the end
 * no copy that has that op, on whatever node, has the body.
 */
export const retractedIsGone: Check = {
  name: 'retracted-is-gone',
  reads: ['numbered', 'replaced', 'posted'],
  begin(world) {
    /** place by chat, sender and id */
    const places = new Map<string, string>();
    const gone = new Map<string, Extract<Fact, { t: 'replaced' }>>();
    let owed: string | undefined;
    return {
      onFact(fact) {
        if (fact.t === 'replaced') {
          const place = `${fact.chat} ${fact.seq}`;
          gone.set(place, fact);
          if (place === owed) owed = undefined;
          return fact.inner.includes('<body') ? `${place} still has a body` : undefined;
        }
        if (owed !== undefined) return `${owed} was taken back and stays`;
        if (fact.t !== 'numbered') return undefined;
        const sender = `${fact.chat} ${fact.from.slice(0, fact.from.indexOf('/'))}`;
        const target = fact.takesBack && places.get(`${sender} ${fact.takesBack}`);
        // What takes something back has nothing to be taken back.
        if (fact.takesBack === undefined) places.set(`${sender} ${fact.oid}`, `${fact.chat} ${fact.seq}`);
        if (target !== undefined && !gone.has(target)) owed = target;
        return undefined;
      },
      atEnd() {
        for (const { shard, idx, chat, seq } of gone.values()) {
          for (const { state } of world.whole?.apps() ?? []) {
            const [found] = state.store.read(shard, `m/${chat}`, { from: seq, to: seq, limit: 1 });
            if (found === undefined || state.applied(shard) < idx) continue;
            if ((found.record as MessageRecord).inner.includes('<body')) return `a copy has the body of ${chat} ${seq}`;
          }
        }
        return undefined;
      },
    };
  },
};
