import type { Clock } from '../base/clock.ts';
import type {
  AlarmReason,
  PeerView,
  Position,
  Refusal,
  ReplicaMessage,
  ReplicaOptions,
} from '../cluster/replica-types.ts';
import type { Rules } from '../cluster/rules.ts';
import type { Member, ShardConfig } from '../cluster/shard-config.ts';
import type { OpBody } from '../storage/log-store.ts';
import type { ReplicatedLogStore } from '../storage/replicated-store.ts';
import type { ConfigStore } from '../transport/config-store.ts';
import type { SnapshotMessage, SnapshotOptions } from './shard-snapshots.ts';

/** What the host of a node's replicas is made of, and what it tells (shard-host.ts). */
export interface ShardHostParts {
  readonly self: Member;
  /** random id of this process */
  readonly boot: string;
  readonly shards: number;
  readonly store: ReplicatedLogStore;
  readonly configs: ConfigStore;
  readonly peers: PeerView;
  readonly options: ReplicaOptions;
  readonly snapshots: SnapshotOptions;
  readonly rules: Rules;
  /** ops as the log has them (src/storage/codec.ts) */
  encode(op: OpBody): Uint8Array;
  decode(bytes: Uint8Array): OpBody;
  readonly clock: Clock;
  /** ms between the starts of two writes of a busy node */
  readonly busyTickMs: number;
  /** ms between two looks at shards that wait for time to pass */
  readonly tickMs: number;
  send(to: Member, message: HostMessage, bulk: boolean): void;
  readonly events: ShardHostEvents;
}

export interface ShardHostEvents {
  /** This node leads the shard and its state is whole. */
  ready(shard: number, epoch: number): void;
  /** transfer: admit nothing for now; `ready` or `deposed` follows. Else: what is not committed is lost to this node. */
  unready(shard: number, reason: 'transfer' | 'deposed' | 'halted'): void;
  /** Own proposals up to this index are committed and applied. */
  committed(shard: number, upTo: number): void;
  /** Another configuration is adopted. */
  config(shard: number, record: ShardConfig): void;
  alarm(shard: number, reason: AlarmReason | 'bad-config' | 'not-applied', halted: boolean, detail: string): void;
  drained(shard: number): void;
  /** `mayRead` said no, and would say yes now. */
  readable(shard: number): void;
}

/** What hosts say to each other. */
export type HostMessage =
  | { readonly t: 'replica'; readonly m: ReplicaMessage }
  | { readonly t: 'snapshot'; readonly m: SnapshotMessage };

export type ProposeOutcome =
  | { readonly ok: true; readonly first: Position }
  | { readonly ok: false; readonly reason: Refusal };
