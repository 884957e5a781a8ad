import { calls } from '../../src/actors/calls.ts';
import { storeDefaults } from '../../src/storage/options.ts';
import { openReplicatedStore } from '../../src/storage/replicated-store-rocks.ts';

export interface CopiesResult {
  /** copies of one shard, at one place in its log, that are not the same (I16) */
  readonly faults: readonly string[];
  /** shards whose copies were all at one place, and those whose were not: these say nothing */
  readonly compared: number;
  readonly apart: number;
}

interface Copy {
  readonly node: string;
  readonly at: string;
  readonly checksum: string;
}

/**
 * Compares what the disks of nodes hold of each shard. No command tells a running node's checksums, so the nodes must
 * have ended; what each has applied by its folder is what is compared.
 * @param folders data folder by node id
 * @throws StorageRefusedError when a node still runs on one
 */
export async function compareCopies(folders: ReadonlyMap<string, string>, shards: number): Promise<CopiesResult> {
  const copies = new Map<number, Copy[]>();
  for (const [node, folder] of folders) {
    const store = await openReplicatedStore({ ...storeDefaults, folder, shards, freeBytesMin: 0 }, {}, calls);
    try {
      for (const shard of store.shardsPresent()) {
        const { idx, epoch } = store.applied(shard);
        const copy: Copy = { node, at: `${epoch}/${idx}`, checksum: store.checksum(shard) };
        copies.set(shard, [...(copies.get(shard) ?? []), copy]);
      }
    } finally {
      await store.close();
    }
  }
  const faults: string[] = [];
  let compared = 0;
  for (const [shard, all] of copies) {
    if (new Set(all.map(({ at }) => at)).size > 1) continue;
    compared += 1;
    if (new Set(all.map(({ checksum }) => checksum)).size === 1) continue;
    const told = all.map(({ node, at, checksum }) => `${node} at ${at}: ${checksum.slice(0, 8)}`);
    faults.push(`the copies of shard ${shard} differ: ${told.join(', ')}`);
  }
  return { faults, compared, apart: copies.size - compared };
}
