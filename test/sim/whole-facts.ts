import type { MemberCursor } from '../../src/actors/group-cursors.ts';
import type { Affiliate } from '../../src/actors/group-state.ts';
import type { OpBody, PlainWrite } from '../../src/storage/log-store.ts';
import type { MessageRecord } from '../../src/xmpp/message-record.ts';
import { isMember } from '../../src/xmpp/muc-words.ts';
import type { Fact } from './cluster-facts.ts';

type DeliveryFact = Extract<Fact, { t: 'numbered' | 'replaced' | 'inboxed' | 'posted' | 'affiliated' | 'cursored' }>;

/** As a client of the simulation says it (XEP-0424). */
const TAKES_BACK = /<retract [^>]*id='([^']*)'/;

/** What a committed op says of messages, read off its writes: nothing that the code under test reports of itself. */
export function* factsOf(shard: number, idx: number, body: OpBody): Generator<DeliveryFact> {
  const writes = body.writes.flatMap((write) =>
    write.t === 'call' ? (write.writes ?? write.call.expand(write.args)) : write,
  );
  let by = 0;
  for (const [i, write] of writes.entries()) {
    if (write.t === 'put' || write.t === 'del')
      yield* rowOfRoom(shard, idx, write.key, write.t === 'put' ? write.value : undefined);
    if (write.t === 'replace' && write.stream.startsWith('m/')) {
      const { inner } = write.record as MessageRecord;
      yield { t: 'replaced', shard, idx, chat: write.stream.slice(2), seq: write.seq, inner, by };
    }
    if (write.t !== 'append') continue;
    const { stream, seq } = write;
    if (stream.startsWith('m/')) {
      by = seq;
      const { from, oid, id, tok, inner } = write.record as MessageRecord;
      const takesBack = TAKES_BACK.exec(inner)?.[1];
      const more = takesBack === undefined ? {} : { takesBack };
      yield { t: 'numbered', shard, idx, chat: stream.slice(2), seq, from, oid: oid ?? id ?? tok ?? '', ...more };
    } else if (stream.startsWith('i/')) {
      const { c: chat, q: chatSeq } = write.record as { c: string; q: number };
      const user = stream.slice(2);
      const cursor = cursorBehind(writes, i, `S/${user}/c/${chat}`);
      yield { t: 'inboxed', shard, idx, user, inboxSeq: seq, chat, chatSeq, cursor };
    }
  }
  if (body.outbox.length > 0) yield { t: 'posted', shard, idx, items: body.outbox };
}

/** Rows `G/<room>/a/<user>` and `G/<room>/r/<user>` of a room (group-state.ts). */
function* rowOfRoom(shard: number, idx: number, key: string, value: unknown): Generator<DeliveryFact> {
  const [start, chat = '', kind, user = ''] = key.split('/');
  if (start === 'G' && kind === 'r') {
    const { had, read } = (value ?? { had: 0, read: 0 }) as MemberCursor;
    yield { t: 'cursored', shard, idx, chat, user, had, read };
  }
  if (start !== 'G' || kind !== 'a') return;
  const { affiliation, since } = (value ?? { affiliation: 'none', since: 0 }) as Affiliate;
  yield { t: 'affiliated', shard, idx, chat, user, member: isMember(affiliation), since };
}

/** The cursor that the op writes with or after an inbox item; undefined when it writes none. */
function cursorBehind(writes: readonly PlainWrite[], from: number, key: string): number | undefined {
  for (let i = from; i < writes.length; i++) {
    const write = writes[i];
    if (write?.t === 'put' && write.key === key) return (write.value as { cur: number }).cur;
  }
  return undefined;
}
