import type { OpBody, PlainWrite } from '../../src/storage/log-store.ts';
import type { Fact } from './cluster-facts.ts';

type DeliveryFact = Extract<Fact, { t: 'numbered' | 'inboxed' | 'posted' }>;

/** What a committed op says of messages, read off its writes: nothing that the code under test reports of itself. */
export function* factsOf(shard: number, idx: number, body: OpBody): Generator<DeliveryFact> {
  const writes = body.writes.flatMap((write) =>
    write.t === 'call' ? (write.writes ?? write.call.expand(write.args)) : write,
  );
  for (const [i, write] of writes.entries()) {
    if (write.t !== 'append') continue;
    const { stream, seq } = write;
    if (stream.startsWith('m/')) {
      const { from, oid, id } = write.record as { from: string; oid?: string; id?: string };
      yield { t: 'numbered', shard, idx, chat: stream.slice(2), seq, from, oid: oid ?? id ?? '' };
    } else if (stream.startsWith('i/')) {
      const { c: chat, q: chatSeq } = write.record as { c: string; q: number };
      const user = stream.slice(2);
      const cursor = cursorBehind(writes, i, `S/${user}/c/${chat}`);
      yield { t: 'inboxed', shard, idx, user, inboxSeq: seq, chat, chatSeq, cursor };
    }
  }
  if (body.outbox.length > 0) yield { t: 'posted', shard, idx, items: body.outbox };
}

/** The cursor that the op writes with or after an inbox item; undefined when it writes none. */
function cursorBehind(writes: readonly PlainWrite[], from: number, key: string): number | undefined {
  for (let i = from; i < writes.length; i++) {
    const write = writes[i];
    if (write?.t === 'put' && write.key === key) return (write.value as { cur: number }).cur;
  }
  return undefined;
}
