import type { Check } from '../cluster-world.ts';

/** D11: what its sender takes back is replaced in the op that has the retraction, by something without a body. */
export const retractedIsGone: Check = {
  name: 'retracted-is-gone',
  reads: ['numbered', 'replaced', 'posted'],
  begin() {
    /** place by chat, sender and id */
    const places = new Map<string, string>();
    const gone = new Set<string>();
    let owed: string | undefined;
    return {
      onFact(fact) {
        if (fact.t === 'replaced') {
          const place = `${fact.chat} ${fact.seq}`;
          gone.add(place);
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
    };
  },
};
