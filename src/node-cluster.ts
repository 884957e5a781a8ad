import { calls } from './actors/calls.ts';
import { ClusterNodes, clusterNodesDefaults } from './actors/cluster-nodes.ts';
import { createReplicatedPipeline, type ReplicatedPipeline } from './actors/replicated-pipeline.ts';
import type { LeaderDirectory } from './actors/routes.ts';
import { ShardHost } from './actors/shard-host.ts';
import type { HostMessage } from './actors/shard-host-types.ts';
import { snapshotDefaults } from './actors/shard-snapshots.ts';
import { systemClock } from './base/clock.ts';
import { EXIT, ExitError } from './base/errors.ts';
import { shortId } from './base/ids.ts';
import type { Log } from './base/log.ts';
import { detectorDefaults, FaultDetector } from './cluster/fault-detector.ts';
import type { Move } from './cluster/planner.ts';
import { plannerDefaults } from './cluster/planner.ts';
import { REPLICA_DEFAULTS } from './cluster/replica-types.ts';
import { ALL_RULES } from './cluster/rules.ts';
import type { Member } from './cluster/shard-config.ts';
import type { Config } from './config.ts';
import type { ClusterStats } from './node-cluster-metrics.ts';
import { claimData, mustBeNew } from './node-folder.ts';
import { storeHooks } from './node-log.ts';
import { leaveShards, movesOf } from './node-moves.ts';
import { natsOptionsOf } from './node-nats.ts';
import { storeOptionsOf } from './node-options.ts';
import { carryOut, type Order, type OrderAnswer, type OrderMessage, Orders } from './node-orders.ts';
import { decodeOp, encodeOp } from './storage/codec.ts';
import type { LogStore } from './storage/log-store.ts';
import type { ReplicatedLogStore } from './storage/replicated-store.ts';
import { openReplicatedStore, type RocksReplicatedStore } from './storage/replicated-store-rocks.ts';
import type { Bus } from './transport/bus.ts';
import { natsBus } from './transport/bus-nats.ts';
import { splitBus } from './transport/bus-split.ts';
import type { ConfigStore } from './transport/config-store.ts';
import { natsConfigStore } from './transport/config-store-nats.ts';
import { startHeartbeats } from './transport/heartbeat.ts';
import { checkNats } from './transport/nats-checks.ts';
import { connectNats } from './transport/nats-link.ts';
import { VERSION } from './version.ts';

/** What a node of a cluster has instead of a store and a bus of its own. */
export interface ClusterCore {
  readonly self: Member;
  readonly store: RocksReplicatedStore;
  readonly configs: ConfigStore;
  /** between entities */
  readonly bus: Bus;
  readonly directory: LeaderDirectory;
  readonly pipeline: ReplicatedPipeline;
  readonly host: ShardHost;
  readonly nodes: ClusterNodes;
  /** An operator's order to the node that can carry it out, this one too. @throws OrderUnansweredError */
  order(to: Member, order: Order): Promise<OrderAnswer>;
  /** Takes part from here on: `events` are told. Resolves when the configuration that is there has been seen. */
  start(events: ClusterEvents): Promise<void>;
  /** Hands every leadership over and leaves the in-sync sets; at most `ms`. @returns shards that could not be left */
  leave(ms: number): Promise<number>;
  /** what is counted, for /metrics */
  stats(): ClusterStats;
  close(): Promise<void>;
}

export interface ClusterEvents {
  /** this node leads the shard and its state is whole */
  lead(shard: number, epoch: number): void;
  /** … or no longer */
  unlead(shard: number): void;
  /** admits nothing for the moment: the leadership is being handed over */
  pause(shard: number): void;
  /** the shard's leader is another node now, or nobody */
  moved(shard: number, leader: string | undefined): void;
  nodeGone(node: string): void;
  /** what was held back of the shard may be told now */
  readable(shard: number): void;
  /** this process must not go on: somebody else uses its name, or the configuration is not what it was */
  halt(reason: string): void;
}

/** What nodes say to each other beside their entities. The incarnation says to, and from, which life of the folder. */
type NodeMessage =
  | { readonly t: 'host'; readonly from: string; readonly to: string; readonly m: HostMessage }
  | { readonly t: 'move'; readonly to: string; readonly move: Move }
  | OrderMessage
  /** pairs of shard and index: every outbox of the shard up to there is acknowledged, its leader says */
  | { readonly t: 'acked'; readonly to: string; readonly marks: readonly number[] };

/** ms between two looks at shards that wait for time to pass */
const TICK_MS = 50;
/** ms between two tellings of what has been delivered: followers keep on disk what they have not been told of */
const ACKED_MS = 1000;

/**
 * Opens a member's store, connects to NATS, checks it, and wires the replicas of this node's shards.
 * @throws StorageRefusedError, ExitError (clusterRefused) when NATS cannot be reached or is not fit: the line says what to do
 */
export async function openCluster(config: Config, log: Log): Promise<ClusterCore> {
  const { cluster } = config;
  let host: ShardHost | undefined;
  const closers: (() => Promise<unknown> | undefined)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.reverse()) await close();
  };
  try {
    const natsOptions = await natsOptionsOf(config);
    const traffic = await connectNats(natsOptions, `rookery ${config.node.id}: traffic`, log);
    closers.push(() => traffic.close());
    const bulk = await connectNats(natsOptions, `rookery ${config.node.id}: bulk`, log);
    closers.push(() => bulk.close());
    const links = [traffic, bulk];
    await checkNats({ cluster: cluster.name, links, nats: natsOptions, log }, { replicas: cluster.natsReplicas });
    let events: ClusterEvents | undefined;
    const configs = await natsConfigStore({
      cluster: cluster.name,
      link: traffic,
      log,
      onBackwards: (error) => events?.halt(error.message),
    });
    closers.push(() => configs.close());
    const hooks = storeHooks(log);
    const store = await openReplicatedStore(
      storeOptionsOf(config),
      {
        ...hooks,
        onEvent: (event) => {
          hooks.onEvent?.(event);
          if (event.t === 'reopened') host?.restart();
        },
        adopting: () => mustBeNew(configs, config),
      },
      calls,
    );
    closers.push(() => store.close());
    const self: Member = { node: config.node.id, inc: store.incarnation };
    const holds = await claimData(store, self, configs, config);
    const overNats = await natsBus({ cluster: cluster.name, self, traffic, bulk, log });
    const bus = splitBus(overNats);
    closers.push(() => bus.nodes.close());

    const { heartbeatMs, graceMs, leaseMs, copies, replaceAfterMs } = cluster;
    const detector = new FaultDetector(
      self,
      { ...detectorDefaults, heartbeatMs, graceMs, leaseMs, pauseMs: Math.max(2 * heartbeatMs, graceMs / 3) },
      systemClock.monotonic(),
    );
    const send = (to: Member, message: NodeMessage, large = false): void =>
      bus.nodes.send(to.node, { key: '', message }, { bulk: large });
    const pipeline = createReplicatedPipeline({
      pendingMax: 100_000,
      monotonicMs: systemClock.monotonic,
      propose: (shard, ops) => shards.propose(shard, ops),
    });
    const leaders: (string | undefined)[] = [];
    const epochs: number[] = [];
    let leaderChanges = 0;
    const shards = new ShardHost({
      self,
      boot: shortId(),
      shards: config.node.shards,
      store,
      configs,
      peers: detector,
      options: { ...REPLICA_DEFAULTS, copies, tailBytesMax: 64 * 1024 },
      snapshots: { ...snapshotDefaults, bytesPerSecond: cluster.copyBytesPerSecond },
      rules: ALL_RULES,
      encode: encodeOp,
      decode: (bytes) => decodeOp(bytes, calls),
      clock: systemClock,
      busyTickMs: config.storage.busyTickMs,
      tickMs: TICK_MS,
      send: (to, m, large) => send(to, { t: 'host', from: self.inc, to: to.inc, m }, large),
      events: {
        ready: (shard, epoch) => {
          pipeline.ready(shard);
          events?.lead(shard, epoch);
        },
        unready: (shard, reason) => {
          if (reason === 'transfer') return events?.pause(shard);
          // First the entities, so that none of them takes the failure of its op for a refusal.
          events?.unlead(shard);
          pipeline.lost(shard);
        },
        committed: (shard, upTo) => pipeline.committed(shard, upTo),
        config: (shard, record) => {
          const leader = record.leader?.node;
          nodes.configChanged();
          epochs[shard] = record.epoch;
          if (leaders[shard] === leader) return;
          if (leaders[shard] !== undefined) leaderChanges += 1;
          leaders[shard] = leader;
          events?.moved(shard, leader);
        },
        alarm: (shard, reason, halted, detail) => {
          log[halted ? 'fatal' : 'error']({ shard, reason, halted, detail }, 'a shard raises an alarm');
        },
        drained: (shard) => left.add(shard),
        readable: (shard) => events?.readable(shard),
      },
    });
    host = shards;
    closers.push(async () => shards.close());
    const left = new Set<number>();
    const nodes = new ClusterNodes(
      {
        record: {
          v: 1,
          node: self.node,
          inc: self.inc,
          zone: cluster.zone,
          version: VERSION,
          address: config.listen.publicWebSocketUrl || undefined,
          state: 'up',
          since: systemClock.now(),
          ...(holds !== undefined && { holds }),
        },
        shards: config.node.shards,
        configs,
        detector,
        clock: systemClock,
        newNonce: shortId,
        config: (shard) => shards.config(shard),
        peersChanged: () => shards.peersChanged(),
        nodeGone: (node) => events?.nodeGone(node),
        request: (leader, move) => {
          if (leader.node === self.node) carryOutMove(move.shard, eventOf(move));
          else send(leader, { t: 'move', to: leader.inc, move });
        },
        warn: (fault, details) => log.warn(details, fault),
        info: (fact, details) => log.info(details, fact),
      },
      {
        ...clusterNodesDefaults,
        planner: { ...plannerDefaults, copies, inSyncMin: Math.min(2, copies), replaceAfterMs },
        bootstrapNodes: cluster.bootstrapNodes,
        heartbeatMs,
      },
    );
    closers.push(async () => nodes.close());
    const orders = new Orders({
      self,
      clock: systemClock,
      newId: shortId,
      send: (to, message) => send(to, message),
      carryOut: (order) =>
        carryOut(order, {
          replica: (shard) => shards.replica(shard),
          refusal: (shard, order) => shards.refusal(shard, order),
          request: carryOutMove,
        }),
    });
    bus.nodes.receive(({ message }, from) => {
      const one = message as NodeMessage;
      // For another life of this folder: whoever sent it will learn.
      if (one.to !== self.inc) return;
      if (one.t === 'host') shards.receive({ node: from, inc: one.from }, one.m);
      else if (one.t === 'acked') takeMarks(store, one.marks);
      else if (one.t === 'order' || one.t === 'ordered') orders.receive(from, one);
      else carryOutMove(one.move.shard, eventOf(one.move));
    });
    const carryOutMove = movesOf(shards, { clock: systemClock, events: () => events });

    const told = new Map<number, number>();
    let toldLeads = 0;
    const tellAcked = (): void => {
      for (const [member, marks] of newMarks(shards, store, told, config.node.shards))
        send(member, { t: 'acked', to: member.inc, marks });
      const leads = leaders.filter((leader) => leader === self.node).length;
      if (leads !== toldLeads) log.info({ leads, before: toldLeads }, 'shards led here');
      toldLeads = leads;
    };
    const telling = setInterval(tellAcked, ACKED_MS);
    telling.unref();
    closers.push(async () => clearInterval(telling));

    return {
      self,
      store,
      configs,
      bus: bus.entities,
      directory: {
        shards: config.node.shards,
        leader: (shard) => leaders[shard],
        epoch: (shard) => epochs[shard] ?? 0,
      },
      pipeline,
      host: shards,
      nodes,
      order: (to, order) => orders.ask(to, order),
      async start(listener) {
        events = listener;
        const heartbeats = startHeartbeats(
          {
            cluster: cluster.name,
            self,
            link: traffic,
            clock: systemClock,
            log,
            onHeartbeat: (node, inc, ofHeartbeatSentAt) => {
              if (!detector.heard({ node, inc }, ofHeartbeatSentAt, systemClock.monotonic())) return;
              log.info({ heard: node }, 'a node is heard again');
              shards.peersChanged();
            },
            onImpostor: (inc) => listener.halt(`another node calls itself ${self.node} (incarnation ${inc})`),
          },
          { intervalMs: heartbeatMs },
        );
        closers.push(async () => heartbeats.stop());
        await nodes.start();
        await shards.start();
      },
      leave: (ms) =>
        leaveShards({ self, shards: config.node.shards, host: shards, left, clock: systemClock, carryOutMove }, ms),
      stats: () => ({ bus: overNats.stats(), links: { traffic, bulk }, configs: configs.stats, leaderChanges }),
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    const { name, message } = error as Error;
    if (name === 'NatsUnreachableError' || name === 'NatsCheckError')
      throw new ExitError(message, EXIT.clusterRefused, { cause: error });
    throw error;
  }
}

/** What followers have not been told yet of shards led here, by follower. `told` remembers it. */
function newMarks(
  host: ShardHost,
  store: ReplicatedLogStore,
  told: Map<number, number>,
  shards: number,
): [Member, number[]][] {
  const marks = new Map<string, [Member, number[]]>();
  for (let shard = 0; shard < shards; shard++) {
    const replica = host.replica(shard);
    if (replica?.role.t !== 'leading') {
      told.delete(shard);
      continue;
    }
    const upTo = store.ackedWatermark(shard);
    if (upTo === (told.get(shard) ?? 0)) continue;
    told.set(shard, upTo);
    for (const member of replica.config?.record.replicas ?? []) {
      if (member.node === replica.config?.record.leader?.node) continue;
      const key = `${member.node}/${member.inc}`;
      const entry = marks.get(key) ?? [member, []];
      entry[1].push(shard, upTo);
      marks.set(key, entry);
    }
  }
  return [...marks.values()];
}

function takeMarks(store: ReplicatedLogStore, marks: readonly number[]): void {
  for (let i = 0; i + 1 < marks.length; i += 2) store.ackedUpTo(marks[i]!, marks[i + 1]!);
}

/** A member's store as entities and the archive read it. What they write goes through the pipeline. */
export function readsOf(store: ReplicatedLogStore): LogStore {
  return {
    recovered: { tails: new Map(), unacked: [] },
    append: () => Promise.reject(new Error('a member of a cluster writes through its replicas')),
    get: (shard, key) => store.get(shard, key),
    scan: (shard, prefix, limit) => store.scan(shard, prefix, limit),
    read: (shard, stream, range) => store.read(shard, stream, range),
    last: (shard, stream) => store.last(shard, stream),
    acked: (shard, idx) => store.acked(shard, idx),
    get writable() {
      return store.writable;
    },
    stats: () => store.stats(),
    close: () => store.close(),
  };
}

function eventOf({ t, member }: Move): Parameters<ShardHost['request']>[1] {
  if (t === 'transfer') return { t: 'transfer', to: member };
  return t === 'addReplica'
    ? { t: 'replicas', add: [member], remove: [] }
    : { t: 'replicas', add: [], remove: [member] };
}
