import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { LinkOptions } from './link-state.ts';
import type { CrossingLimits } from './session-sends.ts';

/** Bounds and times of everything that crosses nodes. */
export interface CrossingOptions extends CrossingLimits {
  /** questions to other nodes that may be open; one more fails at once */
  readonly asksMax: number;
  /** how long a question may go unanswered, ms */
  readonly askTimeoutMs: number;
  /** after which a question that may be put twice is put again, ms */
  readonly askRepeatMs: number;
  /** a node that is reported gone is asked nothing for this long, or until it is heard: a shard's next leader is, ms */
  readonly goneMs: number;
  /** messages that may wait for shards without a leader, in all */
  readonly parkedMax: number;
  /** … and how long each, ms */
  readonly parkMs: number;
  readonly parkPollMs: number;
  /** how long another node's word on who leads outweighs the directory, ms */
  readonly hintMs: number;
  /** wait before something that met no leader is tried again: at least this, ms, and at random up to twice as much */
  readonly againMs: number;
  /** outbox items in one envelope */
  readonly deliveriesMax: number;
  /** UTF-16 units of message bodies in one envelope */
  readonly deliveryUnitsMax: number;
  /** most bytes of messages in one answer to a page */
  readonly pageBytesMax: number;
  /** a gateway's end of a link, and a session's: the gateway asks first */
  readonly gatewayLink: LinkOptions;
  readonly sessionLink: LinkOptions;
  /** frames younger than this do not count as queued in a socket elsewhere, ms */
  readonly queuedAfterMs: number;
  /** UTF-16 units that a socket takes before its session is told at once */
  readonly tookUnits: number;
  readonly tookMs: number;
  /** sockets whose session's node is gone end within this time, ms */
  readonly spreadMs: number;
  /** clients of a shard that failed over have this long to come back before their contacts hear that they are gone, ms */
  readonly orphansAfterMs: number;
  /** … and this much longer at random, ms. The sum bounds how long someone stays falsely online after `lead` */
  readonly orphansSpreadMs: number;
  /** how long handed over sessions wait for the shard to be led here, ms */
  readonly handOverMs: number;
  /** how long a node that stops waits for its last ops to be committed, ms: the other copies may be gone */
  readonly closeMs: number;
  /** sessions that may wait so, in all; more end and their clients connect again */
  readonly handedOverMax: number;
}

export const CROSSING_DEFAULTS: CrossingOptions = {
  sendRetryMs: 1000,
  sendTimeoutMs: 15_000,
  asksMax: 10_000,
  askTimeoutMs: 9000,
  askRepeatMs: 1000,
  goneMs: 5000,
  parkedMax: 100_000,
  parkMs: 3000,
  parkPollMs: 10,
  hintMs: 1000,
  againMs: 50,
  deliveriesMax: 256,
  deliveryUnitsMax: 262_144,
  pageBytesMax: 262_144,
  gatewayLink: { checkMs: 1000, idleCheckMs: 10_000, timeoutMs: 10_000, reorderMs: 2000, reorderMax: 64 },
  sessionLink: { checkMs: 1000, idleCheckMs: 25_000, timeoutMs: 10_000, reorderMs: 2000, reorderMax: 64 },
  queuedAfterMs: 200,
  tookUnits: 32_768,
  tookMs: 20,
  spreadMs: 1000,
  orphansAfterMs: 8000,
  orphansSpreadMs: 8000,
  handOverMs: 10_000,
  closeMs: 2000,
  handedOverMax: 100_000,
};

/** What a node of a cluster has, and one that is alone has not. */
export interface ClusterParts {
  readonly clock: Clock;
  readonly random: Random;
  /** A name that nobody else in the cluster gives out: about 10 characters. */
  newRun(): string;
  /** Ops of a shard led here whose outboxes are not acked, by idx. */
  unacked(shard: number): readonly import('../storage/log-store.ts').Op[];
  /** May what this node has of the shard be told? If not, it says so to `Runtime.readable` as soon as it may. */
  mayRead(shard: number): boolean;
  readonly options?: Partial<CrossingOptions>;
  /** runs what gathers in a turn; queueMicrotask when absent */
  readonly soon?: (run: () => void) => void;
  /** something was thrown that nobody expected */
  onFault(error: unknown): void;
}
