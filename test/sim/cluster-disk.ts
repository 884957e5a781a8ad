import { EMPTY_HARD } from '../../src/cluster/replica-state.ts';
import type { HardState, RecoveredReplica } from '../../src/cluster/replica-types.ts';
import type { Cell } from './cluster-facts.ts';
import { bytesOf } from './cluster-ops.ts';

/** One write as the journal holds it. */
export type DiskWrite =
  | { readonly t: 'append'; readonly shard: number; readonly after: number; readonly cells: readonly Cell[] }
  | { readonly t: 'hard'; readonly shard: number; readonly hard: HardState }
  | { readonly t: 'load'; readonly shard: number }
  | { readonly t: 'wipe'; readonly shard: number }
  | {
      readonly t: 'install';
      readonly shard: number;
      readonly cells: readonly Cell[];
      readonly sum: number;
      readonly ackedUpTo: number;
    };

/** What a shard has on disk. `cells[i]` is entry i + 1; the state is folded up to `folded`, its checksum is `sum`. */
export interface DiskShard {
  hard: HardState;
  cells: Cell[];
  folded: number;
  sum: number;
  loading: boolean;
  /** outboxes of entries up to here are acknowledged, as of the last fold */
  ackedUpTo: number;
}

/** What survives a crash: the writes of finished syncs, in order. */
export class Disk {
  readonly shards: DiskShard[];

  constructor(shards: number) {
    this.shards = Array.from({ length: shards }, () => ({
      hard: EMPTY_HARD,
      cells: [],
      folded: 0,
      sum: 0,
      loading: false,
      ackedUpTo: 0,
    }));
  }

  apply(write: DiskWrite): void {
    const shard = this.shards[write.shard] as DiskShard;
    switch (write.t) {
      case 'append':
        shard.cells.length = Math.min(shard.cells.length, write.after);
        shard.cells.push(...write.cells);
        return;
      case 'hard':
        shard.hard = write.hard;
        return;
      case 'load':
        Object.assign(shard, { cells: [], folded: 0, sum: 0, loading: true, ackedUpTo: 0 });
        return;
      case 'wipe':
        Object.assign(shard, { cells: [], folded: 0, sum: 0, loading: false, ackedUpTo: 0 });
        return;
      case 'install':
        Object.assign(shard, {
          cells: [...write.cells],
          folded: write.cells.length,
          sum: write.sum,
          loading: false,
          ackedUpTo: write.ackedUpTo,
        });
    }
  }

  /** A copy that was being loaded is empty again; entries behind the folded state come out of the journal. */
  recover(at: number): RecoveredReplica {
    const shard = this.shards[at] as DiskShard;
    if (shard.loading) this.apply({ t: 'wipe', shard: at });
    const { hard, cells, folded } = shard;
    return {
      hard,
      base: { idx: folded, epoch: cells[folded - 1]?.epoch ?? 0 },
      commitIdx: folded,
      entries: cells.slice(folded).map(({ epoch, op }, i) => ({ idx: folded + 1 + i, epoch, bytes: bytesOf(op) })),
    };
  }

  holds(shard: number, idx: number, { epoch, op }: { readonly epoch: number; readonly op: number }): boolean {
    const cell = this.shards[shard]?.cells[idx - 1];
    return cell !== undefined && cell.epoch === epoch && cell.op === op;
  }
}
