import { decodeOpOutbox, decodeOutboxes } from './codec.ts';
import { journalRecord } from './fold-job.ts';
import type { Op } from './log-store.ts';
import { decodeItems, isMemberRecord } from './member-journal.ts';
import type { OutboxLedger } from './outbox-ledger.ts';
import type { Entry } from './replicated-store.ts';
import type { Rocks } from './rocks.ts';

/** Runs of entries in a member's journal record, in order. */
export function entriesIn(record: Buffer): { readonly shard: number; readonly entries: readonly Entry[] }[] {
  return decodeItems(record).filter((item) => item.t === 'append' || item.t === 'again');
}

/** Ops of a shard behind `after` whose outbox waits, in order, at most `limit`, as the journal has them. */
export function unackedOps(rocks: Rocks, ledger: OutboxLedger, shard: number, after: number, limit: number): Op[] {
  const idxs = ledger
    .idxs(shard)
    .filter((idx) => idx > after)
    .slice(0, limit);
  const wanted = new Map<number, Set<number>>();
  for (const idx of idxs) {
    const record = ledger.recordOf(shard, idx) as number;
    const inRecord = wanted.get(record) ?? new Set();
    wanted.set(record, inRecord.add(idx));
  }
  const ops: Op[] = [];
  for (const [record, inRecord] of wanted) {
    for (const op of outboxesIn(journalRecord(rocks, record), shard)) if (inRecord.has(op.idx)) ops.push(op);
  }
  return ops.sort((a, b) => a.idx - b.idx);
}

/** The outboxes in a journal record, of all shards or of one, the last one of each idx, of a member or of the single node that the folder belonged to before. */
export function outboxesIn(record: Buffer, only?: number): Op[] {
  const wanted = (shard: number): boolean => only === undefined || shard === only;
  if (!isMemberRecord(record)) {
    return decodeOutboxes(record).filter(({ shard, outbox }) => outbox.length > 0 && wanted(shard));
  }
  const found = new Map<string, Op>();
  for (const item of decodeItems(record)) {
    if (!wanted(item.shard)) continue;
    const entries = item.t === 'append' || item.t === 'again' ? item.entries : item.t === 'outbox' ? [item] : [];
    for (const { idx, epoch, bytes } of entries) {
      const outbox = decodeOpOutbox(bytes);
      if (outbox.length > 0) found.set(`${item.shard}/${idx}`, { shard: item.shard, idx, epoch, writes: [], outbox });
    }
  }
  return [...found.values()];
}
