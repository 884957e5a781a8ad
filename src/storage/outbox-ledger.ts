import type { Op } from './log-store.ts';

/** Which journal record still holds an outbox that somebody waits for. Pure; holds numbers only, no bodies. */
export class OutboxLedger {
  /** shard → idx → journal record */
  private readonly waiting = new Map<number, Map<number, number>>();
  /** journal record → ops in it that wait; in rising order of records, since records are added in order */
  private readonly perRecord = new Map<number, number>();
  private count = 0;

  /** Ops that wait. */
  get size(): number {
    return this.count;
  }

  /** The op waits in this record, and no longer in the one it was in. Records must not go down from call to call. */
  add(record: number, op: Op): void {
    if (op.outbox.length === 0) return;
    this.acked(op.shard, op.idx);
    let shard = this.waiting.get(op.shard);
    if (shard === undefined) {
      shard = new Map();
      this.waiting.set(op.shard, shard);
    }
    shard.set(op.idx, record);
    this.perRecord.set(record, (this.perRecord.get(record) ?? 0) + 1);
    this.count += 1;
  }

  /** Idempotent; unknown ops are ignored. */
  acked(shardNumber: number, idx: number): void {
    const shard = this.waiting.get(shardNumber);
    const record = shard?.get(idx);
    if (shard === undefined || record === undefined) return;
    shard.delete(idx);
    this.count -= 1;
    const left = (this.perRecord.get(record) ?? 1) - 1;
    if (left === 0) this.perRecord.delete(record);
    else this.perRecord.set(record, left);
  }

  has(shard: number, idx: number): boolean {
    return this.waiting.get(shard)?.has(idx) ?? false;
  }

  /** Lowest record somebody waits for, or undefined. */
  oldest(): number | undefined {
    return this.perRecord.keys().next().value;
  }

  /** Records up to this one that somebody waits for, rising. */
  recordsUpTo(record: number): number[] {
    const found: number[] = [];
    for (const waited of this.perRecord.keys()) {
      if (waited > record) break;
      found.push(waited);
    }
    return found;
  }
}
