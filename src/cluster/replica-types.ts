import type { Rules } from './rules.ts';
import type { ConfigAt, Member, ShardConfig } from './shard-config.ts';

/** A place in a shard's log. `{idx: 0, epoch: 0}` is before the first entry. */
export interface Position {
  /** dense per shard, from 1 */
  readonly idx: number;
  readonly epoch: number;
}

/** One entry of a shard's log. Empty bytes are the no-op with which a leader begins its epoch. */
export interface Entry extends Position {
  /** the op, encoded once by the leader; nobody changes it */
  readonly bytes: Uint8Array;
}

/**
 * What a member must not forget, whatever happens to its copy: under whom it last acknowledged. It outlives the wiping
 * of the copy; only a new incarnation starts from nothing.
 */
export interface HardState {
  /** no acknowledgement below this epoch any more */
  readonly epoch: number;
  readonly leader: Member | undefined;
  /** the leader's session with this member: older ones of the same epoch are refused */
  readonly session: number;
  /** revision of the leader's configuration when that session began */
  readonly revision: number;
  /** the revision over which this member set out to depose the leader: until a newer one is seen, it may have won */
  readonly contends?: number;
}

/** What the disk had at start. The shell has already wiped a copy whose loading was not finished. */
export interface RecoveredReplica {
  readonly hard: HardState;
  /** where `entries` begin; the state on disk reaches at least to here */
  readonly base: Position;
  /** the last index known to be committed, ≥ base.idx. What lies behind it is applied by the shell already. */
  readonly commitIdx: number;
  /** dense, from base.idx + 1 */
  readonly entries: readonly Entry[];
}

/** Limits and times of one shard's replication. Milliseconds are of the node's own monotonic clock. */
export interface ReplicaOptions {
  /** R: copies wanted. From 2 on a commit needs two of them at least. */
  readonly copies: number;
  /** bytes on their way to one follower. Full: nothing more is sent to it until it acknowledges. */
  readonly windowBytes: number;
  /** bytes of entries in one append; a single larger entry goes alone */
  readonly appendBytesMax: number;
  /** proposed and not committed. Full: proposals are refused with `full`. */
  readonly uncommittedBytesMax: number;
  readonly uncommittedEntriesMax: number;
  /** committed entries kept in memory for followers that lag. A follower behind them gets a snapshot. */
  readonly tailBytesMax: number;
  readonly tailEntriesMax: number;
  /** the same while a follower is being brought up, so that the tail outlasts its snapshot */
  readonly catchUpBytesMax: number;
  /** an append, an offer or a leave that is not answered is sent again after */
  readonly resendMs: number;
  /** an in-sync member that answers heartbeats and acknowledges nothing for so long is taken out */
  readonly laggardMs: number;
  /** probes in a row that a follower refuses for what it had acknowledged: then it has lost its copy */
  readonly refusalsMax: number;
  /** a follower that asked to be left out is not taken in again for so long; it repeats its asking every resendMs */
  readonly leaveMs: number;
  /** the n-th in-sync member waits n times this before it takes over, so that the first one wins undisturbed */
  readonly staggerMs: number;
  /** shards of one dead leader are taken over spread over so long */
  readonly spreadMs: number;
  /**
   * Members that hear the store and not each other depose one another without end. From the second time on, a leader is
   * left alone for this long, doubled each time up to the second, so that it can bring another copy in.
   */
  readonly duelMs: number;
  readonly duelMsMax: number;
  /** an unknown answer is settled after this, then after twice that …; it never gives up */
  readonly casRetryMs: number;
  readonly casRetryMsMax: number;
  /** a planned transfer that is not through by then admits writes again */
  readonly transferMs: number;
  /** refusals of a compare-and-set with a revision below the one expected, in a row: then the shard halts */
  readonly staleAnswersMax: number;
}

export const REPLICA_DEFAULTS: ReplicaOptions = {
  copies: 3,
  windowBytes: 4 * 1024 * 1024,
  appendBytesMax: 256 * 1024,
  uncommittedBytesMax: 4 * 1024 * 1024,
  uncommittedEntriesMax: 10_000,
  tailBytesMax: 256 * 1024,
  tailEntriesMax: 1_000,
  catchUpBytesMax: 16 * 1024 * 1024,
  resendMs: 200,
  laggardMs: 10_000,
  refusalsMax: 10,
  leaveMs: 2_000,
  staggerMs: 100,
  duelMs: 500,
  duelMsMax: 16_000,
  spreadMs: 20,
  casRetryMs: 50,
  casRetryMsMax: 2_000,
  transferMs: 1_000,
  staleAnswersMax: 5,
};

/**
 * What this node knows of the others from its heartbeats. Members are asked about with their incarnation.
 *
 * The two answers belong together: `leaseUntil` counts from when a heartbeat was *sent* that the member answered, for
 * less time than the member, by any clock, waits after *hearing* one before it suspects us. A node that has just
 * started suspects nobody for that whole grace time, since its former process may have answered.
 */
export interface PeerView {
  /** nothing was heard of that incarnation for the grace time, or its node is known to run another one; never self */
  isSuspect(member: Member): boolean;
  /** own monotonic time until which the member cannot have begun to suspect this node */
  leaseUntil(member: Member): number;
  /**
   * Own monotonic time since when that lease has not lapsed for a moment; may be later than the truth, never earlier.
   * A member whose lease lapsed may have deposed us before it answers again. Without this answer a shard that nobody
   * read or wrote for a lease's time asks its followers once before it answers reads again.
   */
  leaseSince?(member: Member): number;
}

/** What a step may look at besides the state. */
export interface ReplicaEnv {
  /** own monotonic time in ms */
  readonly now: number;
  readonly options: ReplicaOptions;
  readonly rules: Rules;
  readonly self: Member;
  /** random id of this process, so that nonces of two lives differ */
  readonly boot: string;
  readonly peers: PeerView;
}

interface FromLeader {
  readonly shard: number;
  readonly epoch: number;
  /** numbers the leader's dealings with one copy of one follower, rising within the epoch */
  readonly session: number;
  /** revision of the leader's configuration when the session began */
  readonly revision: number;
}

/** What replicas of a shard say to each other. The envelope names sender and receiver with their incarnations. */
export type ReplicaMessage =
  | (FromLeader & {
      readonly t: 'append';
      /** the entry right before `entries` in the leader's log */
      readonly prevIdx: number;
      readonly prevEpoch: number;
      readonly entries: readonly Entry[];
      readonly commitIdx: number;
      /** the leader's monotonic time; comes back in the acknowledgement */
      readonly stamp: number;
    })
  /** "Your copy is too old for my tail: wipe it, and I send you the state." */
  | (FromLeader & { readonly t: 'offer' })
  /** everything up to matchIdx agrees with the leader's log and is on disk, and so is the promise */
  | {
      readonly t: 'ack';
      readonly shard: number;
      readonly epoch: number;
      readonly session: number;
      readonly matchIdx: number;
      readonly commitIdx: number;
      /** the newest stamp seen in this session */
      readonly stamp: number;
      /** a compare-and-set of this member that deposes the leader may win yet, or has won */
      readonly contends: boolean;
    }
  | {
      readonly t: 'refuse';
      readonly shard: number;
      /** epoch: a newer one is promised. gap: see hint. diverged: what I know as committed is not in your log. */
      readonly reason: 'epoch' | 'gap' | 'diverged';
      /** the newest epoch the follower knows */
      readonly epoch: number;
      /** of the append that is refused */
      readonly session: number;
      readonly prevIdx: number;
      /** the last place at which the follower's log may agree */
      readonly hint: Position;
    }
  /** the copy is wiped and marked as loading: send the state */
  | { readonly t: 'loading'; readonly shard: number; readonly epoch: number; readonly session: number }
  /** a follower that stops asks to be taken out of the in-sync set */
  | { readonly t: 'leave'; readonly shard: number; readonly epoch: number }
  /** a confirmed record, told directly to whom it makes the leader: faster than the watch, worth as much */
  | { readonly t: 'config'; readonly shard: number; readonly at: ConfigAt };

export type CasOutcome =
  | { readonly t: 'ok'; readonly revision: number }
  /** the key has another revision; the record that has it, where the store told */
  | { readonly t: 'conflict'; readonly current: ConfigAt | undefined }
  /** no answer: it may have happened, may happen yet, or not */
  | { readonly t: 'unknown' };

export type ReplicaEvent =
  /** the watch of the configuration store told a record: the first one, or a change. Late and repeated ones may come. */
  | { readonly t: 'config'; readonly at: ConfigAt }
  | { readonly t: 'casResult'; readonly nonce: string; readonly outcome: CasOutcome }
  | { readonly t: 'propose'; readonly items: readonly Uint8Array[] }
  /** every write effect up to this number is on disk, in order */
  | { readonly t: 'written'; readonly upTo: number }
  | { readonly t: 'message'; readonly from: Member; readonly message: ReplicaMessage }
  /** somebody waits to read, and readableUntil says no: ask the in-sync set. To be repeated while it waits. */
  | { readonly t: 'read' }
  /** a member came, went, or is suspected: asked of env.peers */
  | { readonly t: 'peers' }
  | { readonly t: 'tick' }
  /** leader side: the snapshot of that session ended; `idx` is where the state sent stood */
  | { readonly t: 'snapshotSent'; readonly to: Member; readonly session: number; readonly idx: number }
  | { readonly t: 'snapshotFailed'; readonly to: Member; readonly session: number }
  /** target side: the loaded state is whole and on disk, and so is the end of the loading mark */
  | { readonly t: 'installed'; readonly epoch: number; readonly session: number; readonly at: Position }
  | { readonly t: 'transfer'; readonly to: Member }
  /** adds, removes or swaps copies, in one compare-and-set */
  | { readonly t: 'replicas'; readonly add: readonly Member[]; readonly remove: readonly Member[] }
  /** drain: hand the leadership over, leave the in-sync set */
  | { readonly t: 'stop' }
  /** takes a `stop` back: this member can hold its copies again */
  | { readonly t: 'stay' }
  /** an operator accepts the loss of what only lost members had, and makes this copy the truth */
  | { readonly t: 'recoverUnclean' };

export type AlarmReason =
  | 'config-backwards'
  | 'two-leaders'
  | 'committed-diverged'
  | 'in-sync-lost-data'
  | 'unclean-dropped'
  | 'unclean-recovery';

/**
 * What the shell does, in this order. Numbered effects are writes: all shards' writes of a tick go into one journal
 * record, in order, and `written` tells when they are on disk.
 */
export type ReplicaEffect =
  | { readonly t: 'send'; readonly to: Member; readonly message: ReplicaMessage }
  /** write to the journal; with truncateTo, entries behind that index are no more */
  | {
      readonly t: 'append';
      readonly write: number;
      readonly entries: readonly Entry[];
      readonly truncateTo: number | undefined;
    }
  | { readonly t: 'persist'; readonly write: number; readonly hard: HardState }
  /** make the copy void and mark it as loading, durably; then take chunks of this session, then say `installed` */
  | {
      readonly t: 'load';
      readonly write: number;
      readonly from: Member;
      readonly epoch: number;
      readonly session: number;
    }
  /** the copy is not wanted any more: drop it. The hard state stays. */
  | { readonly t: 'wipe'; readonly write: number }
  /** the answer to `propose`: idx and epoch of the first item, the others follow */
  | { readonly t: 'proposed'; readonly first: Position; readonly count: number }
  | { readonly t: 'refused'; readonly what: 'propose' | 'transfer' | 'replicas' | 'recover'; readonly reason: Refusal }
  /** apply these to the state, in order; on the leader let their effects run */
  | { readonly t: 'commit'; readonly entries: readonly Entry[] }
  | { readonly t: 'cas'; readonly expected: number; readonly record: ShardConfig }
  /** this node leads and its state is whole: actors may start, or go on after an `unready` with reason transfer */
  | { readonly t: 'ready'; readonly epoch: number }
  /** transfer: admit nothing for now. deposed, halted: drop the actors' memory; what is not committed may be lost. */
  | { readonly t: 'unready'; readonly reason: 'transfer' | 'deposed' | 'halted' }
  /** stream the state as applied now to that member, then say snapshotSent or snapshotFailed */
  | { readonly t: 'snapshot'; readonly to: Member; readonly session: number }
  /** after `stop`: this node neither leads the shard nor is in sync */
  | { readonly t: 'drained' }
  | { readonly t: 'alarm'; readonly reason: AlarmReason; readonly halted: boolean; readonly detail: string };

export type Refusal =
  | 'not-leader'
  | 'not-ready'
  | 'full'
  | 'busy'
  | 'not-in-sync'
  | 'suspect'
  | 'too-few-in-sync'
  | 'too-many-replicas'
  | 'leader-stays'
  | 'no-change'
  | 'no-copy'
  | 'halted';
