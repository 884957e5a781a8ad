import { decodeOutboxes } from './codec.ts';
import { foldEntries } from './fold.ts';
import { FoldSlice } from './fold-slice.ts';
import { journalKey } from './keys.ts';
import type { Op } from './log-store.ts';
import type { StoreOptions } from './options.ts';
import type { Generation } from './overlay.ts';
import { encodeFolded, foldedName, type RecoveredState } from './recovery.ts';
import type { Rocks } from './rocks.ts';
import type { RocksBase } from './rocks-base.ts';
import type { WriterClient } from './writer-client.ts';

/** Bytes of one record of carried-over ops. */
const carryBytes = 256 * 1024;

export interface FoldParts {
  readonly rocks: Rocks;
  readonly writer: WriterClient;
  readonly base: RocksBase;
  readonly state: RecoveredState;
  readonly options: StoreOptions;
  /** Writes ops as a fresh journal record; resolves when it is on disk and the ledger knows where they are now. */
  carry(ops: readonly Op[]): Promise<void>;
}

/**
 * One fold: brings a generation of the overlay into the base, then lets go of the journal records nobody needs. The
 * generation stays readable until RocksDB has all of it.
 *
 * Why nothing here needs a sync of its own: RocksDB keeps one log file sequence for everything, and recovers a prefix
 * of it. The row that says "folded up to n", and the deletion of records up to n, come behind the fold's own writes in
 * that sequence. So a crash keeps the fold and perhaps the deletion, or loses both and finds the records again. The next
 * synced append makes all of it durable, since a sync covers what is before it.
 *
 * @throws when the writer failed; running it again later, on the same generation, is safe
 */
export async function runFold(parts: FoldParts, sync: boolean): Promise<void> {
  const { overlay, ledger, folded, tails } = parts.state;
  const generation = overlay.folding ?? overlay.rotate();
  await writeEntries(parts, generation);
  const { upTo } = generation;
  if (upTo - (ledger.oldest() ?? upTo) >= parts.options.journalRecordsMax) await carryOver(parts, upTo);
  const first = Math.min(ledger.oldest() ?? upTo + 1, upTo + 1);
  const last = new FoldSlice(4096);
  last.add({ t: 'put', key: foldedName, value: encodeFolded({ upTo, first }, tails) });
  if (first > folded.first) last.add({ t: 'clear', key: journalKey(folded.first), end: journalKey(first) });
  await parts.writer.fold(last.take(), sync);
  parts.state.folded = { upTo, first };
  overlay.retire();
}

/** Encodes for at most `foldSliceMs` or one slice, hands it to the writer, lets other work run, and goes on. */
async function writeEntries(parts: FoldParts, generation: Generation): Promise<void> {
  const { foldSliceBytes, foldSliceMs } = parts.options;
  const entries = foldEntries(generation, parts.base, parts.options);
  for (let done = false; !done; ) {
    const slice = new FoldSlice(foldSliceBytes);
    const until = performance.now() + foldSliceMs;
    do {
      const next = entries.next();
      if (next.done) done = true;
      else slice.add(next.value);
    } while (!done && slice.bytes < foldSliceBytes && performance.now() < until);
    if (slice.bytes > 0) await parts.writer.fold(slice.take(), false);
  }
}

/** Moves the ops that keep old records alive into fresh records, without their writes: those are in the base. */
async function carryOver(parts: FoldParts, upTo: number): Promise<void> {
  let carried: Op[] = [];
  let bytes = 0;
  for (const record of parts.state.ledger.recordsUpTo(upTo)) {
    const value = parts.rocks.get(journalKey(record));
    if (value === undefined)
      throw new Error(`journal record ${record} is missing though its outbox is not acknowledged`);
    for (const op of decodeOutboxes(value)) {
      if (op.outbox.length > 0 && parts.state.ledger.has(op.shard, op.idx)) carried.push({ ...op, writes: [] });
    }
    bytes += value.length;
    if (bytes < carryBytes) continue;
    await parts.carry(carried);
    carried = [];
    bytes = 0;
  }
  if (carried.length > 0) await parts.carry(carried);
}
