import xxhash from 'xxhash-wasm';

const { h32 } = await xxhash();

/** XXH32 with seed 0 of the key's UTF-8 bytes, unsigned. About 0.1 µs for an entity key. */
export function hash32(key: string): number {
  return h32(key);
}

/**
 * The shard of an entity key (`session:<bareJid>`, `chat:<chatId>`). Part of the on-disk format: changing it moves
 * every entity, so the vectors in hash.test.ts never change.
 * @param shards number of shards of the cluster, 1 to 65,536
 */
export function shardOf(key: string, shards: number): number {
  return h32(key) % shards;
}
