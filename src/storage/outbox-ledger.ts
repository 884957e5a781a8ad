/** Which journal record still holds an outbox that somebody waits for. Pure; holds numbers only, no bodies. */
export class OutboxLedger {
  /** shard → idx → journal record */
  private readonly waiting = new Map<number, Map<number, number>>();
  /** journal record → ops in it that wait; in rising order of records while `rising` */
  private perRecord = new Map<number, number>();
  /** the highest record ever added, and whether none was added below it: entries are not committed in record order */
  private highest = 0;
  private rising = true;
  private count = 0;

  /** Ops that wait. */
  get size(): number {
    return this.count;
  }

  /** The op waits in this record, and no longer in the one it was in. */
  add(record: number, shardNumber: number, idx: number): void {
    this.acked(shardNumber, idx);
    let shard = this.waiting.get(shardNumber);
    if (shard === undefined) {
      shard = new Map();
      this.waiting.set(shardNumber, shard);
    }
    shard.set(idx, record);
    const others = this.perRecord.get(record);
    if (others === undefined && record < this.highest) this.rising = false;
    if (record > this.highest) this.highest = record;
    this.perRecord.set(record, (others ?? 0) + 1);
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

  /** Nothing up to idx waits any more. */
  ackedUpTo(shardNumber: number, idx: number): void {
    for (const waiting of this.idxs(shardNumber)) {
      if (waiting > idx) return;
      this.acked(shardNumber, waiting);
    }
  }

  /** Nothing of the shard waits any more. */
  forget(shardNumber: number): void {
    this.ackedUpTo(shardNumber, Number.POSITIVE_INFINITY);
    this.waiting.delete(shardNumber);
  }

  /** What waits of a shard, rising. */
  idxs(shardNumber: number): number[] {
    return [...(this.waiting.get(shardNumber)?.keys() ?? [])].sort((a, b) => a - b);
  }

  /** The lowest idx of a shard that waits. */
  lowest(shardNumber: number): number | undefined {
    let lowest: number | undefined;
    for (const idx of this.waiting.get(shardNumber)?.keys() ?? []) {
      if (lowest === undefined || idx < lowest) lowest = idx;
    }
    return lowest;
  }

  /** The record in which the op waits. */
  recordOf(shardNumber: number, idx: number): number | undefined {
    return this.waiting.get(shardNumber)?.get(idx);
  }

  /** Lowest record somebody waits for, or undefined. */
  oldest(): number | undefined {
    this.sort();
    return this.perRecord.keys().next().value;
  }

  /** Records up to this one that somebody waits for, rising. */
  recordsUpTo(record: number): number[] {
    this.sort();
    const found: number[] = [];
    for (const waited of this.perRecord.keys()) {
      if (waited > record) break;
      found.push(waited);
    }
    return found;
  }

  private sort(): void {
    if (this.rising) return;
    this.perRecord = new Map([...this.perRecord].sort(([a], [b]) => a - b));
    this.rising = true;
  }
}
