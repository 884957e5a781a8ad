export interface BackoffOptions {
  /** longest wait after the first failure, milliseconds */
  readonly baseMs: number;
  /** longest wait ever, milliseconds */
  readonly maxMs: number;
}

/** The ceiling of the wait after `failures` (from 1): `baseMs` doubled for each further one, at most `maxMs`. */
export function backoffCeilingMs(failures: number, options: BackoffOptions): number {
  if (failures <= 0) return 0;
  // 2 ** 1023 is the last finite power; far below it the maximum has long won.
  return Math.min(options.maxMs, options.baseMs * 2 ** Math.min(failures - 1, 100));
}

/**
 * Exponential backoff with full jitter: a whole number of milliseconds in [0, ceiling], so that many clients that
 * failed together do not come back together.
 * @param unit a random number in [0, 1)
 */
export function backoffMs(failures: number, options: BackoffOptions, unit: number): number {
  return Math.round(unit * backoffCeilingMs(failures, options));
}
