import ipaddr from 'ipaddr.js';
import { BoundedMap } from './bounded-map.ts';
import { attempt, createFailureRecords, type FailureRecords, failed, succeeded } from './login-failures.ts';
import type { LimitDecision, LimitReason, LoginLimitOptions } from './login-limit-options.ts';

/**
 * Who may connect, try to log in and register, and how fast. Deterministic: a decision depends on the events so far
 * and the time they carry, nothing else. The state is changed in place. What failures cost: login-failures.ts.
 *
 * Accounts that do not exist are limited like those that do: limits tell nothing about existence.
 */

/** `address`: as `addressKey` gives it. `account`: bare JID, normalised, existing or not. `nowMs`: any clock in ms. */
export type LimitEvent =
  /** a socket wants in; if allowed, exactly one `disconnect` follows */
  | { readonly t: 'connect'; readonly address: string; readonly nowMs: number }
  /** a socket that was let in has logged in; once a socket */
  | { readonly t: 'authenticated'; readonly address: string }
  | { readonly t: 'disconnect'; readonly address: string; readonly authenticated: boolean }
  /** before an account's keys are looked up; wait `delayMs`, then go on */
  | { readonly t: 'attempt'; readonly address: string; readonly account: string; readonly nowMs: number }
  | { readonly t: 'failed'; readonly address: string; readonly account: string; readonly nowMs: number }
  | { readonly t: 'succeeded'; readonly address: string; readonly account: string }
  | { readonly t: 'register'; readonly address: string; readonly nowMs: number };

interface Open {
  connections: number;
  unauthenticated: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export interface LoginLimits {
  readonly options: LoginLimitOptions;
  connections: number;
  unauthenticated: number;
  /** never evicted: bounded by connectionsMax, since every entry has an open socket */
  readonly open: Map<string, Open>;
  readonly connecting: BoundedMap<Bucket>;
  readonly registering: BoundedMap<Bucket>;
  readonly failures: FailureRecords;
}

export function createLoginLimits(options: LoginLimitOptions): LoginLimits {
  const { entriesMax } = options;
  return {
    options,
    connections: 0,
    unauthenticated: 0,
    open: new Map(),
    connecting: new BoundedMap(entriesMax),
    registering: new BoundedMap(entriesMax),
    failures: createFailureRecords(options),
  };
}

const OK: LimitDecision = { allow: true, delayMs: 0, reason: 'ok' };

/** One event; what it decides. Events that only tell something are always answered with 'ok'. */
export function limitStep(limits: LoginLimits, event: LimitEvent): LimitDecision {
  switch (event.t) {
    case 'connect':
      return connect(limits, event.address, event.nowMs);
    case 'authenticated': {
      const open = limits.open.get(event.address);
      if (open === undefined) return OK;
      open.unauthenticated -= 1;
      limits.unauthenticated -= 1;
      return OK;
    }
    case 'disconnect':
      disconnect(limits, event.address, event.authenticated);
      return OK;
    case 'attempt':
      return attempt(limits.failures, event.address, event.account, event.nowMs);
    case 'failed':
      failed(limits.failures, event.address, event.account, event.nowMs);
      return OK;
    case 'succeeded':
      succeeded(limits.failures, event.address, event.account);
      return OK;
    case 'register': {
      const perHour = limits.options.registrationsPerAddressPerHour;
      return take(limits.registering, event.address, event.nowMs, 3_600_000 / perHour, perHour, 'registration-rate');
    }
  }
}

function connect(limits: LoginLimits, address: string, nowMs: number): LimitDecision {
  const { options } = limits;
  const open = limits.open.get(address) ?? { connections: 0, unauthenticated: 0 };
  if (limits.connections >= options.connectionsMax) return refuse('connections');
  if (open.connections >= options.connectionsPerAddressMax) return refuse('connections-of-address');
  if (limits.unauthenticated >= options.unauthenticatedMax) return refuse('unauthenticated');
  if (open.unauthenticated >= options.unauthenticatedPerAddressMax) return refuse('unauthenticated-of-address');
  const { connectionsPerAddressPerSecond: perSecond, connectionsPerAddressBurst: burst } = options;
  const decision = take(limits.connecting, address, nowMs, 1_000 / perSecond, burst, 'connection-rate');
  if (!decision.allow) return decision;
  open.connections += 1;
  open.unauthenticated += 1;
  limits.open.set(address, open);
  limits.connections += 1;
  limits.unauthenticated += 1;
  return OK;
}

function disconnect(limits: LoginLimits, address: string, authenticated: boolean): void {
  const open = limits.open.get(address);
  if (open === undefined) return;
  limits.connections -= 1;
  open.connections -= 1;
  if (!authenticated) {
    limits.unauthenticated -= 1;
    open.unauthenticated -= 1;
  }
  if (open.connections === 0) limits.open.delete(address);
}

/** A token bucket: one token every `intervalMs` (0: no limit, Infinity: never), at most `burst` saved up. */
function take(
  map: BoundedMap<Bucket>,
  key: string,
  nowMs: number,
  intervalMs: number,
  burst: number,
  reason: LimitReason,
): LimitDecision {
  if (intervalMs === 0) return OK;
  const bucket = map.get(key) ?? { tokens: burst, atMs: nowMs };
  bucket.tokens = Math.min(burst, bucket.tokens + Math.max(0, nowMs - bucket.atMs) / intervalMs);
  bucket.atMs = nowMs;
  map.set(key, bucket);
  if (bucket.tokens < 1) {
    const retryMs = Math.ceil((1 - bucket.tokens) * intervalMs);
    return { allow: false, retryMs: Number.isFinite(retryMs) ? retryMs : 0, reason };
  }
  bucket.tokens -= 1;
  return OK;
}

function refuse(reason: LimitReason): LimitDecision {
  return { allow: false, retryMs: 0, reason };
}

/**
 * One party's address as the limits count it: IPv4 whole (IPv4 inside IPv6 too), IPv6 by its /64, since one customer
 * has that many. Text that is no address is its own key.
 */
export function addressKey(address: string): string {
  const plain = address.split('%')[0] ?? '';
  if (!ipaddr.isValid(plain)) return address;
  const parsed = ipaddr.process(plain);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${(parsed as ipaddr.IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}
