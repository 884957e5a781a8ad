import { checked, decodeJournal, formatVersion, packValue, unpackValue } from './codec.ts';
import { journalEnd, journalKey, journalNumber, metaKey } from './keys.ts';
import type { CallType, Op } from './log-store.ts';
import { OutboxLedger } from './outbox-ledger.ts';
import { Overlay } from './overlay.ts';
import type { Rocks } from './rocks.ts';
import { sortOps, Tails } from './tails.ts';

/** Key of the row written at the end of every fold. */
export const foldedName: Buffer = metaKey('folded');

const recordsPerRead = 256;

/** How far folding came: journal records up to `upTo` are in the base, records before `first` are deleted. */
export interface Folded {
  readonly upTo: number;
  readonly first: number;
}

/** The store's memory, as recovery builds it and the store goes on with it. */
export interface RecoveredState {
  readonly overlay: Overlay;
  readonly ledger: OutboxLedger;
  readonly tails: Tails;
  readonly unacked: Op[];
  folded: Folded;
  /** last journal record number that was used */
  readonly lastRecord: number;
}

export function encodeFolded(folded: Folded, tails: Tails): Buffer {
  return Buffer.concat([Buffer.of(formatVersion), packValue([folded.upTo, folded.first, tails.flat()])]);
}

/**
 * Reads what the journal holds. Records the base has already are only looked at for their outboxes; the others are
 * applied to a new overlay. A base that has part of a later fold is no harm: those records come again, in order.
 */
export function recover(rocks: Rocks, calls: readonly CallType[] = []): RecoveredState {
  const { folded, tails } = readFolded(rocks);
  const { upTo, first } = folded;
  const overlay = new Overlay();
  const ledger = new OutboxLedger();
  const unacked = new Map<string, Op>();
  let lastRecord = Math.max(upTo, first - 1);
  overlay.active.upTo = upTo;
  for (const [key, value] of journalFrom(rocks, first)) {
    const record = journalNumber(key);
    for (const op of decodeJournal(value, calls)) {
      tails.saw(op);
      if (record > upTo) overlay.apply(op);
      if (op.outbox.length === 0) continue;
      ledger.add(record, op.shard, op.idx);
      // One carried over may be there twice; the first one still has its writes.
      const id = `${op.shard}/${op.idx}`;
      if (!unacked.has(id)) unacked.set(id, op);
    }
    if (record > upTo) overlay.active.bytes += value.length;
    lastRecord = Math.max(lastRecord, record);
    overlay.active.upTo = lastRecord;
  }
  return { overlay, ledger, tails, unacked: sortOps([...unacked.values()]), folded, lastRecord };
}

/** How far the last fold came, and the tails it wrote down; a new folder's when there was none. */
export function readFolded(rocks: Rocks): { folded: Folded; tails: Tails } {
  const row = rocks.get(foldedName);
  const [upTo, first, flatTails] = row
    ? (unpackValue(checked(row).subarray(1)) as [number, number, number[]])
    : [0, 1, []];
  return { folded: { upTo, first }, tails: Tails.fromFlat(flatTails) };
}

/** The journal from this record on. */
export function* journalFrom(rocks: Rocks, first: number): Generator<[key: Buffer, value: Buffer]> {
  let gte = journalKey(first);
  for (;;) {
    const pairs = rocks.query({ gte, lt: journalEnd }, recordsPerRead);
    yield* pairs;
    const end = pairs.at(-1);
    if (end === undefined || pairs.length < recordsPerRead) return;
    gte = journalKey(journalNumber(end[0]) + 1);
  }
}

/** Deletes journal records after `record`, on disk when it resolves: they were rejected, nobody may ever see them. */
export async function purgeAfter(rocks: Rocks, record: number, state: RecoveredState): Promise<void> {
  await rocks.clear({ gte: journalKey(record + 1), lt: journalEnd });
  const batch = rocks.batch();
  batch.put(foldedName, encodeFolded(state.folded, state.tails));
  batch.write(true);
}
