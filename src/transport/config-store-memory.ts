import { decodeConfig, encodeConfig } from './config-codec.ts';
import {
  type CasResult,
  type ConfigChange,
  type ConfigEntry,
  type ConfigStore,
  ConfigStoreUnavailableError,
  ConfigStoreUnknownError,
  type ConfigWatch,
  checkKey,
  checkPrefix,
  checkRevision,
} from './config-store.ts';

/** What goes wrong between one client and the store; change the fields as the test goes. */
export interface MemoryFaults {
  /** Calls throw, watches stand still; when it ends they go on with what is newest. */
  unavailable: boolean;
  /**
   * Asked at every write: `request` loses it on its way, `reply` only the answer to it. The caller cannot tell which.
   */
  lose?: (key: string) => 'request' | 'reply' | undefined;
}

export interface MemoryConfigStore extends ConfigStore {
  readonly faults: MemoryFaults;
  /** After a change of `faults.unavailable`: watches look what they missed. */
  wake(): void;
}

/** The store itself, in memory; every node of a test connects to it as a client of its own. */
export interface MemoryConfigHub {
  connect(): MemoryConfigStore;
  /** current revision of the whole store */
  readonly revision: number;
}

interface Held {
  readonly key: string;
  /** packed, so that no one changes what another reads; undefined when deleted */
  readonly bytes: Uint8Array | undefined;
  readonly revision: number;
}

export function memoryConfigHub(): MemoryConfigHub {
  const entries = new Map<string, Held>();
  const clients = new Set<MemoryClient>();
  const hub = {
    revision: 0,
    entries,
    write(key: string, bytes: Uint8Array | undefined, expectedRevision: number): CasResult {
      const held = entries.get(key);
      const current = held?.bytes === undefined ? 0 : held.revision;
      if (current !== expectedRevision)
        return held?.bytes === undefined
          ? { ok: false }
          : { ok: false, current: { value: decodeConfig(held.bytes), revision: held.revision } };
      hub.revision++;
      // In the order of revisions: a changed key moves to the end.
      entries.delete(key);
      entries.set(key, { key, bytes, revision: hub.revision });
      for (const client of clients) client.wake();
      return { ok: true, revision: hub.revision };
    },
    connect(): MemoryConfigStore {
      const client = new MemoryClient(hub, () => clients.delete(client));
      clients.add(client);
      return client;
    },
  };
  return hub;
}

interface Hub {
  readonly entries: ReadonlyMap<string, Held>;
  write(key: string, bytes: Uint8Array | undefined, expectedRevision: number): CasResult;
}

interface Watcher {
  readonly prefix: string;
  readonly handler: (change: ConfigChange) => void;
  /** undefined until what was there has been handed over */
  seen: number | undefined;
}

class MemoryClient implements MemoryConfigStore {
  readonly faults: MemoryFaults = { unavailable: false };
  readonly #hub: Hub;
  readonly #left: () => void;
  readonly #watchers = new Set<Watcher>();
  #closed = false;

  constructor(hub: Hub, left: () => void) {
    this.#hub = hub;
    this.#left = left;
  }

  async get(key: string): Promise<ConfigEntry | undefined> {
    checkKey(key);
    this.#reach();
    const held = this.#hub.entries.get(key);
    return held?.bytes === undefined ? undefined : { key, value: decodeConfig(held.bytes), revision: held.revision };
  }

  async cas(key: string, value: unknown, expectedRevision: number): Promise<CasResult> {
    checkKey(key);
    checkRevision(expectedRevision, 0);
    return this.#write(key, encodeConfig(value), expectedRevision);
  }

  async delete(key: string, expectedRevision: number): Promise<CasResult> {
    checkKey(key);
    checkRevision(expectedRevision, 1);
    return this.#write(key, undefined, expectedRevision);
  }

  async watch(prefix: string, handler: (change: ConfigChange) => void): Promise<ConfigWatch> {
    checkPrefix(prefix);
    this.#reach();
    const watcher: Watcher = { prefix, handler, seen: undefined };
    this.#watchers.add(watcher);
    this.#catchUp(watcher);
    return { stop: () => void this.#watchers.delete(watcher) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watchers.clear();
    this.#left();
  }

  wake(): void {
    // Later, as over a network: the writer knows before the watchers do.
    queueMicrotask(() => {
      for (const watcher of this.#watchers) this.#catchUp(watcher);
    });
  }

  #write(key: string, bytes: Uint8Array | undefined, expectedRevision: number): CasResult {
    this.#reach();
    const lost = this.faults.lose?.(key);
    const result = lost === 'request' ? undefined : this.#hub.write(key, bytes, expectedRevision);
    if (result === undefined || lost !== undefined) throw new ConfigStoreUnknownError(`no answer about ${key}`);
    return result;
  }

  #reach(): void {
    if (this.#closed) throw new ConfigStoreUnavailableError('the configuration store is closed');
    if (this.faults.unavailable) throw new ConfigStoreUnavailableError('the configuration store is not reachable');
  }

  #catchUp(watcher: Watcher): void {
    const isFirst = watcher.seen === undefined;
    watcher.seen ??= 0;
    for (const { key, bytes, revision } of [...this.#hub.entries.values()]) {
      if (this.faults.unavailable || !this.#watchers.has(watcher)) return;
      if (revision <= watcher.seen || !key.startsWith(watcher.prefix)) continue;
      watcher.seen = revision;
      if (isFirst && bytes === undefined) continue;
      watcher.handler(
        bytes === undefined ? { t: 'delete', key, revision } : { t: 'put', key, value: decodeConfig(bytes), revision },
      );
    }
  }
}
