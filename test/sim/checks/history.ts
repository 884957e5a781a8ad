import type { Fact } from '../cluster-facts.ts';

type Applied = Extract<Fact, { t: 'applied' }>;

/** What leaders have committed so far, by shard and index: what no copy that counts may lack. */
export class Committed {
  readonly #shards: { epoch: number; op: number }[][] = [];

  /** Takes note of what a leader applies. */
  add({ shard, idx, cell, leads }: Applied): void {
    if (leads === undefined) return;
    const known = this.#shards[shard] ?? [];
    this.#shards[shard] = known;
    known[idx - 1] ??= { epoch: cell.epoch, op: cell.op };
  }

  of(shard: number): readonly { readonly epoch: number; readonly op: number }[] {
    return this.#shards[shard] ?? [];
  }
}

/** The first index at which a copy lacks what is committed, or 0. */
export function lacks(
  committed: readonly { readonly epoch: number; readonly op: number }[],
  cells: readonly { readonly epoch: number; readonly op: number }[],
): number {
  for (const [at, { epoch, op }] of committed.entries()) {
    const cell = cells[at];
    if (cell === undefined || cell.epoch !== epoch || cell.op !== op) return at + 1;
  }
  return 0;
}
