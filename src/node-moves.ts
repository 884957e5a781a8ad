import type { ShardHost } from './actors/shard-host.ts';
import type { Clock } from './base/clock.ts';
import { type Member, sameMember } from './cluster/shard-config.ts';
import type { ClusterEvents } from './node-cluster.ts';

export interface LeaveOptions {
  /** between the pause of a shard and the transfer of its leadership, ms: what is on its way to the log gets there */
  readonly settleMs: number;
  /** without any progress a leaving node stops handing over after this, ms: the others stop too, or NATS is gone */
  readonly idleMs: number;
  /** shards that are handed over at a time when a node leaves */
  readonly atOnce: number;
  /** ms between two looks at what is left */
  readonly pollMs: number;
}

export const LEAVE_DEFAULTS: LeaveOptions = { settleMs: 20, idleMs: 3_000, atOnce: 32, pollMs: 20 };

/** Carries out a request of the planner, an operator or the node's own end at this node's replica of the shard. */
export type CarryOutMove = (shard: number, event: Parameters<ShardHost['request']>[1]) => void;

export interface MovesParts {
  readonly clock: Clock;
  /** undefined before the node takes part */
  events(): Pick<ClusterEvents, 'pause' | 'lead'> | undefined;
}

/**
 * Before its leadership goes, a shard is paused, so that its live sessions have nothing on its way to the log and move
 * along. What is refused goes on where it is.
 */
export function movesOf(
  host: Pick<ShardHost, 'replica' | 'refusal' | 'request'>,
  { clock, events }: MovesParts,
  { settleMs }: LeaveOptions = LEAVE_DEFAULTS,
): CarryOutMove {
  return (shard, event) => {
    const pauses = event.t === 'transfer' ? host.refusal(shard, event) === undefined : event.t === 'stop';
    if (!pauses || host.replica(shard)?.role.t !== 'leading') return host.request(shard, event);
    events()?.pause(shard);
    clock.setTimer(settleMs, () => {
      host.request(shard, event);
      const role = host.replica(shard)?.role;
      if (role?.t === 'leading' && role.ready && role.transfer === undefined) events()?.lead(shard, role.epoch);
    });
  };
}

export interface LeaveParts {
  readonly self: Member;
  readonly shards: number;
  readonly host: Pick<ShardHost, 'config'>;
  /** shards that this node neither leads nor is in sync of, since it was asked to stop */
  readonly left: ReadonlySet<number>;
  readonly clock: Clock;
  readonly carryOutMove: CarryOutMove;
}

/** Hands every leadership over and leaves the in-sync sets; at most `ms`. @returns shards that could not be left */
export async function leaveShards(
  parts: LeaveParts,
  ms: number,
  options: LeaveOptions = LEAVE_DEFAULTS,
): Promise<number> {
  const { self, shards, host, left, clock, carryOutMove } = parts;
  const until = clock.monotonic() + ms;
  const mine = Array.from({ length: shards }, (_, shard) => shard);
  const asked = new Set<number>();
  for (let [least, since] = [Number.POSITIVE_INFINITY, 0]; ; ) {
    const waiting = mine.filter((shard) => host.config(shard)?.isr.some((member) => sameMember(member, self)));
    const now = clock.monotonic();
    if (waiting.length < least) [least, since] = [waiting.length, now];
    if (waiting.length === 0 || now > until || now - since > options.idleMs) return waiting.length;
    const open = waiting.filter((shard) => asked.has(shard) && !left.has(shard)).length;
    for (const shard of waiting.filter((one) => !asked.has(one)).slice(0, Math.max(0, options.atOnce - open))) {
      asked.add(shard);
      carryOutMove(shard, { t: 'stop' });
    }
    await new Promise<void>((resolve) => clock.setTimer(options.pollMs, resolve));
  }
}
