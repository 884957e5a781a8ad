/**
 * Who of the cluster is silent, and who has surely heard us, from heartbeats that every node sends every `heartbeatMs`
 * out of the thread that does the work. Pure: all times are arguments, ms of this process's monotonic clock.
 *
 * Suspicion. A member not heard for `graceMs` is suspected until it is heard again. Only time in which we were awake
 * counts: our own pause (GC, SIGSTOP, a starved machine) says nothing about others, whose heartbeats may lie unread in
 * our sockets. So when two ticks are further apart than `pauseMs`, every suspicion is dropped and none begins before
 * another whole `graceMs`; start-up is such a moment too. Of a pause only one `heartbeatMs` counts as silence, so a
 * member that was silent for 40 s before our pause is still silent for 40 s when it is suspected again, and one that
 * was not is not. The price: a node that pauses again and again within `graceMs` suspects nobody. It is then the one
 * that the others suspect.
 *
 * Lease. A member's heartbeat echoes the send time of our last heartbeat that it has handled. It cannot have begun to
 * suspect us within its `graceMs` after that, and it handled our heartbeat after we sent it, so until sent + `leaseMs`
 * it does not take over from us, provided that clocks run alike within `driftMax` (`faultsOf`). Our own pause needs no
 * care here: time goes on and the lease runs out. Echoes must be of this process: those of an earlier one on this folder,
 * whose clock began elsewhere, are sorted out by the heartbeats' run id; times that this process has not lived give no
 * lease in any case. A machine whose monotonic clock stands still while it is suspended can believe in a lease for
 * `leaseMs` after it wakes: a read may then be stale, an acknowledged write never, since the lease guards only reads.
 *
 * A restart under the same incarnation goes on as the same member; a new incarnation is another member, about which
 * nothing is known. The old one falls silent by itself.
 */
import type { PeerView } from './replica-types.ts';
import type { Member } from './shard-config.ts';

export interface DetectorOptions {
  /** ms between two heartbeats, and between two ticks; 250 */
  readonly heartbeatMs: number;
  /** silence in ms after which a member is suspected; 1,500 */
  readonly graceMs: number;
  /** ms that an answered heartbeat is good for; 1,000 */
  readonly leaseMs: number;
  /** a gap between two own ticks beyond which we were paused, ms; 500 */
  readonly pauseMs: number;
  /** how much faster or slower than true time a clock may run, as a share; 0.1 */
  readonly driftMax: number;
  /** members known at once; 1,024. A further one is not taken in and never suspected by us; `refused` counts it */
  readonly membersMax: number;
}

export const detectorDefaults: DetectorOptions = {
  heartbeatMs: 250,
  graceMs: 1500,
  leaseMs: 1000,
  pauseMs: 500,
  driftMax: 0.1,
  membersMax: 1024,
};

/** Relations that the options must keep, each fault in words; to be checked at start with the other options. */
export function faultsOf(options: DetectorOptions): string[] {
  const { heartbeatMs, graceMs, leaseMs, pauseMs, driftMax, membersMax } = options;
  const faults: string[] = [];
  for (const [name, value] of Object.entries({ heartbeatMs, graceMs, leaseMs, pauseMs })) {
    if (!(value > 0)) faults.push(`${name} is ${value}; it must be more than 0`);
  }
  if (!(driftMax >= 0 && driftMax < 1)) faults.push(`driftMax is ${driftMax}; it must be from 0 to below 1`);
  if (!(membersMax >= 1)) faults.push(`membersMax is ${membersMax}; it must be at least 1`);
  if (graceMs < 4 * heartbeatMs) faults.push(`graceMs (${graceMs}) is less than 4 heartbeats (${4 * heartbeatMs})`);
  if (leaseMs < 2 * heartbeatMs) faults.push(`leaseMs (${leaseMs}) is less than 2 heartbeats (${2 * heartbeatMs})`);
  if (pauseMs < 2 * heartbeatMs) faults.push(`pauseMs (${pauseMs}) is less than 2 heartbeats (${2 * heartbeatMs})`);
  if (pauseMs > graceMs) faults.push(`pauseMs (${pauseMs}) is more than graceMs (${graceMs})`);
  const longest = leaseMs / (1 - driftMax);
  const shortest = graceMs / (1 + driftMax);
  if (!(longest < shortest)) {
    faults.push(
      `leaseMs (${leaseMs}) by a slow clock takes ${Math.ceil(longest)} ms, graceMs (${graceMs}) by a fast one ` +
        `${Math.floor(shortest)} ms: a reader could still trust a lease when another leads`,
    );
  }
  return faults;
}

export interface SuspicionChange {
  readonly member: Member;
  readonly suspect: boolean;
}

interface Peer {
  readonly member: Member;
  /** awake time at which it was last heard, or first known */
  heardAwakeMs: number;
  leaseUntil: number;
  /** since when it has held without a gap */
  leaseSince: number;
  suspect: boolean;
}

const keyOf = ({ node, inc }: Member): string => `${node}\n${inc}`;

export class FaultDetector implements PeerView {
  /** heartbeats of members beyond `membersMax` */
  refused = 0;
  /** own pauses noticed */
  pauses = 0;
  readonly #self: string;
  readonly #options: DetectorOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #startedAt: number;
  /** of the last tick */
  #tickedAt: number;
  /** time awake since the start, at the last tick */
  #awakeMs = 0;
  #blindUntilAwakeMs: number;

  /** @param now ms, monotonic. @throws RangeError when the options break a relation (`faultsOf`) */
  constructor(self: Member, options: DetectorOptions, now: number) {
    const faults = faultsOf(options);
    if (faults.length > 0) throw new RangeError(faults.join('; '));
    this.#self = keyOf(self);
    this.#options = options;
    this.#startedAt = now;
    this.#tickedAt = now;
    this.#blindUntilAwakeMs = options.graceMs;
  }

  /**
   * The members worth knowing: those of the node records, and of the configurations until their records are read. A
   * new one has a whole grace time from here; one left out is forgotten when it is silent too.
   */
  watch(members: Iterable<Member>): void {
    const listed = new Set<string>();
    for (const member of members) {
      listed.add(keyOf(member));
      this.#peer(member);
    }
    for (const [key, peer] of this.#peers) {
      if (!listed.has(key) && peer.suspect) this.#peers.delete(key);
    }
  }

  /**
   * A heartbeat of the member was handled.
   * @param ofHeartbeatSentAt when we sent the newest heartbeat of ours that it had handled; undefined when it had
   *   handled none: then it lives, and gives no lease
   * @returns true when this ends a suspicion
   */
  heard(member: Member, ofHeartbeatSentAt: number | undefined, now: number): boolean {
    if (keyOf(member) === this.#self) return false;
    const peer = this.#peer(member);
    if (peer === undefined) {
      this.refused += 1;
      return false;
    }
    // Up to pauseMs, all of which the next tick may count: never earlier than it was, or the grace time shrinks.
    peer.heardAwakeMs = this.#awakeMs + Math.min(Math.max(0, now - this.#tickedAt), this.#options.pauseMs);
    if (ofHeartbeatSentAt !== undefined && ofHeartbeatSentAt >= this.#startedAt && ofHeartbeatSentAt <= now) {
      if (now >= peer.leaseUntil) peer.leaseSince = now;
      peer.leaseUntil = Math.max(peer.leaseUntil, ofHeartbeatSentAt + this.#options.leaseMs);
    }
    const ended = peer.suspect;
    peer.suspect = false;
    return ended;
  }

  /**
   * To be called every `heartbeatMs`, by a timer of the thread that does the work.
   * @returns who is suspected since this tick, or no longer because we were paused
   */
  tick(now: number): SuspicionChange[] {
    const { heartbeatMs, graceMs, pauseMs } = this.#options;
    const gapMs = Math.max(0, now - this.#tickedAt);
    const paused = gapMs > pauseMs;
    this.#awakeMs += paused ? heartbeatMs : gapMs;
    this.#tickedAt = Math.max(now, this.#tickedAt);
    if (paused) {
      this.pauses += 1;
      this.#blindUntilAwakeMs = this.#awakeMs + graceMs;
    }
    const blind = this.#awakeMs < this.#blindUntilAwakeMs;
    const changes: SuspicionChange[] = [];
    for (const peer of this.#peers.values()) {
      const suspect = !blind && this.#awakeMs - peer.heardAwakeMs >= graceMs;
      if (suspect !== peer.suspect) changes.push({ member: peer.member, suspect });
      peer.suspect = suspect;
    }
    return changes;
  }

  /**
   * Oneself never is. A member neither watched nor heard is, after the first grace time; unless there was no room to
   * take it in: then it may have heard us and hold our lease for good, so we leave the judgement to others.
   */
  isSuspect(member: Member): boolean {
    const key = keyOf(member);
    if (key === this.#self) return false;
    const unknown = this.#awakeMs >= this.#blindUntilAwakeMs && this.#peers.size < this.#options.membersMax;
    return this.#peers.get(key)?.suspect ?? unknown;
  }

  leaseUntil(member: Member): number {
    const key = keyOf(member);
    return key === this.#self
      ? Number.POSITIVE_INFINITY
      : (this.#peers.get(key)?.leaseUntil ?? Number.NEGATIVE_INFINITY);
  }

  leaseSince(member: Member): number {
    const key = keyOf(member);
    return key === this.#self
      ? Number.NEGATIVE_INFINITY
      : (this.#peers.get(key)?.leaseSince ?? Number.POSITIVE_INFINITY);
  }

  /** For how long, in ms awake, the member has been silent beyond `graceMs`; 0 when it is not suspected. */
  suspectedForMs(member: Member): number {
    if (!this.isSuspect(member)) return 0;
    const heardAwakeMs = this.#peers.get(keyOf(member))?.heardAwakeMs ?? 0;
    return Math.max(1, this.#awakeMs - heardAwakeMs - this.#options.graceMs);
  }

  #peer(member: Member): Peer | undefined {
    const key = keyOf(member);
    const known = this.#peers.get(key);
    if (known !== undefined || key === this.#self) return known;
    if (this.#peers.size >= this.#options.membersMax) return undefined;
    const peer = {
      member,
      heardAwakeMs: this.#awakeMs,
      leaseUntil: Number.NEGATIVE_INFINITY,
      leaseSince: Number.POSITIVE_INFINITY,
      suspect: false,
    };
    this.#peers.set(key, peer);
    return peer;
  }
}
