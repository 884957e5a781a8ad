import { appendFileSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterNodeProcess } from '../../scripts/cluster-run.ts';
import type { Fault } from './faults.ts';
import { inTime, READY_MS_MAX, type World } from './world.ts';

const STOP_MS_MAX = 30_000;
const DRAIN_MS_MAX = 90_000;
const LOOK_MS = 200;
const NODES_MAX = 4;
const MIB = 1024 * 1024;
/** Something else grows on the disk until nothing is left. */
const INTRUDER = 'something-else';

const nothing = async (): Promise<void> => {};

/** Nodes that come, go, and lose what they have. */
export const memberFaults: readonly Fault[] = [
  {
    name: 'wiped-folder',
    lastsMs: [2_000, 6_000],
    inject: async (world) => {
      const node = world.any(world.wanted);
      await node.kill();
      // Not the folder itself: it may be a file system.
      for (const name of readdirSync(node.folder)) rmSync(join(node.folder, name), { recursive: true });
      return async () => {
        node.start();
        await node.ready(READY_MS_MAX);
      };
    },
  },
  {
    name: 'full-disk',
    needs: 'small disk',
    lastsMs: [6_000, 16_000],
    inject: async (world) => {
      const { folder } = world.node(world.smallDisk!);
      const file = join(folder, INTRUDER);
      let over = false;
      // Again and again: what the node gives up to recover is taken as well.
      const growing = (async () => {
        for (; !over; await sleep(LOOK_MS)) grow(folder, file);
      })();
      return async () => {
        over = true;
        await growing;
        rmSync(file);
      };
    },
  },
  {
    name: 'rolling-restart',
    inject: async (world) => {
      for (const node of [...world.wanted]) {
        await node.stop(STOP_MS_MAX);
        node.start();
        await world.whole();
      }
      return nothing;
    },
  },
  {
    name: 'add-node',
    inject: async (world) => {
      if (world.wanted.size >= NODES_MAX) await drained(world);
      await added(world);
      return nothing;
    },
  },
  {
    name: 'drain-node',
    inject: async (world) => {
      if (world.wanted.size < NODES_MAX) await added(world);
      await world.whole();
      await drained(world);
      return nothing;
    },
  },
];

/** One that has left comes back, else a new one. */
async function added(world: World): Promise<void> {
  const { cluster, wanted } = world;
  const left = cluster.nodes.find((node) => !wanted.has(node));
  if (left === undefined) wanted.add(await cluster.addNode());
  else {
    left.start();
    await left.ready(READY_MS_MAX);
    wanted.add(left);
  }
}

/** `rookery drain` by another node, then SIGTERM. */
async function drained(world: World): Promise<void> {
  const node = world.any([...world.wanted].filter(({ id }) => id !== world.smallDisk));
  const asked = world.admin(world.any([...world.wanted].filter((one) => one !== node)));
  const until = performance.now() + DRAIN_MS_MAX;
  for (let look = await inTime(asked.drain(node.id)); !look.done; look = await inTime(asked.drainProgress(node.id))) {
    if (performance.now() > until) throw new Error(`${node.id} was not drained in time: ${JSON.stringify(look)}`);
    await sleep(LOOK_MS);
  }
  await stopped(node);
  world.wanted.delete(node);
}

async function stopped(node: ClusterNodeProcess): Promise<void> {
  const began = performance.now();
  await node.stop(STOP_MS_MAX);
  if (performance.now() - began >= STOP_MS_MAX) throw new Error(`${node.id} did not stop in ${STOP_MS_MAX} ms`);
}

function grow(folder: string, file: string): void {
  try {
    for (;;) {
      const { bavail, bsize } = statfsSync(folder);
      if (bavail === 0) return;
      appendFileSync(file, Buffer.alloc(Math.min(bavail * bsize, MIB)));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
