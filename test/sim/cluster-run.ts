import type { DeliveryRules } from '../../src/actors/delivery-rules.ts';
import type { Rules } from '../../src/cluster/rules.ts';
import { hasMember } from '../../src/cluster/shard-config.ts';
import { CHECKS } from './checks/index.ts';
import { clients, schedule } from './cluster-faults.ts';
import type { Profile } from './cluster-profile.ts';
import { type Check, type Failure, World } from './cluster-world.ts';

export interface RunOptions {
  readonly rules?: Rules;
  readonly delivery?: DeliveryRules;
  readonly checks?: readonly Check[];
  readonly trace?: (line: string) => void;
}

export interface RunResult {
  readonly failure: Failure | undefined;
  /** writes that clients know to be safe */
  readonly acked: number;
  readonly facts: number;
  /** of a whole run: moves that planners handed out, sessions that went on at another node */
  readonly moves?: number;
  readonly handedOver?: number;
}

/** Ms of simulated time that a healed cluster may take until everything is in order again. */
const HEAL_MS = 5_000;
const LOOK_MS = 20;
/** Ms after which a cluster at rest has sent its last message, but for those that come late. */
const SETTLE_MS = 100;

/** One run: faults, then healing and a look at whether it recovers, then silence. */
export function run(profile: Profile, { rules, checks = CHECKS, trace }: RunOptions = {}): RunResult {
  let acked = 0;
  const counter: Check = {
    name: 'count',
    reads: ['acked'],
    begin: () => ({
      onFact() {
        acked += 1;
        return undefined;
      },
    }),
  };
  const world = new World(profile, { rules, checks: [...checks, counter], trace });
  const done = (): RunResult => ({ failure: world.failure, acked, facts: world.facts });
  schedule(world);
  clients(world);
  world.runUntil(profile.durationMs);
  if (world.failed) return done();
  // A mutant is looked at for its own property only, and may well be unable to recover.
  if (checks === CHECKS) recover(world);
  world.end();
  return done();
}

function recover(world: World): void {
  heal(world);
  const before = world.ops;
  const limit = world.queue.now + HEAL_MS;
  const until = (inOrder: () => string | undefined): void => {
    for (let fault = inOrder(); fault !== undefined && !world.failed; fault = inOrder()) {
      if (world.queue.now >= limit) return world.fail('recovers-when-healed', fault);
      world.runUntil(world.queue.now + LOOK_MS);
    }
  };
  until(() => shardFault(world, (shard) => (world.lastAcked[shard] ?? 0) > before || 'no write is acknowledged'));
  world.quiet = true;
  until(() => shardFault(world, (shard) => converged(world, shard)));
  // Waiting is most of a short run's time, and one run is like the other here.
  if (world.profile.seed % 4 > 0) return;
  world.runUntil(world.queue.now + SETTLE_MS + world.profile.lateMs);
  const { sent } = world.network;
  world.runUntil(world.queue.now + SETTLE_MS);
  if (world.network.sent > sent) world.fail('idle-is-silent', `${world.network.sent - sent} messages without a cause`);
}

export function heal(world: World): void {
  if (world.tracing) world.say('** heal');
  world.healed = true;
  world.network.heal();
  world.store.downUntil = 0;
  for (const host of world.nodes) {
    host.heal();
    if (host.process?.shards.some(({ replica }) => replica.stopping)) host.crash();
    host.boot();
    world.store.watch(host.index);
  }
}

export function shardFault(world: World, inOrder: (shard: number) => true | string): string | undefined {
  for (let shard = 0; shard < world.profile.shards; shard++) {
    const answer = inOrder(shard);
    if (answer !== true) return `shard ${shard}: ${answer}`;
  }
  return undefined;
}

/** All replicas are in sync, and have the same state as the leader, all of its log. */
export function converged(world: World, shard: number): true | string {
  const { record } = world.store.current(shard) ?? {};
  if (record?.leader === undefined) return 'no leader';
  const wanted = Math.min(world.profile.options.copies, world.nodes.length);
  if (record.replicas.length < wanted) return `${record.replicas.length} copies`;
  const leader = world.hostOf(record.leader).process?.shards[shard];
  if (leader === undefined) return 'the leader does not run';
  if (world.nodes.some(({ process }) => process?.shards[shard]?.replica.cas !== undefined))
    return 'a compare-and-set is not settled';
  for (const member of record.replicas) {
    const copy = world.hostOf(member).process?.shards[shard];
    if (!hasMember(record.isr, member)) return `${member.node} is not in sync`;
    if (copy === undefined || copy.applied !== leader.applied || copy.sum !== leader.sum)
      return `${member.node} is at ${copy?.applied} of ${leader.applied}`;
  }
  return leader.cells.length === leader.applied || 'something is not committed';
}
