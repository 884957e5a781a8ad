import type { Ahead } from './ahead.ts';
import type { Pipeline, Submission } from './pipeline.ts';
import { NotLeaderError } from './replicated-pipeline.ts';
import type { ActorOptions, ActorSystem, Mailbox } from './spawn.ts';
import { type EffectRunner, newTurn, type Turn } from './turn.ts';

/**
 * The shell of an entity: an actor whose wake-ups are turns. It runs the pure step on every message that has gathered,
 * submits the turn's writes as one op, and runs the effects when the op is committed. The order of effects is the
 * order of turns, always.
 *
 * Failure. A refused op or a crash drops what is in memory. Committed state is only whole when nothing of this entity
 * is on its way to the log any more: until then messages are held back (they count in `depth`, under the mailbox's
 * bound), then the state is reloaded and they go on. Reloading earlier would give a number out twice.
 */
export interface EntityBehaviour<M, E> extends EffectRunner<E> {
  /** Pure: changes the entity's state and fills the turn. A throw is a broken invariant. */
  step(message: M, turn: Turn<E>): void;
  /** The log has taken the turn. @param idx of its op, where that is known already; else 0 */
  submitted?(turn: Turn<E>, idx: number): void;
  /** … and has decided on it. */
  settled?(turn: Turn<E>): void;
  /** Puts the outbox of a committed op on its way. */
  dispatch(turn: Turn<E>, idx: number): void;
  /** The turn's op is committed; before its outbox and its effects leave. */
  committed?(turn: Turn<E>): void;
  /** Drops what is in memory and reloads from committed state: after a refused op or a crash, nothing pending. */
  reset(error: Error): void;
  /** After a crash, behind `reset`: these messages had no effect and will have none; whoever waits for one is told. */
  abandon(batch: readonly M[]): void;
  /** What a full mailbox still takes (spawn.ts). */
  urgent?(message: M): boolean;
}

export interface EntityRuntime {
  readonly system: ActorSystem;
  readonly pipeline: Pipeline;
  readonly mailboxMax: number;
  now(): number;
  onCrash(kind: string, error: unknown): void;
  /** the log does not lead this shard any more */
  lost(shard: number): void;
  /** False: what is in memory may be old, another may lead the shard by now. `release` follows, or `discard`. */
  mayRead(shard: number): boolean;
}

export interface Entity<M> {
  readonly shard: number;
  tell(message: M): boolean;
  /** As `tell`, but wakes nobody, and has room of its own: whoever uses it has `drain` run soon. */
  put(message: M): boolean;
  /** Handles what waits in the mailbox now. Not from within a step. */
  drain(): void;
  /** Turns submitted and not settled. An entity with pending turns must not be passivated. */
  readonly pending: number;
  readonly depth: number;
  /** ms since the epoch of the last wake-up */
  readonly lastActive: number;
  stop(): void;
  /** it has let go of what only work needs (`rest`), and nothing has come since */
  readonly resting: boolean;
  /** It has been idle and stays in memory: lets go of what can be had again. Only without anything pending. */
  rest(): void;
  /** The shard is about to move: what comes is held back, but for what ends or answers something that was let in. */
  pause(): void;
  /** It does not move after all. */
  resume(): void;
  /** The shard may be read again (`mayRead`). */
  release(): void;
  /** paused, and nothing is on its way to the log: what is in memory is what is committed */
  readonly settled: boolean;
  /**
   * The shard is led elsewhere: what this entity had decided may hold or not, and nobody here can know. Nothing of it
   * has an effect any more, neither of turns that are on their way nor of what waits. @returns what waited
   */
  discard(why: string): readonly M[];
}

/**
 * Extended by each kind of entity for what else it tells, by getters: properties that are set on an instance would give
 * every entity a shape of its own, and each access to one a slow path (6 % of a message, measured).
 */
export class EntityShell<M, E> implements Entity<M>, ActorOptions<M> {
  readonly shard: number;
  pending = 0;
  lastActive: number;
  readonly #behaviour: EntityBehaviour<M, E>;
  readonly #runtime: EntityRuntime;
  readonly #mailbox: Mailbox<M>;
  readonly #kind: string;
  /** set from a failure until the state is reloaded: what is to be done then */
  #failure: { readonly error: Error; readonly refused: Turn<E>[]; readonly lost: M[]; crashed: boolean } | undefined;
  #held: M[] = [];
  #discarded = false;
  #paused = false;
  #resting = false;

  constructor(kind: string, shard: number, behaviour: EntityBehaviour<M, E>, runtime: EntityRuntime) {
    this.shard = shard;
    this.#kind = kind;
    this.#behaviour = behaviour;
    this.#runtime = runtime;
    this.lastActive = runtime.now();
    this.#mailbox = runtime.system.spawn<M>(kind, this);
  }

  get mailboxMax(): number {
    return this.#runtime.mailboxMax;
  }

  urgent(message: M): boolean {
    return this.#behaviour.urgent?.(message) === true;
  }

  /** `receive` answers for its own faults. */
  onCrash(error: unknown): 'resume' {
    this.#runtime.onCrash(this.#kind, error);
    return 'resume';
  }

  get depth(): number {
    return this.#mailbox.depth + this.#held.length;
  }

  tell(message: M): boolean {
    if (this.#held.length >= this.#runtime.mailboxMax && !this.urgent(message)) return false;
    return this.#mailbox.tell(message);
  }

  put(message: M): boolean {
    return this.#held.length === 0 && this.#mailbox.put(message);
  }

  drain(): void {
    this.#mailbox.drain();
  }

  stop(): void {
    this.#mailbox.stop();
  }

  get resting(): boolean {
    return this.#resting;
  }

  rest(): void {
    this.#resting = true;
    this.#mailbox.rest();
  }

  get settled(): boolean {
    return this.#paused && this.pending === 0 && this.#failure === undefined;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.release();
  }

  release(): void {
    if (!this.#paused && this.#failure === undefined && this.#held.length > 0) this.receive(this.#held.splice(0));
  }

  discard(_why: string): readonly M[] {
    this.#discarded = true;
    return [...this.#held.splice(0), ...this.#mailbox.stop()];
  }

  receive(all: readonly M[]): void {
    this.lastActive = this.#runtime.now();
    this.#resting = false;
    const held = this.#paused || !this.#runtime.mayRead(this.shard);
    let batch = held ? this.#admitted(all) : all;
    if (this.#failure !== undefined) {
      for (const message of batch) this.#held.push(message);
      if (this.pending === 0) this.#recover();
      return;
    }
    if (!held && this.#held.length > 0) batch = [...this.#held.splice(0), ...batch];
    let turn = newTurn<E>(this.lastActive);
    let from = 0;
    try {
      for (let i = 0; i < batch.length; i++) {
        this.#behaviour.step(batch[i] as M, turn);
        if (!turn.sealed || i === batch.length - 1) continue;
        this.#submit(turn);
        from = i + 1;
        // Refused at once: what is left waits with the rest.
        if (this.#failure !== undefined) return this.receive(batch.slice(from));
        turn = newTurn<E>(this.lastActive);
      }
      this.#submit(turn);
    } catch (thrown) {
      this.#crashed(thrown, batch.slice(from));
    }
  }

  /** What an entity still handles that is paused or may not be read; the rest is held back, in its order. */
  #admitted(all: readonly M[]): readonly M[] {
    const batch: M[] = [];
    for (const message of all) {
      if (this.urgent(message)) batch.push(message);
      else this.#held.push(message);
    }
    return batch;
  }

  #submit(turn: Turn<E>): void {
    turn.runImmediate(this.#behaviour);
    if (this.pending === 0 && turn.isEmpty) return turn.runEffects(this.#behaviour);
    this.pending += 1;
    const idx = this.#runtime.pipeline.submit(new TurnSubmission(this, turn));
    if (idx === undefined) return;
    turn.absorb();
    this.#behaviour.submitted?.(turn, idx);
  }

  settle(turn: Turn<E>, error: Error | undefined, idx: number): void {
    this.pending -= 1;
    this.#behaviour.settled?.(turn);
    if (this.#discarded) return;
    // The next leader may have committed it: neither effects nor a failure would be true.
    if (error instanceof NotLeaderError) return this.#runtime.lost(this.shard);
    if (error !== undefined) {
      this.#failure ??= { error, refused: [], lost: [], crashed: false };
      this.#failure.refused.push(turn);
    } else {
      try {
        this.#behaviour.committed?.(turn);
        if (turn.posts().length > 0) this.#behaviour.dispatch(turn, idx);
        turn.runEffects(this.#behaviour);
      } catch (thrown) {
        // One entity's fault must not keep the others of this tick from settling.
        this.#crashed(thrown, []);
      }
    }
    if (this.#failure !== undefined && this.pending === 0) this.#recover();
  }

  #crashed(thrown: unknown, batch: readonly M[]): void {
    this.#runtime.system.crashed();
    this.#runtime.onCrash(this.#kind, thrown);
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    this.#failure ??= { error, refused: [], lost: [], crashed: true };
    this.#failure.crashed = true;
    this.#failure.lost.push(...batch);
    if (this.pending === 0) this.#recover();
  }

  #recover(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    try {
      this.#behaviour.reset(failure.error);
    } catch (thrown) {
      // The store cannot be read: held back until the next message tries again.
      return this.#runtime.onCrash(this.#kind, thrown);
    }
    const held = this.#held;
    this.#failure = undefined;
    this.#held = [];
    for (const turn of failure.refused) turn.runOnFail(this.#behaviour);
    if (failure.crashed) this.#behaviour.abandon(failure.lost);
    if (held.length > 0) this.receive(held);
  }
}

interface Settling<E> {
  readonly shard: number;
  settle(turn: Turn<E>, error: Error | undefined, idx: number): void;
}

class TurnSubmission<E> implements Submission {
  readonly shard: number;
  readonly writes: Submission['writes'];
  readonly outbox: Submission['outbox'];
  readonly #entity: Settling<E>;
  readonly #turn: Turn<E>;

  constructor(entity: Settling<E>, turn: Turn<E>) {
    this.shard = entity.shard;
    this.writes = turn.writes();
    this.outbox = turn.posts();
    this.#entity = entity;
    this.#turn = turn;
  }

  get ahead(): Ahead | undefined {
    return this.#turn.ahead;
  }

  settle(error: Error | undefined, idx: number): void {
    this.#entity.settle(this.#turn, error, idx);
  }
}
