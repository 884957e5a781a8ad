import { type Entry, type HardState, noHardState, noPosition, type Position } from './replicated-store.ts';

/** Where an entry of the log stands in the journal. */
export interface EntryRef extends Position {
  record: number;
  /** of the op */
  readonly bytes: number;
}

/**
 * What a member's store keeps in memory of one shard's copy: as it will be on disk once all that was given to the
 * writer is. Pure. Invariants: base.idx ≤ applied.idx ≤ last.idx; `refs[i]` is of idx base.idx + 1 + i.
 */
export class ShardCopy {
  readonly shard: number;
  hard: HardState = noHardState;
  /** the state in the base is applied up to here; the rest of what is applied is in the overlay */
  base: Position = noPosition;
  applied: Position = noPosition;
  loading = false;
  /** every outbox up to here is acknowledged; may be ahead of `applied` */
  ackedUpTo = 0;
  /** the highest commit index that the journal tells */
  progressLogged = 0;
  /** rises when the copy becomes another one: voided, or installed */
  life = 0;
  /** rises with everything that a fold must write down */
  changes = 0;
  refs: EntryRef[] = [];

  constructor(shard: number) {
    this.shard = shard;
  }

  get last(): Position {
    return this.refs.at(-1) ?? this.base;
  }

  /** The entry there, when it is not in the base. */
  ref(idx: number): EntryRef | undefined {
    return this.refs[idx - this.base.idx - 1];
  }

  append(entries: readonly Entry[], record: number): void {
    for (const { idx, epoch, bytes } of entries) this.refs.push({ idx, epoch, record, bytes: bytes.length });
  }

  /** Drops what is behind idx. */
  truncate(idx: number): void {
    this.refs.length = Math.min(this.refs.length, idx - this.base.idx);
  }

  /** A fold brought the state up to there into the base. */
  folded(at: Position): void {
    this.refs.splice(0, at.idx - this.base.idx);
    this.base = at;
  }

  /** The copy becomes another one: nothing, or what a snapshot of `at` installed. */
  restart(at: Position, loading: boolean, ackedUpTo: number): void {
    Object.assign(this, { base: at, applied: at, loading, ackedUpTo, progressLogged: at.idx, refs: [] });
    this.life += 1;
    this.changes += 1;
  }
}
