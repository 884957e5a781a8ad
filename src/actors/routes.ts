/** Who leads a shard, as far as is known. The configuration record is the truth; this node may be behind it. */
export interface LeaderDirectory {
  /** number of shards, S */
  readonly shards: number;
  /** node id of the shard's leader, undefined while it has none */
  leader(shard: number): string | undefined;
  /** epoch of the shard's latest leadership, 0 while none is known */
  epoch(shard: number): number;
}

export interface RouteOptions {
  /** how long another node's word on who leads outweighs the directory, ms; the directory catches up meanwhile */
  readonly hintMs: number;
  now(): number;
}

/**
 * Where messages for a shard go. What this node leads is told by `lead` and `unlead` alone: a directory that names this
 * node already, or still, does not make it the leader.
 *
 * Bound: one hint a shard.
 */
export class Routes {
  readonly shards: number;
  readonly #nodeId: string;
  readonly #directory: LeaderDirectory;
  readonly #options: RouteOptions;
  /** shard → epoch of this node's leadership; undefined: this node is alone and leads everything */
  readonly #led: Map<number, number> | undefined;
  readonly #hints = new Map<number, { readonly node: string; readonly until: number }>();

  constructor(nodeId: string, directory: LeaderDirectory, alone: boolean, options: RouteOptions) {
    this.#nodeId = nodeId;
    this.#directory = directory;
    this.#options = options;
    this.shards = directory.shards;
    this.#led = alone ? undefined : new Map();
  }

  leads(shard: number): boolean {
    return this.#led === undefined || this.#led.has(shard);
  }

  /** shards led here, in no order; of a node that is alone all of them */
  led(): readonly number[] {
    return this.#led === undefined ? Array.from({ length: this.shards }, (_, shard) => shard) : [...this.#led.keys()];
  }

  /** @returns false when it was led already */
  lead(shard: number, epoch: number): boolean {
    if (this.leads(shard)) return false;
    this.#led?.set(shard, epoch);
    this.#hints.delete(shard);
    return true;
  }

  /** Epoch of this node's leadership, 0 without one. */
  epochOf(shard: number): number {
    return this.#led?.get(shard) ?? 0;
  }

  /** Epoch of the latest leadership that this node knows of, its own or another's. */
  latestEpoch(shard: number): number {
    return this.#led?.get(shard) ?? this.#directory.epoch(shard);
  }

  /** @returns false when it was not led */
  unlead(shard: number): boolean {
    return this.#led?.delete(shard) === true;
  }

  /** The node to send to; undefined when nobody is known to lead, this node included. */
  farLeader(shard: number): string | undefined {
    const hint = this.#hints.get(shard);
    if (hint !== undefined && hint.until > this.#options.now()) return hint.node;
    const leader = this.#directory.leader(shard);
    return leader === this.#nodeId ? undefined : leader;
  }

  /** Leaders of all shards, without this node. */
  farLeaders(): ReadonlySet<string> {
    const nodes = new Set<string>();
    for (let shard = 0; shard < this.shards; shard++) {
      const leader = this.leads(shard) ? undefined : this.farLeader(shard);
      if (leader !== undefined) nodes.add(leader);
    }
    return nodes;
  }

  /** A node that was asked says who leads. */
  hint(shard: number, node: string | undefined): void {
    if (node === undefined || node === this.#nodeId || node === this.#directory.leader(shard))
      this.#hints.delete(shard);
    else this.#hints.set(shard, { node, until: this.#options.now() + this.#options.hintMs });
  }

  /** What was said about a node that is gone does not hold any more. */
  forget(node: string): void {
    for (const [shard, hint] of this.#hints) if (hint.node === node) this.#hints.delete(shard);
  }
}
