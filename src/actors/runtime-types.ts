import type { LogStore, Write } from '../storage/log-store.ts';
import type { Bus } from '../transport/bus.ts';
import type { ArchiveEntry } from '../xmpp/mam-view.ts';
import type { MessageRecord } from '../xmpp/message-record.ts';
import type { ListedRoom } from '../xmpp/xep0045-muc.ts';
import type { ListedAccount } from './account-list.ts';
import type { LogLimits } from './chat-log.ts';
import type { ChatLimits } from './chat-state.ts';
import type { CrossingStats } from './crossing.ts';
import type { ClusterParts } from './crossing-options.ts';
import type { DeliveryRules } from './delivery-rules.ts';
import type { GroupLimits } from './group-state.ts';
import type { ChatMessage, SessionMessage } from './messages.ts';
import type { Pipeline } from './pipeline.ts';
import type { LeaderDirectory } from './routes.ts';
import type { SessionShellParts } from './session.ts';
import type { SessionLimits } from './session-types.ts';
import type { ActorSystem } from './spawn.ts';

/** What a runtime is made of, and what it does (runtime.ts). */
export interface RuntimeOptions {
  readonly nodeId: string;
  readonly store: LogStore;
  readonly bus: Bus;
  readonly directory: LeaderDirectory;
  now(): number;
  monotonicMs(): number;
  readonly mailboxMax: number;
  readonly turnsMax: number;
  readonly busyOps: number;
  readonly busyTickMs: number;
  readonly idleMs: number;
  readonly entitiesMax: number;
  readonly resendMs: number;
  readonly resendMsMax: number;
  /** shortest wait before a receiver that refused a delivery is tried again, ms; 20 when absent */
  readonly nackMs?: number;
  /** ms between two sweeps; 0: whoever made the runtime calls `sweep` */
  readonly sweepMs: number;
  readonly rowsMax: number;
  readonly chat: ChatLimits;
  readonly session: SessionLimits;
  /** absent: there are no rooms */
  readonly groups?: GroupOptions;
  readonly sessionParts: Pick<
    SessionShellParts,
    'domain' | 'newId' | 'services' | 'dispatchIq' | 'registration' | 'setPassword' | 'chatOf' | 'readMoved' | 'pep'
  >;
  /** timers of the node; the machine's when absent */
  readonly later?: (delayMs: number, run: () => void) => void;
  /** absent: this node is alone */
  readonly cluster?: ClusterParts;
  /** the log that ops go to; the local disk's when absent */
  readonly pipeline?: Pipeline;
  /** what runs the actors; a nact system of its own when absent */
  readonly actors?: ActorSystem;
  /** all of them when absent; the simulation takes one out at a time */
  readonly rules?: DeliveryRules;
  onCrash(kind: string, error: unknown): void;
  /** a user has more rows than `rowsMax` */
  onTooManyRows?(user: string, rows: number): void;
}

/** What an operator decides about groups; dedupe is that of all chats. */
export type GroupOptions = Omit<GroupLimits, keyof LogLimits | 'domain' | 'newId'>;

export interface RuntimeStats {
  readonly sessions: number;
  readonly chats: number;
  readonly streams: number;
  /** stanzas of clients since the start, by kind */
  readonly stanzas: Readonly<Record<string, number>>;
  readonly outbox: number;
  readonly resent: number;
  readonly actors: ReturnType<ActorSystem['stats']>;
  readonly pipeline: Pipeline['stats'];
  /** undefined on a node that is alone */
  readonly crossing: CrossingStats | undefined;
  /** sessions that went on at another node as they were */
  readonly handedOver: number;
  /** times that a user with more rows than `rowsMax` was loaded */
  readonly tooManyRows: number;
  /** memory of words kept for the next rows of full-text indexes; at most `indexWordsBytesMax` */
  readonly indexWordsBytes: number;
}

export interface Runtime {
  /** False when its mailbox is full: the message is lost, the caller owes an answer. True says only "under way". */
  toSession(bareJid: string, message: SessionMessage): boolean;
  toChat(chatId: string, message: ChatMessage): void;
  /** Messages of these entries, in their order; rejects when a chat is out of reach. */
  fetch(entries: readonly ArchiveEntry[]): (MessageRecord | undefined)[] | Promise<(MessageRecord | undefined)[]>;
  /** Accounts of all nodes, sorted, at most `limit`; rejects when a node does not answer. */
  listAccounts(limit: number): Promise<readonly ListedAccount[]>;
  /** Public rooms of all nodes, sorted, at most `limit`; rejects when a node does not answer. */
  listRooms(limit: number): Promise<readonly ListedRoom[]>;
  /** Writes rows outside any entity (the node's own); rejects when the log refuses them. */
  write(shard: number, writes: readonly Write[]): Promise<void>;
  /**
   * This node leads the shard from now on, and its committed state is here: un-acked outboxes are sent again, and what
   * waited for a leader goes in. Entities wake when they are first spoken to. Said again, it takes a `pause` back.
   * @param epoch of this leadership: with it, what a deposed leader's sessions still send is told from what is new
   */
  lead(shard: number, epoch?: number): void;
  /**
   * It does not any more. Call it before the pipeline settles what was on its way. Entities of the shard are dropped
   * with all that they had decided; their clients connect again.
   * @param why for the log of the gateway
   */
  unlead(shards: number | readonly number[], why: string): void;
  leads(shard: number): boolean;
  /** What was held back because the shard might not be read goes on (`ClusterParts.mayRead`). */
  readable(shard: number): void;
  /**
   * The shard's leadership is about to be handed over: nothing new is admitted, and what its sessions are goes to the
   * next leader when `unlead` follows, so that their clients notice nothing. `lead` takes it back. Best some 20 ms
   * before the log stops taking ops, so that turns on their way settle: a session with any is not handed over.
   */
  pause(shard: number): void;
  /** The directory names another leader for the shard: what waits for one may go. Without it that takes a few ms more. */
  moved(shard: number): void;
  /** A node is dead, as far as anybody can tell: streams of its sockets detach, sockets of its sessions end. */
  nodeGone(nodeId: string): void;
  readonly pipeline: Pipeline;
  stats(): RuntimeStats;
  /** What the timer does every `sweepMs`: resends, resume windows, idle entities, links. */
  sweep(): void;
  /** Waits until everything accepted so far is committed and its effects have run. */
  quiesce(): Promise<void>;
  close(): Promise<void>;
}
