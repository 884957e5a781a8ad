import type { MessageRecord } from '../xmpp/message-record.ts';
import type {
  AccountAnswer,
  AccountAsk,
  BindAnswer,
  ChatItem,
  ChatMessage,
  CloseReason,
  PostItem,
  ResumeAnswer,
  SessionMessage,
  Source,
} from './messages.ts';
import type { SessionBlob } from './session-handover.ts';

/**
 * Everything that crosses nodes, as one closed union of plain values: msgpack carries each as it is. Entities of one
 * node go on handing each other the very objects (messages.ts).
 *
 * A node drops what has another version: during an upgrade both sides speak the lower one that they know.
 */
export const WIRE_VERSION = 1;

/** Longest way of a message whose sender knew an older leader: it is forwarded this often, then given back. */
export const HOPS_MAX = 2;

/** What may be said to a session on another node. */
export type FarSessionMessage = Extract<
  SessionMessage,
  { t: 'peer' | 'live' | 'exists?' | 'answer' | 'again' | 'room' | 'said' | 'present?' | 'noted' }
>;
/** What may be said to a chat on another node. */
export type FarChatMessage = Extract<ChatMessage, { t: 'send' | 'exists' | 'absent' | 'cursors' }>;

export interface FarDelivery {
  /** entity key */
  readonly to: string;
  readonly source: Source;
  readonly item: PostItem | ChatItem;
  readonly record: MessageRecord | undefined;
}

/** Travels to the leader of a shard. */
interface ToShard {
  readonly shard: number;
  /** times it was forwarded */
  readonly hop: number;
  /** node that it began at */
  readonly origin: string;
}

/** For the leader of a shard; who does not lead it sends it on, or tells `origin`. */
export type ShardWire =
  | (ToShard & { readonly t: 'session'; readonly to: string; readonly msg: FarSessionMessage })
  | (ToShard & { readonly t: 'chat'; readonly to: string; readonly msg: FarChatMessage })
  | (ToShard & { readonly t: 'deliver'; readonly items: readonly FarDelivery[] })
  | (ToShard & { readonly t: 'ask'; readonly id: number; readonly user: string; readonly ask: EntityAsk });

/** For a node. */
export type NodeWire =
  /** outbox items that their receivers have committed */
  | { readonly t: 'ack'; readonly sources: readonly Source[] }
  /** outbox items that were refused: their source goes back there */
  | { readonly t: 'nack'; readonly why: NackReason; readonly sources: readonly Source[] }
  /** a message of `origin`'s found no leader; `chat` and `sender` when it was a send that wants an answer */
  | {
      readonly t: 'notLeader';
      readonly shard: number;
      readonly leader: string | undefined;
      readonly send: { readonly chat: string; readonly sender: string; readonly run: string } | undefined;
    }
  | { readonly t: 'asked'; readonly id: number; readonly ask: NodeAsk }
  | { readonly t: 'answer'; readonly id: number; readonly answer: FarAnswer }
  | Up
  | Down
  /** `up` from gateways, `down` from sessions; whoever gets one with `ask` answers with its own side */
  | {
      readonly t: 'links';
      readonly side: 'up' | 'down';
      readonly ask: boolean;
      readonly states: readonly LinkReport[];
    }
  | Moved
  | HandOver
  /** frames of a client whose session has left this node, from the gateway `node` */
  | { readonly t: 'relay'; readonly node: string; readonly up: Up };

export type Wire = (ShardWire | NodeWire) & { readonly v: typeof WIRE_VERSION };

export type NackReason = 'gap' | 'full' | 'notLeader';

/** Questions to the session of a user. */
export type EntityAsk =
  | { readonly t: 'bind'; readonly cid: number; readonly resource: string | undefined }
  | { readonly t: 'resume'; readonly cid: number; readonly smId: string; readonly h: number }
  | { readonly t: 'account'; readonly ask: AccountAsk };

/** Questions to a node about what it leads. */
export type NodeAsk =
  | { readonly t: 'fetch'; readonly chats: readonly WantedOfChat[] }
  | {
      readonly t: 'list';
      readonly of: 'accounts' | 'rooms';
      readonly limit: number;
      readonly fromShard: number;
      readonly after: string;
    };

export interface WantedOfChat {
  readonly chat: string;
  /** chatSeqs, rising */
  readonly seqs: readonly number[];
}

export type FarAnswer =
  | { readonly t: 'bind'; readonly answer: BindAnswer }
  | { readonly t: 'resume'; readonly answer: ResumeAnswer }
  | { readonly t: 'account'; readonly answer: AccountAnswer }
  | { readonly t: 'fetch'; readonly found: readonly FoundOfChat[] }
  | {
      readonly t: 'list';
      readonly rows: readonly { readonly jid: string; readonly value: unknown }[];
      /** shards of which this page told the last row; others may be led by nobody just now */
      readonly whole: readonly number[];
      /** where to go on; undefined at the end */
      readonly next: { readonly fromShard: number; readonly after: string } | undefined;
    }
  | { readonly t: 'notLeader'; readonly shard: number; readonly leader: string | undefined };

/** Answer for one chat: `records[i]` belongs to the i-th seq asked for. What is left out is to be asked for again. */
export interface FoundOfChat {
  readonly chat: string;
  readonly records: readonly (MessageRecord | null)[];
}

/** Frames of a client, from its gateway to its session. */
export interface Up {
  readonly t: 'up';
  /** the gateway's number of the connection */
  readonly cid: number;
  /** number of the first frame, from 1; of the next one when there is none */
  readonly n: number;
  readonly frames: readonly string[];
  readonly got: number;
  readonly took: number;
  /** the socket is gone */
  readonly end?: 'clean' | 'lost';
}

/** Frames for a client, from its session to its gateway. */
export interface Down {
  readonly t: 'down';
  readonly cid: number;
  readonly n: number;
  readonly frames: readonly string[];
  readonly got: number;
  /** the session ends the socket */
  readonly close?: CloseReason;
}

/** How far one side of a link is: cid, frames sent, frames got, units the client's socket took. `sent` -1: no such link. */
export type LinkReport = readonly [cid: number, sent: number, got: number, took: number];

/** A session lives elsewhere from now on; its links go on there. */
export interface Moved {
  readonly t: 'moved';
  readonly cids: readonly number[];
}

/** Live sessions of a shard for the node that leads it next. */
export interface HandOver {
  readonly t: 'handOver';
  readonly shard: number;
  readonly sessions: readonly HandedOver[];
}

export interface HandedOver {
  readonly blob: SessionBlob;
  /** what had come for it and was not handled, in order */
  readonly left: readonly (FarSessionMessage | { readonly t: 'frame'; readonly sid: number; readonly text: string })[];
}

/** What came is of this version and a kind that this node knows. */
export function isWire(value: unknown): value is Wire {
  if (typeof value !== 'object' || value === null) return false;
  const { v, t } = value as { v?: unknown; t?: unknown };
  return v === WIRE_VERSION && KINDS.has(t as Wire['t']);
}

const KINDS: ReadonlySet<Wire['t']> = new Set([
  'session',
  'chat',
  'deliver',
  'ask',
  'ack',
  'nack',
  'notLeader',
  'asked',
  'answer',
  'up',
  'down',
  'links',
  'moved',
  'handOver',
  'relay',
]);
