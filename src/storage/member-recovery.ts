import { decodeOp, decodeOpOutbox, decodeOutboxes } from './codec.ts';
import { StorageFailedError } from './errors.ts';
import { journalNumber } from './keys.ts';
import type { CallType } from './log-store.ts';
import { copyKeys, decodeCopyRow, decodeItems, isMemberRecord, type JournalItem } from './member-journal.ts';
import { OutboxLedger } from './outbox-ledger.ts';
import { Overlay } from './overlay.ts';
import { type Folded, journalFrom, readFolded } from './recovery.ts';
import { type Entry, noPosition, type RecoveredShard } from './replicated-store.ts';
import type { Rocks } from './rocks.ts';
import { ShardCopy } from './shard-copy.ts';

/** A member store's memory, as recovery builds it and the store goes on with it. */
export interface MemberState {
  readonly overlay: Overlay;
  readonly ledger: OutboxLedger;
  readonly copies: Map<number, ShardCopy>;
  readonly recovered: Map<number, RecoveredShard>;
  /** copies of which the journal says more than their CopyRow */
  readonly changed: Set<ShardCopy>;
  folded: Folded;
  /** last journal record number that was used */
  readonly lastRecord: number;
}

interface PlacedEntry extends Entry {
  readonly record: number;
}

/** What the journal says of one shard, as far as it was read. */
class Replay {
  readonly copy: ShardCopy;
  /** Sparse: entries whose record was deleted are missing in front, and truncated ones may hang behind the gap. */
  readonly entries = new Map<number, PlacedEntry>();
  /** idx → record that holds the outbox of an applied op */
  readonly outboxes = new Map<number, number>();
  commitIdx = 0;
  beyondRow = false;

  constructor(copy: ShardCopy) {
    this.copy = copy;
  }

  /** @param inRow the record is one that the shard's CopyRow already speaks for */
  take(item: JournalItem, record: number, inRow: boolean): void {
    const { copy } = this;
    if (!inRow) this.beyondRow = true;
    switch (item.t) {
      case 'append':
        if (item.truncateTo !== undefined) this.truncate(item.truncateTo);
        this.commitIdx = Math.max(this.commitIdx, item.commitIdx);
        for (const entry of item.entries) this.put(entry, record, inRow);
        return;
      case 'again':
        for (const entry of item.entries) this.put(entry, record, inRow);
        return;
      case 'progress':
        this.commitIdx = Math.max(this.commitIdx, item.commitIdx);
        return;
      case 'hard':
        if (!inRow) copy.hard = item.hard;
        return;
      case 'load':
      case 'wipe':
        this.forget();
        if (!inRow) copy.restart(noPosition, item.t === 'load', 0);
        return;
      case 'install':
        this.commitIdx = item.at.idx;
        if (!inRow) copy.restart(item.at, false, item.ackedUpTo);
        return;
      case 'outbox':
        this.outboxes.set(item.idx, record);
    }
  }

  private put(entry: Entry, record: number, inRow: boolean): void {
    // Folded, or of a copy that a later record voids: only its outbox can still matter.
    if (inRow && entry.idx <= this.copy.base.idx) {
      if (decodeOpOutbox(entry.bytes).length > 0) this.outboxes.set(entry.idx, record);
      else this.outboxes.delete(entry.idx);
    } else this.entries.set(entry.idx, { ...entry, record });
  }

  private truncate(idx: number): void {
    for (const later of this.entries.keys()) if (later > idx) this.entries.delete(later);
    for (const later of this.outboxes.keys()) if (later > idx) this.outboxes.delete(later);
  }

  private forget(): void {
    this.entries.clear();
    this.outboxes.clear();
    this.commitIdx = 0;
  }
}

/**
 * Reads what a member's folder holds. The state ends up applied to exactly the commit index that the journal tells,
 * which is never beyond what was committed, nor below what a fold that was cut short may have written.
 * @throws StorageRefusedError on what a newer Rookery wrote, StorageFailedError on a journal that lacks something
 */
export function recoverMember(rocks: Rocks, calls: readonly CallType[]): MemberState {
  const { folded } = readFolded(rocks);
  const replays = new Map<number, Replay>();
  const replayOf = (shard: number): Replay => {
    const known = replays.get(shard);
    if (known !== undefined) return known;
    const replay = new Replay(new ShardCopy(shard));
    replays.set(shard, replay);
    return replay;
  };
  for (const [, value] of rocks.query(copyKeys, Number.POSITIVE_INFINITY)) {
    const { shard, hard, base, loading, ackedUpTo } = decodeCopyRow(value);
    const { copy } = replayOf(shard);
    copy.restart(base, loading, ackedUpTo);
    copy.hard = hard;
  }
  let lastRecord = Math.max(folded.upTo, folded.first - 1);
  let bytes = 0;
  for (const [key, value] of journalFrom(rocks, folded.first)) {
    const record = journalNumber(key);
    lastRecord = Math.max(lastRecord, record);
    if (isMemberRecord(value)) {
      for (const item of decodeItems(value)) replayOf(item.shard).take(item, record, record <= folded.upTo);
      if (record > folded.upTo) bytes += value.length;
    } else takeSingleRecord(value, record, replayOf);
  }
  const state = {
    overlay: new Overlay(),
    ledger: new OutboxLedger(),
    copies: new Map<number, ShardCopy>(),
    recovered: new Map<number, RecoveredShard>(),
    changed: new Set<ShardCopy>(),
    folded,
    lastRecord,
  };
  for (const [shard, replay] of [...replays].sort(([a], [b]) => a - b)) finish(state, shard, replay, calls);
  state.overlay.active.bytes = bytes;
  return state;
}

/** A record of the time when the folder was a single node's: all of it was folded when it became a member's. */
function takeSingleRecord(value: Buffer, record: number, replayOf: (shard: number) => Replay): void {
  for (const { shard, idx, outbox } of decodeOutboxes(value)) {
    if (outbox.length > 0) replayOf(shard).outboxes.set(idx, record);
  }
}

function finish(state: MemberState, shard: number, replay: Replay, calls: readonly CallType[]): void {
  const { copy, outboxes } = replay;
  state.copies.set(shard, copy);
  if (replay.beyondRow) state.changed.add(copy);
  if (copy.loading) {
    const { hard } = copy;
    state.recovered.set(shard, { hard, base: noPosition, commitIdx: 0, entries: [], wasLoading: true });
    return;
  }
  const entries = denseFrom(copy, replay);
  const commitIdx = Math.max(replay.commitIdx, copy.base.idx);
  if (copy.last.idx < commitIdx) {
    throw new StorageFailedError(`the journal lacks entries of shard ${shard} up to ${commitIdx}, which are committed`);
  }
  const outbox = (idx: number, record: number): void => {
    if (idx > copy.ackedUpTo && idx <= commitIdx) state.ledger.add(record, shard, idx);
  };
  for (const [idx, record] of outboxes) outbox(idx, record);
  for (const entry of entries) {
    if (entry.idx > commitIdx) break;
    const op = decodeOp(entry.bytes, calls);
    state.overlay.apply({ shard, idx: entry.idx, epoch: entry.epoch, ...op });
    if (op.outbox.length > 0) outbox(entry.idx, entry.record);
    copy.applied = { idx: entry.idx, epoch: entry.epoch };
  }
  copy.progressLogged = commitIdx;
  const { hard, base } = copy;
  state.recovered.set(shard, { hard, base, commitIdx, entries, wasLoading: false });
}

/** The first journal record that is needed when the copies are in the base up to where `foldedTo` says. */
export function firstNeeded(
  { ledger, copies }: MemberState,
  upTo: number,
  foldedTo: (copy: ShardCopy) => number,
): number {
  let first = Math.min(ledger.oldest() ?? upTo + 1, upTo + 1);
  for (const copy of copies.values()) {
    // All of them: one that was carried over stands in a later record than those behind it.
    const { refs, base } = copy;
    for (let i = foldedTo(copy) - base.idx; i < refs.length; i += 1) first = Math.min(first, refs[i]?.record ?? first);
  }
  return first;
}

/** Moves the entries into the copy. What was truncated is gone by now, so nothing may be missing in between. */
function denseFrom(copy: ShardCopy, { entries }: Replay): PlacedEntry[] {
  const dense: PlacedEntry[] = [];
  for (let idx = copy.base.idx + 1; ; idx += 1) {
    const entry = entries.get(idx);
    if (entry === undefined) break;
    dense.push(entry);
    copy.append([entry], entry.record);
    entries.delete(idx);
  }
  for (const idx of entries.keys()) {
    if (idx > copy.base.idx) {
      throw new StorageFailedError(
        `the journal has entry ${idx} of shard ${copy.shard}, and none after ${copy.last.idx}`,
      );
    }
  }
  return dense;
}
