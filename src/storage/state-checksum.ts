import { createHash } from 'node:crypto';
import { packValue } from './codec.ts';
import type { StateView } from './state-view.ts';

/** Records hashed in one go. */
const recordsPerRead = 1024;

/**
 * Hex of a hash over a shard's rows in key order and its streams in order, as values: how they are spread over overlay,
 * blocks and rows does not matter. Every part is preceded by its length, so that no two states read the same.
 */
export function stateChecksum(view: StateView, shard: number): string {
  const hash = createHash('sha256');
  const add = (value: unknown): void => {
    const bytes = packValue(value);
    hash.update(String(bytes.length)).update(':').update(bytes);
  };
  for (const [key, value] of view.scan(shard, '', Number.POSITIVE_INFINITY)) {
    add(key);
    add(value);
  }
  for (const stream of view.streams(shard)) {
    let from = 1;
    for (;;) {
      const range = { from, to: Number.POSITIVE_INFINITY, limit: recordsPerRead };
      const records = view.read(shard, stream, range);
      // A stream without records is none.
      if (from === 1 && records.length > 0) add(stream);
      for (const { seq, record } of records) {
        add(seq);
        add(record);
        from = seq + 1;
      }
      if (records.length < recordsPerRead) break;
    }
  }
  return hash.digest('hex');
}
