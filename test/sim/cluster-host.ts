import { Disk } from './cluster-disk.ts';
import { Process } from './cluster-process.ts';
import type { World } from './cluster-world.ts';

/** A machine: a disk with its incarnation, a clock of its own, and a process that runs, hangs or is dead. */
export class Host {
  readonly index: number;
  readonly name: string;
  readonly #world: World;
  /** own ms in one of the world's */
  readonly rate: number;
  readonly #offset: number;
  #lives = 0;
  #wipes = 0;
  #deferred: (() => void)[] = [];
  #pausedUntil = 0;
  #slowUntil = 0;
  inc = 'a';
  disk: Disk;
  process: Process | undefined;

  constructor(world: World, index: number) {
    this.#world = world;
    this.index = index;
    this.name = `n${index}`;
    this.disk = new Disk(world.profile.shards);
    this.rate = world.profile.clockDrift ? 0.9 + world.random.float() * 0.2 : 1;
    this.#offset = world.random.int(100_000);
  }

  clock(): number {
    return this.#offset + this.rate * this.#world.queue.now;
  }

  syncMs(): number {
    const { random, queue, profile } = this.#world;
    return 0.3 + random.float() * profile.syncMs + (queue.now < this.#slowUntil ? random.float() * 60 : 0);
  }

  boot(): void {
    if (this.process !== undefined) return;
    this.#lives += 1;
    this.process = new Process(this.#world, this, this.#lives);
    this.#world.whole?.announce(this, 'up');
    this.#world.note({ t: 'boot', node: this.index });
    this.#world.store.watch(this.index);
  }

  crash(): void {
    this.process?.die();
    if (this.process !== undefined) this.#world.whole?.crashed(this);
    this.process = undefined;
    this.#deferred = [];
    this.#pausedUntil = 0;
  }

  /** The data folder is gone, its incarnation with it. */
  wipe(): void {
    this.disk = new Disk(this.#world.profile.shards);
    this.#wipes += 1;
    if (this.#world.rules.wipedIsNew) this.inc = 'abcdefghijklmnopqrstuvwxyz'[this.#wipes] ?? `x${this.#wipes}`;
  }

  /** SIGSTOP: nothing is dealt with, what arrives waits. The disk goes on. */
  pause(ms: number): void {
    const { queue } = this.#world;
    this.#pausedUntil = Math.max(this.#pausedUntil, queue.now + ms);
    queue.after(ms + 0.001, () => this.#resume());
  }

  slowDisk(ms: number): void {
    this.#slowUntil = this.#world.queue.now + ms;
  }

  heal(): void {
    this.#slowUntil = 0;
    this.#pausedUntil = 0;
    this.#resume();
    this.boot();
  }

  get runs(): boolean {
    return this.process !== undefined && this.#world.queue.now >= this.#pausedUntil;
  }

  /** Does it in the running process, when it is not paused; lost when none runs. */
  post(run: (process: Process) => void): void {
    const { process } = this;
    if (process !== undefined) this.postTo(process, () => run(process));
  }

  /** The same for one life of the process: lost when that is over. */
  postTo(process: Process, run: () => void): void {
    if (this.process !== process) return;
    if (this.runs) run();
    else this.#deferred.push(() => this.process === process && run());
  }

  #resume(): void {
    if (!this.runs) return;
    for (const run of this.#deferred.splice(0)) run();
  }
}
