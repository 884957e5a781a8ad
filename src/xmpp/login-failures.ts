import { BoundedMap } from './bounded-map.ts';
import type { LimitDecision, LimitReason, LoginLimitOptions } from './login-limit-options.ts';

/**
 * What failed logins cost. Guessing passwords must be slow, but nobody may lock an owner out by guessing at his
 * account. So the harsh delays belong to whoever failed: to an address that failed at this account, and to an address
 * that failed at many. They are handed out as slots, one after the other, so that parallel attempts do not share one
 * delay. What an account as a whole suffers for the failures of others is a small delay with a low cap, without slots:
 * an attacker's queue is never in front of the owner.
 */

interface Failures {
  count: number;
  lastMs: number;
  /** when the last attempt starts or started; with slots handed out it lies ahead */
  startMs: number;
  /** the only account failed at; undefined after the second one */
  only: string | undefined;
}

export interface FailureRecords {
  readonly options: LoginLimitOptions;
  readonly ofPair: BoundedMap<Failures>;
  readonly ofAddress: BoundedMap<Failures>;
  readonly ofAccount: BoundedMap<Failures>;
}

export function createFailureRecords(options: LoginLimitOptions): FailureRecords {
  const { entriesMax } = options;
  return {
    options,
    ofPair: new BoundedMap(entriesMax),
    ofAddress: new BoundedMap(entriesMax),
    ofAccount: new BoundedMap(entriesMax),
  };
}

const OK: LimitDecision = { allow: true, delayMs: 0, reason: 'ok' };

/**
 * Asked before the keys of `account` (bare JID, existing or not) are looked up for `address`, at `nowMs`. Allowed
 * attempts count as failures until `succeeded` is told; refused ones do not count.
 */
export function attempt(records: FailureRecords, address: string, account: string, nowMs: number): LimitDecision {
  const { options } = records;
  const pair = recall(records.ofPair, pairKey(address, account), nowMs, options);
  const ofAddress = recall(records.ofAddress, address, nowMs, options);
  const ofAccount = recall(records.ofAccount, account, nowMs, options);
  const pairGapMs = harshMs((pair?.count ?? 0) - options.accountFailuresFree, options);
  const addressGapMs = harshMs((ofAddress?.count ?? 0) - options.addressFailuresFree, options);
  const waits: { readonly delayMs: number; readonly reason: LimitReason }[] = [
    { delayMs: slotMs(pair, pairGapMs, nowMs), reason: 'failures-of-address-at-account' },
    { delayMs: slotMs(ofAddress, addressGapMs, nowMs), reason: 'failures-of-address' },
    { delayMs: mildMs(ofAccount?.count ?? 0, options), reason: 'failures-at-account' },
  ];
  const longest = waits.reduce((a, b) => (b.delayMs > a.delayMs ? b : a));
  if (longest.delayMs > options.waitMsMax) {
    return { allow: false, retryMs: longest.delayMs, reason: longest.reason };
  }
  const startMs = nowMs + longest.delayMs;
  // counted as a failure until it succeeds: a hundred parallel attempts must not all find a clean record
  touch(records.ofPair, pairKey(address, account), nowMs, account, startMs);
  if (ofAddress !== undefined) ofAddress.startMs = Math.max(ofAddress.startMs, startMs);
  if (longest.delayMs === 0) return OK;
  return { allow: true, delayMs: longest.delayMs, reason: longest.reason };
}

/** What is left of `gapMs` since the attempt before: who has waited already does not wait again. */
function slotMs(failures: Failures | undefined, gapMs: number, nowMs: number): number {
  return failures === undefined ? 0 : Math.max(0, failures.startMs + gapMs - nowMs);
}

function harshMs(countOverFree: number, { failureDelayMs, failureDelayMsMax }: LoginLimitOptions): number {
  if (!(countOverFree >= 0)) return 0;
  return Math.min(failureDelayMsMax, failureDelayMs * 2 ** Math.min(countOverFree, 52));
}

function mildMs(count: number, { accountDelayMs, accountDelayMsMax }: LoginLimitOptions): number {
  return Math.min(accountDelayMsMax, Math.floor(count / 10) * accountDelayMs);
}

/** A password was wrong. */
export function failed(records: FailureRecords, address: string, account: string, nowMs: number): void {
  recall(records.ofAddress, address, nowMs, records.options);
  touch(records.ofAddress, address, nowMs, account, nowMs);
  recall(records.ofAccount, account, nowMs, records.options);
  touch(records.ofAccount, account, nowMs, account, nowMs);
}

/**
 * Clears what an honest mistake left. An address that failed at several accounts keeps its record: else an attacker
 * would clear it with an account of his own.
 */
export function succeeded(records: FailureRecords, address: string, account: string): void {
  records.ofPair.delete(pairKey(address, account));
  if (records.ofAddress.get(address)?.only === account) records.ofAddress.delete(address);
}

function recall(
  map: BoundedMap<Failures>,
  key: string,
  nowMs: number,
  options: LoginLimitOptions,
): Failures | undefined {
  const entry = map.get(key);
  if (entry === undefined || nowMs - entry.lastMs < options.failuresForgetMs) return entry;
  map.delete(key);
  return undefined;
}

function touch(map: BoundedMap<Failures>, key: string, nowMs: number, account: string, startMs: number): void {
  const entry = map.get(key) ?? { count: 0, lastMs: nowMs, startMs, only: account };
  entry.count += 1;
  entry.lastMs = nowMs;
  entry.startMs = Math.max(entry.startMs, startMs);
  if (entry.only !== account) entry.only = undefined;
  map.set(key, entry);
}

function pairKey(address: string, account: string): string {
  return `${address} ${account}`;
}
