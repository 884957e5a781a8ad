/**
 * Which of the shard's writes are on disk. Writes are numbered, reach the disk in order, and the shell tells the last
 * number that did. Why numbers and not positions: an entry that was written, truncated and written again is on disk
 * only when the last of these writes is, though its (index, epoch) is that of the first.
 */
export interface Writes {
  /** the last number given out */
  issued: number;
  /** the last number on disk */
  written: number;
  /** the log is on disk up to here, as it stands in memory */
  durableIdx: number;
  /** writes on their way, oldest first, with the log's last index once they are on disk */
  readonly waiting: { readonly write: number; lastIdx: number }[];
  /** the number of the last write of the hard state */
  hardWrite: number;
}

/** Everything recovered is on disk. */
export function openWrites(lastIdx: number): Writes {
  return { issued: 0, written: 0, durableIdx: lastIdx, waiting: [], hardWrite: 0 };
}

/** Numbers a write that changes the log so that it ends with lastIdx. */
export function issueLogWrite(writes: Writes, lastIdx: number): number {
  writes.issued += 1;
  writes.waiting.push({ write: writes.issued, lastIdx });
  return writes.issued;
}

/** Numbers a write of the hard state. */
export function issueHardWrite(writes: Writes): number {
  writes.issued += 1;
  writes.hardWrite = writes.issued;
  return writes.issued;
}

/** The log in memory ends with idx now: older writes say nothing about what will stand behind it. */
export function cutWrites(writes: Writes, idx: number): void {
  writes.durableIdx = Math.min(writes.durableIdx, idx);
  for (const one of writes.waiting) one.lastIdx = Math.min(one.lastIdx, idx);
}

/** Takes note of `written`. A number that was told before changes nothing. */
export function noteWritten(writes: Writes, upTo: number): void {
  if (upTo <= writes.written) return;
  writes.written = upTo;
  let done = 0;
  for (const { write, lastIdx } of writes.waiting) {
    if (write > upTo) break;
    writes.durableIdx = lastIdx;
    done += 1;
  }
  writes.waiting.splice(0, done);
}

/** True when the hard state as it is in memory is on disk. */
export function hardIsDurable(writes: Writes): boolean {
  return writes.hardWrite <= writes.written;
}
