/**
 * Who has a copy of a shard, who of them is in sync, and who leads: one record per shard in the configuration store.
 * It changes only by compare-and-set against the revision of its key. Within an epoch only the leader writes it; a
 * member that takes over writes it together with the next epoch.
 */

/** One copy's holder. A wiped data folder is another incarnation of the node, and so another member (I6). */
export interface Member {
  /** node id */
  readonly node: string;
  /** random id kept in the data folder, made together with it */
  readonly inc: string;
}

export interface ShardConfig {
  readonly v: 1;
  readonly shard: number;
  /** number of the leadership; only rises */
  readonly epoch: number;
  /** undefined until the shard's first leader has taken over */
  readonly leader: Member | undefined;
  /** members that hold everything committed: a commit waits for all of them. Contains the leader. */
  readonly isr: readonly Member[];
  /** all members that have, or are getting, a copy. Contains the in-sync set. */
  readonly replicas: readonly Member[];
  /** names the write that made this record, so that a lost answer can be told from a lost race */
  readonly nonce: string;
  /** epoch of the last unclean recovery: members may then have to drop what had been committed before it */
  readonly uncleanEpoch?: number;
}

/** A record and the store's revision of its key: the version that the next compare-and-set expects. */
export interface ConfigAt {
  readonly record: ShardConfig;
  readonly revision: number;
}

/** Copies that a shard may have at most, those on their way in or out included. */
export const REPLICAS_MAX = 7;

export function sameMember(a: Member | undefined, b: Member | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.node === b.node && a.inc === b.inc;
}

export function hasMember(members: readonly Member[], member: Member): boolean {
  for (const one of members) if (sameMember(one, member)) return true;
  return false;
}

/** `node/incarnation`, for logs and alarms. */
export function memberName(member: Member | undefined): string {
  return member === undefined ? 'nobody' : `${member.node}/${member.inc}`;
}

/** Same members, in whatever order. Members within a list are distinct. */
export function sameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  return a.length === b.length && a.every((member) => hasMember(b, member));
}

export type CheckedConfig =
  | { readonly ok: true; readonly config: ShardConfig }
  | { readonly ok: false; readonly reason: string };

/** Is this value, as decoded from the store, a record of that shard? A fault is said in words, for the alarm. */
export function checkShardConfig(value: unknown, shard: number): CheckedConfig {
  const fault = (reason: string): CheckedConfig => ({ ok: false, reason: `record of shard ${shard}: ${reason}` });
  if (typeof value !== 'object' || value === null) return fault('not an object');
  const { v, shard: of, epoch, leader, isr, replicas, nonce, uncleanEpoch } = value as Record<string, unknown>;
  if (v !== 1) return fault(`version ${String(v)} is not known here`);
  if (of !== shard) return fault(`it is of shard ${String(of)}`);
  if (!isCount(epoch)) return fault('epoch is not a whole number');
  if (typeof nonce !== 'string' || nonce === '') return fault('no nonce');
  if (!isMemberList(replicas) || replicas.length === 0 || replicas.length > REPLICAS_MAX)
    return fault(`replicas is not a list of 1 to ${REPLICAS_MAX} distinct members`);
  if (!isMemberList(isr) || isr.length === 0) return fault('isr is not a list of distinct members');
  if (!isr.every((member) => hasMember(replicas, member))) return fault('an in-sync member is no replica');
  const led = leader ?? undefined;
  if (led !== undefined && (!isMember(led) || !hasMember(isr, led))) return fault('the leader is not in sync');
  if (uncleanEpoch !== undefined && uncleanEpoch !== null && !isCount(uncleanEpoch))
    return fault('uncleanEpoch is not a whole number');
  const unclean = isCount(uncleanEpoch) ? { uncleanEpoch } : {};
  return { ok: true, config: { v: 1, shard, epoch, leader: led, isr, replicas, nonce, ...unclean } };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isMember(value: unknown): value is Member {
  if (typeof value !== 'object' || value === null) return false;
  const { node, inc } = value as Record<string, unknown>;
  return typeof node === 'string' && node !== '' && typeof inc === 'string' && inc !== '';
}

function isMemberList(value: unknown): value is Member[] {
  if (!Array.isArray(value)) return false;
  return value.every((one, at) => isMember(one) && !hasMember(value.slice(0, at), one));
}
