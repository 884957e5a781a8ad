import { assert } from '../base/assert.ts';
import { isChatRowKey, type UserChatRow } from './session-types.ts';

/**
 * A user's chats in the order of their last messages (XEP-0430), so that a page of the inbox is found by halving. It is
 * built from the rows in memory when it is first asked for, and follows them from then on; who never asks pays nothing.
 *
 * Cost of following: the chat's old place is found by halving, and what stands behind it moves up by one. People write
 * where they wrote last, so that is little.
 *
 * Bound: two numbers for each chat row that the session holds anyway.
 */
export class ActivityOrder {
  /** rising; `#keys[i]` is the row whose chat's last message has inboxSeq `#seqs[i]` */
  readonly #seqs: number[] = [];
  readonly #keys: string[] = [];

  /** @param places row keys with the inboxSeq of the chat's last message, in any order */
  constructor(places: readonly (readonly [key: string, seq: number])[]) {
    for (const [key, seq] of [...places].sort((a, b) => a[1] - b[1])) {
      this.#seqs.push(seq);
      this.#keys.push(key);
    }
  }

  get size(): number {
    return this.#seqs.length;
  }

  /** How many chats have their last message at or before this inboxSeq. */
  rankOf(seq: number): number {
    const seqs = this.#seqs;
    let lo = 0;
    let hi = seqs.length;
    while (lo < hi) {
      const middle = (lo + hi) >>> 1;
      if ((seqs[middle] as number) > seq) hi = middle;
      else lo = middle + 1;
    }
    return lo;
  }

  /** Row keys with ranks from < rank ≤ to, the longest silent first. */
  slice(from: number, to: number): string[] {
    return this.#keys.slice(from, to);
  }

  /** @param from where it stands, 0 when it does not; @param to where it is to stand, 0 for nowhere */
  move(key: string, from: number, to: number): void {
    if (from === to) return;
    if (from !== 0) this.#take(from);
    if (to === 0) return;
    const at = this.rankOf(to);
    this.#seqs.splice(at, 0, to);
    this.#keys.splice(at, 0, key);
  }

  #take(seq: number): void {
    const at = this.rankOf(seq) - 1;
    assert(this.#seqs[at] === seq, `no chat has its last message at ${seq}`);
    this.#seqs.splice(at, 1);
    this.#keys.splice(at, 1);
  }
}

/** The inbox of a user: all chats, those with something unread, and how many messages that is. */
export class InboxOrder {
  readonly all: ActivityOrder;
  readonly unread: ActivityOrder;
  messages = 0;

  constructor(rows: Iterable<readonly [key: string, value: unknown]>) {
    const all: [string, number][] = [];
    const unread: [string, number][] = [];
    for (const [key, value] of rows) {
      if (!isChatRowKey(key)) continue;
      const row = value as UserChatRow;
      if (placeOf(row) > 0) all.push([key, placeOf(row)]);
      if (unreadPlaceOf(row) > 0) unread.push([key, unreadPlaceOf(row)]);
      this.messages += countOf(row);
    }
    this.all = new ActivityOrder(all);
    this.unread = new ActivityOrder(unread);
  }

  /** A row of the user changes; those that are no chat's are passed over. */
  note(key: string, before: unknown, after: unknown): void {
    if (!isChatRowKey(key)) return;
    const [was, is] = [before, after] as [UserChatRow | undefined, UserChatRow | undefined];
    this.all.move(key, placeOf(was), placeOf(is));
    this.unread.move(key, unreadPlaceOf(was), unreadPlaceOf(is));
    this.messages += countOf(is) - countOf(was);
  }
}

function placeOf(row: UserChatRow | undefined): number {
  return row?.last ?? 0;
}

function unreadPlaceOf(row: UserChatRow | undefined): number {
  return row !== undefined && row.unread > 0 ? placeOf(row) : 0;
}

/** A chat without a place is not listed, nor is what is unread in it. */
function countOf(row: UserChatRow | undefined): number {
  return row !== undefined && placeOf(row) > 0 ? row.unread : 0;
}
