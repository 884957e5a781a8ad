import type { SessionPort } from './module.ts';
import { type FormFields, optionsForNew, unmetOption } from './pubsub-config.ts';
import { announce, announceItem, itemsEvent } from './pubsub-events.ts';
import {
  configFor,
  createNode,
  getNode,
  hasRoom,
  ITEM_ID_CHARS_MAX,
  NO_ROOM,
  type NodeRow,
  type PepParts,
  retractItem,
  storeItem,
} from './pubsub-nodes.ts';
import { isFault, type PubsubFault, type StoredItem } from './pubsub-types.ts';
import { element } from './stanza.ts';
import { detached } from './xml-text.ts';

/** Publishing and retracting as the account's owner, or as the server for it. */

export interface NewItem {
  /** made when absent */
  readonly id?: string | undefined;
  /** one element that declares its namespace */
  readonly xml: string;
}

/**
 * XEP-0060 7.1: publishes an item; a node that does not exist is made (7.1.4), as the options say (7.1.5).
 * @returns the item's id, or why it is refused
 */
export function publishItem(
  parts: PepParts,
  session: SessionPort,
  node: string,
  item: NewItem,
  options?: FormFields,
): { readonly id: string } | PubsubFault {
  const { limits } = parts;
  if (item.xml.length > limits.itemBytesMax) return { error: 'not-acceptable', app: 'payload-too-big' };
  if ((item.id?.length ?? 0) > ITEM_ID_CHARS_MAX) return { error: 'not-acceptable', text: 'the item id is too long' };
  const known = getNode(session, node);
  if (known !== undefined && options !== undefined) {
    const unmet = unmetOption(known.config, options, limits);
    if (unmet !== undefined) return unmet;
  }
  // The id outlives the frame it is from.
  const stored = { id: item.id === undefined ? session.newId() : detached(item.id), xml: item.xml };
  const row = known ?? autoCreate(parts, session, node, stored, options);
  if (isFault(row)) return row;
  const after = row.config.persist ? storeItem(parts, session, node, row, stored) : row;
  if (isFault(after)) return after;
  announceItem(parts, session, node, after, stored);
  return { id: stored.id };
}

/** Makes the node that an item is for, unless the item has no room. */
function autoCreate(
  parts: PepParts,
  session: SessionPort,
  node: string,
  item: Pick<StoredItem, 'id' | 'xml'>,
  options: FormFields | undefined,
): NodeRow | PubsubFault {
  const start = configFor(parts, node);
  const config = options === undefined ? start : optionsForNew(start, options, parts.limits);
  if (isFault(config)) return config;
  return config.persist && !hasRoom(parts, session, item) ? NO_ROOM : createNode(parts, session, node, config);
}

/**
 * XEP-0060 7.2.
 * @param notify the owner asks for an event whatever the node's configuration says
 */
export function retract(
  parts: PepParts,
  session: SessionPort,
  node: string,
  id: string,
  notify: boolean,
): PubsubFault | undefined {
  const row = getNode(session, node);
  if (row === undefined) return { error: 'item-not-found', text: 'no such node' };
  if (!row.config.persist) return { error: 'feature-not-implemented', app: 'unsupported', feature: 'persistent-items' };
  if (!retractItem(parts, session, node, row, id)) return { error: 'item-not-found', text: 'no such item' };
  if (notify || row.config.notifyRetract)
    announce(parts, session, node, row, { inner: itemsEvent(node, element('retract', { id })) });
  return undefined;
}
