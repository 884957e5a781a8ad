import type { ClusterNodeProcess } from '../../scripts/cluster-run.ts';
import type { Fault } from './faults.ts';
import { READY_MS_MAX, type World } from './world.ts';

type Choose = (world: World) => ClusterNodeProcess | Promise<ClusterNodeProcess>;

const leader: Choose = (world) => world.leader();
const follower: Choose = (world) => world.follower();
const gateway: Choose = (world) => world.gateway();

const SHORT = [3_000, 8_000] as const;
const ALL_NATS_MS = 10_000;
const NATS = [0, 1, 2];

const killed =
  (choose: Choose): Fault['inject'] =>
  async (world) => {
    const node = await choose(world);
    await node.kill();
    return async () => {
      node.start();
      await node.ready(READY_MS_MAX);
    };
  };

const paused =
  (choose: Choose): Fault['inject'] =>
  async (world) => {
    const node = await choose(world);
    await node.kill('SIGSTOP');
    return () => node.kill('SIGCONT');
  };

/** kill -9 and SIGSTOP of whoever plays a part. */
export const processFaults: readonly Fault[] = [
  { name: 'kill-leader', lastsMs: SHORT, inject: killed(leader) },
  { name: 'kill-follower', lastsMs: SHORT, inject: killed(follower) },
  { name: 'kill-gateway', lastsMs: SHORT, inject: killed(gateway) },
  { name: 'pause-leader', lastsMs: SHORT, inject: paused(leader) },
  { name: 'pause-follower', lastsMs: SHORT, inject: paused(follower) },
  { name: 'pause-gateway', lastsMs: SHORT, inject: paused(gateway) },
  {
    name: 'kill-nats',
    lastsMs: SHORT,
    inject: async (world) => {
      const { nats } = world.cluster;
      const server = world.any(NATS);
      await nats.kill(server);
      return () => nats.restart(server);
    },
  },
  {
    name: 'pause-nats',
    lastsMs: SHORT,
    inject: async (world) => {
      const pid = world.cluster.nats.pids[world.any(NATS)]!;
      process.kill(pid, 'SIGSTOP');
      return async () => void process.kill(pid, 'SIGCONT');
    },
  },
  {
    name: 'all-nats-gone',
    lastsMs: [ALL_NATS_MS, ALL_NATS_MS],
    inject: async ({ cluster: { nats } }) => {
      await Promise.all(NATS.map((server) => nats.kill(server)));
      return async () => void (await Promise.all(NATS.map((server) => nats.restart(server))));
    },
  },
];
