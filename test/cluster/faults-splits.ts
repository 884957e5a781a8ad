import type { Fault } from './faults.ts';
import type { World } from './world.ts';

/** A way between two processes, by name: what the first sends to the second is lost. */
type Way = readonly [from: string, to: string];

const SERVERS = ['nats-1', 'nats-2', 'nats-3'];
const SHORT = [3_000, 9_000] as const;

const both = (ones: readonly string[], others: readonly string[]): Way[] =>
  ones.flatMap((one) =>
    others.flatMap((other): Way[] => [
      [one, other],
      [other, one],
    ]),
  );

const split = (name: string, ways: (world: World) => Way[]): Fault => ({
  name,
  needs: 'netns',
  lastsMs: SHORT,
  inject: async (world) => {
    const net = world.cluster.net!;
    for (const [from, to] of ways(world)) net.cut(from, to);
    return async () => net.heal();
  },
});

const without = (names: readonly string[], ...gone: readonly string[]): string[] =>
  names.filter((name) => !gone.includes(name));

/** Nodes speak to each other through the nats-servers alone, so these are the ways there are. */
export const splitFaults: readonly Fault[] = [
  split('split-node', (world) => {
    const { id } = world.any(world.wanted);
    return both(
      [id],
      [
        ...SERVERS,
        ...without(
          [...world.wanted].map((one) => one.id),
          id,
        ),
      ],
    );
  }),
  split('split-node-deaf', (world) => {
    const { id } = world.any(world.wanted);
    return SERVERS.map((server): Way => [server, id]);
  }),
  split('split-node-mute', (world) => {
    const { id } = world.any(world.wanted);
    return SERVERS.map((server): Way => [id, server]);
  }),
  // It may still be reached by the third, and goes there.
  split('split-node-two-nats', (world) => both([world.any(world.wanted).id], without(SERVERS, world.any(SERVERS)))),
  // A node and the nats-server beside it, as when a rack is cut off: its clients are with it.
  split('split-zone', (world) => {
    const zone = [world.any(world.wanted).id, world.any(SERVERS)];
    return both(zone, without([...SERVERS, ...[...world.wanted].map(({ id }) => id)], ...zone));
  }),
  split('split-nats', (world) => {
    const server = world.any(SERVERS);
    return both([server], without(SERVERS, server));
  }),
  split('split-nats-mute', (world) => {
    const server = world.any(SERVERS);
    return without(SERVERS, server).map((other): Way => [server, other]);
  }),
];
