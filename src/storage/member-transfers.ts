import { StorageBusyError, StorageVoidedError } from './errors.ts';
import { afterPrefix, statePrefix } from './keys.ts';
import type { Op } from './log-store.ts';
import type { JournalItem } from './member-journal.ts';
import type { MemberState } from './member-recovery.ts';
import type { ShardInstall, ShardSnapshot } from './replicated-store.ts';
import type { ShardCopy } from './shard-copy.ts';
import { RocksInstall } from './shard-install.ts';
import { copyPart, StateSnapshot } from './shard-snapshot.ts';
import type { StoreEngine } from './store-engine.ts';

interface TransferParts {
  /** as MemberStore's: writes a journal record, runs `posted` as it is given to the writer */
  write(items: readonly JournalItem[], posted?: () => void): Promise<void>;
  unacked(shard: number, after: number, limit: number): Op[];
}

/** The copies of shards that are on their way out of and into one store. */
export class MemberTransfers {
  private readonly engine: StoreEngine;
  private readonly state: () => MemberState;
  private readonly parts: TransferParts;
  private readonly snapshots = new Set<StateSnapshot>();
  private readonly installs = new Map<number, RocksInstall>();
  /** snapshots that wait for a fold */
  private opening = 0;
  /** rises when the database is closed: what was read from it before is of no use */
  private opened = 0;
  /** `counts.folds` when the database was opened */
  private foldsAtOpen = 0;

  constructor(engine: StoreEngine, state: () => MemberState, parts: TransferParts) {
    this.engine = engine;
    this.state = state;
    this.parts = parts;
  }

  /**
   * A fold that was cut short by a crash leaves blocks in the base that overlap, until the next one is through. So the
   * base is read only after a whole fold, and never in the middle of one.
   */
  async openSnapshot(shard: number): Promise<ShardSnapshot> {
    const { engine } = this;
    engine.mustBeSound();
    const { snapshotsMax } = engine.options;
    if (this.snapshots.size + this.opening >= snapshotsMax) {
      throw new StorageBusyError(`${snapshotsMax} snapshots are open (storage.snapshotsMax)`);
    }
    this.opening += 1;
    try {
      if (engine.counts.folds === this.foldsAtOpen) await engine.fold();
      while (engine.isFolding) await engine.untilUnfolding();
    } finally {
      this.opening -= 1;
    }
    engine.mustBeSound();
    return this.capture(shard);
  }

  /** Synchronous: what is read here belongs together. */
  private capture(shard: number): ShardSnapshot {
    const { engine, opened } = this;
    const copy = this.state().copies.get(shard);
    if (copy === undefined || copy.loading) throw new RangeError(`shard ${shard} has no copy here`);
    const { life } = copy;
    const gte = statePrefix(shard);
    const snapshot: StateSnapshot = new StateSnapshot({
      shard,
      at: copy.applied,
      ackedUpTo: Math.min(copy.ackedUpTo, copy.applied.idx),
      cursor: engine.rocks.cursor({ gte, lt: afterPrefix(gte) }),
      part: copyPart(engine.view.overlayPart(shard)),
      limits: engine.options,
      unacked: (after, limit) => this.parts.unacked(shard, after, limit),
      check: () => this.mustBe(copy, life, opened),
      closed: () => this.snapshots.delete(snapshot),
    });
    this.snapshots.add(snapshot);
    return snapshot;
  }

  install(shard: number): ShardInstall {
    const { engine, opened, installs } = this;
    engine.mustBeSound();
    const copy = this.state().copies.get(shard);
    if (!copy?.loading) throw new RangeError(`shard ${shard} is not marked as loading`);
    installs.get(shard)?.abort();
    const { installsMax, foldSliceBytes } = engine.options;
    if (installs.size >= installsMax) {
      throw new StorageBusyError(`${installsMax} installs are open (storage.installsMax)`);
    }
    const { life } = copy;
    const install: RocksInstall = new RocksInstall({
      shard,
      sliceBytes: foldSliceBytes,
      check: () => this.mustBe(copy, life, opened),
      writeSlice: (slice) => engine.writeSlice(slice),
      writeItems: (items) => this.parts.write(items),
      finish: (at, ackedUpTo) =>
        this.parts.write([{ t: 'install', shard, at, ackedUpTo }], () => {
          engine.base.forget(shard);
          copy.restart(at, false, ackedUpTo);
          this.state().changed.add(copy);
        }),
      ended: () => {
        if (installs.get(shard) === install) installs.delete(shard);
      },
    });
    installs.set(shard, install);
    return install;
  }

  /** The database is about to be closed. */
  endAll(): void {
    this.opened += 1;
    for (const snapshot of this.snapshots) snapshot.close();
    for (const install of this.installs.values()) install.abort();
  }

  reopened(): void {
    this.foldsAtOpen = this.engine.counts.folds;
  }

  private mustBe(copy: ShardCopy, life: number, opened: number): void {
    this.engine.mustBeSound();
    if (copy.life !== life || opened !== this.opened) {
      throw new StorageVoidedError(`the copy of shard ${copy.shard} is another one now`);
    }
  }
}
