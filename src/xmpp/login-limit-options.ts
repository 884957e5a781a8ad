/** What login-limits.ts may be told, and what it answers. */
export interface LoginLimitOptions {
  /** open sockets of this node */
  readonly connectionsMax: number;
  /** open sockets of one address (IPv6: one /64) */
  readonly connectionsPerAddressMax: number;
  /** open sockets of this node that have not logged in */
  readonly unauthenticatedMax: number;
  /** the same, of one address */
  readonly unauthenticatedPerAddressMax: number;
  /** new sockets of one address, lasting rate, per second */
  readonly connectionsPerAddressPerSecond: number;
  /** new sockets of one address, at once after a quiet time */
  readonly connectionsPerAddressBurst: number;
  /** accounts made from one address per hour; as many at once after a quiet hour */
  readonly registrationsPerAddressPerHour: number;
  /** attempts of one address at one account before it has to wait: its devices may come back at once */
  readonly accountFailuresFree: number;
  /** failures of one address, at any accounts, before it has to wait: an office shares one address */
  readonly addressFailuresFree: number;
  /** first harsh delay, ms; doubles with every further failure */
  readonly failureDelayMs: number;
  /** longest harsh delay, ms */
  readonly failureDelayMsMax: number;
  /** what everybody waits per ten failures at an account, ms */
  readonly accountDelayMs: number;
  /** most that everybody waits for failures at an account, ms */
  readonly accountDelayMsMax: number;
  /** an attempt that would have to wait longer is refused, ms */
  readonly waitMsMax: number;
  /** quiet time after which failures are forgotten, ms */
  readonly failuresForgetMs: number;
  /** entries of each memory; beyond it the one longest untouched is forgotten, whose owner starts anew */
  readonly entriesMax: number;
}

export const loginLimitDefaults: LoginLimitOptions = {
  connectionsMax: 100_000,
  connectionsPerAddressMax: 1_000,
  unauthenticatedMax: 5_000,
  unauthenticatedPerAddressMax: 100,
  connectionsPerAddressPerSecond: 20,
  connectionsPerAddressBurst: 100,
  registrationsPerAddressPerHour: 20,
  accountFailuresFree: 5,
  addressFailuresFree: 10,
  failureDelayMs: 500,
  failureDelayMsMax: 30_000,
  accountDelayMs: 100,
  accountDelayMsMax: 1_000,
  waitMsMax: 10_000,
  failuresForgetMs: 15 * 60_000,
  entriesMax: 50_000,
};

/** No rates and no delays, for load tests; the number of sockets stays bounded by `connectionsMax`. */
export function liftedLimits(options: LoginLimitOptions): LoginLimitOptions {
  return {
    ...options,
    connectionsPerAddressMax: options.connectionsMax,
    unauthenticatedMax: options.connectionsMax,
    unauthenticatedPerAddressMax: options.connectionsMax,
    connectionsPerAddressPerSecond: Number.POSITIVE_INFINITY,
    connectionsPerAddressBurst: Number.POSITIVE_INFINITY,
    registrationsPerAddressPerHour: Number.POSITIVE_INFINITY,
    accountFailuresFree: Number.POSITIVE_INFINITY,
    addressFailuresFree: Number.POSITIVE_INFINITY,
    accountDelayMsMax: 0,
  };
}

export type LimitReason =
  | 'ok'
  | 'connections'
  | 'connections-of-address'
  | 'unauthenticated'
  | 'unauthenticated-of-address'
  | 'connection-rate'
  | 'registration-rate'
  | 'failures-of-address-at-account'
  | 'failures-of-address'
  | 'failures-at-account';

export type LimitDecision =
  /** `reason` is 'ok' exactly when delayMs is 0 */
  | { readonly allow: true; readonly delayMs: number; readonly reason: LimitReason }
  /** worth another try after `retryMs`; 0 when that cannot be told */
  | { readonly allow: false; readonly retryMs: number; readonly reason: LimitReason };
