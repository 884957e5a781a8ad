import type { SessionPort, StanzaCondition } from './module.ts';

/** What the parts of XEP-0060 and XEP-0163 share: names, faults, bounds, and the port to a user's stored items. */

export const NS_PUBSUB = 'http://jabber.org/protocol/pubsub';
export const NS_PUBSUB_OWNER = 'http://jabber.org/protocol/pubsub#owner';
export const NS_PUBSUB_EVENT = 'http://jabber.org/protocol/pubsub#event';
export const NS_PUBSUB_ERRORS = 'http://jabber.org/protocol/pubsub#errors';

/** Why a request is refused: the stanza error, and what XEP-0060 adds to it. */
export interface PubsubFault {
  readonly error: StanzaCondition;
  /** condition in `pubsub#errors`, such as `precondition-not-met` */
  readonly app?: string;
  /** of `unsupported` */
  readonly feature?: string;
  readonly text?: string;
}

export const isFault = (value: object): value is PubsubFault => 'error' in value;

/** The element in `pubsub#errors` of a fault, undefined when it has none. */
export function appConditionOf({ app, feature }: PubsubFault): string | undefined {
  if (app === undefined) return undefined;
  return `<${app} xmlns='${NS_PUBSUB_ERRORS}'${feature === undefined ? '' : ` feature='${feature}'`}/>`;
}

export const unsupported = (feature: string): PubsubFault => ({
  error: 'feature-not-implemented',
  app: 'unsupported',
  feature,
});

/** Bounds of the nodes of one account; what is beyond one is refused, nothing is dropped for it. */
export interface PepLimits {
  /** nodes; beyond: `conflict`, `max-nodes-exceeded` */
  readonly nodesMax: number;
  /** items of one node, which is what `max` means (XEP-0060 8.2); a configuration beyond is `not-acceptable` */
  readonly itemsPerNodeMax: number;
  /** characters of one item's payload; beyond: `not-acceptable`, `payload-too-big` */
  readonly itemBytesMax: number;
  /** characters of all items, each counted with `ITEM_OVERHEAD` more; beyond: `resource-constraint` */
  readonly bytesMax: number;
  /** explicit subscriptions to one node; beyond: `policy-violation`, `too-many-subscriptions` */
  readonly subscriptionsMax: number;
  /** members of one node (access model `whitelist`); beyond: `not-acceptable` */
  readonly membersMax: number;
  /** characters of the members of one node together, of its subscribers, and of the roster groups it allows; beyond: as
   * above, `not-acceptable` */
  readonly listCharsMax: number;
  /** characters of the items in one answer; beyond, the answer is a page (XEP-0059) */
  readonly answerBytesMax: number;
  /** characters of a payload that contacts are sent with an event; of a larger one they hear by its id, and ask for it */
  readonly eventBytesMax: number;
  /** nodes that one client may want events of; further ones are as if it had not said so */
  readonly wantsMax: number;
  /** characters of their names together; the same beyond it. A node remembers what thousands of kinds of clients want */
  readonly wantsCharsMax: number;
}

/** What an item counts beside its payload; keeps many small ones from being free. */
export const ITEM_OVERHEAD = 512;

export const PEP_LIMITS: PepLimits = {
  nodesMax: 500,
  itemsPerNodeMax: 5000,
  itemBytesMax: 196_608,
  bytesMax: 16_777_216,
  subscriptionsMax: 200,
  membersMax: 200,
  listCharsMax: 16_384,
  answerBytesMax: 524_288,
  eventBytesMax: 16_384,
  wantsMax: 100,
  wantsCharsMax: 8192,
};

/** An item as it is stored. */
export interface StoredItem {
  readonly v: 1;
  readonly id: string;
  /** payload that stands alone in any namespace, '' when the item has none */
  readonly xml: string;
  /** when it was published, ms since the epoch */
  readonly ts: number;
}

/** Where an item of a node is: its number in the order of publication, and what it counts against `bytesMax`. */
export interface ItemPlace {
  readonly seq: number;
  readonly bytes: number;
}

/** Items of a node by id, in the order of their numbers, as the session's writes so far have left them. */
export type ItemIndex = ReadonlyMap<string, ItemPlace>;

/**
 * A user's items. They are not among the session's rows, which are all in memory: the index of a node is read when it
 * is first needed, payloads only when somebody asks for them. Writes are part of the session's op.
 */
export interface ItemPort {
  index(session: SessionPort, node: number): ItemIndex;
  put(session: SessionPort, node: number, seq: number, item: StoredItem): void;
  del(session: SessionPort, node: number, id: string): void;
  /** The node is deleted, its items with it, and its number will not be given again: nothing of it is asked for any more. */
  forget(session: SessionPort, node: number): void;
  /**
   * Reads items behind the commit of this event's writes and goes on in a later event of the session, in order with
   * other loads. An item that is gone by then is undefined.
   */
  load(
    session: SessionPort,
    node: number,
    seqs: readonly number[],
    done: (items: readonly (StoredItem | undefined)[]) => void,
  ): void;
}

/** Characters that an item counts. */
export function bytesOf({ id, xml }: Pick<StoredItem, 'id' | 'xml'>): number {
  return ITEM_OVERHEAD + id.length + xml.length;
}
