import type { PlainWrite } from '../../src/storage/log-store.ts';
import { CHECKS, DELIVERY_CHECKS } from './checks/index.ts';
import { schedule } from './cluster-faults.ts';
import type { Profile } from './cluster-profile.ts';
import { converged, heal, type RunOptions, type RunResult, run, shardFault } from './cluster-run.ts';
import { type Check, World } from './cluster-world.ts';
import { driveClients } from './whole-clients.ts';
import type { WholeNode } from './whole-node.ts';
import type { Whole } from './whole-world.ts';

/** Ms of simulated time that the beginning may take: leaders, accounts and groups. */
const BEGIN_MS = 2_000;
/** … and a healed cluster, until everything is in order: a sender may wait out its tries, a client its resumption. */
const HEAL_MS = 10_000;
/** The same for a mutant, which may never be: it is looked at for its own property only. */
const MUTANT_HEAL_MS = 2_000;
const LOOK_MS = 20;
/** Turns of a chain of promises that may run between two events. What is left goes on after the next one. */
const PROMISE_TURNS = 8;

/** The run that a profile describes, with or without what is above the replicas. */
export async function runAny(profile: Profile, options: RunOptions = {}): Promise<RunResult> {
  return profile.whole === undefined ? run(profile, options) : runWhole(profile, options);
}

/** One whole run: accounts and groups, faults under load, then healing, and everything must be where it belongs. */
export async function runWhole(profile: Profile, options: RunOptions = {}): Promise<RunResult> {
  const { rules, delivery, checks = [...CHECKS, ...DELIVERY_CHECKS], trace } = options;
  let acked = 0;
  const counter: Check = {
    name: 'count',
    reads: ['told'],
    begin: () => ({
      onFact() {
        acked += 1;
        return undefined;
      },
    }),
  };
  const world = new World(profile, { rules, delivery, checks: [...checks, counter], trace });
  const { whole } = world;
  if (whole === undefined) throw new Error('this profile has replicas alone');
  await begin(world, whole);
  if (!world.failed) {
    whole.addClients();
    driveClients(whole);
    schedule(world);
    await runUntil(world, whole, world.queue.now + profile.durationMs);
  }
  if (!world.failed) await recover(world, whole, options.checks !== undefined);
  world.end();
  const handedOver = whole.apps().reduce((sum, { runtime }) => sum + runtime.stats().handedOver, 0);
  return { failure: world.failure, acked, facts: world.facts, moves: whole.moves, handedOver };
}

/** Runs until a moment, or until a check fails; what waits for a promise goes on after the event that it waited for. */
async function runUntil(world: World, whole: Whole, ms: number): Promise<void> {
  while (!world.failed && world.queue.next(ms)) {
    if (!whole.yields) continue;
    whole.yields = false;
    for (let i = 0; i < PROMISE_TURNS; i++) await undefined;
  }
}

async function until(
  world: World,
  whole: Whole,
  ms: number,
  check: string,
  faults: readonly (() => string | undefined)[],
): Promise<void> {
  const limit = world.queue.now + ms;
  const isWrong = (): boolean => faults.some((fault) => fault() !== undefined);
  while (isWrong() && !world.failed) {
    // All of them: what one is waiting for may be another.
    if (world.queue.now >= limit) return world.fail(check, faults.flatMap((fault) => fault() ?? []).join('; '));
    await runUntil(world, whole, world.queue.now + LOOK_MS);
  }
}

/** Nothing goes wrong until there are accounts and groups. */
async function begin(world: World, whole: Whole): Promise<void> {
  world.healed = true;
  await writeAll(world, whole, BEGIN_MS, 'begins', whole.firstWrites());
  world.healed = false;
}

/** Every shard takes an op. */
async function writeAll(
  world: World,
  whole: Whole,
  ms: number,
  check: string,
  writes: ReadonlyMap<number, readonly PlainWrite[]>,
): Promise<void> {
  const due = new Set(writes.keys());
  const fault = (): string | undefined => {
    for (const shard of due) write(whole, shard, writes.get(shard) ?? [], () => due.delete(shard));
    return due.size === 0 ? undefined : `shards ${[...due].join(' ')} take no write`;
  };
  await until(world, whole, ms, check, [fault]);
}

function write(whole: Whole, shard: number, writes: readonly PlainWrite[], done: () => void): void {
  const leader = whole.apps().find(({ runtime }) => runtime.leads(shard));
  if (leader === undefined) return;
  const settle = (error: Error | undefined): void => {
    if (error === undefined) done();
  };
  leader.pipeline.submit({ shard, writes, outbox: [], settle });
}

async function recover(world: World, whole: Whole, mutant: boolean): Promise<void> {
  heal(world);
  for (const host of world.nodes) whole.announce(host, 'up');
  if (mutant) return runUntil(world, whole, world.queue.now + MUTANT_HEAL_MS);
  // A follower that started again learns how far its log is committed with the next entry, not before.
  const shards = Array.from({ length: world.profile.shards }, (_, shard) => shard);
  const last = new Map(shards.map((shard) => [shard, [{ t: 'put', key: 'healed', value: 1 } as const]]));
  await writeAll(world, whole, HEAL_MS, 'recovers-when-healed', last);
  await until(world, whole, HEAL_MS, 'recovers-when-healed', wholeFaults(world, whole));
  world.quiet = true;
}

/** What may not be in order yet, in words. */
function wholeFaults(world: World, whole: Whole): readonly (() => string | undefined)[] {
  return [
    () => shardFault(world, (shard) => converged(world, shard)),
    () => clientsFault(whole),
    () => outboxFault(whole.apps()),
    () => whole.missing(),
    () => whole.unseen(),
    () => whole.unheard(),
    () => whole.strayed(),
    () => planFault(whole.apps()),
  ];
}

function clientsFault(whole: Whole): string | undefined {
  const one = whole.clients.find((client) => !client.online || !client.settled);
  return one && `${one.user}/${one.resource} is ${one.online ? 'not answered' : 'not online'}`;
}

/** Copies and leaderships are where the planner wants them. */
function planFault(apps: readonly WholeNode[]): string | undefined {
  const wanted = apps.flatMap(({ planner }) => planner.wanted());
  return wanted.length === 0 ? undefined : `the planner still wants ${wanted.length} moves`;
}

/** The outboxes are emptied, and nothing is on its way to a log. */
function outboxFault(apps: readonly WholeNode[]): string | undefined {
  for (const { runtime, pipeline } of apps) {
    const { outbox } = runtime.stats();
    if (outbox > 0) return `${outbox} ops with an outbox that is not acknowledged`;
    if (pipeline.stats.pending > 0) return `${pipeline.stats.pending} turns wait for the log`;
  }
  return undefined;
}
