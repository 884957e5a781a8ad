import type { Element } from 'ltx';
import type { Blocklist } from './blocklist.ts';
import type { Jid } from './jid.ts';
import type { NodeConfig } from './pubsub-config.ts';

/**
 * The port through which protocol handlers see a user's session. Handlers are pure: time comes as `now`, changes go
 * through `put`/`del`, what is to be sent goes through `send`, `tell` and `post`.
 *
 * The rule of a turn: everything a handler writes during one event becomes ONE op of the user's shard, and everything
 * it sends during that event leaves only after that op is committed, in order with earlier events' sends. A handler
 * that writes nothing costs no disk write. So a handler never has to think about when to answer.
 */
export interface SessionPort {
  /** bare JID, normalised */
  readonly user: string;
  /** served domain */
  readonly domain: string;
  /** milliseconds since the epoch, the same during one event */
  readonly now: number;
  /** A row of this user (memory; reads one's own writes). Never mutate what it returns: `put` a new value. */
  get<T>(key: string): T | undefined;
  /** Rows of this user whose key starts with `prefix`, sorted by key. */
  entries<T>(prefix: string): [key: string, value: T][];
  put(key: string, value: unknown): void;
  del(key: string): void;
  /** Streams (connected or resumable) of this user, bound resources only. */
  streams(): readonly StreamPort[];
  stream(resource: string): StreamPort | undefined;
  /**
   * Sends a whole stanza (serialised, xmlns='jabber:client' on it) to one of this user's streams.
   * @param loose it is of somebody who need not be known to the user, and may be lost: a stream that is behind with its
   *   acks or its reading does without it, so that nobody ends another's stream
   */
  send(stream: StreamPort, xml: string, loose?: boolean): void;
  /** Best effort, at most once, not logged: to another user's session (may be on another node), or one's own. */
  tell(bareJid: string, message: PeerMessage): void;
  /** Reliable, in the op's outbox: the peer's session gets it exactly once in effect, after this turn's commit. */
  post(bareJid: string, message: PeerMessage): void;
  /**
   * A row of this user that is not kept in memory but read when it is asked for (stored-xml.ts). Written with this turn's
   * op; undefined deletes it. A key of its own, not one of `get`.
   */
  putStored(key: string, value: unknown): void;
  /**
   * Reads it with all that was written before, and perhaps what is written right behind; undefined when there is none.
   * `done` runs in a later turn.
   */
  readStored(key: string, done: (value: unknown) => void): void;
  /**
   * The user is about to block others than before: tells the chats that this concerns, which refuse messages for their
   * members. @returns false when that is too much for this turn, and nothing was told
   */
  blocklistChanges(before: Blocklist, after: Blocklist): boolean;
  /** A fresh unique id (uuid v7 in production, counted in tests). */
  newId(): string;
}

/** One bound resource. Mutable fields are volatile: they die with the session actor's memory. */
export interface StreamPort {
  readonly resource: string;
  /** full JID */
  readonly jid: string;
  /** undefined until initial presence, and again after unavailable */
  presence: AvailablePresence | undefined;
  /** full or bare JIDs that got directed presence and are owed an unavailable (RFC 6121 4.6); bounded */
  directed: Set<string> | undefined;
  /** XEP-0280 */
  carbons: boolean;
  /** XEP-0352: true while the client said inactive */
  inactive: boolean;
  /** RFC 6121 2.1.6: has asked for the roster, so it gets pushes */
  interested: boolean;
  /** XEP-0191 3.2: has asked for the block list, so it gets pushes */
  blocklist: boolean;
  /** last activity, ms since the epoch */
  lastActive: number;
  /** XEP-0115: what its client can do, as far as its presence has told; absent: it has told nothing */
  caps?: StreamCaps | undefined;
}

/** What a client's presence says of its capabilities, and what it was found to want. Never changed: replaced. */
export interface StreamCaps {
  /** hash algorithm and verification string; two streams with the same are clients of one kind */
  readonly key: string;
  /** id of the disco request that is under way, and what it is to be checked against; undefined when none is */
  readonly asked?: string;
  readonly caps?: { readonly hash: string; readonly node: string; readonly ver: string };
  /** nodes that it wants events of (`+notify`); undefined while that is not known */
  readonly wants?: ReadonlySet<string>;
}

export interface AvailablePresence {
  readonly priority: number;
  readonly show: string;
  /** whole `<presence from='full' …>` stanza as last broadcast, without `to` */
  readonly xml: string;
  /** ms since the epoch of the initial presence; decides ties of equal priority */
  readonly since: number;
  /** its client says that it shows no photo (XEP-0153) */
  readonly noPhoto?: true;
}

/** What sessions say to each other. `from`/`to` are JIDs as strings, normalised. */
export type PeerMessage =
  /** presence without type or `unavailable`; xml lacks `to`, the receiver adds it per stream */
  | {
      readonly t: 'presence';
      readonly from: string;
      readonly to: string;
      readonly xml: string;
      readonly available: boolean;
      readonly directed: boolean;
      /** resources of `to` that do not get it: the sender blocks them (XEP-0191) */
      readonly except?: readonly string[];
    }
  /** RFC 6121 4.3; answered with presence of every available resource, or unsubscribed */
  | { readonly t: 'probe'; readonly from: string; readonly to: string }
  /** RFC 6121 3; `from` bare. Sent with `post`, so it survives crashes. xml: children of the stanza (status, nick …) */
  | {
      readonly t: 'subscription';
      readonly from: string;
      readonly to: string;
      readonly type: SubscriptionType;
      readonly inner: string;
    }
  /** an event of a node of `from` (bare), for the devices of `to` that want it; with `subscribed`, for all. xml lacks `to` */
  | {
      readonly t: 'event';
      readonly from: string;
      readonly to: string;
      readonly node: string;
      readonly xml: string;
      readonly subscribed: boolean;
    }
  /** a device of `from` (full) has come that wants events of these nodes: it is to get their last items */
  | { readonly t: 'wants'; readonly from: string; readonly to: string; readonly nodes: readonly string[] }
  /** an iq between users, routed by full JID (RFC 6121 8.5.3) or to the bare JID's server side (XEP handlers) */
  | {
      readonly t: 'iq';
      readonly from: string;
      readonly to: string;
      readonly xml: string;
      readonly id: string;
      readonly type: 'get' | 'set' | 'result' | 'error';
    };

export type SubscriptionType = 'subscribe' | 'subscribed' | 'unsubscribe' | 'unsubscribed';

/** One iq request being answered. Exactly one of `reply` and `error` is to be called, at once or in a later turn. */
export interface IqRequest {
  readonly iq: Element;
  /** first child element: the payload */
  readonly payload: Element;
  readonly type: 'get' | 'set';
  readonly id: string;
  readonly from: Jid;
  /** normalised `to`, or the user's bare JID when the stanza had none */
  readonly to: Jid;
  /** the asking stream when it is one of this user's own, else undefined (another user asks this account) */
  readonly stream: StreamPort | undefined;
  reply(payload?: string): void;
  /** @param appCondition XML of a condition of the handler's own, with its namespace (RFC 6120 8.3.4) */
  error(condition: StanzaCondition, text?: string, appCondition?: string): void;
}

/** RFC 6120 8.3.3. The type (cancel, modify, auth, wait) follows from the condition unless given. */
export type StanzaCondition =
  | 'bad-request'
  | 'conflict'
  | 'feature-not-implemented'
  | 'forbidden'
  | 'gone'
  | 'internal-server-error'
  | 'item-not-found'
  | 'jid-malformed'
  | 'not-acceptable'
  | 'not-allowed'
  | 'not-authorized'
  | 'policy-violation'
  | 'recipient-unavailable'
  | 'redirect'
  | 'registration-required'
  | 'remote-server-not-found'
  | 'remote-server-timeout'
  | 'resource-constraint'
  | 'service-unavailable'
  | 'subscription-required'
  | 'undefined-condition'
  | 'unexpected-request';

export type IqHandler = (session: SessionPort, request: IqRequest) => void;

/** Services beside the server: each is `<name>.<domain>`. */
export type ServiceTarget = 'conference' | 'upload';

/** Where an iq must be addressed for a handler to get it. */
export type IqTarget = 'account' | 'server' | ServiceTarget;

/** One RFC part or XEP: what it is, what disco says of it, what it handles. One export per file; index.ts lists all. */
export interface XmppModule {
  readonly spec: {
    readonly id: string;
    readonly title: string;
    readonly version?: string;
    readonly url: string;
    readonly note?: string;
  };
  /** disco features of the server (domain) */
  readonly serverFeatures?: readonly string[];
  /** disco features of an account (bare JID) */
  readonly accountFeatures?: readonly string[];
  /** nodes of accounts (XEP-0163) that differ from the default when they are made without being told how */
  readonly pepNodes?: Readonly<Record<string, Partial<NodeConfig>>>;
  readonly iq?: readonly {
    readonly ns: string;
    /** payload element name; any when absent */
    readonly name?: string;
    readonly types: readonly ('get' | 'set')[];
    readonly targets: readonly IqTarget[];
    /** may another user's request reach it (bare JID of the account)? default false: they get service-unavailable */
    readonly foreign?: boolean;
    readonly handle: IqHandler;
  }[];
}
