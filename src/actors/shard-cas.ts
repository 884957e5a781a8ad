import type { ReplicaState } from '../cluster/replica.ts';
import type { CasOutcome } from '../cluster/replica-types.ts';
import { checkShardConfig, type ShardConfig } from '../cluster/shard-config.ts';
import type { CasResult } from '../transport/config-store.ts';
import { CasQueue, type CasRank, rankOf } from './cas-queue.ts';

/**
 * The shell around the compare-and-sets of this node's shards: sends them in the order of cas-queue.ts. To a replica one
 * that waits here is on its way, as if the store were slow.
 */
export interface ShardCasParts {
  /** @throws (rejects) when the store cannot be reached or does not answer */
  cas(shard: number, record: ShardConfig, expected: number): Promise<CasResult>;
  replica(shard: number): ReplicaState | undefined;
  settled(shard: number, nonce: string, outcome: CasOutcome): void;
}

interface Wanted {
  readonly expected: number;
  readonly record: ShardConfig;
}

export class ShardCas {
  readonly #parts: ShardCasParts;
  readonly #queue = new CasQueue<Wanted>();
  #scheduled = false;

  constructor(parts: ShardCasParts) {
    this.#parts = parts;
  }

  /** @param read somebody waits to read the shard */
  put(shard: number, expected: number, record: ShardConfig, read: boolean): void {
    const replica = this.#parts.replica(shard);
    if (replica === undefined) return;
    this.#queue.put(shard, { expected, record }, rankOf(replica, record, read));
    this.#schedule();
  }

  /** Somebody waits for the shard now. */
  raise(shard: number): void {
    if (this.#queue.raise(shard)) this.#schedule();
  }

  /** What waits is not sent any more. */
  clear(): void {
    this.#queue.clear();
  }

  /** Not before all shards have said what they want: one that is waited for may come last. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    for (let next = this.#queue.take(); next !== undefined; next = this.#queue.take()) {
      // Settled while it waited: the watch has shown a newer record.
      if (this.#parts.replica(next.shard)?.cas?.record.nonce === next.cas.record.nonce)
        void this.#sendOne(next.shard, next.cas, next.rank);
      else this.#queue.done(next.rank);
    }
  }

  async #sendOne(shard: number, { expected, record }: Wanted, rank: CasRank): Promise<void> {
    const outcome = await this.#outcome(shard, expected, record);
    this.#queue.done(rank);
    this.#parts.settled(shard, record.nonce, outcome);
    this.#send();
  }

  async #outcome(shard: number, expected: number, record: ShardConfig): Promise<CasOutcome> {
    try {
      const result = await this.#parts.cas(shard, record, expected);
      if (result.ok) return { t: 'ok', revision: result.revision };
      const { current } = result;
      const checked = current === undefined ? undefined : checkShardConfig(current.value, shard);
      if (current === undefined || checked?.ok !== true) return { t: 'conflict', current: undefined };
      return { t: 'conflict', current: { record: checked.config, revision: current.revision } };
    } catch {
      // Not reachable or not answered: the replica tries the very same again until it knows.
      return { t: 'unknown' };
    }
  }
}
