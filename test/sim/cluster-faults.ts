import { hasMember, type Member } from '../../src/cluster/shard-config.ts';
import type { Host } from './cluster-host.ts';
import type { Process } from './cluster-process.ts';
import { LEADER, type Op } from './cluster-profile.ts';
import type { World } from './cluster-world.ts';

/** Ms between looks of the planner that replaces copies on wiped disks. */
const PLAN_MS = 40;

export function schedule(world: World): void {
  for (const op of world.profile.ops) world.queue.after(op.at, () => perform(world, op));
  if (world.whole === undefined) plan(world);
}

function perform(world: World, op: Op): void {
  if (world.healed) return;
  const host = op.a === LEADER ? leaderOf(world, op.shard) : world.nodes[op.a % world.nodes.length];
  if (host === undefined) return;
  const { network, queue } = world;
  const other = op.b % world.nodes.length;
  if (world.tracing) world.say(`** ${op.t} a=n${host.index} b=n${other} shard=${op.shard} for ${op.ms} ms`);
  const bootLater = (): void => queue.after(op.ms, () => host.boot());
  // A late node that is not there yet: there is nothing to hurt.
  if (host.process === undefined && op.t !== 'join' && world.whole !== undefined) return;
  switch (op.t) {
    case 'crash':
      host.crash();
      return bootLater();
    case 'wipe':
      if (!mayWipe(world, host.index)) return;
      host.crash();
      host.wipe();
      return bootLater();
    case 'pause':
      return host.pause(op.ms);
    case 'cut':
      network.cut(host.index, other, op.ms);
      return network.cut(other, host.index, op.ms);
    case 'cutOneWay':
      return network.cut(host.index, other, op.ms);
    case 'isolate':
      for (const { index } of world.nodes) {
        network.cut(host.index, index, op.ms);
        network.cut(index, host.index, op.ms);
      }
      if (op.ms % 2 === 1) network.cutStore(host.index, op.ms);
      return;
    case 'storeCut':
      return network.cutStore(host.index, op.ms);
    case 'storeDown':
      world.store.downUntil = Math.max(world.store.downUntil, queue.now + op.ms);
      return;
    case 'slowDisk':
      return host.slowDisk(op.ms);
    case 'join':
      return world.nodes.at(-1)?.boot();
    case 'drain':
      if (world.whole !== undefined) return drain(world, host, op.ms);
      host.post((process) => stopAll(process));
      queue.after(op.ms, () => {
        if (world.healed) return;
        host.crash();
        queue.after(20, () => host.boot());
      });
      return;
    case 'transfer':
      return order(world, op.shard, (process, shard) =>
        process.dispatch(shard, { t: 'transfer', to: world.memberAt(op.b) }),
      );
    default:
      return changeReplicas(world, op);
  }
}

/** What an operator's drain is: the planner empties the node, as far as it gets, then it leaves and comes again. */
function drain(world: World, host: Host, ms: number): void {
  const { queue, whole } = world;
  whole?.announce(host, 'draining');
  queue.after(ms, () => {
    if (!world.healed) host.post((process) => stopAll(process));
  });
  queue.after(ms + 60, () => {
    if (world.healed) return;
    host.crash();
    queue.after(20, () => host.boot());
  });
}

function leaderOf(world: World, shard: number): Host | undefined {
  const leader = world.store.current(shard)?.record.leader;
  return leader === undefined ? undefined : world.hostOf(leader);
}

function stopAll(process: Process): void {
  for (const shard of process.shards.keys()) process.dispatch(shard, { t: 'stop' });
}

function changeReplicas(world: World, op: Op): void {
  const one = world.memberAt(op.b);
  const change = (add: readonly Member[], remove: readonly Member[]): void =>
    order(world, op.shard, (process, shard) => process.dispatch(shard, { t: 'replicas', add, remove }));
  if (op.t === 'swap') return change([world.memberAt(Math.max(0, op.a))], [one]);
  if (op.t === 'drop') return change([], [one]);
  change([], [one]);
  world.queue.after(2 + (op.ms % 40), () => change([world.memberAt(op.b)], []));
}

/** A disk may be lost while every shard has another in-sync member with a disk: more is what nobody survives. */
function mayWipe(world: World, node: number): boolean {
  const member = world.memberAt(node);
  for (let shard = 0; shard < world.profile.shards; shard++) {
    const { isr = [] } = world.store.current(shard)?.record ?? {};
    if (isr.some((one) => world.isGone(one)) && hasMember(isr, member)) return false;
  }
  return true;
}

/** Tells whoever believes to lead the shard. */
function order(world: World, shard: number, tell: (process: Process, shard: number) => void): void {
  for (const host of world.nodes)
    host.post((process) => {
      if (process.leads(shard)) tell(process, shard);
    });
}

/** Replaces copies on disks that are gone, and fills up to the number of copies wanted. */
function plan(world: World): void {
  world.queue.after(PLAN_MS, () => {
    for (let shard = 0; shard < world.profile.shards; shard++) planShard(world, shard);
    plan(world);
  });
}

function planShard(world: World, shard: number): void {
  const { record } = world.store.current(shard) ?? {};
  if (record === undefined) return;
  const gone = record.replicas.filter((member) => world.isGone(member));
  const remove = gone.filter((member) => !hasMember(record.isr, member));
  const wanted = Math.min(world.profile.options.copies, world.nodes.length);
  const add: Member[] = [];
  for (const { index } of world.nodes) {
    const member = world.memberAt((index + shard) % world.nodes.length);
    if (record.replicas.length - gone.length + add.length < wanted && !hasMember(record.replicas, member))
      add.push(member);
  }
  if (add.length + remove.length > 0)
    order(world, shard, (process) => process.dispatch(shard, { t: 'replicas', add, remove }));
}

/** Ms between two looks of a reader at a shard, at most. */
const READ_MS = 8;

/** Clients: writes to whoever believes to lead, and reads from all of them. */
export function clients(world: World): void {
  for (let shard = 0; shard < world.profile.shards; shard++) {
    write(world, shard);
    read(world, shard);
  }
}

function write(world: World, shard: number): void {
  const { random, queue, profile } = world;
  queue.after(random.float() * 2 * profile.writeMs, () => {
    if (world.quiet) return;
    const leaders = world.nodes.filter((host) => host.runs && host.process?.leads(shard));
    const ops = Array.from({ length: 1 + random.int(3) }, () => ++world.ops);
    leaders[random.int(leaders.length)]?.process?.propose(shard, ops);
    write(world, shard);
  });
}

function read(world: World, shard: number): void {
  const { random, queue } = world;
  queue.after(random.float() * READ_MS, () => {
    if (world.quiet) return;
    for (const host of world.nodes) if (host.runs && host.process?.leads(shard)) host.process.read(shard);
    read(world, shard);
  });
}
