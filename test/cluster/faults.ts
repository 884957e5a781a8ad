import { memberFaults } from './faults-members.ts';
import { processFaults } from './faults-processes.ts';
import { splitFaults } from './faults-splits.ts';
import type { World } from './world.ts';

/** Something that is done to a cluster under load, and taken back. */
export interface Fault {
  readonly name: string;
  /** what it takes beyond a cluster of processes: namespaces of their own, a small file system under a data folder */
  readonly needs?: 'netns' | 'small disk';
  /** how long it lasts, ms: at least and at most. What takes its own time has none */
  readonly lastsMs?: readonly [min: number, max: number];
  /** Does it. @returns what takes it back; the run waits by itself until the cluster is whole */
  inject(world: World): Promise<() => Promise<void>>;
}

export const FAULTS: readonly Fault[] = [...processFaults, ...splitFaults, ...memberFaults];

export const canBe = ({ needs }: Fault, world: World): boolean =>
  needs === undefined || (needs === 'netns' ? world.cluster.net !== undefined : world.smallDisk !== undefined);
