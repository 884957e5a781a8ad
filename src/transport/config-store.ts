/**
 * Where the cluster's configuration is kept: who leads which shard, which nodes there are. Small values by key, changed
 * only by compare-and-set. Memory and JetStream pass one contract suite, test/contract/config-store.ts.
 *
 * A revision is a number of the whole store that only rises; a key's revision is that of its last change. A compare-and-
 * set has at most one winner per key and revision (I1).
 */
export interface ConfigEntry {
  readonly key: string;
  /** plain value, msgpack-able, at most `configValueBytesMax` packed */
  readonly value: unknown;
  readonly revision: number;
}

export type CasResult =
  | { readonly ok: true; readonly revision: number }
  /**
   * Somebody else was first: this revision of the key will never be current again, so the refusal is final. `current` is
   * what the key held when asked afterwards, undefined when it is gone or could not be told. It is true of the past and
   * may be old by now: act on it only by another compare-and-set.
   */
  | { readonly ok: false; readonly current?: { readonly value: unknown; readonly revision: number } };

export type ConfigChange =
  | { readonly t: 'put'; readonly key: string; readonly value: unknown; readonly revision: number }
  | { readonly t: 'delete'; readonly key: string; readonly revision: number };

export interface ConfigWatch {
  /** No change is handed over after this. Idempotent. */
  stop(): void;
}

export interface ConfigStore {
  /**
   * What the key holds, undefined when it is not there. May be old (a stream leader that was cut off answers what it
   * knows): settle doubts with `cas`.
   * @throws ConfigStoreUnavailableError
   */
  get(key: string): Promise<ConfigEntry | undefined>;
  /**
   * Writes when the key's revision is `expectedRevision`; 0 means that the key is not there.
   * @throws ConfigStoreUnavailableError when nothing was written
   * @throws ConfigStoreUnknownError when the answer was lost: it may be written, now or a little later. Do the same
   *   compare-and-set again, with a nonce in the value: `ok`, or `current` holds the own nonce (the first one had won),
   *   or somebody else's (it has not, or has been followed).
   */
  cas(key: string, value: unknown, expectedRevision: number): Promise<CasResult>;
  /** Deletes when the key's revision is `expectedRevision` (from 1). Throws as `cas` does. */
  delete(key: string, expectedRevision: number): Promise<CasResult>;
  /**
   * Hands over what is there under the prefix, then every change, deletions too, in the order of revisions. Of changes of one key that
   * follow each other fast only the newest is sure to come; it always does, through reconnects too. Resolves when what
   * was there has been handed over. Nothing is handed over twice.
   * @param prefix '' for all, else whole parts of a key with the dot: `shard.`
   * @throws ConfigStoreUnavailableError when it cannot be begun; a watch once begun mends itself for ever
   */
  watch(prefix: string, handler: (change: ConfigChange) => void): Promise<ConfigWatch>;
  /** Stops all watches; what is called afterwards throws ConfigStoreUnavailableError. Idempotent. */
  close(): Promise<void>;
}

/** Not reachable: nothing was written. */
export class ConfigStoreUnavailableError extends Error {
  override readonly name = 'ConfigStoreUnavailableError';
}

/** The answer was lost: the write may have happened. */
export class ConfigStoreUnknownError extends Error {
  override readonly name = 'ConfigStoreUnknownError';
}

/** The store no longer has what it once had, or is another one: what stands on it must stop (I12). */
export class ConfigStoreBackwardsError extends Error {
  override readonly name = 'ConfigStoreBackwardsError';
}

export const configValueBytesMax = 262_144;
const KEY = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const KEY_LENGTH_MAX = 200;

/** @throws RangeError when the text is no key: parts of letters, digits, dashes and underscores, with dots between */
export function checkKey(key: string): void {
  if (key.length > KEY_LENGTH_MAX || !KEY.test(key)) throw new RangeError(`${JSON.stringify(key)} is no key`);
}

/** @throws RangeError when the text is neither '' nor a key and a dot */
export function checkPrefix(prefix: string): void {
  if (prefix === '') return;
  if (!prefix.endsWith('.')) throw new RangeError(`the prefix ${JSON.stringify(prefix)} must end with a dot`);
  checkKey(prefix.slice(0, -1));
}

/** @throws RangeError when it is no revision to delete at: a whole number from `least` */
export function checkRevision(revision: number, least: 0 | 1): void {
  if (!Number.isSafeInteger(revision) || revision < least) throw new RangeError(`${revision} is no revision`);
}
