import { decodeOutboxes } from './codec.ts';
import type { FoldJob } from './fold-run.ts';
import type { FoldEntry } from './fold-slice.ts';
import { journalKey } from './keys.ts';
import type { Op } from './log-store.ts';
import { encodeFolded, type Folded, foldedName, type RecoveredState } from './recovery.ts';
import type { Rocks } from './rocks.ts';

/** Bytes of one record of carried-over ops. */
export const carryBytes = 256 * 1024;

/** The fold of a single node's store: what is applied is what is in the journal. */
export class SingleFoldJob implements FoldJob {
  private readonly rocks: Rocks;
  private readonly state: RecoveredState;
  private readonly upTo: number;
  private readonly journalRecordsMax: number;
  /** Writes ops as a fresh journal record; resolves when it is on disk and the ledger knows where they are now. */
  private readonly carry: (ops: readonly Op[]) => Promise<void>;
  private folded: Folded | undefined;

  constructor(
    rocks: Rocks,
    state: RecoveredState,
    upTo: number,
    journalRecordsMax: number,
    carry: (ops: readonly Op[]) => Promise<void>,
  ) {
    this.rocks = rocks;
    this.state = state;
    this.upTo = upTo;
    this.journalRecordsMax = journalRecordsMax;
    this.carry = carry;
  }

  begin(): void {}

  /** Without their writes: those are in the base. */
  async carryOver(): Promise<void> {
    const { ledger } = this.state;
    if (this.upTo - (ledger.oldest() ?? this.upTo) < this.journalRecordsMax) return;
    let carried: Op[] = [];
    let bytes = 0;
    for (const record of ledger.recordsUpTo(this.upTo)) {
      const value = journalRecord(this.rocks, record);
      for (const op of decodeOutboxes(value)) {
        if (op.outbox.length > 0 && ledger.has(op.shard, op.idx)) carried.push({ ...op, writes: [] });
      }
      bytes += value.length;
      if (bytes < carryBytes) continue;
      await this.carry(carried);
      carried = [];
      bytes = 0;
    }
    if (carried.length > 0) await this.carry(carried);
  }

  end(): FoldEntry[] {
    const { ledger, tails, folded } = this.state;
    const { upTo } = this;
    const first = Math.min(ledger.oldest() ?? upTo + 1, upTo + 1);
    this.folded = { upTo, first };
    return foldedEntries(this.folded, folded.first, encodeFolded(this.folded, tails));
  }

  done(): void {
    if (this.folded !== undefined) this.state.folded = this.folded;
  }
}

/** The row that says how far a fold came, and the deletion of journal records from `oldFirst` on that are done with. */
export function foldedEntries(folded: Folded, oldFirst: number, row: Buffer): FoldEntry[] {
  const entries: FoldEntry[] = [{ t: 'put', key: foldedName, value: row }];
  if (folded.first > oldFirst) {
    entries.push({ t: 'clear', key: journalKey(oldFirst), end: journalKey(folded.first) });
  }
  return entries;
}

/** @throws Error when a record that is still needed is not there: a bug, or a spoilt folder */
export function journalRecord(rocks: Rocks, record: number): Buffer {
  const value = rocks.get(journalKey(record));
  if (value === undefined) throw new Error(`journal record ${record} is missing though it is still needed`);
  return value;
}
