import type { SessionPort } from './module.ts';
import { DEFAULT_CONFIG, type NodeConfig } from './pubsub-config.ts';
import { bytesOf, type ItemPort, type PepLimits, type PubsubFault, type StoredItem } from './pubsub-types.ts';

/**
 * The nodes of an account: one row each among the session's rows, and one with totals, so that bounds cost no walk.
 * Items are behind the ItemPort. All changes go through here, so that rows, totals and items cannot drift apart.
 */

/** Row `pep/<node>`. */
export interface NodeRow {
  readonly v: 1;
  /** number of the node, never given twice under one name of an account: its items are stored under it */
  readonly no: number;
  readonly config: NodeConfig;
  /** number of the item that was published last, and of the last one that is there (0: none) */
  readonly seq: number;
  readonly last: number;
  readonly items: number;
  readonly bytes: number;
  /** bare JIDs, for access model `whitelist`; sorted */
  readonly members: readonly string[];
  /** explicit subscriptions: JIDs, sorted */
  readonly subscribers: readonly string[];
}

/** Row `pep`. Absent means an account that never had a node. */
interface PepTotals {
  readonly v: 1;
  readonly nodes: number;
  readonly bytes: number;
  /** number of the next node */
  readonly next: number;
}

/** What handlers of nodes are made of. */
export interface PepParts {
  readonly port: ItemPort;
  readonly limits: PepLimits;
  /** how nodes of these names differ from the default when they are created without being told */
  readonly defaults: ReadonlyMap<string, Partial<NodeConfig>>;
  /** Called in the turn in which a device of the account publishes an item. */
  onPublished?(session: SessionPort, node: string, item: Pick<StoredItem, 'id' | 'xml'>): void;
}

const TOTALS = 'pep';
const NODES = 'pep/';

/** Numbers begin with the time of the first node: an account that takes the name of a removed one gives none of its again. */
function totalsOf(session: SessionPort): PepTotals {
  return session.get<PepTotals>(TOTALS) ?? { v: 1, nodes: 0, bytes: 0, next: session.now };
}

/** Longest node name and item id, characters. A bookmark's id is a bare JID. */
export const NODE_CHARS_MAX = 1023;
export const ITEM_ID_CHARS_MAX = 2047;

export function getNode(session: SessionPort, name: string): NodeRow | undefined {
  return session.get<NodeRow>(NODES + name);
}

/** All nodes of the account by name. */
export function allNodes(session: SessionPort): [name: string, row: NodeRow][] {
  return session.entries<NodeRow>(NODES).map(([key, row]) => [key.slice(NODES.length), row]);
}

/** The configuration that a new node of this name starts from. */
export function configFor({ defaults }: PepParts, name: string): NodeConfig {
  return { ...DEFAULT_CONFIG, ...defaults.get(name) };
}

/** The account has room for one more item, when `freed` characters of others go. */
export function hasRoom(
  { limits }: PepParts,
  session: SessionPort,
  item: Pick<StoredItem, 'id' | 'xml'>,
  freed = 0,
): boolean {
  return totalsOf(session).bytes - freed + bytesOf(item) <= limits.bytesMax;
}

export const NO_ROOM: PubsubFault = {
  error: 'resource-constraint',
  text: 'the items of this account take all the room there is for them',
};

/** Items that a node may have. */
function itemsMax({ max }: NodeConfig, limits: PepLimits): number {
  return max === 'max' ? limits.itemsPerNodeMax : Math.min(max, limits.itemsPerNodeMax);
}

export function createNode(
  { limits }: PepParts,
  session: SessionPort,
  name: string,
  config: NodeConfig,
): NodeRow | PubsubFault {
  if (name.length > NODE_CHARS_MAX) return { error: 'not-acceptable', text: 'the name of the node is too long' };
  const totals = totalsOf(session);
  if (totals.nodes >= limits.nodesMax)
    return { error: 'conflict', app: 'max-nodes-exceeded', text: `an account has at most ${limits.nodesMax} nodes` };
  const row: NodeRow = {
    v: 1,
    no: totals.next,
    config,
    seq: 0,
    last: 0,
    items: 0,
    bytes: 0,
    members: [],
    subscribers: [],
  };
  session.put(TOTALS, { ...totals, nodes: totals.nodes + 1, next: totals.next + 1 });
  session.put(NODES + name, row);
  return row;
}

/** What a change does to a node beside its items: configuration, members, subscribers. */
export function saveNode(
  session: SessionPort,
  name: string,
  row: NodeRow,
  patch: Partial<Pick<NodeRow, 'config' | 'members' | 'subscribers'>>,
): NodeRow {
  const after = { ...row, ...patch };
  session.put(NODES + name, after);
  return after;
}

/** Writes a node's row and moves the account's bytes along. */
function saveItems(session: SessionPort, name: string, before: NodeRow, after: NodeRow): NodeRow {
  const totals = totalsOf(session);
  if (after.bytes !== before.bytes)
    session.put(TOTALS, { ...totals, bytes: totals.bytes + after.bytes - before.bytes });
  session.put(NODES + name, after);
  return after;
}

/** Takes items out of the index and the sums; the row is not written. */
function without({ port }: PepParts, session: SessionPort, row: NodeRow, ids: Iterable<string>): NodeRow {
  let { items, bytes, last } = row;
  for (const id of ids) {
    const place = port.index(session, row.no).get(id);
    if (place === undefined) continue;
    port.del(session, row.no, id);
    items -= 1;
    bytes -= place.bytes;
    if (place.seq === last) last = -1;
  }
  return { ...row, items, bytes, last: last === -1 ? lastOf(port, session, row.no) : last };
}

/** An index is in the order of numbers. */
function lastOf(port: ItemPort, session: SessionPort, no: number): number {
  let last = 0;
  for (const { seq } of port.index(session, no).values()) last = seq;
  return last;
}

/** The oldest items of a node, as many as stand over `keep`, without counting `except`. */
function oldest(parts: PepParts, session: SessionPort, row: NodeRow, keep: number, except?: string): string[] {
  const ids: string[] = [];
  const index = parts.port.index(session, row.no);
  let over = index.size - (except !== undefined && index.has(except) ? 1 : 0) - keep;
  for (const id of index.keys()) {
    if (over <= 0) break;
    if (id === except) continue;
    ids.push(id);
    over -= 1;
  }
  return ids;
}

/**
 * Stores an item: one of the same id is replaced and the item becomes the newest; what stands over the node's bound goes,
 * oldest first (XEP-0060 7.1, 12.1).
 * @returns the node's row after it, or why the item is refused (nothing is changed then)
 */
export function storeItem(
  parts: PepParts,
  session: SessionPort,
  name: string,
  row: NodeRow,
  item: Pick<StoredItem, 'id' | 'xml'>,
): NodeRow | PubsubFault {
  const { port, limits } = parts;
  const index = port.index(session, row.no);
  const going = oldest(parts, session, row, itemsMax(row.config, limits) - 1, item.id);
  if (index.has(item.id)) going.push(item.id);
  const freed = going.reduce((sum, id) => sum + (index.get(id)?.bytes ?? 0), 0);
  if (!hasRoom(parts, session, item, freed)) return NO_ROOM;
  const bytes = bytesOf(item);
  const rest = without(parts, session, row, going);
  const seq = row.seq + 1;
  port.put(session, row.no, seq, { v: 1, ...item, ts: session.now });
  const after = { ...rest, seq, last: seq, items: rest.items + 1, bytes: rest.bytes + bytes };
  return saveItems(session, name, row, after);
}

/** @returns false when there is no such item (XEP-0060 7.2.3.4) */
export function retractItem(parts: PepParts, session: SessionPort, name: string, row: NodeRow, id: string): boolean {
  if (!parts.port.index(session, row.no).has(id)) return false;
  saveItems(session, name, row, without(parts, session, row, [id]));
  return true;
}

/** XEP-0060 8.5. */
export function purgeNode(parts: PepParts, session: SessionPort, name: string, row: NodeRow): NodeRow {
  const ids = [...parts.port.index(session, row.no).keys()];
  return saveItems(session, name, row, without(parts, session, row, ids));
}

/** A configuration may keep fewer items than the node has, or none at all. */
export function applyConfig(
  parts: PepParts,
  session: SessionPort,
  name: string,
  row: NodeRow,
  config: NodeConfig,
): NodeRow {
  const going = oldest(parts, session, row, config.persist ? itemsMax(config, parts.limits) : 0);
  return saveItems(session, name, row, { ...without(parts, session, row, going), config });
}

/** XEP-0060 8.4. */
export function deleteNode(parts: PepParts, session: SessionPort, name: string, row: NodeRow): void {
  purgeNode(parts, session, name, row);
  const totals = totalsOf(session);
  session.put(TOTALS, { ...totals, nodes: totals.nodes - 1 });
  session.del(NODES + name);
  parts.port.forget(session, row.no);
}

/** Takes all items away; the rows go with the account's others. */
export function eraseItems({ port }: PepParts, session: SessionPort): void {
  for (const [, { no }] of allNodes(session)) {
    for (const id of [...port.index(session, no).keys()]) port.del(session, no, id);
    port.forget(session, no);
  }
}
