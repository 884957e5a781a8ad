import fc from 'fast-check';
import t from 'tap';
import { isWorking, memberOf, type NodeView, nodesById, standingOf } from './membership.ts';
import { nodeView, nodeViews, World } from './planner.fixture.ts';
import type { Move } from './planner.ts';
import { zoneCap } from './rendezvous.ts';
import { type Member, type ShardConfig, sameMember } from './shard-config.ts';

/** Runs of each property; more with RUNS=n. */
const numRuns = Number(process.env['RUNS'] ?? 150);

const name = (i: number): string => `n${String(i).padStart(3, '0')}`;

interface Start {
  readonly nodes: NodeView[];
  readonly shards: ShardConfig[];
}

type NodeSpec = readonly [zone: number, fate: 'open' | 'draining' | 'gone' | 'wiped' | 'left'];

/** Any cluster, however lopsided, of which every shard has a leader that works. */
const anyStart = (zonesMax: number, fates: readonly NodeSpec[1][]): fc.Arbitrary<Start> => {
  const spec: fc.Arbitrary<NodeSpec> = fc.tuple(fc.nat(zonesMax - 1), fc.constantFrom(...fates));
  const number = fc.nat(1_000_000);
  return fc
    .tuple(
      fc.nat(zonesMax - 1),
      fc.array(spec, { minLength: 2, maxLength: 9 }),
      fc.array(fc.array(number, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 40 }),
    )
    .map(([zone, specs, choices]) => {
      const nodes = ([[zone, 'open'], ...specs] as NodeSpec[]).map(([z, fate], i) =>
        nodeView(name(i), {
          zone: `z${z}`,
          ...(fate === 'draining' || fate === 'left' ? { state: fate } : {}),
          ...(fate === 'gone' || fate === 'left' ? { suspectedForMs: 60_000 } : {}),
          ...(fate === 'wiped' ? { inc: `${name(i)}-2` } : {}),
        }),
      );
      const works = nodes.filter(
        ({ record, suspectedForMs }) => suspectedForMs === 0 && record.inc === `${record.node}-1`,
      );
      const shards = choices.map((picks, shard) => configOf(nodes, works, shard, picks));
      return { nodes, shards };
    });
};

/** The leader works; of the others the odd picks are in sync, and at least one is where there is any. */
function configOf(nodes: NodeView[], works: NodeView[], shard: number, picks: readonly number[]): ShardConfig {
  const leader = { node: works[picks[0]! % works.length]!.record.node, inc: '' };
  const replicas: Member[] = [{ ...leader, inc: `${leader.node}-1` }];
  const isr = [...replicas];
  for (const pick of picks.slice(1)) {
    const { node } = nodes[pick % nodes.length]!.record;
    const member = { node, inc: `${node}-1` };
    if (replicas.some((one) => sameMember(one, member))) continue;
    replicas.push(member);
    if (pick % 2 === 1 || isr.length < 2) isr.push(member);
  }
  return { v: 1, shard, epoch: 1, leader: replicas[0], isr, replicas, nonce: 'x' };
}

/** No plan asks for more than the limits, counting the copies under way. */
function checkLimits(world: World, moves: readonly Move[]): void {
  const nodes = nodesById(world.nodes);
  const count = (of: Map<string, number>, node: string): number => {
    of.set(node, (of.get(node) ?? 0) + 1);
    return of.get(node)!;
  };
  const { movesPerNode, transferBatch, removalBatch, replaceAfterMs, copies } = world.options;
  const [ins, outs, transfers] = [new Map<string, number>(), new Map<string, number>(), new Map<string, number>()];
  const shards = new Map(world.shards.map((config) => [config.shard, config]));
  for (const { isr, replicas } of world.shards) {
    for (const member of replicas) {
      if (isr.some((one) => sameMember(one, member))) continue;
      if (isWorking(standingOf(member, nodes, replaceAfterMs))) count(ins, member.node);
    }
  }
  const touched = new Set<number>();
  let removals = 0;
  for (const { t: kind, shard, member, reason } of moves) {
    const { leader, replicas } = shards.get(shard)!;
    if (touched.has(shard)) throw new Error(`two moves for shard ${shard}`);
    touched.add(shard);
    if (kind === 'addReplica') {
      if (count(ins, member.node) > movesPerNode) throw new Error(`too many copies into ${member.node}`);
      if (count(outs, leader!.node) > movesPerNode) throw new Error(`too many copies out of ${leader!.node}`);
      if (replicas.length > copies) throw new Error(`shard ${shard} gets more than one copy too many`);
      if (standingOf(member, nodes, replaceAfterMs) !== 'open') throw new Error(`${member.node} takes no copies`);
    }
    if (kind === 'removeReplica' && reason !== 'repair' && ++removals > removalBatch)
      throw new Error('too many removals');
    if (kind === 'transfer' && count(transfers, leader!.node) > transferBatch) throw new Error('too many transfers');
  }
}

/** What must hold when nothing is left to move. */
function checkSettled(world: World, even: boolean): void {
  const { copies, replaceAfterMs, inSyncMin } = world.options;
  const nodes = nodesById(world.nodes);
  const open = world.nodes.filter(({ record }) => standingOf(memberOf(record), nodes, replaceAfterMs) === 'open');
  const wanted = Math.min(copies, open.length);
  const cap = zoneCap(
    open.map(({ record }) => record),
    copies,
  );
  for (const config of world.shards) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${JSON.stringify(config)}`);
    };
    const held = config.isr.filter((member) => standingOf(member, nodes, replaceAfterMs) === 'open');
    if (held.length !== wanted) fail(`${held.length} copies of ${wanted}`);
    const rest = config.replicas.filter((member) => !held.some((one) => sameMember(one, member)));
    for (const member of rest) {
      // With nobody to take its place, a member may stay: a draining one as the second in sync, a gone one to come back.
      const standing = standingOf(member, nodes, replaceAfterMs);
      if (wanted === copies) fail(`${member.node} is left in it`);
      if (standing === 'draining' && wanted >= inSyncMin) fail(`${member.node} is not emptied`);
    }
    const zones = held.map(({ node }) => nodes.get(node)!.record.zone);
    if (zones.some((zone) => zones.filter((one) => one === zone).length > cap)) fail('a zone holds too many');
    const { leader } = config;
    if (wanted >= inSyncMin && !held.some((one) => sameMember(one, leader!))) fail('the leader is no copy that stays');
  }
  if (!even) return;
  const loads = world.loads();
  const [held, led] = [[...loads.copies.values()], [...loads.leaders.values()]];
  if (Math.max(...held) - Math.min(...held) > 1) throw new Error(`copies are uneven: ${held}`);
  if (Math.max(...led) > Math.ceil(world.shards.length / open.length)) throw new Error(`leaders are uneven: ${led}`);
}

/** Far more rounds than limits of 2 and 32 make necessary for these sizes. */
const roundsMax = 600;

t.test('from any start plans come to an end, within the limits, with every rule kept', async (t) => {
  fc.assert(
    fc.property(anyStart(4, ['open', 'open', 'draining', 'gone', 'wiped', 'left']), ({ nodes, shards }) => {
      const world = new World(nodes, shards);
      world.settle(roundsMax, (moves) => checkLimits(world, moves));
      checkSettled(world, false);
    }),
    { numRuns },
  );
  t.pass(`${numRuns} starts`);
});

t.test(
  'within one zone they end as even as can be: copies within one, no leader above the mean rounded up',
  async (t) => {
    fc.assert(
      fc.property(anyStart(1, ['open', 'open', 'open', 'gone', 'draining']), ({ nodes, shards }) => {
        const world = new World(nodes, shards);
        world.settle(roundsMax, (moves) => checkLimits(world, moves));
        checkSettled(world, true);
      }),
      { numRuns },
    );
    t.pass(`${numRuns} starts`);
  },
);

t.test('through joins, drains, deaths and returns it settles again every time', async (t) => {
  const event = fc.tuple(fc.constantFrom('join', 'drain', 'die', 'return', 'wipe', 'resume'), fc.nat(1000), fc.nat(3));
  fc.assert(
    fc.property(fc.array(event, { maxLength: 8 }), fc.integer({ min: 3, max: 6 }), (events, count) => {
      const world = World.fresh(nodeViews(count), 48);
      let joined = count;
      for (const [kind, pick, rounds] of events) {
        const { record } = world.nodes[pick % world.nodes.length]!;
        const live = world.nodes.filter((view) => view.suspectedForMs === 0 && view.record.state === 'up').length;
        if (kind === 'join') world.nodes = [...world.nodes, nodeView(name(500 + joined++))];
        else if (kind === 'drain' && live > 3) world.set(record.node, { state: 'draining' });
        else if (kind === 'die' && live > 3) world.set(record.node, { suspectedForMs: 60_000 });
        else if (kind === 'return') world.set(record.node, { suspectedForMs: 0, state: 'up' });
        else if (kind === 'wipe' && live > 3) world.set(record.node, { inc: `${record.inc}x`, suspectedForMs: 0 });
        // The next event comes in the middle of the moves, or after them: never two losses at once, which would stall.
        if (kind === 'die' || kind === 'wipe' || rounds === 3)
          world.settle(roundsMax, (moves) => checkLimits(world, moves));
        for (let round = 0; round < rounds; round++) {
          world.heal();
          const moves = world.plan();
          checkLimits(world, moves);
          world.apply(moves);
        }
      }
      world.settle(roundsMax, (moves) => checkLimits(world, moves));
      checkSettled(world, true);
    }),
    { numRuns: Math.ceil(numRuns / 2) },
  );
  t.pass('every history');
});

t.test('copies that take their time do not change where it ends', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(5), { minLength: 200, maxLength: 200 }), (lateness) => {
      const world = World.fresh(nodeViews(4), 64);
      world.nodes = [...world.nodes, nodeView(name(4)), nodeView(name(5))];
      for (const late of lateness) {
        world.heal((shard) => (shard + late) % 5 === 0);
        const moves = world.plan();
        checkLimits(world, moves);
        world.apply(moves);
      }
      world.settle(roundsMax);
      checkSettled(world, true);
    }),
    { numRuns: Math.ceil(numRuns / 10) },
  );
  t.pass('every delay');
});

t.test('a join moves its share and nothing else, a death only what was lost', async (t) => {
  for (const count of [3, 4, 7, 12]) {
    const world = World.fresh(nodeViews(count), 240);
    world.nodes = [...world.nodes, nodeView(name(900))];
    world.settle(5000);
    const share = world.loads().copies.get(name(900))!;
    t.equal(world.done.added, share, `${count} nodes and one more`);
    t.ok(share <= Math.ceil((240 * 3) / (count + 1)));
    const leads = world.loads().leaders.get(name(900))!;
    const { transferred } = world.done;
    t.ok(transferred >= leads && transferred <= 1.3 * leads + 4, `${transferred} transfers for ${leads} leaderships`);
    if (count < 4) continue;
    const lost = world.loads().copies.get(name(1))!;
    const before = world.done.added;
    world.set(name(1), { suspectedForMs: 60_000 });
    world.settle(5000);
    t.ok(world.done.added - before <= 1.05 * lost, `${world.done.added - before} copies made for ${lost} lost`);
  }
});

t.test(
  'at 100 nodes no node leads more than 1.08 times the mean, of 1,024 shards: 11 where the mean is 10.24',
  async (t) => {
    const world = World.fresh(nodeViews(99), 1024);
    world.nodes = [...world.nodes, nodeView(name(999))];
    world.settle(200);
    const { copies, leaders } = world.loads();
    t.equal(Math.max(...leaders.values()), 11);
    t.equal(Math.max(...copies.values()), 31);
  },
);
