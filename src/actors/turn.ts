import type { OutboxItem, Write } from '../storage/log-store.ts';
import type { Ahead } from './ahead.ts';

/** Who runs what a turn wants done. */
export interface EffectRunner<E> {
  run(effect: E): void;
}

/**
 * What one wake-up of an entity wants: its writes and outbox become ONE op, and `effects` run after that op is
 * committed (at once when nothing was written and nothing of this entity is pending; otherwise in order behind it).
 * `immediate` runs right after the step: only for what may be lost and decides nothing by itself (a message handed to
 * its chat, a question). `onFail` runs instead of `effects` when the log refused the op.
 *
 * Most turns use few of the lists, and there are several turns a message: each list is made when it is first asked for.
 */
export class Turn<E> {
  /** ms since the epoch */
  readonly now: number;
  /** What comes next must not join this turn: its outbox would overtake effects that are already in here. */
  sealed = false;
  /** its items went to their receivers before its commit (ahead.ts) */
  ahead: Ahead | undefined = undefined;
  /** it is on its way, and what follows must not overtake what it sends after its commit (ahead.ts) */
  behind = false;
  #rows: Map<string, unknown> | undefined;
  #streams: Write[] | undefined;
  #outbox: OutboxItem[] | undefined;
  #live: unknown[] | undefined;
  #effects: E[] | undefined;
  #immediate: E[] | undefined;
  #onFail: E[] | undefined;
  #taken: Ahead[] | undefined;

  constructor(now: number) {
    this.now = now;
  }

  /** Rows by full key; the last value wins, DELETED deletes. */
  get rows(): Map<string, unknown> {
    this.#rows ??= new Map();
    return this.#rows;
  }

  /** Takes a row's write back: a later stream write or call of this turn sets it. */
  forget(key: string): void {
    this.#rows?.delete(key);
  }

  /** Writes to streams and calls, in order. They come before the rows. */
  get streams(): Write[] {
    this.#streams ??= [];
    return this.#streams;
  }

  get outbox(): OutboxItem[] {
    this.#outbox ??= [];
    return this.#outbox;
  }

  /** What goes out for `outbox[i]` while this node still has the message in memory; a replay reads it from the state. */
  get live(): unknown[] {
    this.#live ??= [];
    return this.#live;
  }

  get effects(): E[] {
    this.#effects ??= [];
    return this.#effects;
  }

  get immediate(): E[] {
    this.#immediate ??= [];
    return this.#immediate;
  }

  get onFail(): E[] {
    this.#onFail ??= [];
    return this.#onFail;
  }

  /** True when the turn changes nothing durable: no op, only order. */
  get isEmpty(): boolean {
    return this.#rows === undefined && this.#streams === undefined && this.#outbox === undefined;
  }

  /** It handles an item of an op that went ahead. */
  takes(ahead: Ahead): void {
    this.#taken ??= [];
    this.#taken.push(ahead);
  }

  /** The log has taken it. */
  absorb(): void {
    if (this.#taken !== undefined) for (const ahead of this.#taken) ahead.absorb();
  }

  /** Runs whether the log takes the turn's op or not: for what is true either way. */
  always(effect: E): void {
    this.effects.push(effect);
    this.onFail.push(effect);
  }

  runEffects(shell: EffectRunner<E>): void {
    if (this.#effects !== undefined) for (const effect of this.#effects) shell.run(effect);
  }

  runImmediate(shell: EffectRunner<E>): void {
    if (this.#immediate !== undefined) for (const effect of this.#immediate) shell.run(effect);
  }

  runOnFail(shell: EffectRunner<E>): void {
    if (this.#onFail !== undefined) for (const effect of this.#onFail) shell.run(effect);
  }

  /** The op's writes; a row written several times in the turn is one write. */
  writes(): readonly Write[] {
    if (this.#rows === undefined) return this.#streams ?? NONE;
    const writes = this.#streams === undefined ? [] : this.#streams.slice();
    for (const [key, value] of this.#rows)
      writes.push(value === DELETED ? { t: 'del', key } : { t: 'put', key, value });
    return writes;
  }

  posts(): readonly OutboxItem[] {
    return this.#outbox ?? NONE;
  }
}

const NONE: readonly never[] = [];

/** Marks a deleted row in `Turn.rows`. */
export const DELETED = Symbol('deleted');

export function newTurn<E>(now: number): Turn<E> {
  return new Turn<E>(now);
}
