import { assert } from '../base/assert.ts';
import type { Entry, Position } from './replica-types.ts';

/**
 * The part of a shard's log that is kept in memory: everything not yet committed, and a tail of what is, for followers
 * that lag. Entry i stands at `entries[i - base.idx - 1]`; epochs never fall from one entry to the next.
 */
export interface ReplicaLog {
  /** the place right before the first entry kept */
  base: Position;
  entries: Entry[];
  /** ends[i] = bytes of entries[0..i], counted from some start that never moves back */
  ends: number[];
  /** the same for base */
  baseEnd: number;
}

/** Cost of an entry besides its bytes, so that empty ones count too. */
const ENTRY_OVERHEAD_BYTES = 32;

export function openLog(base: Position, entries: readonly Entry[]): ReplicaLog {
  const log: ReplicaLog = { base, entries: [], ends: [], baseEnd: 0 };
  appendTo(log, entries);
  return log;
}

export function lastIdx(log: ReplicaLog): number {
  return log.base.idx + log.entries.length;
}

export function lastOf(log: ReplicaLog): Position {
  return log.entries[log.entries.length - 1] ?? log.base;
}

/** The epoch of the entry there; undefined when it is trimmed or not yet written. */
export function epochAt(log: ReplicaLog, idx: number): number | undefined {
  return idx === log.base.idx ? log.base.epoch : log.entries[idx - log.base.idx - 1]?.epoch;
}

export function appendTo(log: ReplicaLog, entries: readonly Entry[]): void {
  let end = log.ends[log.ends.length - 1] ?? log.baseEnd;
  let { idx, epoch } = lastOf(log);
  for (const entry of entries) {
    assert(entry.idx === idx + 1 && entry.epoch >= epoch, 'entries are dense and their epochs never fall');
    end += entry.bytes.length + ENTRY_OVERHEAD_BYTES;
    log.entries.push(entry);
    log.ends.push(end);
    ({ idx, epoch } = entry);
  }
}

/** Drops what is behind idx. */
export function truncateTo(log: ReplicaLog, idx: number): void {
  assert(idx >= log.base.idx, 'what is trimmed cannot be truncated');
  log.entries.length = Math.min(log.entries.length, idx - log.base.idx);
  log.ends.length = log.entries.length;
}

/** Bytes of the entries behind `after` up to and with `upTo`; what is trimmed counts as nothing. */
export function bytesBetween(log: ReplicaLog, after: number, upTo: number): number {
  return upTo <= after ? 0 : endOf(log, Math.min(upTo, lastIdx(log))) - endOf(log, after);
}

function endOf(log: ReplicaLog, idx: number): number {
  return log.ends[idx - log.base.idx - 1] ?? log.baseEnd;
}

/** Entries from `from` on: as many as fit into bytesMax, but one at least where there is one. */
export function entriesFrom(log: ReplicaLog, from: number, bytesMax: number): readonly Entry[] {
  const start = from - log.base.idx - 1;
  assert(start >= 0, 'what is trimmed cannot be sent');
  const before = start === 0 ? log.baseEnd : (log.ends[start - 1] ?? 0);
  let stop = start + 1;
  while (stop < log.entries.length && (log.ends[stop] as number) - before <= bytesMax) stop += 1;
  return log.entries.slice(start, stop);
}

export function entriesBetween(log: ReplicaLog, after: number, upTo: number): readonly Entry[] {
  return log.entries.slice(after - log.base.idx, upTo - log.base.idx);
}

/**
 * Forgets the oldest entries up to `upTo` while the log is over a bound. It goes down to three quarters of the bound,
 * so that the array is not moved for every entry.
 */
export function trim(log: ReplicaLog, upTo: number, entriesMax: number, bytesMax: number): void {
  const total = (log.ends[log.ends.length - 1] ?? log.baseEnd) - log.baseEnd;
  if (log.entries.length <= entriesMax && total <= bytesMax) return;
  const most = Math.min(upTo - log.base.idx, log.entries.length);
  const end = log.ends[log.ends.length - 1] ?? log.baseEnd;
  let count = 0;
  while (
    count < most &&
    (log.entries.length - count > entriesMax * 0.75 || end - (log.ends[count - 1] ?? log.baseEnd) > bytesMax * 0.75)
  )
    count += 1;
  const last = log.entries[count - 1];
  if (last === undefined) return;
  log.base = { idx: last.idx, epoch: last.epoch };
  log.baseEnd = log.ends[count - 1] as number;
  log.entries.splice(0, count);
  log.ends.splice(0, count);
}

/**
 * The last place up to `hint.idx` at which this log has no newer epoch than the hint: the other log, which is at most
 * `hint.epoch` there, cannot agree with this one behind it. May lie below base: then only a snapshot helps.
 */
export function agreement(log: ReplicaLog, hint: Position): Position {
  let idx = Math.min(hint.idx, lastIdx(log));
  if (idx < log.base.idx) return { idx, epoch: 0 };
  while (idx > log.base.idx && (epochAt(log, idx) as number) > hint.epoch) idx -= 1;
  const epoch = epochAt(log, idx) as number;
  return epoch > hint.epoch ? { idx: log.base.idx - 1, epoch: 0 } : { idx, epoch };
}
