import { readdirSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/**
 * Makes the threads in which RocksDB flushes and compacts step back behind those of Node.js. On a machine whose cores are
 * busy a flush, some tenths of a second of work every few seconds, otherwise takes a core in turns with the event loop,
 * and whatever comes waits for both. They still get their share: niceness 10 is a tenth of a core that is full.
 *
 * Linux only, where a thread has a niceness of its own (sched(7)); elsewhere, and where /proc is hidden, nothing is done.
 * @param niceness 0 to 19, beyond the process's own; 0 leaves them as they are
 * @returns threads that were changed
 */
export function lowerBackgroundThreads(niceness: number): number {
  if (niceness === 0 || process.platform !== 'linux') return 0;
  const lowered = Math.min(19, getPriority() + niceness);
  let changed = 0;
  try {
    for (const id of readdirSync('/proc/self/task')) {
      if (!readFileSync(`/proc/self/task/${id}/comm`, 'utf8').startsWith('rocksdb:')) continue;
      setPriority(Number(id), lowered);
      changed += 1;
    }
  } catch {
    // A thread that has just ended, or a system that lets nobody look: it is no condition for storing.
    return changed;
  }
  return changed;
}
