import type { Clock, Timer } from '../base/clock.ts';
import type { Position, ReplicaEvent } from '../cluster/replica-types.ts';
import { type Member, memberName, sameMember } from '../cluster/shard-config.ts';
import type { ReplicatedLogStore, ShardInstall, ShardSnapshot } from '../storage/replicated-store.ts';

/**
 * Copies of whole shards between nodes: chunks on the bulk way of the bus, a window of them unacknowledged, each install
 * a stream in order. A chunk that is lost ends the copy; the replica asks for another.
 */
export interface SnapshotOptions {
  /** copies given at a time; more wait in order */
  readonly givingMax: number;
  /** chunks on their way without an acknowledgement */
  readonly windowChunks: number;
  /** ms without an acknowledgement after which a copy is given up, by either side */
  readonly timeoutMs: number;
  /** bytes per second of all copies given together, 0 for no limit */
  readonly bytesPerSecond: number;
}

export const snapshotDefaults: SnapshotOptions = {
  givingMax: 2,
  windowChunks: 8,
  timeoutMs: 5_000,
  bytesPerSecond: 32 * 1024 * 1024,
};

interface Copy {
  readonly shard: number;
  readonly epoch: number;
  readonly session: number;
}

export type SnapshotMessage =
  | (Copy & { readonly t: 'chunk'; readonly seq: number; readonly bytes: Uint8Array })
  | (Copy & { readonly t: 'end'; readonly seq: number; readonly at: Position })
  /** everything below `seq` is taken */
  | (Copy & { readonly t: 'taken'; readonly seq: number })
  | (Copy & { readonly t: 'failed' });

export interface SnapshotEffects {
  send(to: Member, message: SnapshotMessage): void;
  event(shard: number, event: ReplicaEvent): void;
}

interface Giving extends Copy {
  readonly to: Member;
  /** acknowledged below this */
  taken: number;
  failed: boolean;
  /** resolves when `taken` moves, or it failed */
  wake: (() => void) | undefined;
}

interface Taking extends Copy {
  readonly from: Member;
  readonly install: ShardInstall;
  /** the next chunk */
  next: number;
  /** chunks are added one after the other */
  queue: Promise<void>;
  timer: Timer | undefined;
}

interface Loading {
  readonly from: Member;
  readonly epoch: number;
  readonly session: number;
}

export class ShardSnapshots {
  readonly #store: ReplicatedLogStore;
  readonly #options: SnapshotOptions;
  readonly #clock: Clock;
  readonly #effects: SnapshotEffects;
  /** by shard: a leader gives one follower of a shard after the other */
  readonly #giving = new Set<Giving>();
  /** bounded by the shards led: the replica asks once per follower and session */
  readonly #waiting: Giving[] = [];
  readonly #taking = new Map<number, Taking>();
  #budgetAt = 0;
  readonly stats = { given: 0, taken: 0, failed: 0, bytes: 0 };

  constructor(store: ReplicatedLogStore, options: SnapshotOptions, clock: Clock, effects: SnapshotEffects) {
    this.#store = store;
    this.#options = options;
    this.#clock = clock;
    this.#effects = effects;
  }

  /** Copies under way, in and out. */
  get active(): number {
    return this.#giving.size + this.#taking.size;
  }

  /** Streams the shard's state to a member that has marked its copy as loading. */
  give(shard: number, to: Member, session: number): void {
    const epoch = this.#store.tail(shard).epoch;
    this.#waiting.push({ shard, epoch, to, session, taken: 0, failed: false, wake: undefined });
    this.#next();
  }

  receive(from: Member, message: SnapshotMessage, loading: Loading | undefined): void {
    switch (message.t) {
      case 'chunk':
      case 'end':
        return this.#onChunk(from, message, loading);
      case 'taken':
      case 'failed': {
        const giving = this.#givingOf(from, message);
        if (giving === undefined) return;
        if (message.t === 'taken') giving.taken = Math.max(giving.taken, message.seq);
        else giving.failed = true;
        giving.wake?.();
      }
    }
  }

  abortAll(): void {
    this.#waiting.length = 0;
    for (const giving of this.#giving) {
      giving.failed = true;
      giving.wake?.();
    }
    for (const taking of [...this.#taking.values()]) this.#stopTaking(taking);
  }

  #givingOf(from: Member, { shard, session }: Copy): Giving | undefined {
    for (const giving of this.#giving)
      if (giving.shard === shard && giving.session === session && sameMember(giving.to, from)) return giving;
    return undefined;
  }

  #next(): void {
    while (this.#giving.size < this.#options.givingMax) {
      const giving = this.#waiting.shift();
      if (giving === undefined) return;
      this.#giving.add(giving);
      void this.#run(giving).finally(() => {
        this.#giving.delete(giving);
        this.#next();
      });
    }
  }

  async #run(giving: Giving): Promise<void> {
    const { shard, to, session } = giving;
    let snapshot: ShardSnapshot | undefined;
    try {
      snapshot = await this.#store.openSnapshot(shard);
      const { at } = snapshot;
      await this.#stream(giving, snapshot);
      this.stats.given += 1;
      this.#effects.event(shard, { t: 'snapshotSent', to, session, idx: at.idx });
    } catch {
      // Whatever it was (no answer, voided, closed, busy): the replica is told, and tries again in its own time.
      this.stats.failed += 1;
      this.#effects.event(shard, { t: 'snapshotFailed', to, session });
    } finally {
      snapshot?.close();
    }
  }

  async #stream(giving: Giving, snapshot: ShardSnapshot): Promise<void> {
    const { shard, epoch, to, session } = giving;
    const copy = { shard, epoch, session };
    let seq = 0;
    for await (const bytes of snapshot.chunks()) {
      await this.#room(giving, seq - this.#options.windowChunks + 1);
      await this.#pace(bytes.length);
      this.#effects.send(to, { t: 'chunk', ...copy, seq, bytes });
      seq += 1;
    }
    this.#effects.send(to, { t: 'end', ...copy, seq, at: snapshot.at });
    await this.#room(giving, seq + 1);
  }

  /** Resolves when everything below `taken` is acknowledged. @throws when it fails or nothing moves for `timeoutMs` */
  async #room(giving: Giving, taken: number): Promise<void> {
    while (giving.taken < taken && !giving.failed) {
      const before = giving.taken;
      await new Promise<void>((resolve) => {
        const timer = this.#clock.setTimer(this.#options.timeoutMs, resolve);
        giving.wake = () => {
          this.#clock.clear(timer);
          resolve();
        };
      });
      giving.wake = undefined;
      if (giving.taken === before) giving.failed = true;
    }
    if (giving.failed) throw new Error(`${memberName(giving.to)} did not take the copy of shard ${giving.shard}`);
  }

  async #pace(bytes: number): Promise<void> {
    this.stats.bytes += bytes;
    const { bytesPerSecond } = this.#options;
    if (bytesPerSecond === 0) return;
    const now = this.#clock.monotonic();
    const wait = this.#budgetAt - now;
    this.#budgetAt = Math.max(now, this.#budgetAt) + (bytes / bytesPerSecond) * 1000;
    if (wait > 1) await new Promise<void>((resolve) => this.#clock.setTimer(wait, resolve));
  }

  #onChunk(
    from: Member,
    message: Extract<SnapshotMessage, { t: 'chunk' | 'end' }>,
    loading: Loading | undefined,
  ): void {
    const { shard, epoch, session, seq } = message;
    const taking = this.#takingOf(from, message, loading);
    if (taking === undefined) {
      if (seq === 0 || this.#taking.has(shard)) return;
      return this.#effects.send(from, { t: 'failed', shard, epoch, session });
    }
    if (seq !== taking.next) return this.#fail(taking);
    taking.next += 1;
    this.#watchOver(taking);
    taking.queue = taking.queue.then(async () => {
      if (this.#taking.get(shard) !== taking) return;
      try {
        if (message.t === 'chunk') await taking.install.add(message.bytes);
        else await this.#finish(taking, loading, message.at);
        this.#effects.send(from, { t: 'taken', shard, epoch, session, seq: seq + 1 });
      } catch {
        this.#fail(taking);
      }
    });
  }

  async #finish(taking: Taking, loading: Loading | undefined, at: Position): Promise<void> {
    await taking.install.finish(at);
    this.#clock.clear(taking.timer);
    this.#taking.delete(taking.shard);
    this.stats.taken += 1;
    const { epoch, session } = loading ?? taking;
    this.#effects.event(taking.shard, { t: 'installed', epoch, session, at });
  }

  #takingOf(
    from: Member,
    { shard, epoch, session, seq }: Copy & { seq: number },
    loading: Loading | undefined,
  ): Taking | undefined {
    const known = this.#taking.get(shard);
    if (known !== undefined && known.session === session && sameMember(known.from, from)) return known;
    if (seq !== 0 || loading === undefined || loading.session !== session || !sameMember(loading.from, from)) return;
    if (known !== undefined) this.#stopTaking(known);
    try {
      const install = this.#store.install(shard);
      const taking: Taking = {
        shard,
        epoch,
        session,
        from,
        install,
        next: 0,
        queue: Promise.resolve(),
        timer: undefined,
      };
      this.#taking.set(shard, taking);
      return taking;
    } catch {
      // Too many at a time: the leader is told, and offers again later.
      this.#effects.send(from, { t: 'failed', shard, epoch, session });
      return undefined;
    }
  }

  #watchOver(taking: Taking): void {
    this.#clock.clear(taking.timer);
    taking.timer = this.#clock.setTimer(2 * this.#options.timeoutMs, () => this.#fail(taking));
  }

  #fail(taking: Taking): void {
    if (this.#taking.get(taking.shard) !== taking) return;
    this.stats.failed += 1;
    this.#stopTaking(taking);
    const { shard, epoch, session, from } = taking;
    this.#effects.send(from, { t: 'failed', shard, epoch, session });
  }

  #stopTaking(taking: Taking): void {
    this.#clock.clear(taking.timer);
    this.#taking.delete(taking.shard);
    taking.install.abort();
  }
}
