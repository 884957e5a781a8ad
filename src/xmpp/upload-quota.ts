/** How much a user has asked room for, in buckets of time: the row of a session, and the decision about one file more. */
export interface QuotaRow {
  readonly v: 1;
  /** oldest first; bucket k holds the slots given from k to k + 1 times `windowMs / BUCKETS`, ms since the epoch */
  readonly b: readonly (readonly [bucket: number, bytes: number])[];
}

export interface QuotaLimits {
  readonly quotaBytes: number;
  /** milliseconds that a slot counts */
  readonly windowMs: number;
}

export type QuotaDecision =
  | { readonly t: 'given'; readonly row: QuotaRow }
  /** `retryMs`: when as much is free again, ms since the epoch */
  | { readonly t: 'over'; readonly retryMs: number };

const BUCKETS = 24;

/** What a file counts at least: many small ones cost more than their bytes. */
export const CHARGE_BYTES_MIN = 65_536;

/**
 * Charges a slot when it is given, used or not: nothing has to be told back, and who asks for what is not used harms
 * only himself. At most `BUCKETS` buckets are kept.
 */
export function chargeQuota(row: QuotaRow | undefined, bytes: number, now: number, limits: QuotaLimits): QuotaDecision {
  const bucketMs = limits.windowMs / BUCKETS;
  const current = Math.floor(now / bucketMs);
  // Of the future: the clock was set back. They would count for too long.
  const live = (row?.b ?? []).filter(([bucket]) => bucket > current - BUCKETS && bucket <= current);
  const charge = Math.max(bytes, CHARGE_BYTES_MIN);
  let over = live.reduce((sum, [, used]) => sum + used, charge) - limits.quotaBytes;
  if (over <= 0) {
    const last = live.at(-1);
    const grown = last?.[0] === current ? [...live.slice(0, -1), [current, last[1] + charge] as const] : undefined;
    return { t: 'given', row: { v: 1, b: grown ?? [...live, [current, charge]] } };
  }
  let free = current;
  for (const [bucket, used] of live) {
    if (over <= 0) break;
    over -= used;
    free = bucket + BUCKETS;
  }
  return { t: 'over', retryMs: Math.ceil(free * bucketMs) };
}
