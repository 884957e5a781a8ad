import type { ChatItem, PostItem } from '../../src/actors/messages.ts';
import type { Fact } from './cluster-facts.ts';

type FactOf<T extends Fact['t']> = Extract<Fact, { t: T }>;

/** What is committed of chats and inboxes, and what devices have seen, as told by facts. Checkers and recovery read it. */
export class Ledger {
  /** chat → messages, `[i]` is chatSeq i + 1 */
  readonly chats = new Map<string, FactOf<'numbered'>[]>();
  /** user → inbox, `[i]` is inboxSeq i + 1 */
  readonly inboxes = new Map<string, FactOf<'inboxed'>[]>();
  /** `user chat` → highest chatSeq in the inbox */
  readonly #cursors = new Map<string, number>();
  /** `user chat` → how many messages of it the inbox has taken */
  readonly #counts = new Map<string, number>();
  /** `user chat` → chatSeqs that the chat has posted to the user's inbox, as committed */
  readonly #owed = new Map<string, number[]>();
  /** room → member → chatSeq before the membership */
  readonly members = new Map<string, Map<string, number>>();
  /** `user oid` of what some device of the user was shown */
  readonly #shown = new Set<string>();
  /** oid → its place */
  readonly #places = new Map<string, FactOf<'numbered'>>();

  take(fact: Fact): void {
    switch (fact.t) {
      case 'numbered': {
        const chat = this.chats.get(fact.chat) ?? [];
        this.chats.set(fact.chat, chat);
        chat.push(fact);
        if (!this.#places.has(fact.oid)) this.#places.set(fact.oid, fact);
        return;
      }
      case 'inboxed': {
        const inbox = this.inboxes.get(fact.user) ?? [];
        this.inboxes.set(fact.user, inbox);
        inbox.push(fact);
        const key = `${fact.user} ${fact.chat}`;
        this.#cursors.set(key, Math.max(this.#cursors.get(key) ?? 0, fact.chatSeq));
        this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
        return;
      }
      case 'posted':
        return this.#post(fact);
      case 'affiliated': {
        const members = this.members.get(fact.chat) ?? new Map<string, number>();
        this.members.set(fact.chat, members);
        if (fact.member) members.set(fact.user, fact.since);
        else members.delete(fact.user);
        return;
      }
      case 'shown':
        this.#shown.add(`${fact.user} ${fact.oid}`);
    }
  }

  #post({ items }: FactOf<'posted'>): void {
    for (const { to, body } of items) {
      const item = body as ChatItem | PostItem;
      if (item.t !== 'msg') continue;
      const key = `${to.slice(to.indexOf(':') + 1)} ${item.chat}`;
      const owed = this.#owed.get(key) ?? [];
      this.#owed.set(key, owed);
      // A pointer stands for all that is between.
      const first = item.since === undefined ? item.seq : Math.max(item.since, owed.at(-1) ?? 0) + 1;
      for (let seq = first; seq <= item.seq; seq++) owed.push(seq);
    }
  }

  /** chatSeqs that a chat has posted to a user's inbox, in the order of its log */
  owedTo(user: string, chat: string): readonly number[] {
    return this.#owed.get(`${user} ${chat}`) ?? [];
  }

  /** … of those that the inbox lacks, how many; negative when it has more */
  lackOf(user: string, chat: string): number {
    return this.owedTo(user, chat).length - (this.#counts.get(`${user} ${chat}`) ?? 0);
  }

  /** Where a message stands, undefined while it stands nowhere. */
  placeOf(oid: string): FactOf<'numbered'> | undefined {
    return this.#places.get(oid);
  }

  /** highest chatSeq of a chat in a user's inbox, 0 when there is none */
  cursorOf(user: string, chat: string): number {
    return this.#cursors.get(`${user} ${chat}`) ?? 0;
  }

  hasShown(user: string, oid: string): boolean {
    return this.#shown.has(`${user} ${oid}`);
  }
}
