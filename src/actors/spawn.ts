import { dispatch, spawn, start, stop } from 'nact';

/**
 * The only importer of nact. A nact mailbox is unbounded and costs one setImmediate, one promise and one context a
 * message, so an actor here has a mailbox of its own in front of it: the first message wakes the nact actor with one
 * WAKE, which drains all that has gathered by then. That keeps nact's order and supervision, makes a burst cost one
 * wake-up, and gives the mailbox a bound. What a full or stopped mailbox refuses is a dead letter: counted, and told
 * to the caller by `tell` returning false.
 */
export interface Mailbox<M> {
  /** False when the message was refused (mailbox full or actor stopped): the caller owes its sender an answer. */
  tell(message: M): boolean;
  readonly depth: number;
  /** Stops the actor. Messages still in the mailbox are dead letters. @returns them */
  stop(): readonly M[];
}

export interface ActorOptions<M> {
  /** Bound of the mailbox, in messages. */
  readonly mailboxMax: number;
  /**
   * What a full mailbox still takes: what ends or answers something that was let in (a socket is gone, a chat has
   * answered). It is bounded by that, and refusing it would leave that something open for ever.
   */
  readonly urgent?: (message: M) => boolean;
  /** Handles what has gathered, in order. A throw is a broken invariant: `onCrash` decides, the batch is not retried. */
  readonly receive: (batch: readonly M[]) => void;
  /** The supervisor's answer. `resume` goes on with the next message, `stop` ends the actor. */
  readonly onCrash: (error: unknown, batch: readonly M[]) => 'resume' | 'stop';
}

export interface ActorStats {
  readonly actors: number;
  readonly deadLetters: number;
  readonly crashes: number;
  readonly mailboxDepthMax: number;
}

export interface ActorSystem {
  /** `kind` is a word (session, chat …); nact's own name is the kind and a counter, for entity keys are no actor names. */
  spawn<M>(kind: string, options: ActorOptions<M>): Mailbox<M>;
  stats(): ActorStats;
  /** Counts a crash that an actor dealt with itself, outside `receive` or within. */
  crashed(): void;
  stop(): void;
}

const WAKE = 0;

/** Messages handled in one wake-up; more wait for the next one, so that one busy actor cannot hold the event loop. */
const BATCH_MAX = 512;

/** What wakes the actors of a system: nact, or the queue of a simulation. */
export interface Wakers {
  /** @param drain runs once, later, for each `wake` */
  add(name: string, drain: () => void): { wake(): void; stop(): void };
  stop(): void;
}

function nactWakers(): Wakers {
  const system = start();
  return {
    add(name, drain) {
      const ref = spawn(system, drain, name);
      return { wake: () => dispatch(ref, WAKE), stop: () => stop(ref) };
    },
    stop: () => stop(system),
  };
}

/** Starts an actor system of its own (several may live in one process: tests, cluster of nodes in one process). */
export function startActorSystem(wakers: Wakers = nactWakers()): ActorSystem {
  let spawned = 0;
  let actors = 0;
  let deadLetters = 0;
  let crashes = 0;
  let mailboxDepthMax = 0;

  return {
    spawn<M>(kind: string, options: ActorOptions<M>): Mailbox<M> {
      let queue: M[] = [];
      let awake = false;
      let stopped = false;
      spawned += 1;
      const waker = wakers.add(`${kind}-${spawned}`, drain);
      actors += 1;

      function full(message: M): boolean {
        return queue.length >= options.mailboxMax && options.urgent?.(message) !== true;
      }

      function wake(): void {
        awake = true;
        waker.wake();
      }

      function drain(): void {
        awake = false;
        if (stopped) return;
        const batch = queue.length > BATCH_MAX ? queue.splice(0, BATCH_MAX) : queue;
        if (batch === queue) queue = [];
        if (queue.length > 0) wake();
        try {
          options.receive(batch);
        } catch (error) {
          crashes += 1;
          if (options.onCrash(error, batch) === 'stop') stopNow();
        }
      }

      function stopNow(): readonly M[] {
        if (stopped) return [];
        stopped = true;
        actors -= 1;
        deadLetters += queue.length;
        const left = queue;
        queue = [];
        waker.stop();
        return left;
      }

      return {
        tell(message) {
          if (stopped || full(message)) {
            deadLetters += 1;
            return false;
          }
          queue.push(message);
          if (queue.length > mailboxDepthMax) mailboxDepthMax = queue.length;
          if (!awake) wake();
          return true;
        },
        get depth() {
          return queue.length;
        },
        stop: stopNow,
      };
    },
    crashed() {
      crashes += 1;
    },
    stats: () => ({ actors, deadLetters, crashes, mailboxDepthMax }),
    stop: () => wakers.stop(),
  };
}
