import { blockRecords } from './blocks.ts';
import { decodeOpOutbox, decodeRow } from './codec.ts';
import { SnapshotError } from './errors.ts';
import { blockSeq, rowNameOfRest, streamOfRest } from './keys.ts';
import type { Op, Write } from './log-store.ts';
import type { Position, ShardInstall } from './replicated-store.ts';
import { type SnapshotFrame, SnapshotReader } from './snapshot-stream.ts';

/** What a snapshot brings: its state as writes onto nothing, and the ops whose outbox waits. */
export function opsOf(shard: number, frames: readonly SnapshotFrame[]): { writes: Write[]; outboxes: Op[] } {
  const writes: Write[] = [];
  const outboxes: Op[] = [];
  for (const frame of frames) {
    if (frame.t === 'pair') for (const write of writesOf(frame.rest, frame.value)) writes.push(write);
    if (frame.t !== 'outbox') continue;
    const { idx, epoch, bytes } = frame;
    outboxes.push({ shard, idx, epoch, writes: [], outbox: decodeOpOutbox(bytes) });
  }
  return { writes, outboxes };
}

/** What a row or a block of a snapshot says, as writes. */
function writesOf(rest: Buffer, value: Buffer): Write[] {
  const key = rowNameOfRest(rest);
  if (key !== undefined) return [{ t: 'put', key, value: decodeRow(value) }];
  const stream = streamOfRest(rest);
  const first = blockSeq(rest);
  return blockRecords(value).map((record, i) => ({ t: 'append', stream, seq: first + i, record }));
}

export interface MemoryInstallTarget {
  check(): void;
  finish(frames: readonly SnapshotFrame[], at: Position, ackedUpTo: number): Promise<void>;
  ended(): void;
}

/** The frames of a snapshot, kept until they are whole. */
export class MemoryInstall implements ShardInstall {
  private readonly target: MemoryInstallTarget;
  private readonly reader = new SnapshotReader();
  private readonly frames: SnapshotFrame[] = [];
  private over: Error | undefined;

  constructor(target: MemoryInstallTarget) {
    this.target = target;
  }

  async add(chunk: Uint8Array): Promise<void> {
    this.attempt(() => this.frames.push(...this.reader.add(chunk)));
  }

  async finish(at: Position): Promise<void> {
    const end = this.attempt(() => {
      const last = this.frames.at(-1);
      if (last?.t !== 'end') throw new SnapshotError('its end is missing');
      if (last.at.idx !== at.idx || last.at.epoch !== at.epoch) {
        throw new SnapshotError(`it is of ${last.at.epoch}/${last.at.idx}, not of ${at.epoch}/${at.idx}`);
      }
      return last;
    });
    this.over = new SnapshotError('the install has ended');
    this.target.ended();
    await this.target.finish(this.frames, end.at, end.ackedUpTo);
  }

  abort(): void {
    if (this.over !== undefined) return;
    this.over = new SnapshotError('the install was given up');
    this.target.ended();
  }

  private attempt<Result>(body: () => Result): Result {
    if (this.over !== undefined) throw this.over;
    try {
      this.target.check();
      return body();
    } catch (error) {
      this.over = error as Error;
      this.target.ended();
      throw error;
    }
  }
}
