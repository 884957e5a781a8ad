import { encodeJournal } from './codec.ts';
import type { Op } from './log-store.ts';
import type { WriterClient } from './writer-client.ts';

/** One journal record on its way to the disk. */
export interface Append {
  readonly record: number;
  readonly ops: readonly Op[];
  /** of the journal record */
  readonly bytes: number;
  /** ops that are in the state already and only keep their outbox (fold-run.ts) */
  readonly carried: boolean;
}

interface Waiting extends Append {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Numbers journal records and holds those that are not on disk yet. The store bounds it by `bytes`. */
export class AppendQueue {
  /** bytes of the records that wait */
  bytes = 0;
  /** the highest record that is on disk */
  lastSynced: number;
  private lastRecord: number;
  private readonly waiting: Waiting[] = [];

  constructor(lastRecord: number) {
    this.lastRecord = lastRecord;
    this.lastSynced = lastRecord;
  }

  /** Sends a record to the writer. Resolves after `synced` passed it to `apply`; rejects with what `rejectAll` got. */
  write(writer: WriterClient, ops: readonly Op[], carried: boolean): Promise<void> {
    const value = encodeJournal(ops);
    const bytes = value.length;
    this.lastRecord += 1;
    const record = this.lastRecord;
    this.bytes += bytes;
    return new Promise((resolve, reject) => {
      this.waiting.push({ record, ops, bytes, carried, resolve, reject });
      writer.append(record, value);
    });
  }

  /** Every record up to this one is on disk: applies and resolves them in order. */
  synced(upTo: number, apply: (append: Append) => void): void {
    this.lastSynced = upTo;
    for (let head = this.waiting[0]; head !== undefined && head.record <= upTo; head = this.waiting[0]) {
      this.waiting.shift();
      this.bytes -= head.bytes;
      try {
        apply(head);
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
}
