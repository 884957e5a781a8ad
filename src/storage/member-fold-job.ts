import { encodeOp } from './codec.ts';
import { carryBytes, foldedEntries, journalRecord } from './fold-job.ts';
import type { FoldJob } from './fold-run.ts';
import type { FoldEntry } from './fold-slice.ts';
import { copyKey, encodeCopyRow, isMemberRecord, type JournalItem } from './member-journal.ts';
import { entriesIn, outboxesIn } from './member-records.ts';
import { firstNeeded, type MemberState } from './member-recovery.ts';
import { encodeFolded, type Folded } from './recovery.ts';
import type { Position } from './replicated-store.ts';
import type { Rocks } from './rocks.ts';
import type { ShardCopy } from './shard-copy.ts';
import { Tails } from './tails.ts';

/** A copy as it was when the fold began. */
interface Target {
  readonly copy: ShardCopy;
  readonly life: number;
  readonly changes: number;
  readonly applied: Position;
  readonly row: Buffer;
}

export interface MemberFoldParts {
  readonly rocks: Rocks;
  readonly state: MemberState;
  /** last journal record given to the writer: when the fold's own writes reach RocksDB, it is there */
  readonly upTo: number;
  /** last one that is on disk by now */
  synced(): number;
  readonly journalRecordsMax: number;
  /** Writes a record of commit progress or of what is carried over. Resolves when it is on disk and noted. */
  write(items: readonly JournalItem[]): Promise<void>;
}

/** The fold of a member's store: only what is applied is in the generation. */
export class MemberFoldJob implements FoldJob {
  private readonly parts: MemberFoldParts;
  private readonly targets: Target[];
  private folded: Folded | undefined;

  constructor(parts: MemberFoldParts) {
    this.parts = parts;
    this.targets = [...parts.state.changed].map((copy) => {
      const { life, changes, applied, hard, loading, ackedUpTo, shard } = copy;
      return { copy, life, changes, applied, row: encodeCopyRow(shard, { hard, base: applied, loading, ackedUpTo }) };
    });
  }

  /**
   * Says how far this fold will bring each shard, before it does: if it is cut short, recovery applies up to there, and
   * the state is whole again. Not awaited: the writer keeps the order.
   */
  begin(): void {
    const items: JournalItem[] = [];
    for (const { copy, applied } of this.targets) {
      if (copy.progressLogged >= applied.idx) continue;
      copy.progressLogged = applied.idx;
      items.push({ t: 'progress', shard: copy.shard, commitIdx: applied.idx });
    }
    // A writer that fails reports itself, and fails this fold's slices too.
    if (items.length > 0) this.parts.write(items).catch(() => undefined);
  }

  /** Entries nobody commits, and outboxes nobody acknowledges, would keep every record behind them. */
  async carryOver(): Promise<void> {
    const { upTo, journalRecordsMax, state } = this.parts;
    if (upTo + 1 - this.firstNeeded() < journalRecordsMax) return;
    const old = Math.min(upTo, this.parts.synced());
    const records = new Set(state.ledger.recordsUpTo(old));
    for (const copy of state.copies.values()) {
      for (const { record } of copy.refs) if (record <= old) records.add(record);
    }
    let items: JournalItem[] = [];
    let bytes = 0;
    for (const record of [...records].sort((a, b) => a - b)) {
      const value = journalRecord(this.parts.rocks, record);
      for (const item of this.neededOf(value, record)) {
        items.push(item);
        bytes += 'bytes' in item ? item.bytes.length : 'entries' in item ? item.entries.reduce(sumBytes, 0) : 0;
      }
      if (bytes < carryBytes) continue;
      await this.parts.write(items);
      items = [];
      bytes = 0;
    }
    if (items.length > 0) await this.parts.write(items);
  }

  end(): FoldEntry[] {
    const { state, upTo } = this.parts;
    // Also of copies that became others meanwhile: the row speaks for the records up to `upTo`, and those that made them
    // others come behind it.
    const entries = this.targets.map(
      ({ copy, row }): FoldEntry => ({ t: 'put', key: copyKey(copy.shard), value: row }),
    );
    this.folded = { upTo, first: this.firstNeeded() };
    return [...entries, ...foldedEntries(this.folded, state.folded.first, encodeFolded(this.folded, new Tails()))];
  }

  done(): void {
    const { state } = this.parts;
    if (this.folded !== undefined) state.folded = this.folded;
    for (const { copy, life, changes, applied } of this.targets) {
      if (copy.life === life) copy.folded(applied);
      if (copy.changes === changes) state.changed.delete(copy);
    }
  }

  /** The first journal record that is needed once this fold is done. */
  private firstNeeded(): number {
    const { state, upTo } = this.parts;
    const targets = new Map(this.targets.map((target) => [target.copy, target]));
    return firstNeeded(state, upTo, (copy) => {
      const target = targets.get(copy);
      return target?.life === copy.life ? target.applied.idx : copy.base.idx;
    });
  }

  private neededOf(value: Buffer, record: number): JournalItem[] {
    const { ledger, copies } = this.parts.state;
    const items: JournalItem[] = [];
    for (const { shard, idx, epoch, outbox } of outboxesIn(value)) {
      if (ledger.recordOf(shard, idx) !== record) continue;
      items.push({ t: 'outbox', shard, idx, epoch, bytes: encodeOp({ writes: [], outbox }) });
    }
    if (!isMemberRecord(value)) return items;
    for (const { shard, entries } of entriesIn(value)) {
      const copy = copies.get(shard);
      const needed = entries.filter(({ idx, epoch }) => {
        const ref = copy?.ref(idx);
        return ref !== undefined && ref.record === record && ref.epoch === epoch;
      });
      if (needed.length > 0) items.push({ t: 'again', shard, entries: needed });
    }
    return items;
  }
}

function sumBytes(sum: number, { bytes }: { readonly bytes: Uint8Array }): number {
  return sum + bytes.length;
}
