import { createHash } from 'node:crypto';
import { detached } from '../xmpp/xml-text.ts';

/**
 * Ids of a chat's recent messages, so that a message sent twice is one message (docs/decisions/0003-dedupe.md). Of each
 * sender: what came within `dedupeMs`, and the last `dedupePerSenderMin` whatever their age.
 *
 * Invariant: what one sender writes never makes another's ids stay or go, but for the bound of the whole.
 */
export interface DedupeLimits {
  /** how long a resend is recognised, ms (default 24 h) */
  readonly dedupeMs: number;
  /** … and at least this many messages of a sender (default 64) */
  readonly dedupePerSenderMin: number;
  /** bound of remembered ids per chat (default 100,000): beyond it the oldest of whoever has most to spare goes */
  readonly dedupeMax: number;
}

export class Dedupe {
  readonly #limits: DedupeLimits;
  /** sender → id → ms since the epoch, in the order of the chat; no sender without ids */
  readonly #senders = new Map<string, Map<string, number>>();
  #size = 0;

  constructor(limits: DedupeLimits) {
    this.#limits = limits;
  }

  /** ids remembered, of all senders */
  get size(): number {
    return this.#size;
  }

  has(sender: string, key: string): boolean {
    return this.#senders.get(sender)?.has(key) === true;
  }

  /**
   * Remembers the id of a message, unless it is known.
   * @param ts of the message in the chat, ms since the epoch; never decreases
   * @returns false when the sender has sent it already
   */
  add(sender: string, key: string, ts: number): boolean {
    let mine = this.#senders.get(sender);
    if (mine === undefined) {
      mine = new Map();
      this.#senders.set(sender, mine);
    } else if (mine.has(key)) return false;
    mine.set(key, ts);
    this.#size += 1;
    const { dedupeMs, dedupePerSenderMin, dedupeMax } = this.#limits;
    if (mine.size > dedupePerSenderMin) {
      for (const [old, at] of mine) {
        if (mine.size <= dedupePerSenderMin || ts - at < dedupeMs) break;
        mine.delete(old);
        this.#size -= 1;
      }
    }
    while (this.#size > dedupeMax) this.#dropOldest(mine.size > 1 ? mine : this.#largest());
    return true;
  }

  #dropOldest(ids: Map<string, number>): void {
    for (const key of ids.keys()) {
      ids.delete(key);
      this.#size -= 1;
      break;
    }
    if (ids.size > 0) return;
    for (const [sender, own] of this.#senders) if (own === ids) this.#senders.delete(sender);
  }

  #largest(): Map<string, number> {
    let largest: Map<string, number> | undefined;
    for (const ids of this.#senders.values()) if (largest === undefined || ids.size > largest.size) largest = ids;
    return largest ?? new Map();
  }
}

/**
 * What makes two sends of one sender the same message (XEP-0359 3.2): the origin-id. A client without origin-ids that
 * resends keeps id and content; ids under 8 characters are counters that start again with each login, so they say
 * nothing. Always a string by itself: an id as it was parsed, or put together from it (V8 keeps that as a tree), would
 * keep its whole frame in memory for as long as the id is remembered.
 */
export function dedupeKey(oid: string | undefined, id: string | undefined, inner: string): string | undefined {
  if (oid !== undefined) return short(`o${oid}`);
  if (id !== undefined && id.length >= ID_CHARS_MIN) return short(`i${id}\u0000${inner.length}\u0000${fnv(inner)}`);
  return undefined;
}

/**
 * What makes a send and its retry the same message when the client gave nothing to know it by: the session's name for
 * the send. Kept in the record (`tok`), so that the next leader of the chat knows it too.
 */
export function retryKey(tok: string): string {
  return `t${tok}`;
}

/**
 * The same of a message without an origin-id whose content was taken back: what is left to know it by. Its key of
 * before would keep a hash of the content.
 */
export function goneKey(id: string | undefined): string | undefined {
  return id !== undefined && id.length >= ID_CHARS_MIN ? short(`g${id}`) : undefined;
}

const ID_CHARS_MIN = 8;
/** Longest key that is remembered as it is; the ids in use have 10 to 70 characters. */
export const KEY_CHARS_MAX = 128;

/** An id may fill a stanza, and a day's ids are remembered: of a long one its SHA-256. */
function short(key: string): string {
  return key.length <= KEY_CHARS_MAX ? detached(key) : `#${createHash('sha256').update(key).digest('base64')}`;
}

/** FNV-1a over UTF-16 units. */
function fnv(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
