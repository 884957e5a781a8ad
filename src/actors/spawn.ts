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
  /**
   * As `tell`, but wakes nobody: whoever uses it has `drain` run soon. Has room of its own, half of what `tell` has.
   * @returns false when that is full, which makes no dead letter
   */
  put(message: M): boolean;
  /** Handles what has gathered now, not at the next wake-up. Not from within `receive`. */
  drain(): void;
  readonly depth: number;
  /**
   * Lets go of the nact actor, which takes more memory than the rest of an idle entity's shell; the next message starts
   * another. Nothing happens while messages wait.
   */
  rest(): void;
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
  urgent?(message: M): boolean;
  /** Handles what has gathered, in order. A throw is a broken invariant: `onCrash` decides, the batch is not retried. */
  receive(batch: readonly M[]): void;
  /** The supervisor's answer. `resume` goes on with the next message, `stop` ends the actor. */
  onCrash(error: unknown, batch: readonly M[]): 'resume' | 'stop';
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
  add(name: string, drain: () => void): Waker;
  stop(): void;
}

export interface Waker {
  wake(): void;
  stop(): void;
}

class NactWakers implements Wakers {
  readonly #system = start();

  add(name: string, drain: () => void): Waker {
    return new NactWaker(spawn(this.#system, drain, name));
  }

  stop(): void {
    stop(this.#system);
  }
}

type NactRef = ReturnType<typeof spawn>;

class NactWaker implements Waker {
  readonly #ref: NactRef;

  constructor(ref: NactRef) {
    this.#ref = ref;
  }

  wake(): void {
    dispatch(this.#ref, WAKE);
  }

  stop(): void {
    stop(this.#ref);
  }
}

/** Starts an actor system of its own (several may live in one process: tests, cluster of nodes in one process). */
export function startActorSystem(wakers: Wakers = new NactWakers()): ActorSystem {
  return new Actors(wakers);
}

class Actors implements ActorSystem {
  readonly wakers: Wakers;
  /** names given out */
  named = 0;
  actors = 0;
  deadLetters = 0;
  crashes = 0;
  mailboxDepthMax = 0;

  constructor(wakers: Wakers) {
    this.wakers = wakers;
  }

  spawn<M>(kind: string, options: ActorOptions<M>): Mailbox<M> {
    return new ActorMailbox(this, kind, options);
  }

  crashed(): void {
    this.crashes += 1;
  }

  stats(): ActorStats {
    const { actors, deadLetters, crashes, mailboxDepthMax } = this;
    return { actors, deadLetters, crashes, mailboxDepthMax };
  }

  stop(): void {
    this.wakers.stop();
  }
}

/** There are as many of these as users and chats: what all of them do is on the prototype, not in closures of each. */
class ActorMailbox<M> implements Mailbox<M> {
  readonly #system: Actors;
  readonly #kind: string;
  readonly #options: ActorOptions<M>;
  /** undefined before the first message, and while it rests */
  #waker: Waker | undefined = undefined;
  #queue: M[] = [];
  /** messages that came by `put` since it was emptied last */
  #put = 0;
  #awake = false;
  #stopped = false;

  constructor(system: Actors, kind: string, options: ActorOptions<M>) {
    this.#system = system;
    this.#kind = kind;
    this.#options = options;
    system.actors += 1;
  }

  get depth(): number {
    return this.#queue.length;
  }

  tell(message: M): boolean {
    if (this.#stopped || this.#isFullFor(message)) {
      this.#system.deadLetters += 1;
      return false;
    }
    this.#add(message);
    if (!this.#awake) this.#wake();
    return true;
  }

  put(message: M): boolean {
    if (this.#stopped || 2 * this.#put >= this.#options.mailboxMax) return false;
    this.#put += 1;
    this.#add(message);
    return true;
  }

  #add(message: M): void {
    // Pushed into an empty array, one message would take the room of seventeen.
    if (this.#queue.length === 0) this.#queue = [message];
    else this.#queue.push(message);
    if (this.#queue.length > this.#system.mailboxDepthMax) this.#system.mailboxDepthMax = this.#queue.length;
  }

  rest(): void {
    if (this.#awake) return;
    this.#waker?.stop();
    this.#waker = undefined;
  }

  stop(): readonly M[] {
    if (this.#stopped) return [];
    this.#stopped = true;
    this.#system.actors -= 1;
    this.#system.deadLetters += this.#queue.length;
    const left = this.#queue;
    this.#queue = [];
    this.#waker?.stop();
    return left;
  }

  #isFullFor(message: M): boolean {
    return this.#queue.length - this.#put >= this.#options.mailboxMax && this.#options.urgent?.(message) !== true;
  }

  #wake(): void {
    this.#awake = true;
    this.#waker ??= this.#addWaker();
    this.#waker.wake();
  }

  #addWaker(): Waker {
    this.#system.named += 1;
    return this.#system.wakers.add(`${this.#kind}-${this.#system.named}`, () => this.#woken());
  }

  #woken(): void {
    this.#awake = false;
    this.drain();
  }

  drain(): void {
    if (this.#stopped || this.#queue.length === 0) return;
    const batch = this.#queue.length > BATCH_MAX ? this.#queue.splice(0, BATCH_MAX) : this.#queue;
    if (batch === this.#queue) {
      this.#queue = [];
      this.#put = 0;
    }
    if (this.#queue.length > 0 && !this.#awake) this.#wake();
    try {
      this.#options.receive(batch);
    } catch (error) {
      this.#system.crashes += 1;
      if (this.#options.onCrash(error, batch) === 'stop') this.stop();
    }
  }
}
