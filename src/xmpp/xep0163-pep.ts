import type { Element } from 'ltx';
import { BoundedMap } from './bounded-map.ts';
import type { PeerMessage, SessionPort, StreamPort, XmppModule } from './module.ts';
import { type InterestParts, onAvailable, onInfo, onSubscribed } from './pep-interest.ts';
import { refusedAccess } from './pubsub-access.ts';
import { metaForm, type NodeConfig } from './pubsub-config.ts';
import { onEvent, onWants } from './pubsub-events.ts';
import { allNodes, eraseItems, getNode, type PepParts } from './pubsub-nodes.ts';
import { type NewItem, publishItem, retract } from './pubsub-publish.ts';
import {
  type ItemIndex,
  type ItemPort,
  NS_PUBSUB,
  PEP_LIMITS,
  type PepLimits,
  type PubsubFault,
  type StoredItem,
} from './pubsub-types.ts';
import type { AccountNodes } from './xep0030-disco.ts';
import { catchUpPhoto } from './xep0398-pep-vcard.ts';

/**
 * XEP-0163: every account is a pubsub service of its own. What sessions call, and what other parts of the server use to
 * keep things in a user's nodes. Made once a server.
 */
export interface Pep {
  /** A stream has sent presence to all; `initial`: it was not available before. */
  onAvailable(session: SessionPort, stream: StreamPort, presence: Element, initial: boolean): void;
  /** An iq result or error of a client to its own account. */
  onAnswer(session: SessionPort, stream: StreamPort, iq: Element): void;
  onPeer(session: SessionPort, msg: Extract<PeerMessage, { t: 'event' | 'wants' }>): void;
  /** The user sees the presence of that contact (bare JID) from now on. */
  onSubscribed(session: SessionPort, contact: string): void;
  /** The account goes, and its rows with it: the items go too, in the same op. */
  onRemoved(session: SessionPort): void;

  /**
   * Publishes an item as the account itself, with its events; a node that is not there is made as the module of its
   * name says, or as XEP-0163 does. The item is written with the op of this event.
   * @returns the item's id, or why the item is refused: nothing is changed then
   */
  publish(session: SessionPort, node: string, item: NewItem): { readonly id: string } | PubsubFault;
  /** Takes an item away; a fault when it is not there. */
  retract(session: SessionPort, node: string, id: string): PubsubFault | undefined;
  /**
   * Reads an item of a node of one's own, by id or the one published last. `done` comes in a later event of the session,
   * with what is committed by then; undefined when there is no such item. What `done` sends leaves even if what it
   * writes is refused by the log, so it should do one of the two.
   */
  read(session: SessionPort, node: string, id: string | undefined, done: (item: StoredItem | undefined) => void): void;
}

export interface PepOptions {
  readonly port: ItemPort;
  readonly limits?: PepLimits;
  /** nodes that differ from the default when they are made without being told how */
  readonly defaults: ReadonlyMap<string, Partial<NodeConfig>>;
  readonly onPublished?: PepParts['onPublished'];
  /** clients by their capabilities that are remembered; beyond, the one longest unseen is asked again */
  readonly capsMax?: number;
}

export const CAPS_MAX = 2000;

export function pepParts({
  port,
  limits = PEP_LIMITS,
  defaults,
  onPublished,
  capsMax = CAPS_MAX,
}: PepOptions): InterestParts {
  return { port, limits, defaults, ...(onPublished && { onPublished }), known: new BoundedMap(capsMax) };
}

export function createPep(parts: InterestParts): Pep {
  return {
    onAvailable(session, stream, presence, initial) {
      onAvailable(parts, session, stream, presence, initial);
      if (initial) catchUpPhoto(parts, session);
    },
    onAnswer: (session, stream, iq) => onInfo(parts, session, stream, iq),
    onPeer: (session, msg) => (msg.t === 'event' ? onEvent(session, msg) : onWants(parts, session, msg)),
    onSubscribed,
    onRemoved: (session) => eraseItems(parts, session),
    publish: (session, node, item) => publishItem(parts, session, node, item),
    retract: (session, node, id) => retract(parts, session, node, id, false),
    read(session, node, id, done) {
      const row = getNode(session, node);
      if (row === undefined) return done(undefined);
      const seq = id === undefined ? row.last : (parts.port.index(session, row.no).get(id)?.seq ?? 0);
      if (seq === 0) return done(undefined);
      parts.port.load(session, row.no, [seq], ([item]) => done(item));
    },
  };
}

/** Ids that one answer has room for, oldest first. */
function newestIds(index: ItemIndex, charsMax: number): string[] {
  let chars = 0;
  const kept: string[] = [];
  for (const id of [...index.keys()].reverse()) {
    chars += id.length + ITEM_TAG_CHARS;
    if (chars > charsMax) break;
    kept.push(id);
  }
  return kept.reverse();
}

/** About what an item of disco takes beside its name. */
const ITEM_TAG_CHARS = 100;

/** XEP-0163 6, XEP-0060 5: what disco tells of an account's nodes, to those who may read them. */
export function accountNodes({ port, limits }: InterestParts): AccountNodes {
  return {
    nodes: (session, from) =>
      allNodes(session)
        .filter(([, row]) => refusedAccess(session, row, from) === undefined)
        .map(([node, { config }]) => ({
          jid: session.user,
          node,
          ...(config.title !== '' && { name: config.title }),
        })),
    items(session, from, node) {
      const row = getNode(session, node);
      if (row === undefined || refusedAccess(session, row, from) !== undefined) return undefined;
      const ids = newestIds(port.index(session, row.no), limits.answerBytesMax);
      return ids.map((name) => ({ jid: session.user, name }));
    },
    info(session, from, node) {
      const row = getNode(session, node);
      if (row === undefined || refusedAccess(session, row, from) !== undefined) return undefined;
      return {
        identities: [{ category: 'pubsub', type: 'leaf' }],
        features: [NS_PUBSUB],
        form: metaForm(row.config),
      };
    },
  };
}

export const pepModule: XmppModule = {
  spec: {
    id: 'XEP-0163',
    title: 'Personal Eventing Protocol',
    version: '1.2.2',
    url: 'https://xmpp.org/extensions/xep-0163.html',
    note: 'events to available devices that want them, by their capabilities (`+notify`); items survive what messages survive',
  },
  accountFeatures: [
    'auto-create',
    'auto-subscribe',
    'filtered-notifications',
    'last-published',
    'presence-notifications',
  ].map((feature) => `${NS_PUBSUB}#${feature}`),
};
