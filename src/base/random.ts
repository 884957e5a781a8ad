import { randomFillSync } from 'node:crypto';

/** Randomness as an argument: for jitter and placement. Secrets come from `randomBytes` below, never from here. */
export interface Random {
  /** in [0, 1) */
  float(): number;
  /** whole number in [0, below) */
  int(below: number): number;
}

/** Seeded by the machine; differs from run to run. */
export const systemRandom: Random = {
  float: () => Math.random(),
  int: (below) => Math.floor(Math.random() * below),
};

/** mulberry32: the same 32-bit seed gives the same run. For tests and simulations. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return { float, int: (below) => Math.floor(float() * below) };
}

const POOL_BYTES = 8192;
const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
let used = POOL_BYTES;

/**
 * Cryptographically strong bytes out of a pool, since one system call an id costs 3 µs. The view is valid until the
 * next call: copy what is to be kept.
 */
export function randomView(bytes: number): Buffer {
  if (bytes > POOL_BYTES) throw new RangeError(`at most ${POOL_BYTES} random bytes at a time`);
  if (used + bytes > POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  used += bytes;
  return pool.subarray(used - bytes, used);
}

/** Cryptographically strong bytes, the caller's own. For salts, nonces and tokens. */
export function randomBytes(bytes: number): Buffer {
  return randomFillSync(Buffer.allocUnsafe(bytes));
}
