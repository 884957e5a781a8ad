import type { OutboxItem } from '../storage/log-store.ts';
import type { Entity } from './entity.ts';
import type { ChatItem, SessionMessage, Source } from './messages.ts';
import type { Outbox } from './outbox.ts';
import type { Turn } from './turn.ts';
import type { NackReason } from './wire.ts';

/**
 * Delivering ahead, on a node that is alone. All shards share one log there, which takes ticks whole and one after the
 * other. So a chat's message may be handed to its members' sessions while it is still on its way to the disk: what a
 * session makes of it is in the same tick or a later one, and leaves the session only when that is committed. One commit
 * a message instead of two; and where all of its items are in its own tick, no outbox.
 *
 *     chat: op 7 gathers ─▶ sessions' mailboxes ─▶ (tick begins) sessions' turns gather as well ─▶ one record ─▶ effects
 *
 * When the log refuses the op, everything that gathered behind it fails with it, and whoever has not handled its item
 * yet drops it (`failed`).
 *
 * In a cluster the receivers' shards have other copies, so what a message leads to waits for its commit (I14).
 */
export class Ahead {
  /** the log has refused the op */
  failed = false;
  /** all items are in turns of the op's own tick: there is nothing left to be delivered */
  whole = false;
  /** the op is committed */
  settled = false;
  /** positions of items that found no room */
  unsent: number[] | undefined = undefined;
  /** what was answered before the commit */
  acks: Source[] | undefined = undefined;
  nacks: { readonly source: Source; readonly why: NackReason }[] | undefined = undefined;
  /** items that are not in a turn on its way to the log */
  #left: number;

  constructor(items: number) {
    this.#left = items;
  }

  /** One more item is in a turn that the log has behind the op, or needs none. */
  absorb(): void {
    this.#left -= 1;
  }

  /** A receiver has to get its item once more. */
  spoil(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  /** Nothing is left to be delivered. */
  get absorbed(): boolean {
    return this.#left === 0;
  }

  /** A turn handles an item. @returns false when there is nothing to handle */
  takenBy(turn: Pick<Turn<unknown>, 'takes'>): boolean {
    if (this.failed) return false;
    turn.takes(this);
    return true;
  }
}

/** What the order of a chat asks of those that send ahead. */
interface ChatTurnEffect {
  readonly t: string;
  readonly msg?: { readonly t: string };
}

/**
 * Which turns of one chat go ahead. What follows a turn must not overtake what that sends after its commit, so while
 * such a turn is on its way the following ones wait for theirs too. Answers to senders are no part of that order.
 */
export class AheadOrder<E extends ChatTurnEffect> {
  readonly #send: SendAhead | undefined;
  /** turns on their way whose messages leave after their commit */
  #behind = 0;

  /** @param send undefined: nothing goes ahead */
  constructor(send: SendAhead | undefined) {
    this.#send = send;
  }

  /** The log has taken the turn. */
  submitted(turn: Turn<E>, shard: number, idx: number): void {
    if (this.#send === undefined) return;
    const posts = turn.posts();
    if (posts.length > 0 && this.#behind === 0 && idx > 0 && mayGoAhead(posts, turn.live))
      turn.ahead = this.#send(shard, idx, turn);
    turn.behind = (posts.length > 0 && turn.ahead === undefined) || turn.effects.some(tellsMore);
    if (turn.behind) this.#behind += 1;
  }

  settled(turn: Turn<E>): void {
    if (turn.behind) this.#behind -= 1;
  }
}

/**
 * Only messages that are at hand: what is read from the log has to be in it. Not the first of a membership, which may
 * end what was before it.
 */
function mayGoAhead(posts: readonly OutboxItem[], live: readonly unknown[]): boolean {
  for (let i = 0; i < posts.length; i++) {
    const item = (posts[i] as OutboxItem).body as ChatItem;
    if (item.t !== 'msg' || item.first || item.since !== undefined || live[i] === undefined) return false;
  }
  return true;
}

function tellsMore({ t, msg }: ChatTurnEffect): boolean {
  return t !== 'ackDelivery' && (t !== 'toSession' || msg?.t !== 'answer');
}

export type SendAhead = (shard: number, idx: number, turn: Turn<unknown>) => Ahead;

/** The sessions that have something ahead in their mailboxes, which they handle before the next tick begins. */
export class AheadQueue {
  readonly #waiting = new Set<Pick<Entity<SessionMessage>, 'drain'>>();
  readonly #sessionOf: (user: string) => Entity<SessionMessage>;
  #settling = false;

  constructor(sessionOf: (user: string) => Entity<SessionMessage>) {
    this.#sessionOf = sessionOf;
  }

  readonly send: SendAhead = (shard, idx, turn) => {
    const items = turn.posts();
    const ahead = new Ahead(items.length);
    for (let pos = 0; pos < items.length; pos++) {
      const { to, body } = items[pos] as OutboxItem;
      const session = this.#sessionOf(to.slice(to.indexOf(':') + 1));
      const source: Source = { shard, idx, pos, ahead };
      const message = { t: 'deliver', source, item: body as ChatItem, record: turn.live[pos] } as SessionMessage;
      if (session.put(message)) this.#waiting.add(session);
      else {
        ahead.unsent ??= [];
        ahead.unsent.push(pos);
      }
    }
    return ahead;
  };

  /** What the turns of a tick say to sessions as they settle is handled when all have, without a wake-up of each. */
  readonly settling = (run: () => void): void => {
    this.#settling = true;
    run();
    this.#settling = false;
    this.drain();
  };

  tell(session: Entity<SessionMessage>, message: SessionMessage): boolean {
    if (!this.#settling || !session.put(message)) return session.tell(message);
    this.#waiting.add(session);
    return true;
  }

  /** All that went ahead is handled. */
  drain(): void {
    if (this.#waiting.size === 0) return;
    const sessions = [...this.#waiting];
    this.#waiting.clear();
    for (const session of sessions) session.drain();
  }
}

/** An op that went ahead is committed: what is left of its items goes the usual way. */
export function settleAhead(outbox: Outbox, shard: number, idx: number, turn: Turn<unknown>, ahead: Ahead): void {
  ahead.settled = true;
  if (ahead.whole) return;
  outbox.add(shard, idx, turn.posts(), turn.live, turn.now, ahead.unsent ?? []);
  for (const source of ahead.acks ?? []) outbox.ack(source);
  for (const { source, why } of ahead.nacks ?? []) outbox.nack(source, why);
}

/** @returns true when the outbox need not hear of it, or not now */
export function ackedAhead(source: Source): boolean {
  const { ahead } = source;
  if (ahead === undefined) return false;
  if (ahead.settled) return ahead.whole;
  ahead.absorb();
  ahead.acks ??= [];
  ahead.acks.push(source);
  return true;
}

/** @returns true when the outbox hears of it with the commit */
export function nackedAhead(source: Source, why: NackReason): boolean {
  const { ahead } = source;
  if (ahead === undefined || ahead.settled) return false;
  ahead.spoil();
  ahead.nacks ??= [];
  ahead.nacks.push({ source, why });
  return true;
}
