import type { ChatEntity } from './chat.ts';
import type { Entity } from './entity.ts';
import type { ChatMessage, SessionMessage } from './messages.ts';
import type { SessionEntity } from './session.ts';
import type { SessionBlob } from './session-handover.ts';

/**
 * Active entities of this node: activates one when it is first spoken to, puts idle ones to sleep, drops those of a
 * shard that is led elsewhere.
 *
 * Bound: `entitiesMax` active entities; above it the sweep passivates the longest idle ones whatever their age. An
 * entity with streams or unsettled turns stays.
 */
export interface EntitiesOptions {
  readonly idleMs: number;
  readonly entitiesMax: number;
  readonly sweepMs: number;
  /** shards come and go: their entities are found without a walk over all */
  readonly movable: boolean;
  spawnSession(user: string, shard: number): SessionEntity;
  spawnChat(id: string, shard: number): ChatEntity;
}

export interface TakenOut {
  readonly blob: SessionBlob;
  readonly left: readonly SessionMessage[];
}

export interface Leftovers {
  readonly sessions: { readonly user: string; readonly message: SessionMessage }[];
  readonly chats: { readonly id: string; readonly message: ChatMessage }[];
}

export class Entities {
  readonly sessions = new Map<string, SessionEntity>();
  readonly chats = new Map<string, ChatEntity>();
  readonly #options: EntitiesOptions;
  /** shards that are about to move */
  readonly #paused = new Set<number>();
  readonly #sessionsOf: ByShard | undefined;
  readonly #chatsOf: ByShard | undefined;

  constructor(options: EntitiesOptions) {
    this.#options = options;
    this.#sessionsOf = options.movable ? new ByShard() : undefined;
    this.#chatsOf = options.movable ? new ByShard() : undefined;
  }

  session(user: string, shard: number): SessionEntity {
    let entity = this.sessions.get(user);
    if (entity === undefined) {
      entity = this.#options.spawnSession(user, shard);
      if (this.#paused.has(shard)) entity.pause();
      this.sessions.set(user, entity);
      this.#sessionsOf?.add(shard, user);
    }
    return entity;
  }

  chat(id: string, shard: number): ChatEntity {
    let entity = this.chats.get(id);
    if (entity === undefined) {
      entity = this.#options.spawnChat(id, shard);
      if (this.#paused.has(shard)) entity.pause();
      this.chats.set(id, entity);
      this.#chatsOf?.add(shard, id);
    }
    return entity;
  }

  get streams(): number {
    let streams = 0;
    for (const entity of this.sessions.values()) streams += entity.streams;
    return streams;
  }

  /** some shard is paused */
  get pausing(): boolean {
    return this.#paused.size > 0;
  }

  isPaused(shard: number): boolean {
    return this.#paused.has(shard);
  }

  /** Entities of the shard hold back what comes: it is about to move. */
  pause(shard: number): void {
    this.#paused.add(shard);
    for (const entity of this.#of(shard)) entity.pause();
  }

  /** It stays. @returns false when it was not paused */
  resume(shard: number): boolean {
    if (!this.#paused.delete(shard)) return false;
    for (const entity of this.#of(shard)) entity.resume();
    return true;
  }

  /** The shard may be read again. */
  release(shard: number): void {
    for (const entity of this.#of(shard)) entity.release();
  }

  /** Users with an active session on the shard. */
  usersOf(shard: number): readonly string[] {
    return this.#sessionsOf?.of(shard) ?? [];
  }

  *#of(shard: number): Generator<SessionEntity | ChatEntity> {
    for (const user of this.usersOf(shard)) yield this.sessions.get(user) as SessionEntity;
    for (const id of this.#chatsOf?.of(shard) ?? []) yield this.chats.get(id) as ChatEntity;
  }

  /** Takes the sessions of a paused shard out that can move as they are. */
  takeOut(shard: number, placeOf: Parameters<SessionEntity['handOver']>[0]): TakenOut[] {
    const taken: TakenOut[] = [];
    if (!this.#paused.has(shard)) return taken;
    for (const user of this.usersOf(shard)) {
      const out = this.sessions.get(user)?.handOver(placeOf);
      if (out === undefined) continue;
      this.#forgetSession(user, shard);
      taken.push(out);
    }
    return taken;
  }

  /** Forgets all entities of a shard. @returns what had come for them and was not handled */
  drop(shard: number, why: string): Leftovers {
    const left: Leftovers = { sessions: [], chats: [] };
    for (const user of this.usersOf(shard)) {
      const entity = this.sessions.get(user);
      this.#forgetSession(user, shard);
      for (const message of entity?.discard(why) ?? []) left.sessions.push({ user, message });
    }
    for (const id of this.#chatsOf?.of(shard) ?? []) {
      const entity = this.chats.get(id);
      this.#forgetChat(id, shard);
      for (const message of entity?.discard(why) ?? []) left.chats.push({ id, message });
    }
    this.#paused.delete(shard);
    return left;
  }

  #forgetSession(user: string, shard: number): void {
    this.sessions.delete(user);
    this.#sessionsOf?.delete(shard, user);
  }

  #forgetChat(id: string, shard: number): void {
    this.chats.delete(id);
    this.#chatsOf?.delete(shard, id);
  }

  sweep(now: number): void {
    const { entitiesMax, sweepMs } = this.#options;
    const excess = this.sessions.size + this.chats.size > entitiesMax;
    const idleMs = excess ? sweepMs : this.#options.idleMs;
    let resting = 0;
    // Not by entries, which would be 10,000 small arrays a second on a node with as many idle sessions.
    this.sessions.forEach((entity, user) => {
      if (entity.restless) entity.tell({ t: 'sweep', now });
      else if (entity.streams > 0) resting += rests(entity, now, resting);
      else if (entity.unwritten && now - entity.lastActive >= idleMs) entity.tell({ t: 'flush' });
      else if (fallsAsleep(entity, now, idleMs)) this.#forgetSession(user, entity.shard);
    });
    this.chats.forEach((entity, id) => {
      if (entity.waiting) entity.tell({ t: 'sweep', now } satisfies ChatMessage);
      else if (fallsAsleep(entity, now, idleMs)) this.#forgetChat(id, entity.shard);
      else resting += rests(entity, now, resting);
    });
  }

  /** Lazily kept rows go to the log before the node stops. */
  flush(): void {
    for (const entity of this.sessions.values()) if (entity.unwritten) entity.tell({ t: 'flush' });
  }
}

/** Names by shard; no shard without any. */
class ByShard {
  readonly #names = new Map<number, Set<string>>();

  add(shard: number, name: string): void {
    const names = this.#names.get(shard);
    if (names === undefined) this.#names.set(shard, new Set([name]));
    else names.add(name);
  }

  delete(shard: number, name: string): void {
    const names = this.#names.get(shard);
    if (names?.delete(name) === true && names.size === 0) this.#names.delete(shard);
  }

  of(shard: number): readonly string[] {
    const names = this.#names.get(shard);
    return names === undefined ? [] : [...names];
  }
}

/** An entity that has done nothing for this long rests: what it lets go of is built again within some microseconds. */
const REST_MS = 5_000;
/** Entities that are laid to rest in one sweep, some microseconds each; the others follow with the next ones. */
const RESTS_MAX = 1_000;

/** @returns 1 when it rests from now on, else 0 */
function rests(entity: Sleeper & Pick<Entity<never>, 'resting' | 'rest'>, now: number, already: number): number {
  if (entity.resting || already >= RESTS_MAX || !isIdle(entity, now, REST_MS)) return 0;
  entity.rest();
  return 1;
}

type Sleeper = Pick<Entity<never>, 'pending' | 'depth' | 'lastActive' | 'stop'>;

function isIdle({ pending, depth, lastActive }: Sleeper, now: number, idleMs: number): boolean {
  return pending === 0 && depth === 0 && now - lastActive >= idleMs;
}

function fallsAsleep(entity: Sleeper, now: number, idleMs: number): boolean {
  if (!isIdle(entity, now, idleMs)) return false;
  entity.stop();
  return true;
}
