import { inboxStream, userRows } from '../../../src/actors/keys.ts';
import { TAKEN_ROW, type TakenBack } from '../../../src/actors/session-types.ts';
import type { LogStore } from '../../../src/storage/log-store.ts';
import type { InboxPointer } from '../../../src/xmpp/mam-view.ts';
import type { MessageRecord } from '../../../src/xmpp/message-record.ts';
import type { Fact } from '../cluster-facts.ts';
import type { Check } from '../cluster-world.ts';

type Inboxed = Extract<Fact, { t: 'inboxed' }>;

/**
 * D11: what its sender takes back is replaced in the op that has the retraction, by something without a body. In the end
 * no copy that has that op, on whatever node, has the body; nor has an inbox that has the retraction the words of it,
 * unless it says that they are to go.
 */
export const retractedIsGone: Check = {
  name: 'retracted-is-gone',
  reads: ['numbered', 'replaced', 'inboxed', 'posted'],
  begin(world) {
    /** place by chat, sender and id */
    const places = new Map<string, string>();
    const gone = new Map<string, Extract<Fact, { t: 'replaced' }>>();
    /** by chat and chatSeq */
    const inboxed = new Map<string, Inboxed[]>();
    let owed: string | undefined;
    return {
      onFact(fact) {
        if (fact.t === 'inboxed') {
          const place = `${fact.chat} ${fact.chatSeq}`;
          const had = inboxed.get(place);
          if (had === undefined) inboxed.set(place, [fact]);
          else had.push(fact);
          return undefined;
        }
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
        for (const { state } of world.whole?.apps() ?? []) {
          for (const { shard, idx, chat, seq, by } of gone.values()) {
            const [found] = state.store.read(shard, `m/${chat}`, { from: seq, to: seq, limit: 1 });
            if (found === undefined || state.applied(shard) < idx) continue;
            if ((found.record as MessageRecord).inner.includes('<body')) return `a copy has the body of ${chat} ${seq}`;
            for (const retraction of inboxed.get(`${chat} ${by}`) ?? []) {
              const { user } = retraction;
              const message = inboxed.get(`${chat} ${seq}`)?.find((one) => one.user === user);
              if (message !== undefined && hasWords(state.store, message, retraction))
                return `a copy of the inbox of ${user} has words of ${chat} ${seq}`;
            }
          }
        }
        return undefined;
      },
    };
  },
};

/** The copy has the retraction, and words that nobody is about to take out. */
function hasWords(store: LogStore, message: Inboxed, { inboxSeq: last }: Inboxed): boolean {
  const { shard, user, chat, chatSeq, inboxSeq } = message;
  const [found] = store.read(shard, inboxStream(user), { from: inboxSeq, to: inboxSeq, limit: 1 });
  if (store.last(shard, inboxStream(user)) < last || (found?.record as InboxPointer | undefined)?.w === undefined)
    return false;
  const taken = (store.get(shard, userRows(user) + TAKEN_ROW) ?? []) as readonly TakenBack[];
  return !taken.some(({ c, q }) => c === chat && q === chatSeq);
}
