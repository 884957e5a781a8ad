import { SPAN, SpanWords, spanOf } from '../xmpp/fulltext-rows.ts';
import { chatHash } from '../xmpp/fulltext-scan.ts';

/**
 * Words of the newest pointers of inboxes, by user, so that the rows of a span (fulltext.ts) need not be made of what was
 * just written: reading it back takes three times as long as all the rest. A cache: who is not in it reads.
 *
 * Bound: `bytesMax` for all users. At it a user is let in for one who got nothing while `COLD` others did, or not at all.
 */
export class RecentWords {
  readonly #bytesMax: number;
  /** by user, in the order they got in */
  readonly #users = new Map<string, Recent>();
  #bytes = 0;
  /** pointers that came by */
  #noted = 0;

  /** @param bytesMax of memory; 0: nothing is kept */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** of memory */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A pointer that a turn appends to the user's inbox. Whatever is noted in a span holds only when all of the span is, one
   * after the other, by one and the same `of`.
   * @param of what the turn rests on: after a failure, or in another activation, another object
   * @param w the pointer's words; undefined when it has none
   */
  note(user: string, of: object, seq: number, chat: string, w: string | undefined): void {
    this.#noted += 1;
    let recent = this.#users.get(user);
    if (recent !== undefined && (recent.next !== seq || recent.of.deref() !== of)) {
      this.drop(user);
      recent = undefined;
    }
    const place = (seq - 1) % SPAN;
    if (recent === undefined) {
      if (place !== 0 || !this.#hasRoom()) return;
      recent = { of: new WeakRef(of), next: seq, noted: 0, spans: new Map(), chat: '', hash: 0 };
      this.#users.set(user, recent);
    }
    recent.noted = this.#noted;
    recent.next = seq + 1;
    const span = spanOf(seq);
    let words = recent.spans.get(span);
    if (words === undefined) {
      if (place !== 0) return;
      words = new SpanWords();
      recent.spans.set(span, words);
    }
    if (w === undefined) return;
    const had = words.bytes;
    if (recent.chat !== chat) {
      recent.chat = chat;
      recent.hash = chatHash(chat);
    }
    words.add(place, w, recent.hash);
    this.#bytes += words.bytes - had;
    if (this.#bytes > this.#bytesMax || recent.spans.size > SPANS_MAX) this.drop(user);
  }

  /** The words of a span if all of it was noted. They are given once. */
  take(user: string, of: object, span: number): SpanWords | undefined {
    const recent = this.#users.get(user);
    if (recent === undefined || recent.of.deref() !== of || recent.next <= (span + 1) * SPAN) return undefined;
    const words = recent.spans.get(span);
    if (words === undefined) return undefined;
    recent.spans.delete(span);
    this.#bytes -= words.bytes;
    return words;
  }

  /** What was noted of the user holds no more. */
  drop(user: string): void {
    for (const words of this.#users.get(user)?.spans.values() ?? []) {
      this.#bytes -= words.bytes;
      words.clear();
    }
    this.#users.delete(user);
  }

  #hasRoom(): boolean {
    while (this.#bytes + SPAN_BYTES > this.#bytesMax) {
      const [oldest] = this.#users;
      if (oldest === undefined || this.#noted - oldest[1].noted < COLD) return false;
      this.drop(oldest[0]);
    }
    return true;
  }
}

interface Recent {
  readonly of: WeakRef<object>;
  /** seq that is to be noted next */
  next: number;
  /** `#noted` when the last one was */
  noted: number;
  readonly spans: Map<number, SpanWords>;
  /** of the last message, and its hash */
  chat: string;
  hash: number;
}

/** Pointers noted since, after which a user's words are worth less than those of another one. */
const COLD = 2 ** 20;

/** Room that a user needs to get in: the words of a span, more or less. */
const SPAN_BYTES = 65_536;

/** Spans of one user: rows follow when the next one is not yet half full, unless nothing can be written. */
const SPANS_MAX = 3;
