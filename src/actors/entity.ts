import type { Pipeline } from './pipeline.ts';
import type { ActorSystem, Mailbox } from './spawn.ts';
import { isEmpty, newTurn, type Turn, writesOf } from './turn.ts';

/**
 * The shell of an entity: an actor whose wake-ups are turns. It runs the pure step on every message that has gathered,
 * submits the turn's writes as one op, and runs the effects when the op is committed. The order of effects is the
 * order of turns, always.
 */
export interface EntityBehaviour<M, E> {
  /** Pure: changes the entity's state and fills the turn. A throw is a broken invariant. */
  step(message: M, turn: Turn<E>): void;
  run(effect: E): void;
  /** Puts the outbox of a committed op on its way. */
  dispatch(turn: Turn<E>, idx: number): void;
  /** Drops what is in memory and reloads from committed state: after a refused op or a crash. */
  reset(error: Error): void;
}

export interface EntityRuntime {
  readonly system: ActorSystem;
  readonly pipeline: Pipeline;
  readonly mailboxMax: number;
  now(): number;
  onCrash(kind: string, error: unknown): void;
}

export interface Entity<M> {
  readonly shard: number;
  tell(message: M): boolean;
  /** Turns submitted and not settled. An entity with pending turns must not be passivated. */
  readonly pending: number;
  readonly depth: number;
  /** ms since the epoch of the last wake-up */
  readonly lastActive: number;
  stop(): void;
}

export function createEntity<M, E>(
  kind: string,
  shard: number,
  behaviour: EntityBehaviour<M, E>,
  runtime: EntityRuntime,
): Entity<M> {
  let pending = 0;
  let lastActive = runtime.now();

  const mailbox: Mailbox<M> = runtime.system.spawn<M>(kind, {
    mailboxMax: runtime.mailboxMax,
    receive(batch) {
      lastActive = runtime.now();
      const turn = newTurn<E>(lastActive);
      for (const message of batch) behaviour.step(message, turn);
      for (const effect of turn.immediate) behaviour.run(effect);
      if (pending === 0 && isEmpty(turn)) {
        for (const effect of turn.effects) behaviour.run(effect);
        return;
      }
      pending += 1;
      runtime.pipeline.submit({
        shard,
        writes: writesOf(turn),
        outbox: turn.outbox,
        settle: (error, idx) => settle(turn, error, idx),
      });
    },
    onCrash(error) {
      runtime.onCrash(kind, error);
      behaviour.reset(error instanceof Error ? error : new Error(String(error)));
      return 'resume';
    },
  });

  function settle(turn: Turn<E>, error: Error | undefined, idx: number): void {
    pending -= 1;
    if (error !== undefined) {
      behaviour.reset(error);
      for (const effect of turn.onFail) behaviour.run(effect);
      return;
    }
    if (turn.outbox.length > 0) behaviour.dispatch(turn, idx);
    for (const effect of turn.effects) behaviour.run(effect);
  }

  return {
    shard,
    tell: (message) => mailbox.tell(message),
    get pending() {
      return pending;
    },
    get depth() {
      return mailbox.depth;
    },
    get lastActive() {
      return lastActive;
    },
    stop: () => mailbox.stop(),
  };
}
