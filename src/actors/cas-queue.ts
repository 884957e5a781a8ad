import type { ReplicaState } from '../cluster/replica.ts';
import { lastIdx } from '../cluster/replica-log.ts';
import type { ShardConfig } from '../cluster/shard-config.ts';

export interface CasQueueOptions {
  /** compare-and-sets on their way to the configuration store at once; a further one waits its turn */
  readonly atOnce: number;
  /** … and at once of those that nobody waits for */
  readonly idleAtOnce: number;
}

export const CAS_QUEUE_DEFAULTS: CasQueueOptions = { atOnce: 64, idleAtOnce: 8 };

/**
 * waited: somebody cannot write or read before it is settled. leaderless: nobody could, and nobody is known to want to.
 * idle: the shard serves on without it.
 */
export type CasRank = 'waited' | 'leaderless' | 'idle';

const RANKS: readonly CasRank[] = ['waited', 'leaderless', 'idle'];

/**
 * Which compare-and-set goes to the store next. When a node dies every shard has one at once: those that somebody waits
 * for go first, and so few at a time that this node still hears heartbeats in between. Sending all in one go takes
 * longer than the fault detector's `pauseMs`, and then the detector drops the very suspicion that is being acted upon.
 * Pure: no I/O, no clock.
 *
 * Bound: a place for each shard, since a replica has one compare-and-set at a time. A newer one takes the older's place.
 */
export class CasQueue<C> {
  readonly #options: CasQueueOptions;
  /** by shard, in the order in which they came */
  readonly #waiting: Readonly<Record<CasRank, Map<number, C>>> = {
    waited: new Map(),
    leaderless: new Map(),
    idle: new Map(),
  };
  readonly #underWay: Record<CasRank, number> = { waited: 0, leaderless: 0, idle: 0 };

  constructor(options: CasQueueOptions = CAS_QUEUE_DEFAULTS) {
    this.#options = options;
  }

  put(shard: number, cas: C, rank: CasRank): void {
    for (const each of RANKS) this.#waiting[each].delete(shard);
    this.#waiting[rank].set(shard, cas);
  }

  /** Somebody has come who waits for the shard. @returns false when nothing of it was to be brought forward */
  raise(shard: number): boolean {
    for (const rank of ['leaderless', 'idle'] as const) {
      const cas = this.#waiting[rank].get(shard);
      if (cas === undefined) continue;
      this.put(shard, cas, 'waited');
      return true;
    }
    return false;
  }

  /** What to send now; undefined when nothing may go. It counts as on its way until `done`. */
  take(): { readonly shard: number; readonly cas: C; readonly rank: CasRank } | undefined {
    const { waited, leaderless, idle } = this.#underWay;
    if (waited + leaderless + idle >= this.#options.atOnce) return undefined;
    for (const rank of RANKS) {
      if (rank === 'idle' && idle >= this.#options.idleAtOnce) return undefined;
      for (const [shard, cas] of this.#waiting[rank]) {
        this.#waiting[rank].delete(shard);
        this.#underWay[rank] += 1;
        return { shard, cas, rank };
      }
    }
    return undefined;
  }

  /** One that was taken is answered, or was not sent after all. */
  done(rank: CasRank): void {
    this.#underWay[rank] -= 1;
  }

  /** Forgets what waits; what is on its way still ends with `done`. */
  clear(): void {
    for (const rank of RANKS) this.#waiting[rank].clear();
  }
}

/**
 * How much is waited for what the replica asks of the store. Who waits for a shard that has no leader is known
 * elsewhere: where anything was written under the last one, somebody may.
 * @param read somebody waits to read the shard here
 */
export function rankOf({ config, log, commitIdx }: ReplicaState, record: ShardConfig, read: boolean): CasRank {
  if (read || lastIdx(log) > commitIdx) return 'waited';
  if (record.epoch === config?.record.epoch) return 'idle';
  return log.entries.at(-1)?.bytes.length === 0 ? 'leaderless' : 'waited';
}
