import { StorageFullError } from './errors.ts';
import { adoptFolder, type FolderMeta, openFolder } from './folder.ts';
import { afterPrefix, journalKey, statePrefix } from './keys.ts';
import type { CallType } from './log-store.ts';
import { openRocksStore } from './log-store-rocks.ts';
import { copyKey, encodeCopyRow, encodeItems, type JournalItem } from './member-journal.ts';
import { type MemberState, recoverMember } from './member-recovery.ts';
import type { StoreOptions } from './options.ts';
import { journalFrom, readFolded } from './recovery.ts';
import { noHardState } from './replicated-store.ts';
import type { Rocks } from './rocks.ts';
import type { StoreHooks } from './store-hooks.ts';

/**
 * Opens a folder as a cluster member's. One that was a single node's becomes a member's: what its journal holds is
 * committed, so all of it is folded first, and each shard's log goes on behind its last op. Cut short, it begins again.
 * @throws as openFolder; what `hooks.adopting` throws; StorageFullError when there is no room to fold
 */
export async function openMemberFolder(
  options: StoreOptions,
  hooks: StoreHooks,
  calls: readonly CallType[],
): Promise<{ rocks: Rocks; meta: FolderMeta }> {
  const opened = await openFolder(options, 'member');
  if (opened.meta.member) return opened;
  try {
    if (hasData(opened.rocks)) await hooks.adopting?.();
  } catch (error) {
    await opened.rocks.close();
    throw error;
  }
  if (!isFolded(opened.rocks)) {
    await opened.rocks.close();
    const single = await openRocksStore(options, hooks, calls);
    await single.close();
    opened.rocks = (await openFolder(options, 'member')).rocks;
  }
  const { rocks, meta } = opened;
  try {
    if (!isFolded(rocks)) throw new StorageFullError(`${options.folder} cannot be taken over: make room`);
    const rows = [...readFolded(rocks).tails.snapshot()].map(([shard, base]) => {
      const hard = { ...noHardState, epoch: base.epoch };
      return [copyKey(shard), encodeCopyRow(shard, { hard, base, loading: false, ackedUpTo: 0 })] as const;
    });
    return { rocks, meta: adoptFolder(rocks, options.folder, meta, rows) };
  } catch (error) {
    await rocks.close();
    throw error;
  }
}

function hasData(rocks: Rocks): boolean {
  return !isFolded(rocks) || readFolded(rocks).tails.snapshot().size > 0;
}

function isFolded(rocks: Rocks): boolean {
  const { upTo } = readFolded(rocks).folded;
  return journalFrom(rocks, upTo + 1).next().done === true;
}

/**
 * Recovers, and finishes the voiding of copies whose loading a crash cut short: they are wiped, and no longer marked,
 * on disk, so that they may be filled anew in any way.
 */
export async function recoverAndVoid(rocks: Rocks, calls: readonly CallType[]): Promise<MemberState> {
  const state = recoverMember(rocks, calls);
  const items: JournalItem[] = [];
  for (const [shard, copy] of state.copies) {
    if (!copy.loading) continue;
    const prefix = statePrefix(shard);
    await rocks.clear({ gte: prefix, lt: afterPrefix(prefix) });
    copy.loading = false;
    state.changed.add(copy);
    items.push({ t: 'wipe', shard });
  }
  if (items.length === 0) return state;
  const lastRecord = state.lastRecord + 1;
  const batch = rocks.batch();
  batch.put(journalKey(lastRecord), encodeItems(items));
  batch.write(true);
  return { ...state, lastRecord };
}
