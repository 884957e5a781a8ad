import { shardOf } from '../base/hash.ts';
import type { LogStore } from '../storage/log-store.ts';
import { bytesOf, type ItemPlace, type ItemPort, type StoredItem } from '../xmpp/pubsub-types.ts';
import { itemRow, itemRows, sessionKey } from './keys.ts';
import type { SessionState } from './session-state.ts';
import { DELETED } from './turn.ts';

/**
 * The items of a session's nodes, on its own shard. Index: read when a node's items are first needed, then kept along
 * with what the session writes, until it sleeps or is reset. At most what `bytesMax` allows is read for that.
 */
export function createItemPort(store: LogStore, shards: number): ItemPort {
  const indexOf = (session: SessionState, node: number): Map<string, ItemPlace> => {
    const known = session.itemIndexes.get(node);
    if (known !== undefined) return known;
    const prefix = itemRows(session.user, node);
    const shard = shardOf(sessionKey(session.user), shards);
    const index = new Map<string, ItemPlace>();
    for (const [key, value] of store.scan(shard, prefix, Number.MAX_SAFE_INTEGER)) {
      const item = value as StoredItem;
      index.set(item.id, { seq: Number(key.slice(prefix.length)), bytes: bytesOf(item) });
    }
    session.itemIndexes.set(node, index);
    return index;
  };
  return {
    index: (session, node) => indexOf(session as SessionState, node),
    put(port, node, seq, item) {
      const session = port as SessionState;
      indexOf(session, node).set(item.id, { seq, bytes: bytesOf(item) });
      session.turn.rows.set(itemRow(session.user, node, seq), item);
    },
    del(port, node, id) {
      const session = port as SessionState;
      const index = indexOf(session, node);
      const place = index.get(id);
      if (place === undefined) return;
      index.delete(id);
      session.turn.rows.set(itemRow(session.user, node, place.seq), DELETED);
    },
    forget: (session, node) => void (session as SessionState).itemIndexes.delete(node),
    load(port, node, seqs, done) {
      const session = port as SessionState;
      const keys = seqs.map((seq) => itemRow(session.user, node, seq));
      const arrived = (rows: readonly unknown[]): void => done(rows as (StoredItem | undefined)[]);
      session.turn.effects.push({ t: 'loadRows', keys, done: arrived });
    },
  };
}
