import { SnapshotError } from './errors.ts';
import { FoldSlice } from './fold-slice.ts';
import { statePrefix } from './keys.ts';
import type { JournalItem } from './member-journal.ts';
import type { Position, ShardInstall } from './replicated-store.ts';
import { type SnapshotFrame, SnapshotReader } from './snapshot-stream.ts';

export interface InstallTarget {
  readonly shard: number;
  /** bytes gathered before they are handed to the writer */
  readonly sliceBytes: number;
  /** @throws when the copy is not the one any more that was to be filled */
  check(): void;
  /** Writes into the base, unsynced, in order. */
  writeSlice(slice: Buffer): Promise<void>;
  /** Writes a journal record; resolves when it is on disk. */
  writeItems(items: readonly JournalItem[]): Promise<void>;
  /** Writes the record that ends the loading. The copy is one again from the call on. */
  finish(at: Position, ackedUpTo: number): Promise<void>;
  ended(): void;
}

type OutboxItem = Extract<JournalItem, { t: 'outbox' }>;

/**
 * Fills a void copy. Pairs go straight into the base, outboxes into journal records; the record that ends the loading
 * comes behind all of them in RocksDB's one log, so when it is on disk they are.
 */
export class RocksInstall implements ShardInstall {
  private readonly target: InstallTarget;
  private readonly prefix: Buffer;
  private readonly reader = new SnapshotReader();
  private slice: FoldSlice;
  private outboxes: OutboxItem[] = [];
  private outboxBytes = 0;
  private end: Extract<SnapshotFrame, { t: 'end' }> | undefined;
  private fault: Error | undefined;
  private busy = false;
  private over = false;

  constructor(target: InstallTarget) {
    this.target = target;
    this.prefix = statePrefix(target.shard);
    this.slice = new FoldSlice(target.sliceBytes);
  }

  add(chunk: Uint8Array): Promise<void> {
    return this.alone(async () => {
      for (const frame of this.reader.add(chunk)) await this.take(frame);
    });
  }

  finish(at: Position): Promise<void> {
    return this.alone(async () => {
      const { end } = this;
      if (end === undefined) throw new SnapshotError('its end is missing');
      if (end.at.idx !== at.idx || end.at.epoch !== at.epoch) {
        throw new SnapshotError(`it is of ${end.at.epoch}/${end.at.idx}, not of ${at.epoch}/${at.idx}`);
      }
      await this.flush(0);
      this.over = true;
      this.target.ended();
      await this.target.finish(end.at, end.ackedUpTo);
    });
  }

  abort(): void {
    this.fault ??= new SnapshotError('the install was given up');
    if (this.over) return;
    this.over = true;
    this.target.ended();
  }

  /** One call at a time; after an error, or at the end, no more. */
  private async alone(body: () => Promise<void>): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    if (this.busy || this.over) throw new SnapshotError('chunks come one after the other, before finish');
    this.busy = true;
    try {
      this.target.check();
      await body();
    } catch (error) {
      this.fault ??= error as Error;
      this.abort();
      throw this.fault;
    } finally {
      this.busy = false;
    }
  }

  private async take(frame: SnapshotFrame): Promise<void> {
    if (frame.t === 'pair') {
      this.slice.add({ t: 'put', key: Buffer.concat([this.prefix, frame.rest]), value: frame.value });
    } else if (frame.t === 'outbox') {
      const { idx, epoch, bytes } = frame;
      this.outboxes.push({ t: 'outbox', shard: this.target.shard, idx, epoch, bytes });
      this.outboxBytes += bytes.length;
    } else if (frame.t === 'end') this.end = frame;
    await this.flush(this.target.sliceBytes);
  }

  /** Hands over what has more than that many bytes. */
  private async flush(bytes: number): Promise<void> {
    if (this.slice.bytes > bytes) {
      const { slice } = this;
      this.slice = new FoldSlice(this.target.sliceBytes);
      this.mustGoOn();
      await this.target.writeSlice(slice.take());
    }
    if (this.outboxBytes > bytes) {
      const items = this.outboxes;
      this.outboxes = [];
      this.outboxBytes = 0;
      this.mustGoOn();
      await this.target.writeItems(items);
    }
    this.mustGoOn();
  }

  private mustGoOn(): void {
    if (this.fault !== undefined) throw this.fault;
    this.target.check();
  }
}
