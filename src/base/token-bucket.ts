/** What is left of a rate. Plain data: it moves with what it belongs to. */
export interface TokenBucket {
  tokens: number;
  /** ms since the epoch when that was true, 0 when it has never been used */
  at: number;
}

/** A bucket that is full when it is first used. */
export const fullBucket = (): TokenBucket => ({ tokens: 0, at: 0 });

/**
 * Takes one token of a rate of `perSecond` with `burst` after a pause; 0 a second lifts the limit.
 * @param now ms since the epoch; a clock that goes back gives nothing and takes nothing
 * @returns false when there is none
 */
export function takeToken(bucket: TokenBucket, perSecond: number, burst: number, now: number): boolean {
  if (perSecond === 0) return true;
  const elapsed = bucket.at === 0 ? Infinity : Math.max(0, now - bucket.at);
  bucket.tokens = Math.min(burst, bucket.tokens + (elapsed * perSecond) / 1000);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}
