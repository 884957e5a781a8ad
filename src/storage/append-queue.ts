import type { WriterClient } from './writer-client.ts';

/** What becomes of a journal record once it is on disk: its number and its bytes. */
export type Synced = (record: number, bytes: number) => void;

interface Waiting {
  readonly record: number;
  readonly bytes: number;
  readonly synced: Synced;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Numbers journal records and holds those that are not on disk yet. The store bounds it by `bytes`. */
export class AppendQueue {
  /** bytes of the records that wait */
  bytes = 0;
  /** the highest record that is on disk */
  lastSynced: number;
  /** the highest record given to the writer */
  lastPosted: number;
  private readonly waiting: Waiting[] = [];

  constructor(lastRecord: number) {
    this.lastPosted = lastRecord;
    this.lastSynced = lastRecord;
  }

  /**
   * Sends a record to the writer. Resolves after it was passed to `synced`; rejects with what `rejectAll` got.
   * @param clear a fold slice of what is to be cleared once the record is on disk, before it counts as synced
   */
  write(writer: WriterClient, value: Buffer, synced: Synced, clear?: Buffer): Promise<void> {
    const bytes = value.length;
    this.lastPosted += 1;
    const record = this.lastPosted;
    this.bytes += bytes;
    return new Promise((resolve, reject) => {
      this.waiting.push({ record, bytes, synced, resolve, reject });
      writer.append(record, value, clear);
    });
  }

  /** Every record up to this one is on disk: tells and resolves them in order. */
  syncedUpTo(upTo: number): void {
    this.lastSynced = upTo;
    for (let head = this.waiting[0]; head !== undefined && head.record <= upTo; head = this.waiting[0]) {
      this.waiting.shift();
      this.bytes -= head.bytes;
      try {
        head.synced(head.record, head.bytes);
        head.resolve();
      } catch (error) {
        head.reject(error as Error);
      }
    }
  }

  rejectAll(error: Error): void {
    this.bytes = 0;
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }

  /** The journal was read again and ends here. Nothing may be waiting. */
  restart(lastRecord: number): void {
    this.lastPosted = Math.max(this.lastPosted, lastRecord);
    this.lastSynced = this.lastPosted;
  }
}
