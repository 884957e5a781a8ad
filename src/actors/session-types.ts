import type { TokenBucket } from '../base/token-bucket.ts';
import type { ArchiveEntry, ChatPointer, InboxPointer } from '../xmpp/mam-view.ts';
import type { IqRequest, IqTarget, ServiceTarget, SessionPort, StanzaCondition, StreamPort } from '../xmpp/module.ts';
import type { RosterLimits } from '../xmpp/rfc6121-limits.ts';
import type { Pep } from '../xmpp/xep0163-pep.ts';
import type { AckQueue, InboundWindow } from '../xmpp/xep0198-stream-management.ts';
import type { ArchivePort } from '../xmpp/xep0313-mam.ts';
import type { HeldStanzas } from '../xmpp/xep0352-csi.ts';
import type { DeliveryRules } from './delivery-rules.ts';
import type {
  AccountAnswer,
  ChatMessage,
  CloseReason,
  ConnPort,
  GroupAnswer,
  ResumeAnswer,
  Send,
  SendOutcome,
  SessionMessage,
  Source,
} from './messages.ts';
import type { RecentWords } from './recent-words.ts';
import type { Probe } from './session-cursors.ts';
import type { PageQueue } from './session-pages.ts';
import type { JoinedRoom } from './session-rooms.ts';
import type { CrossingLimits } from './session-sends.ts';

/** Everything a session's step may want done. Data, run by the shell after the turn's commit (session.ts). */
export type SessionEffect =
  /**
   * Counted by XEP-0198. `seq` is the inboxSeq that the client has when it acks this, 0 when none; `at` the inboxSeq
   * of the message in it, so that it can be had again from the inbox (`seq` when absent).
   */
  | {
      readonly t: 'stanza';
      readonly stream: Stream;
      readonly xml: string;
      readonly seq: number;
      readonly at?: number;
      /** it tells the client of this */
      readonly refusal?: Refusal;
      readonly hold?: string;
      /** of a message that does not say when it was sent, ms since the epoch */
      readonly ts?: number;
      /** it may be lost: a stream whose client reads slowly goes without it */
      readonly loose?: boolean;
    }
  | { readonly t: 'nonza'; readonly stream: Stream; readonly xml: string }
  /** inbound stanza `n` has had all its effects: `h` may move */
  | { readonly t: 'handled'; readonly stream: Stream; readonly n: number }
  /** answer `<a/>` once everything up to `n` is handled */
  | { readonly t: 'ackOwed'; readonly stream: Stream; readonly n: number }
  | { readonly t: 'toChat'; readonly chat: string; readonly msg: ChatMessage }
  | { readonly t: 'toSession'; readonly to: string; readonly msg: SessionMessage }
  | { readonly t: 'ackDelivery'; readonly source: Source }
  /** something before it is missing: its source is to go back */
  | { readonly t: 'nackDelivery'; readonly source: Source }
  | { readonly t: 'reply'; readonly run: () => void }
  /** `<enabled/>`: from here on what is sent is counted */
  | { readonly t: 'enabled'; readonly stream: Stream; readonly xml: string }
  /** the stream takes up its new socket as soon as every stanza that came in on the old ones is handled */
  | { readonly t: 'resumed'; readonly stream: Stream }
  | { readonly t: 'close'; readonly stream: Stream; readonly reason: CloseReason }
  | { readonly t: 'load'; readonly entries: readonly ArchiveEntry[]; readonly done: LoadDone }
  /** reads a row of the user that is not in memory (session-rows.ts), by its full key; `done` runs within a later turn */
  | { readonly t: 'readRow'; readonly key: string; readonly done: (value: unknown) => void }
  /** the stream catches up with the inbox from after `stream.lag.next` */
  | { readonly t: 'catchUp'; readonly stream: Stream }
  | { readonly t: 'setPassword'; readonly request: IqRequest; readonly password: string }
  /** something slow outside; it resolves, always, with what is then to be done in a turn */
  | { readonly t: 'outside'; readonly work: () => Promise<() => void> }
  /** rows of the user's shard are read, and gone on with in a turn to come */
  | { readonly t: 'loadRows'; readonly keys: readonly string[]; readonly done: (rows: readonly unknown[]) => void }
  /** the account's row as it is in the log when this turn has its effects */
  | { readonly t: 'lookup'; readonly reply: (answer: AccountAnswer) => void };

export type LoadDone = Parameters<ArchivePort['load']>[2];

/** A bound resource with its stream management. Volatile: dies with the session actor's memory. */
export interface Stream extends StreamPort {
  /** a new one with each socket, so that what an older socket still had on its way finds nobody */
  sid: number;
  /** undefined while detached */
  conn: ConnPort | undefined;
  /** ms since the epoch when the socket was lost, 0 while attached */
  detachedAt: number;
  ended: boolean;
  /** a frame of this socket was dropped: whatever follows on it must be dropped too, or `h` would count wrongly */
  deaf: boolean;
  /** a stanza that cannot be had again was lost: nothing more is sent or acknowledged, the stream is about to end */
  broken: boolean;
  /** a socket that waits to be taken up */
  resuming: Resuming | undefined;
  sm: StreamManagement | undefined;
  /** set while the stream does not get messages live but catches up from its inbox: the next inboxSeq it needs */
  lag: Lag | undefined;
  /** inboxSeq up to which this stream has had, while live, what was for it */
  given: number;
  /** inboxSeqs it got by its full JID before it was live; at most EARLY_MAX */
  early: Set<number> | undefined;
  /** XEP-0352: stanzas held back while inactive */
  held: HeldStanzas | undefined;
  /** rooms it is in, by bare JID; made when first needed */
  rooms: Map<string, JoinedRoom> | undefined;
  /** messages of groups that it has been sent and has not acknowledged; made when first needed */
  probes: Probe[] | undefined;
  /** pages of archives it asked for; made when first needed */
  pages: PageQueue | undefined;
  /** requests handed to its client that it has not answered; an answer to one is within every rate */
  asked: number;
  /** rates of what is no message; full again after a hand-over */
  readonly iqs: TokenBucket;
  readonly presences: TokenBucket;
}

export interface Lag {
  next: number;
  loading: boolean;
  /** the queue of unacked stanzas is full: nothing is loaded until the client acks */
  blocked: boolean;
}

export interface Resuming {
  readonly conn: ConnPort;
  readonly reply: (answer: ResumeAnswer) => void;
  /** ms since the epoch */
  readonly at: number;
}

export interface StreamManagement {
  readonly id: string;
  /** `<enabled/>` is on its way: stanzas are counted from here */
  on: boolean;
  readonly resumable: boolean;
  readonly out: AckQueue;
  readonly inbound: InboundWindow;
  /** messages of the client that were refused, in their order; those whose error it has acked are dropped */
  readonly refusals: Refusal[];
  /** inbound stanza after which an `<a/>` is owed, 0 when none; and after which the next one is */
  owed: number;
  owedNext: number;
  /** ms since the epoch of the last `<r/>` that is unanswered, 0 when none */
  askedAt: number;
  /** stanzas sent since the last `<r/>` */
  sinceAsk: number;
}

/** A message of the client that was refused. */
export interface Refusal {
  /** its number on the stream */
  readonly n: number;
  readonly condition: StanzaCondition;
  /** undefined when it was to none */
  readonly chat: string | undefined;
  /** `out.sent` with the error; undefined before it is sent */
  sent: number | undefined;
}

export interface SessionLimits {
  readonly resourcesMax: number;
  /** stanzas kept for a client that has not acked them */
  readonly unackedStanzasMax: number;
  readonly unackedBytesMax: number;
  /** bytes in a socket's queue above which its stream is detached */
  readonly outQueueBytesMax: number;
  /** inbound stanzas not yet handled, per stream */
  readonly inflightMax: number;
  readonly resumeMs: number;
  /** stanzas after which an `<a/>` is asked for */
  readonly ackEvery: number;
  /** ms after which an `<a/>` is asked for when anything is unacked, and after which a silent client is detached */
  readonly ackTimeoutMs: number;
  readonly sendsPerSecond: number;
  readonly sendsBurst: number;
  /** iqs and presences of one stream; 0 a second lifts the limit */
  readonly iqsPerSecond: number;
  readonly iqsBurst: number;
  readonly presencesPerSecond: number;
  readonly presencesBurst: number;
  /** messages fetched at once for a stream that catches up */
  readonly catchUpPage: number;
  /** most messages a client without stream management and archive gets from its inbox after being away */
  readonly catchUpMax: number;
  /**
   * ms a message may have been on its way before it says when it was sent (XEP-0203), as after a failover: else clients
   * that sort by time show it behind later ones which they have from the archive
   */
  readonly lateMs: number;
  readonly heldMax: number;
  /** rooms that one device may be in */
  readonly roomsMax: number;
  /** chats of one user; beyond it no new ones: who begins one is refused */
  readonly chatsMax: number;
  /** words of a message by which it can be found (XEP-0431): the first so many */
  readonly searchWordsMax: number;
  /** of memory, for words of all users' newest pointers; 0: they are read back (recent-words.ts) */
  readonly indexWordsBytesMax: number;
  /** messages by which a user's index may grow later than it could: fewer than these, the same number for one user */
  readonly indexLagMax: number;
  readonly conflict: 'replace' | 'refuse' | 'rename';
  readonly roster: RosterLimits;
}

/** A send whose chat has not answered yet. */
export interface PendingSend {
  readonly stream: Stream;
  /** its number in the stream's inbound window, 0 without stream management */
  readonly n: number;
  readonly chat: string;
  readonly send: Send;
  /** chatSeq that the inbox has to have before the stanza is handled; undefined while the chat has not answered */
  readonly upTo?: number | undefined;
  /** ms since the epoch when it came, and when it was last sent to the chat */
  readonly since: number;
  sentAt: number;
  /** it asks a room for a page of its archive */
  readonly page?: true;
  /** the chat's answer, which overtook that to an earlier presence (session-sends.ts) */
  early?: EarlyAnswer;
}

export interface EarlyAnswer {
  readonly outcome: SendOutcome;
  readonly group?: GroupAnswer | undefined;
}

/** What the session's step needs from outside; everything pure or a plain read. */
export interface SessionParts {
  readonly domain: string;
  /** domain of the rooms; absent: there are none */
  readonly roomDomain?: string;
  readonly limits: SessionLimits;
  /** all of them; the simulation takes one out at a time */
  readonly rules: DeliveryRules;
  newId(): string;
  /** the chat that a message of this user to a bare JID goes to; absent: the direct chat of the two */
  chatOf?(user: string, to: string): string;
  /** where chats may be on other nodes */
  readonly crossing?: CrossingLimits;
  /** shared by all sessions of the node */
  readonly recentWords: RecentWords;
  /** counters, shared by all sessions of the node */
  readonly stanzas: { message: number; presence: number; iq: number };
  /** services beside the server that this node offers; none when left out */
  readonly services?: readonly ServiceTarget[];
  /** answers an iq for this account, the server or a service; false when nobody handles it */
  dispatchIq(session: SessionPort, request: IqRequest, target: IqTarget, foreign: boolean): boolean;
  /** nodes of accounts; absent: accounts have none */
  readonly pep?: Pep;
  readonly registration: (request: IqRequest, session: SessionPort) => RegistrationOutcome;
  lastInbox(user: string): number;
  readInbox(user: string, seq: number): InboxPointer | undefined;
  /** the pointer with this seq in the user's index stream of a chat, undefined when it is not committed */
  readIndex(user: string, chat: string, n: number): ChatPointer | undefined;
  /** Called in the turn that moves a cursor: what it writes is one op with that. Not for what the user sends. */
  readMoved?(session: SessionPort, moved: ReadMoved): void;
}

export type RegistrationOutcome =
  | { readonly t: 'answered' }
  | { readonly t: 'password'; readonly password: string }
  | { readonly t: 'remove' };

/** Row of a chat in a user's session: 'c/<chatId>'. */
export interface UserChatRow {
  readonly v: 1;
  /** chatSeq of the last message in the inbox: the cursor of I13 */
  readonly cur: number;
  /** last seq of the index stream (archived messages of this chat) */
  readonly n: number;
  /** messages of others with something to read in them, archived, after `read` */
  readonly unread: number;
  /** chatSeq up to which this user has read; never goes back */
  readonly read: number;
  /**
   * inboxSeq of the chat's last archived message with something to read in it, of its first one when there is none such:
   * its place in the inbox (XEP-0430). 0 when nothing of it is archived; rows of before there was an inbox lack it
   */
  readonly last?: number;
  /** how many messages of others counted as unread when they came; lacks where `last` does */
  readonly loud?: number;
}

/** The cursor of a chat moved on because a device said so. */
export interface ReadMoved {
  readonly chat: string;
  /** chatSeq up to which the user has read */
  readonly read: number;
  readonly unread: number;
  /** XEP-0359 id of the message at `read`, by the user's server or by the room; undefined when it has none */
  readonly stanzaId: string | undefined;
}

/** A message in the inbox that its chat has taken back, and whose words are still in the index of them. */
export interface TakenBack {
  /** chatId */
  readonly c: string;
  /** chatSeq */
  readonly q: number;
  /** when it was said, ms since the epoch */
  readonly ts: number;
  /** inboxSeq of the message that took it back: it stands before that */
  readonly i: number;
}

/** Row 'taken': a list of `TakenBack`, oldest first; absent when there are none (session-fulltext.ts). */
export const TAKEN_ROW = 'taken';
export const NONE_TAKEN: readonly TakenBack[] = [];

/** Row 'seen': inboxSeq up to which some device has got everything. */
export const SEEN_ROW = 'seen';
export const chatRowKey = (chatId: string): string => `c/${chatId}`;
export const isChatRowKey = (key: string): boolean => key.startsWith('c/');
export const chatOfRowKey = (key: string): string => key.slice(2);
