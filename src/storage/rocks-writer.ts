/**
 * The writer thread. It opens the same database by its handle and does every write of a running store, so that no
 * fsync holds the main thread, and all writes have one order. Appends that wait while one syncs share the next sync.
 *
 * After a write error it writes nothing more: the store rejects what is in flight, opens again, starts a new writer.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { foldEntriesOf } from './fold-slice.ts';
import { journalKey } from './keys.ts';
import { attachRocks, faultOf, type Rocks, type RocksWriteBatch } from './rocks.ts';
import type { FromWriter, ToWriter } from './writer-protocol.ts';

/** Bytes of appends that share one synced write; more of them would only make the first ones wait. */
const batchBytesMax = 4 * 1024 * 1024;

type Append = ToWriter & { t: 'append' };

if (parentPort === null) throw new Error('rocks-writer runs as a worker thread');
const port = parentPort;
const answer = (message: FromWriter): void => port.postMessage(message);

function run(rocks: Rocks): void {
  const batch = rocks.batch();
  const queue: ToWriter[] = [];
  let busy = false;
  let failed = false;

  const next = (): ToWriter | undefined => queue.shift() ?? receiveMessageOnPort(port)?.message;

  const drain = async (): Promise<void> => {
    for (let message = next(); message !== undefined; message = next()) {
      if (message.t === 'stop') {
        port.close();
        return;
      }
      if (failed) continue;
      try {
        if (message.t === 'fold') {
          await writeFold(rocks, batch, Buffer.from(message.slice), message.sync);
          answer({ t: 'folded' });
        } else {
          const { record, clear } = writeAppends(batch, message, next, (other) => queue.unshift(other));
          if (clear !== undefined) await writeFold(rocks, batch, Buffer.from(clear), false);
          answer({ t: 'synced', upTo: record });
        }
      } catch (error) {
        failed = true;
        const { kind, message: text } = faultOf(error);
        answer({ t: 'failed', full: kind === 'full', message: text });
      }
    }
  };

  port.on('message', (message: ToWriter) => {
    queue.push(message);
    if (busy) return;
    busy = true;
    void drain().finally(() => {
      busy = false;
    });
  });
  answer({ t: 'ready' });
}

/** Puts this append and those that already wait behind it, up to one that clears, syncs once, returns the last one. */
function writeAppends(
  batch: RocksWriteBatch,
  first: Append,
  next: () => ToWriter | undefined,
  putBack: (message: ToWriter) => void,
): Append {
  let last = first;
  let bytes = 0;
  let message: ToWriter | undefined = first;
  while (message !== undefined) {
    if (message.t !== 'append') {
      putBack(message);
      break;
    }
    const value = Buffer.from(message.value);
    batch.put(journalKey(message.record), value);
    last = message;
    bytes += value.length;
    if (bytes >= batchBytesMax || message.clear !== undefined) break;
    message = next();
  }
  batch.write(true);
  return last;
}

/** A slice is one batch, unless it clears ranges: those are writes of their own, in their place in the order. */
async function writeFold(rocks: Rocks, batch: RocksWriteBatch, slice: Buffer, sync: boolean): Promise<void> {
  for (const entry of foldEntriesOf(slice)) {
    if (entry.t === 'put') {
      batch.put(entry.key, entry.value);
    } else if (entry.t === 'del') {
      batch.del(entry.key);
    } else {
      if (batch.length > 0) batch.write(false);
      await rocks.clear({ gte: entry.key, lt: entry.end });
    }
  }
  if (batch.length > 0 || sync) batch.write(sync);
}

const { handle } = workerData as { handle: bigint };
void attachRocks(handle).then(run);
