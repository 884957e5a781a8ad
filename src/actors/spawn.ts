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
  /** Stops the actor. Messages still in the mailbox are dead letters. */
  stop(): void;
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

/** Starts an actor system of its own (several may live in one process: tests, cluster of nodes in one process). */
export function startActorSystem(): ActorSystem {
  const system = start();
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
      const ref = spawn(system, drain, `${kind}-${spawned}`);
      actors += 1;

      function full(message: M): boolean {
        return queue.length >= options.mailboxMax && options.urgent?.(message) !== true;
      }

      function wake(): void {
        awake = true;
        dispatch(ref, WAKE);
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

      function stopNow(): void {
        if (stopped) return;
        stopped = true;
        actors -= 1;
        deadLetters += queue.length;
        queue = [];
        stop(ref);
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
    stop() {
      stop(system);
    },
  };
}
