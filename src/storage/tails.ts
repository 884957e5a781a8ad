import type { Op } from './log-store.ts';

export interface Tail {
  readonly idx: number;
  readonly epoch: number;
}

/** Last idx and epoch of every shard. Pure. */
export class Tails {
  private readonly last = new Map<number, { idx: number; epoch: number }>();

  /** Ops of a shard may be seen again (recovery): only a higher idx moves the tail. */
  saw(op: { readonly shard: number; readonly idx: number; readonly epoch: number }): void {
    const tail = this.last.get(op.shard);
    if (tail === undefined) {
      this.last.set(op.shard, { idx: op.idx, epoch: op.epoch });
    } else if (op.idx >= tail.idx) {
      tail.idx = op.idx;
      tail.epoch = op.epoch;
    }
  }

  snapshot(): Map<number, Tail> {
    return new Map([...this.last].map(([shard, tail]) => [shard, { ...tail }]));
  }

  /** `[shard, idx, epoch, …]`, for disk. */
  flat(): number[] {
    return [...this.last].flatMap(([shard, { idx, epoch }]) => [shard, idx, epoch]);
  }

  static fromFlat(flat: readonly number[]): Tails {
    const tails = new Tails();
    for (let i = 0; i + 2 < flat.length; i += 3) {
      tails.saw({ shard: flat[i]!, idx: flat[i + 1]!, epoch: flat[i + 2]! });
    }
    return tails;
  }
}

/** By shard, then idx: the order in which a shard's outboxes must be sent again. */
export function sortOps(ops: Op[]): Op[] {
  return ops.sort((a, b) => a.shard - b.shard || a.idx - b.idx);
}
