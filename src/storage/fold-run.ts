import { setTimeout as sleep } from 'node:timers/promises';
import { foldEntries } from './fold.ts';
import { type FoldEntry, FoldSlice } from './fold-slice.ts';
import type { StoreOptions } from './options.ts';
import type { Generation, Overlay } from './overlay.ts';
import type { RocksBase } from './rocks-base.ts';
import type { WriterClient } from './writer-client.ts';

/** What one fold has to do besides bringing a generation into the base. */
export interface FoldJob {
  /** Before the first slice is given to the writer. What it gives to the writer is in RocksDB before the slices are. */
  begin(): void;
  /** Moves what keeps too old journal records alive into fresh ones; resolves when these are on disk. */
  carryOver(): Promise<void>;
  /** The changes that end the fold: where it came to, and the deletion of the journal records nobody needs now. */
  end(): FoldEntry[];
  /** RocksDB has all of it. */
  done(): void;
}

export interface FoldParts {
  readonly writer: WriterClient;
  readonly base: RocksBase;
  readonly overlay: Overlay;
  readonly options: StoreOptions;
  /** Somebody waits for the fold, or the next one is due: no rest between slices. */
  hurry(): boolean;
  /** Begins the job of a generation that was just taken, or whose fold failed before. */
  startJob(generation: Generation): FoldJob;
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
  const { overlay, writer } = parts;
  const generation = overlay.folding ?? overlay.rotate();
  const job = parts.startJob(generation);
  job.begin();
  await writeEntries(parts, generation);
  await job.carryOver();
  const last = new FoldSlice(4096);
  for (const entry of job.end()) last.add(entry);
  await writer.fold(last.take(), sync);
  job.done();
  overlay.retire();
}

/** The fold rests after a slice for so many times as long as that took: a message waits for a slice, not for them all. */
const REST = 10;

/** Encodes for at most `foldSliceMs` or one slice, hands it to the writer, lets other work run, and goes on. */
async function writeEntries(parts: FoldParts, generation: Generation): Promise<void> {
  const { foldSliceBytes, foldSliceMs } = parts.options;
  const entries = foldEntries(generation, parts.base, parts.options);
  for (let done = false; !done; ) {
    const slice = new FoldSlice(foldSliceBytes);
    const begun = performance.now();
    const until = begun + foldSliceMs;
    do {
      const next = entries.next();
      if (next.done) done = true;
      else slice.add(next.value);
    } while (!done && slice.bytes < foldSliceBytes && performance.now() < until);
    if (slice.bytes === 0) continue;
    const restMs = REST * (performance.now() - begun);
    await parts.writer.fold(slice.take(), false);
    if (!done && !parts.hurry()) await sleep(restMs);
  }
}
