/** Who holds and leads what, counted both ways: the planner's drawing board. Shards and holders are indexes here. */
import type { Member } from './shard-config.ts';

/** A node that may keep copies: not draining, not gone. */
export interface Holder {
  readonly member: Member;
  readonly node: string;
  readonly zone: string;
  readonly weight: number;
  /** may be given copies and leaderships now */
  readonly open: boolean;
}

/** No holder, where an index is expected. */
export const nobody = -1;

export class Layout {
  readonly holders: readonly Holder[];
  readonly weights: readonly number[];
  /** most copies of one shard in one zone */
  readonly zoneCap: number;
  /** holders of each shard */
  readonly copies: number[][];
  /** number of copies of each holder */
  readonly held: number[];
  /** leading holder of each shard, or `nobody` */
  readonly leaders: number[];
  /** number of shards that each holder leads */
  readonly led: number[];
  /** shards whose copies were moved for evenness, in that order: from the fullest first */
  readonly evened: number[] = [];
  readonly #zones: readonly number[];

  constructor(shards: number, holders: readonly Holder[], zoneCap: number) {
    this.holders = holders;
    this.weights = holders.map(({ weight }) => weight);
    this.zoneCap = zoneCap;
    this.copies = Array.from({ length: shards }, () => []);
    this.leaders = new Array<number>(shards).fill(nobody);
    this.held = holders.map(() => 0);
    this.led = holders.map(() => 0);
    const names = [...new Set(holders.map(({ zone }) => zone))];
    this.#zones = holders.map(({ zone }) => names.indexOf(zone));
  }

  addCopy(shard: number, holder: number): void {
    this.copies[shard]!.push(holder);
    this.held[holder]! += 1;
  }

  dropCopy(shard: number, holder: number): void {
    this.copies[shard]!.splice(this.copies[shard]!.indexOf(holder), 1);
    this.held[holder]! -= 1;
  }

  setLeader(shard: number, holder: number): void {
    const before = this.leaders[shard]!;
    if (before !== nobody) this.led[before]! -= 1;
    this.leaders[shard] = holder;
    if (holder !== nobody) this.led[holder]! += 1;
  }

  copyLevel(holder: number): number {
    return this.held[holder]! / this.weights[holder]!;
  }

  leaderLevel(holder: number): number {
    return this.led[holder]! / this.weights[holder]!;
  }

  /** Copies of the shard in the holder's zone. */
  inZone(shard: number, holder: number): number {
    let count = 0;
    for (const other of this.copies[shard]!) if (this.#zones[other] === this.#zones[holder]) count += 1;
    return count;
  }

  /** May the holder take a copy, in place of `instead` if given? */
  mayHold(shard: number, holder: number, instead: number = nobody): boolean {
    if (this.copies[shard]!.includes(holder)) return false;
    const freed = instead !== nobody && this.#zones[instead] === this.#zones[holder] ? 1 : 0;
    return this.inZone(shard, holder) - freed < this.zoneCap;
  }
}
