import type { Element } from 'ltx';
import type { CloseReason } from '../base/close-reason.ts';
import type { Blocked } from '../xmpp/blocklist.ts';
import type { MessageFlags, MessageRecord } from '../xmpp/message-record.ts';
import type { PeerMessage, StanzaCondition } from '../xmpp/module.ts';
import type { Ahead } from './ahead.ts';
import type { SessionBlob, StreamPlace } from './session-handover.ts';
import type { Pull } from './session-pulls.ts';

/**
 * What entities (session and chat actors) say to each other. What may cross nodes is plain (wire.ts); what carries a
 * function or a socket stays on its node.
 */

/** Where an outbox item comes from; the receiver acks it after its own commit (I14). */
export interface Source {
  readonly shard: number;
  readonly idx: number;
  /** position of the item within its op, from 0, < POSTS_PER_OP_MAX */
  readonly pos: number;
  /** the op was on its way to the log when the item was sent. On a node that is alone */
  readonly ahead?: Ahead;
}

/** Upper bound of outbox items in one op; `idx × POSTS_PER_OP_MAX + pos` orders all posts of one source shard. */
export const POSTS_PER_OP_MAX = 65_536;

/** Outbox item of a chat to each member. The record itself is in the chat's stream; live deliveries carry it along. */
export interface ChatItem {
  readonly t: 'msg';
  readonly chat: string;
  readonly seq: number;
  /** true when it is the first message this member gets from the chat, so that a gap can be told from a beginning */
  readonly first: boolean;
  /** of a group, with `first`: the last chatSeq of an earlier membership, 0 when none is known */
  readonly before?: number;
  /** … and when that ended, ms since the epoch: what was before the account was made is of another one of its name */
  readonly beforeMs?: number;
  /**
   * of a large group: the item is a pointer, messages between the inbox and this one have no items of their own. The
   * chatSeq before the membership, so where its messages begin
   */
  readonly since?: number;
}

/** Outbox item that must not be lost: between sessions (subscriptions), what becomes of a membership, a group's to a direct chat. */
export type PostItem =
  | { readonly t: 'peer'; readonly msg: PeerMessage }
  /** devices of this user may be gone from a group: it is to ask */
  | { readonly t: 'orphaned'; readonly user: string }
  /** the user is a member of this group from now on, made so by another one, `by`; `name` is '' when the group has none */
  | { readonly t: 'added'; readonly room: string; readonly name: string; readonly by?: string }
  /** a message that a group hands to the direct chat of two users: private messages, invitations */
  | { readonly t: 'relay'; readonly send: Send }
  /** `cur` is the member's cursor of the chat (UserChatRow) when it went: who joined at or after it is someone else */
  | { readonly t: 'memberGone'; readonly member: string; readonly cur: number }
  /** the member blocks these addresses of the other one (XEP-0191), as of version `ver` of its list; `cur` as above */
  | {
      readonly t: 'refuses';
      readonly member: string;
      readonly cur: number;
      readonly ver: number;
      readonly whom: Blocked;
    };

export type SendOutcome =
  /** taken; the message is handled once the sender's own inbox has the chat up to chatSeq `upTo`, when there is one */
  | { readonly ok: true; readonly upTo?: number }
  | { readonly ok: false; readonly condition: StanzaCondition; readonly text?: string };

/** The same message may be taken when it is sent again (RFC 6120 8.3.2: type 'wait'). */
export function isForNow(condition: StanzaCondition): boolean {
  return condition === 'resource-constraint' || condition === 'remote-server-timeout';
}

/** A message stanza on its way to its chat; to a group presence and iqs as well, in one order with them. */
export interface Send {
  readonly t: 'send';
  /** absent: a message */
  readonly kind?: 'presence' | 'iq';
  readonly from: string;
  readonly sender: string;
  readonly to: string;
  readonly type: MessageType | 'available' | 'unavailable' | 'get' | 'set' | 'result';
  readonly id: string | undefined;
  readonly oid: string | undefined;
  readonly lang: string | undefined;
  readonly inner: string;
  readonly flags: MessageFlags | undefined;
  /** hashes of its words (XEP-0431), of one that is logged */
  readonly words?: string | undefined;
  /** false: ordered with the chat's messages, but never logged (chat states, no-store, errors, headlines) */
  readonly store: boolean;
  /** the sender session's own number for the answer, rising; 0 wants none */
  readonly token: number;
  /** absent when nobody asks for order: what the server itself says */
  readonly order?: SendOrder;
  /** where it arrives: the sender's shard has been led anew since, its session is another one now */
  readonly late?: true;
  readonly via?: MessageRecord['via'];
  /** of a relayed one, where the chat has it from */
  readonly source?: Source;
}

export type MessageType = MessageRecord['type'] | 'headline' | 'error';

/** What keeps the sends of one session to one chat in order, and one of each, over a bus that may lose them. */
export interface SendOrder {
  /**
   * names this activation of the sender's session; no other one of any user has it. undefined on a node that is alone,
   * where no send is lost or comes twice, but some are refused
   */
  readonly run: string | undefined;
  /** epoch of the shard that the session lives on: with a higher one elsewhere, this one is not the sender any more */
  readonly era: number;
  /** token of the sender's latest send to this chat that was unanswered when this one left, 0 when none was */
  readonly prev: number;
}

export type ChatMessage =
  | Send
  | { readonly t: 'sweep'; readonly now: number }
  | { readonly t: 'exists'; readonly member: string; readonly exists: boolean }
  /** the answer to `present?`, always given: those that are not in the group */
  | { readonly t: 'absent'; readonly user: string; readonly resources: readonly string[]; readonly ask: string }
  /** how far a member of a group is: at most once a second, and again until `noted` */
  | {
      readonly t: 'cursors';
      readonly user: string;
      /** chatSeqs, from … to, that some device has had */
      readonly had: readonly (readonly [from: number, to: number])[];
      /** chatSeq up to which some device has said that it is displayed, since the group last answered; 0 when none has */
      readonly shown: number;
      /** chatSeq up to which the user has read; who says something counts as having read what is before it */
      readonly read: number;
      /** names what is told here, rising */
      readonly n: number;
    }
  | { readonly t: 'deliver'; readonly source: Source; readonly item: PostItem };

/** A message for live streams only, in order with the chat's logged ones. */
export interface LiveMessage {
  readonly from: string;
  readonly to: string;
  readonly type: MessageType;
  readonly id: string | undefined;
  readonly lang: string | undefined;
  readonly inner: string;
  readonly flags: MessageFlags | undefined;
}

/** What a group says to the device that sent it something: stanzas for its stream, and what becomes of its presence. */
export interface GroupAnswer {
  /** whole stanzas, addressed, in order */
  readonly xml: readonly string[];
  /** the device is in the room under this nick; with `had`, from now on, and has had everything up to that chatSeq */
  readonly joined?: {
    readonly nick: string;
    readonly had?: number;
    /** … which was given to it from this chatSeq on */
    readonly from?: number;
  };
  /** a page of the archive is in `xml`: chatSeqs, none between them left out */
  readonly gave?: readonly [from: number, to: number];
  /** … or is not any more */
  readonly left?: true;
}

export type SessionMessage =
  | { readonly t: 'peer'; readonly msg: PeerMessage }
  | {
      readonly t: 'deliver';
      readonly source: Source;
      readonly item: PostItem | ChatItem;
      readonly record: MessageRecord | undefined;
    }
  | { readonly t: 'live'; readonly chat: string; readonly message: LiveMessage }
  | { readonly t: 'exists?'; readonly chat: string }
  | {
      readonly t: 'answer';
      readonly token: number;
      readonly outcome: SendOutcome;
      readonly run?: string;
      /** of a group */
      readonly group?: GroupAnswer;
    }
  /** of a group to devices that are in it: a stanza without `to`. At most once: presence, typing */
  | {
      readonly t: 'room';
      readonly chat: string;
      readonly resources: readonly string[];
      readonly xml: string;
      /** they are not in it any more */
      readonly left?: true;
    }
  /** a group's message for occupants who are no members: what is lost is fetched with the next one, or the next `present?` */
  | { readonly t: 'said'; readonly chat: string; readonly seq: number; readonly record: MessageRecord }
  /** the group asks which of these devices are in it: those that are not are taken out */
  | {
      readonly t: 'present?';
      readonly chat: string;
      readonly resources: readonly string[];
      /** names the question */
      readonly ask: string;
      /** chatSeq of the group's last message: devices that lack some fetch them */
      readonly upTo: number;
    }
  /** of a group: it has written what `cursors` told under `n`; the member's devices count as having had all up to `had` */
  | { readonly t: 'noted'; readonly chat: string; readonly n: number; readonly had: number }
  /** a send before one that came is missing: all unanswered ones to this chat are wanted again, in order */
  | { readonly t: 'again'; readonly chat: string; readonly run: string | undefined }
  /** resources that were available under the shard's former leader; those that are not back are gone */
  | { readonly t: 'orphans'; readonly resources: readonly string[]; readonly rooms?: readonly string[] }
  /** the session was live on the shard's former leader: it goes on here */
  | { readonly t: 'adopt'; readonly blob: SessionBlob; readonly connOf: (place: StreamPlace) => ConnPort }
  | GatewayMessage;

/** A parsed frame of a bound stream. */
export interface Frame {
  readonly el: Element;
  readonly inner: string;
}

/** What a gateway's connection says to the session of the user who logged in on it. */
export type GatewayMessage =
  | {
      readonly t: 'bind';
      readonly conn: ConnPort;
      readonly resource: string | undefined;
      readonly reply: (answer: BindAnswer) => void;
    }
  | {
      readonly t: 'resume';
      readonly conn: ConnPort;
      readonly smId: string;
      readonly h: number;
      readonly reply: (answer: ResumeAnswer) => void;
    }
  /** `conn` is where it came in; needed only when the session is on another node */
  | { readonly t: 'frame'; readonly sid: number; readonly frame: Frame; readonly conn?: ConnPort }
  /** the socket is gone; a clean close ends the stream, anything else detaches a resumable one */
  | { readonly t: 'gone'; readonly sid: number; readonly conn: ConnPort; readonly clean: boolean }
  | { readonly t: 'account'; readonly ask: AccountAsk; readonly reply: (answer: AccountAnswer) => void }
  | { readonly t: 'sweep'; readonly now: number }
  /** messages of a chat that were fetched for its inbox, from chatSeq `from` on */
  | {
      readonly t: 'pulled';
      readonly pull: Pull;
      readonly from: number;
      readonly records: readonly (MessageRecord | undefined)[];
    }
  /** write what waits for an op of its own accord */
  | { readonly t: 'flush' }
  /** something the shell waited for is there (a page, a derived key): goes on within a turn */
  | { readonly t: 'run'; readonly run: () => void };

export type BindAnswer =
  | { readonly ok: true; readonly sid: number; readonly resource: string; readonly jid: string }
  | { readonly ok: false; readonly condition: StanzaCondition };

export type ResumeAnswer =
  | { readonly ok: true; readonly sid: number; readonly jid: string }
  | { readonly ok: false; readonly h: number | undefined };

export type AccountAsk =
  | { readonly t: 'lookup' }
  | { readonly t: 'create'; readonly row: unknown }
  | { readonly t: 'setCredentials'; readonly row: unknown }
  | { readonly t: 'remove' };

export type AccountAnswer =
  | { readonly t: 'account'; readonly row: unknown }
  | { readonly t: 'none' }
  | { readonly t: 'done' }
  | { readonly t: 'conflict' }
  | { readonly t: 'failed'; readonly condition: StanzaCondition };

/** A socket as the session sees it: one of this node (transport/connection.ts), or of another (session-links.ts). */
export interface ConnPort {
  /** Queues one frame; frames of one loop turn leave in one write. */
  send(xml: string): void;
  /** Bytes accepted but not yet taken by the kernel. */
  readonly queuedBytes: number;
  /** the socket is gone or going: nothing sent reaches the client any more */
  readonly closing?: boolean;
  /** Ends the socket: stream error (if any), `<close/>`, WebSocket close. */
  close(reason: CloseReason): void;
}

export type { CloseReason };
